"""deploy/compose.yaml's services on PostgreSQL and S3: refresh, backfill, kill -9 of each, old runs.

One story serves all tests: everything is started once, each service is killed while a run is active, and at the end the lake is
compared with one that nothing disturbed.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import httpx
import pytest

from timix_assets.automation.month_ranges import months_before
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.partitions import range_tags
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import DagsterDev, tags_of
from timix_assets_tests.lake.s3 import store
from timix_assets_tests.processes import listening, tree

from . import database
from .compose import DATABASE, SERVICES, Deployment, free_port, mapped

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800), pytest.mark.usefixtures("production")]

SECONDS = 400
"""How long one step may take on a busy machine."""

OLD_DAYS = 100


@dataclass
class Story:
    """What was seen on the way.

    interrupted: how the refresh ended whose process was killed with the code server.
    restarts: how often each service was started.
    """

    deployment: Deployment
    database: database.Database
    months: list[str]
    backfill: Any
    ticks: dict[str, list[Any]]
    ports: set[int]
    interrupted: str
    retried: list[str]
    restarts: dict[str, int]
    lake: dict[str, list[str]]
    undisturbed: dict[str, list[str]]
    printed: int
    old: set[str]
    left: set[str]


@pytest.fixture(scope="module")
def story(production: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    today = date.today()
    months = [months_before(today, ago) for ago in (2, 1, 0)]
    folder = tmp_path_factory.mktemp("deployment")
    port = free_port()
    kind, *probe = SERVICES[DATABASE]["healthcheck"]["test"]
    assert kind == "CMD"
    with (
        Sandbox(Firm.generate(people=6, months=3, seed=7, today=today)) as sandbox,
        store() as (aws, asked),
        database.running(
            SERVICES[DATABASE]["environment"]["POSTGRES_DB"],
            port,
            [mapped(word, {"5432": str(port)}) for word in probe],
        ) as postgres,
    ):
        settings = {
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_START_MONTH": f"{months[0]:%Y-%m}",
            "TIMIX_TIMEZONE": "UTC",
            # It looks once: what changes later is left to the refreshes.
            "TIMIX_CHANGES_SECONDS": "86400",
            "TIMIX_LAKE": f"s3://lakes/{secrets.token_hex(4)}",
            "DAGSTER_COMPUTE_LOGS_BUCKET": "lakes",
            **{name: value for name, value in aws.items() if "KEY" not in name},
        }
        deployment = Deployment(
            folder,
            settings,
            postgres,
            {
                "postgres_password": postgres.password,
                "aws_access_key_id": aws["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": aws["AWS_SECRET_ACCESS_KEY"],
                "timix_api_key": sandbox.key,
                "timix_webhook_secrets": f"whsec_{secrets.token_hex(24)}",
            },
        )
        undisturbed = DagsterDev(
            tmp_path_factory.mktemp("undisturbed"),
            {name: settings[name] for name in ("TIMIX_BASE_URL", "TIMIX_START_MONTH", "TIMIX_TIMEZONE")}
            | {"TIMIX_API_KEY": sandbox.key},
        )
        try:
            deployment.start()
            yield _told(deployment, postgres, sandbox, months, undisturbed, asked)
        finally:
            deployment.stop()


def _told(
    deployment: Deployment,
    postgres: database.Database,
    sandbox: Sandbox,
    months: list[date],
    undisturbed: DagsterDev,
    asked: list[tuple[str, str]],
) -> Story:
    ports = listening(set().union(*(tree(each.process.pid) for each in deployment.containers.values() if each.process)))
    tags = range_tags(Months(months[0], months[-1]))

    def kill_at_work(name: str, run_id: str) -> None:
        """Kills a service while the run is between its first and its last step; returns when all is well again."""
        deployment.wait_for("a step to start", lambda: deployment.run(run_id)["stepStats"], SECONDS)
        deployment.kill_one(name)
        deployment.wait_until_healthy(name)
        deployment.wait_for("the code location to load", deployment.is_loaded, SECONDS)

    first = deployment.launch("refresh_everything", tags)
    kill_at_work("webserver", first)
    keys = [month.isoformat() for month in months]
    backfill = deployment.backfill_job("refresh_everything", keys)
    repository = deployment.repository()
    for sensor in repository["sensors"]:
        if sensor["sensorState"]["status"] != "RUNNING":
            deployment.start_sensor(sensor["name"])
    for schedule in repository["schedules"]:
        deployment.start_schedule(schedule["name"])
    ticks = {
        name: deployment.wait_for(f"a tick of {name}", partial(ended_ticks, deployment, name), SECONDS)
        for name in (sensor["name"] for sensor in repository["sensors"])
    }
    # It would compute rollups again after each refresh, for minutes in all.
    deployment.stop_sensor("default_automation_condition_sensor")
    assert ended(deployment, first) == "SUCCESS"
    # So that every rollup has something to compute.
    change(sandbox)
    [of_backfill] = deployment.wait_for(
        "the backfill's run", lambda: deployment.runs(tags=[{"key": "dagster/backfill", "value": backfill}]), SECONDS
    )
    kill_at_work("daemon", of_backfill["id"])
    backfilled = deployment.wait_for_backfill(backfill, SECONDS)
    change(sandbox)
    last = deployment.launch("refresh_everything", tags)
    kill_at_work("code", last)
    interrupted = ended(deployment, last)
    # Until the sensor and the daemon have seen it.
    deployment.wait_for("a second try of the killed run", lambda: second_tries(deployment), SECONDS)
    deployment.wait_for("all runs to end", lambda: not deployment.unfinished(), SECONDS)
    retried = [run["status"] for run in second_tries(deployment)]
    undisturbed.refresh()
    printed = len({path for method, path in asked if method == "PUT" and path.startswith("/lakes/dagster/")})

    old = {run["id"] for run in deployment.runs()}
    postgres.execute(
        f"update runs set create_timestamp = create_timestamp - interval '{OLD_DAYS} days', "
        f"update_timestamp = update_timestamp - interval '{OLD_DAYS} days', "
        f"start_time = start_time - {OLD_DAYS} * 86400, end_time = end_time - {OLD_DAYS} * 86400"
    )
    assert ended(deployment, deployment.launch("compact_lake", {})) == "SUCCESS"
    return Story(
        deployment=deployment,
        database=postgres,
        months=keys,
        backfill=backfilled,
        ticks=ticks,
        ports=ports,
        interrupted=interrupted,
        retried=retried,
        restarts={name: each.starts for name, each in deployment.containers.items()},
        lake=rows(deployment.lake),
        undisturbed=rows(undisturbed.lake),
        printed=printed,
        old=old,
        left={run["id"] for run in deployment.runs()} & old,
    )


def ended(deployment: Deployment, run_id: str) -> str:
    """How the run ended, when it has."""

    def look() -> str | None:
        [run] = [run for run in deployment.runs() if run["id"] == run_id]
        return run["status"] if run["endTime"] else None

    return deployment.wait_for(f"the run {run_id}", look, SECONDS)


def change(sandbox: Sandbox) -> None:
    sandbox.workspace.discard("time_reports", [sandbox.workspace.rows("time_reports")[-1]["id"]])


def ended_ticks(deployment: Deployment, sensor: str) -> list[Any]:
    return [tick for tick in deployment.ticks(sensor) if tick["status"] != "STARTED"]


def second_tries(deployment: Deployment) -> list[Any]:
    return [run for run in deployment.runs() if "dagster/parent_run_id" in tags_of(run)]


def rows(lake: Lake) -> dict[str, list[str]]:
    """The rows of each table as text, in order."""
    names = [name for name in lake.names() if name.partition("/")[0] in {"timix", "rollups"}]
    return {name: sorted(map(repr, _frame(lake, name).iter_rows())) for name in names}


def _frame(lake: Lake, name: str) -> Any:
    frame = lake.scan(name).collect()
    return frame.select(sorted(frame.columns))


def test_backfill_whose_daemon_was_killed_ends_green_in_one_run(story: Story) -> None:
    assert story.backfill["status"] == "COMPLETED_SUCCESS"
    [run] = story.backfill["runs"]
    assert tags_of(run)["dagster/asset_partition_range_start"] == story.months[0]
    assert tags_of(run)["dagster/asset_partition_range_end"] == story.months[-1]


def test_every_sensor_ticks_and_none_fails(story: Story) -> None:
    assert story.ticks
    for name, ticks in story.ticks.items():
        assert {tick["status"] for tick in ticks} <= {"SUCCESS", "SKIPPED"}, name


def test_every_service_listens_where_compose_publishes_it(story: Story) -> None:
    assert set(story.deployment.ports.values()) <= story.ports


def test_a_run_that_died_with_the_code_server_is_retried(story: Story) -> None:
    assert story.interrupted == "FAILURE"
    assert story.retried == ["SUCCESS"]


def test_the_webserver_is_behind_the_request_gate(story: Story) -> None:
    url = f"http://127.0.0.1:{story.deployment.port}/graphql"
    query = {"query": "{ version }"}
    assert httpx.post(url, json=query).status_code == 200
    assert httpx.post(url, json=query, headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert httpx.get(url, params=query).status_code == 403


def test_each_service_was_restarted_once(story: Story) -> None:
    assert story.restarts == {"code": 2, "webserver": 2, "daemon": 2, "webhooks": 1}


def test_tables_equal_those_of_a_lake_that_nothing_disturbed(story: Story) -> None:
    assert "rollups/budget_health" in story.lake
    assert story.lake == story.undisturbed


def test_what_runs_print_is_in_the_store(story: Story) -> None:
    assert story.printed


def test_run_history_deletes_old_runs_from_postgresql(story: Story) -> None:
    # Kept are those that hold a latest state.
    deleted = story.old - story.left
    assert deleted
    assert story.left
    events = story.database.execute("select distinct run_id from event_logs")
    assert not deleted & set(events.split())


def test_no_secret_is_in_the_database_or_a_log(story: Story) -> None:
    log = story.deployment.log.read_text()
    written = story.database.execute(
        "select run_body from runs union all select event from event_logs union all select job_body from jobs"
    )
    for name in ("postgres_password", "timix_api_key", "aws_secret_access_key", "timix_webhook_secrets"):
        secret = (story.deployment.folder / "secrets" / name).read_text().strip()
        assert secret not in log
        assert secret not in written
