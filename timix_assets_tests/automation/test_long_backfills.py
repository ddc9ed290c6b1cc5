"""A backfill of a year, the rollups that follow it, and a plan's limit that bites, on a real `dagster dev`.

One story for all tests, for the daemon looks for backfills and for rollups every 30 s: the running month is there, a year is
filled in and the rollups follow; then two backfills and a schedule want more requests than the smallest plan has in a minute.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import pytest

from timix_assets.automation.month_ranges import months_before
from timix_assets.metrics import ROLLUPS
from timix_assets.partitions import RANGE_END, RANGE_START
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.middleware import RequestLogEntry
from timix_assets.sandbox.server import Sandbox
from timix_assets.vendor import REQUESTS_PER_MINUTE

from .dagster_dev import DagsterDev, assets_of, tags_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PLAN = "Starter"
LIMIT = REQUESTS_PER_MINUTE[PLAN]
MONTHS = 18
YEAR = 12
REPORTS = ("timix/revenue_report", "timix/customer_billing_report")


@dataclass
class Story:
    """What was seen on the way. months: the partitions of the firm, of which `year` filled in the first twelve.

    follows: the name of Dagster's own sensor. entries, reckoned: the lake once the rollups had followed the year.
    """

    dev: DagsterDev
    sandbox: Sandbox
    months: list[str]
    follows: str
    year: Any
    entries: pl.DataFrame
    reckoned: set[date]
    of_job: Any
    of_reports: Any

    @property
    def of_schedule(self) -> list[Any]:
        return self.dev.runs(pipelineName="refresh_recent")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    today = date.today()
    months = [months_before(today, ago).isoformat() for ago in reversed(range(MONTHS))]
    with Sandbox(Firm.generate(people=6, months=MONTHS, seed=7, today=today), plan=PLAN) as sandbox:
        settings = {
            "TIMIX_API_KEY": sandbox.key,
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_START_MONTH": months[0][:7],
            "TIMIX_CRON_RECENT": "* * * * *",
        }
        dev = DagsterDev(tmp_path_factory.mktemp("project"), settings)
        dev.refresh("--from", months[-1][:7])
        try:
            dev.start()
            yield observe(dev, sandbox, months)
        finally:
            dev.kill()


def observe(dev: DagsterDev, sandbox: Sandbox, months: list[str]) -> Story:
    [follows] = [each["name"] for each in dev.repository()["sensors"] if each["sensorType"] == "AUTO_MATERIALIZE"]
    dev.start_sensor(follows)
    dev.wait_for("a first look at the rollups", lambda: [t for t in dev.ticks(follows) if t["status"] == "SKIPPED"])
    year = dev.backfill_assets(["timix/time_reports"], months[:YEAR])
    dev.wait_for("the rollups to follow", lambda: _by_sensor(dev, follows) and not dev.unfinished())
    entries = dev.lake.scan("timix/time_reports").collect()
    reckoned = set(dev.lake.scan("rollups/utilization_monthly").collect()["month"])

    # Together the backfills take longer than a minute, so that a tick comes while they are under way.
    dev.start_schedule("recent_hourly")
    backfills = dev.backfill_job("refresh_everything", months), dev.backfill_assets(REPORTS, months)
    of_job, of_reports = [dev.wait_for_backfill(backfill) for backfill in backfills]
    dev.stop_schedule("recent_hourly")
    dev.wait_for("all runs to end", lambda: not dev.unfinished())
    return Story(dev, sandbox, months, follows, dev.wait_for_backfill(year), entries, reckoned, of_job, of_reports)


def _by_sensor(dev: DagsterDev, name: str) -> list[Any]:
    return dev.runs(tags=[{"key": "dagster/sensor_name", "value": name}])


def test_a_backfill_of_twelve_months_is_one_run(story: Story) -> None:
    assert story.year["status"] == "COMPLETED_SUCCESS"
    [run] = story.year["runs"]
    assert assets_of(run) == {"timix/time_reports"}
    assert (tags_of(run)[RANGE_START], tags_of(run)[RANGE_END]) == (story.months[0], story.months[YEAR - 1])


def test_backfill_reads_exactly_the_entries_of_its_months(story: Story) -> None:
    filled = {*story.months[:YEAR], story.months[-1]}
    due = {
        row["id"]: (row["date"], row["hours"], row["status"])
        for row in story.sandbox.workspace.rows("time_reports")
        if row["date"].replace(day=1).isoformat() in filled
    }
    held = {row["id"]: (row["date"], row["hours"], row["status"]) for row in story.entries.iter_rows(named=True)}
    assert held == due
    assert story.entries.height == len(due)


def test_rollups_follow_once_in_one_run(story: Story) -> None:
    # The sensor stays on while the job and the schedule refresh the same tables, and rollups with them.
    [run] = _by_sensor(story.dev, story.follows)
    assert run["status"] == "SUCCESS"
    # Receivables follow invoices alone.
    follow = {f"rollups/{table.name}" for table in ROLLUPS} - {"rollups/receivables_aging"}
    assert assets_of(run) == follow | {"reports/weekly_digest"}
    assert {date.fromisoformat(month) for month in story.months[:YEAR]} <= story.reckoned
    later = [tick for tick in story.dev.ticks(story.follows) if tick["status"] == "SKIPPED"]
    assert len(later) > 2


def test_two_backfills_and_a_schedule_at_once_all_end_well(story: Story) -> None:
    assert (story.of_job["status"], story.of_reports["status"]) == ("COMPLETED_SUCCESS", "COMPLETED_SUCCESS")
    assert {run["status"] for run in story.dev.runs()} == {"SUCCESS"}
    [everything] = story.of_job["runs"]
    # Assets of the same months that do not hang on each other share a run.
    [reports] = story.of_reports["runs"]
    assert assets_of(reports) == set(REPORTS)
    for run in (everything, reports):
        assert (tags_of(run)[RANGE_START], tags_of(run)[RANGE_END]) == (story.months[0], story.months[-1])
    rows = story.dev.lake.scan("timix/time_reports").collect()
    assert rows["id"].n_unique() == rows.height == len(story.sandbox.workspace.rows("time_reports"))


def test_schedule_ticks_during_backfills(story: Story) -> None:
    backfilled = [story.dev.run(run["id"]) for run in (*story.of_job["runs"], *story.of_reports["runs"])]
    begin, end = min(run["startTime"] for run in backfilled), max(run["endTime"] for run in backfilled)
    assert [run for run in story.of_schedule if run["startTime"] < end and begin < run["endTime"]]
    for run in story.of_schedule:
        assert tags_of(run)["timix/started_by"] == "recent_hourly"


def test_parallel_runs_stay_within_the_rate_limit(story: Story) -> None:
    assert busiest_minute(story.sandbox.requests) == LIMIT
    assert 429 not in {seen.status for seen in story.sandbox.requests}


def busiest_minute(requests: Sequence[RequestLogEntry]) -> int:
    """The most requests in any 60 seconds, by the sandbox's clock."""
    arrivals = sorted(seen.time for seen in requests)
    return max(bisect_left(arrivals, begin + 60) - number for number, begin in enumerate(arrivals))
