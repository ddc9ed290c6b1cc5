"""Backfills, the change sensor and a power cut, on a real `dagster dev` that is driven as the UI drives it.

The daemon looks for backfills every 30 s, so one story serves all tests: two backfills are launched together, everything is
killed while they run, everything is started again, and then the sandbox changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from timix_assets.automation.month_ranges import months_before
from timix_assets.runs.tags import PROCESS
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox

from .dagster_dev import DagsterDev, assets_of, tags_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SELECTED = ("timix/time_reports", "timix/customers")


@dataclass
class Story:
    """What was seen on the way. months: the partitions of the firm."""

    dev: DagsterDev
    sandbox: Sandbox
    months: list[str]
    repository: Any
    in_flight: set[str]
    of_job: Any
    of_assets: Any
    changed: list[Any]
    sensor_ticks: list[Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    today = date.today()
    months = [months_before(today, ago).isoformat() for ago in (2, 1, 0)]
    with Sandbox(Firm.generate(people=6, months=3, seed=7, today=today)) as sandbox:
        settings = {
            "TIMIX_API_KEY": sandbox.key,
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_START_MONTH": months[0][:7],
            "TIMIX_CHANGES_SECONDS": "1",
        }
        dev = DagsterDev(tmp_path_factory.mktemp("project"), settings)
        dev.refresh()
        _rewrite_history(sandbox, months)
        try:
            dev.start()
            yield observe(dev, sandbox, months)
        finally:
            dev.kill()


def _rewrite_history(sandbox: Sandbox, months: list[str]) -> None:
    """In every month that has entries one goes and one comes, so that the lake is right only once it was backfilled."""
    for month in months:
        entries = [row for row in sandbox.workspace.rows("time_reports") if f"{row['date']:%Y-%m-01}" == month]
        sandbox.workspace.insert_first("time_reports", entries[-1:])
        sandbox.workspace.discard("time_reports", [entry["id"] for entry in entries[:1]])


def observe(dev: DagsterDev, sandbox: Sandbox, months: list[str]) -> Story:
    repository = dev.repository()
    # Until everything is killed, however slow the machine is: a request is given up and repeated after a minute.
    paths = ("/time-reports", "/customers")
    for path in paths:
        sandbox.faults.add(Fault("silence", path=path, seconds=60))
    of_job = dev.backfill_job("refresh_everything", months)
    of_assets = dev.backfill_assets(SELECTED, months)
    asked = len(sandbox.requests)
    dev.wait_for("a run to read", lambda: any(seen.path.endswith(paths) for seen in sandbox.requests[asked:]))
    # That of the job, and two of the selected assets: the first of them reads, and the others wait for the lake.
    dev.wait_for("three runs", lambda: sum(PROCESS in tags_of(run) for run in dev.runs(statuses=["STARTED"])) == 3)
    in_flight = {run["id"] for run in dev.runs(statuses=["STARTED"])}
    dev.kill()
    sandbox.faults.clear()
    dev.start()
    dev.start_sensor("timix_changes")
    dev.wait_for("the first look", lambda: [tick for tick in dev.ticks("timix_changes") if tick["status"] == "SKIPPED"])
    sandbox.workspace.create("customers", {"name": "Newcomer"})
    changed = dev.wait_for("the change", lambda: dev.runs(pipelineName="refresh_changed", statuses=["SUCCESS"]))
    ended = [dev.wait_for_backfill(backfill) for backfill in (of_job, of_assets)]
    return Story(dev, sandbox, months, repository, in_flight, *ended, changed, dev.ticks("timix_changes"))


def test_automation_is_listed_and_requesting_sensors_are_off(story: Story) -> None:
    jobs = {job["name"] for job in story.repository["jobs"]}
    assert jobs >= {"refresh_everything", "refresh_recent", "close_month", "refresh_changed", "compact_lake"}
    schedules = {each["name"]: each["scheduleState"]["status"] for each in story.repository["schedules"]}
    assert schedules == dict.fromkeys(
        ["close_month_monthly", "compact_weekly", "deep_sweep_weekly", "everything_nightly", "recent_hourly"], "STOPPED"
    )
    sensors = {each["name"]: each["sensorState"]["status"] for each in story.repository["sensors"]}
    assert (sensors["timix_changes"], sensors["orphaned_runs"]) == ("STOPPED", "RUNNING")


def test_killed_job_backfill_is_one_run_and_one_retry(story: Story) -> None:
    # Dagster counts the killed run although its second try did everything: docs/operations.md says so.
    assert story.of_job["status"] == "COMPLETED_FAILED"
    killed, again = sorted(story.of_job["runs"], key=lambda run: run["status"])
    assert (killed["status"], again["status"]) == ("FAILURE", "SUCCESS")
    for run in (killed, again):
        assert tags_of(run)["dagster/asset_partition_range_start"] == story.months[0]
        assert tags_of(run)["dagster/asset_partition_range_end"] == story.months[-1]


def test_asset_backfill_is_one_run_per_partitioning(story: Story) -> None:
    assert story.of_assets["status"] == "COMPLETED_SUCCESS"
    done = [run for run in story.of_assets["runs"] if run["status"] == "SUCCESS"]
    [read] = [run for run in done if "timix/time_reports" in assets_of(run)]
    assert tags_of(read)["dagster/asset_partition_range_start"] == story.months[0]
    assert tags_of(read)["dagster/asset_partition_range_end"] == story.months[-1]
    assert set().union(*map(assets_of, done)) == set(SELECTED)
    assert len(done) == len(SELECTED)


def test_killed_runs_end_and_are_retried_once(story: Story) -> None:
    assert story.in_flight
    statuses = {run["id"]: run["status"] for run in story.dev.runs()}
    assert {statuses[run_id] for run_id in story.in_flight} == {"FAILURE"}
    again = {tags_of(run).get("dagster/parent_run_id") for run in story.dev.runs(statuses=["SUCCESS"])}
    assert story.in_flight <= again
    assert not story.dev.runs(statuses=["STARTED", "QUEUED", "STARTING"])


def test_after_all_of_this_every_row_is_there_once(story: Story) -> None:
    # Of the rows that the lake was filled with before the backfills, some are gone since, and others have come.
    ids = story.dev.lake.scan("timix/time_reports").collect()["id"].to_list()
    assert sorted(ids) == sorted(entry["id"] for entry in story.sandbox.workspace.rows("time_reports"))


def test_the_sensor_refreshes_what_changed_and_nothing_else(story: Story) -> None:
    [run] = story.changed
    raw = {asset for asset in assets_of(run) if asset.startswith("timix/")}
    assert raw == {"timix/customers"}
    assert "Newcomer" in story.dev.lake.scan("timix/customers").collect()["name"].to_list()
    assert [tick["status"] for tick in story.sensor_ticks if tick["runIds"]] == ["SUCCESS"]


def test_no_request_was_rate_limited(story: Story) -> None:
    assert 429 not in {seen.status for seen in story.sandbox.requests}
