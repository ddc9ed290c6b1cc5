"""deploy/compose.yaml's services on PostgreSQL and S3: refresh, backfill, kill -9 of each, another machine, old runs.

One story serves all tests: everything is started once, each service is killed while a run is active, and at the end the lake is
compared with one that nothing disturbed.
"""

import asyncio
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from threading import Event
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from timix_assets.automation.month_ranges import months_before
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.partitions import range_tags
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import tags_of
from timix_assets_tests.commands.conftest import Project, new_project, settings_of
from timix_assets_tests.lake.s3 import store
from timix_assets_tests.processes import listening, tree

from . import database
from .compose import DATABASE, OURS, SERVICES, Deployment, free_port, mapped

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800), pytest.mark.usefixtures("production")]

MONTHS, RECENT = 24, 3
SECONDS = 400
"""How long one step may take on a busy machine."""

OLD_DAYS = 100


@dataclass(frozen=True)
class Hold:
    """Middleware of the sandbox: requests with that text in their URL wait until `released`, and so does their run."""

    text: str
    arrived: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def held(scope: Scope, receive: Receive, send: Send) -> None:
            url = f"{scope['path']}?{scope['query_string'].decode()}"
            if self.text in url:
                self.arrived.set()
                await asyncio.to_thread(self.released.wait)
            await app(scope, receive, send)

        return held


class Holds(NamedTuple):
    """For the runs that are active while services are killed."""

    first: Hold
    backfill: Hold
    last: Hold


@dataclass
class Story:
    """What was seen on the way.

    backfill: of all months. machine: how the refresh on another machine ended, and what it printed.
    interrupted: how the refresh ended whose process was killed with the code server.
    starts: how often each service was started.
    """

    deployment: Deployment
    database: database.Database
    sandbox: Sandbox
    months: list[str]
    backfill: Any
    machine: tuple[int, str]
    ticks: dict[str, list[Any]]
    ports: set[int]
    interrupted: str
    retried: list[str]
    starts: dict[str, int]
    lake: dict[str, list[str]]
    undisturbed: dict[str, list[str]]
    logs_in_store: int
    old: set[str]
    left: set[str]


@pytest.fixture(scope="module")
def story(production: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    today = date.today()
    months = [months_before(today, ago) for ago in reversed(range(MONTHS))]
    holds = Holds(
        # The change sensor asks for pages of one.
        first=Hold("/customers?pageSize=200"),
        backfill=Hold(f"/time-reports?startDate={months[0]}"),
        last=Hold(f"/time-reports?startDate={months[-RECENT]}"),
    )
    port = free_port()
    kind, *probe = SERVICES[DATABASE]["healthcheck"]["test"]
    assert kind == "CMD"
    sandbox = Sandbox(Firm.generate(people=4, months=MONTHS, seed=7, today=today))
    for hold in holds:
        sandbox.app.add_middleware(hold)
    with (
        sandbox,
        store() as (aws, asked),
        database.running(
            SERVICES[DATABASE]["environment"]["POSTGRES_DB"],
            port,
            [mapped(word, {"5432": str(port)}) for word in probe],
        ) as postgres,
    ):
        of_workspace = settings_of(sandbox)
        of_lake = {**aws, "TIMIX_LAKE": f"s3://lakes/{secrets.token_hex(4)}"}
        deployment = Deployment(
            tmp_path_factory.mktemp("deployment"),
            {
                **{name: value for name, value in {**of_workspace, **of_lake}.items() if "KEY" not in name},
                # It looks once: what changes later is left to the refreshes.
                "TIMIX_CHANGES_SECONDS": "86400",
                # On the hour, its run would be killed with the code server as well.
                "TIMIX_CRON_RECENT": "0 0 31 12 *",
                "DAGSTER_COMPUTE_LOGS_BUCKET": "lakes",
            },
            postgres,
            {
                "postgres_password": postgres.password,
                "aws_access_key_id": aws["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": aws["AWS_SECRET_ACCESS_KEY"],
                "timix_api_key": sandbox.key,
                "timix_alert_urls": "",
                "timix_webhook_secrets": f"whsec_{secrets.token_hex(24)}",
            },
        )
        folder = tmp_path_factory.mktemp("machine")
        own = dict.fromkeys(("HOME", "TMPDIR", "DAGSTER_HOME"), str(folder))
        machine = new_project(folder, {**of_workspace, **of_lake, **own, "PYTHONUNBUFFERED": "1"})
        undisturbed = new_project(tmp_path_factory.mktemp("undisturbed"), of_workspace)
        try:
            deployment.start()
            yield observe(deployment, postgres, sandbox, months, holds, machine, undisturbed, asked)
        finally:
            for hold in holds:
                hold.released.set()
            deployment.stop()


def observe(
    deployment: Deployment,
    postgres: database.Database,
    sandbox: Sandbox,
    months: list[date],
    holds: Holds,
    machine: Project,
    undisturbed: Project,
    asked: list[tuple[str, str]],
) -> Story:
    ports = listening(set().union(*(tree(each.process.pid) for each in deployment.containers.values() if each.process)))
    keys = [month.isoformat() for month in months]

    first = deployment.launch("refresh_everything", {}, ["timix/customers"])
    # The daemon looks for it every 30 s.
    backfill = deployment.backfill_job("refresh_everything", keys)
    assert holds.first.arrived.wait(SECONDS)
    other = machine.start("refresh", "--from", f"{months[1]:%Y-%m}")
    postgres.kill()
    deployment.kill("webserver", "webhooks")
    deployment.wait_until_healthy("webserver", "webhooks")
    ticks = first_ticks(deployment)
    printed = read_until("Waiting for the lease of the lake", other)
    holds.first.released.set()
    assert ended(deployment, first) == "SUCCESS"

    assert holds.backfill.arrived.wait(SECONDS)
    deployment.kill("daemon")
    # So that every rollup has something to compute.
    change(sandbox)
    holds.backfill.released.set()
    deployment.wait_until_healthy("daemon")
    printed += other.communicate()[0]
    deployment.wait_for("the backfill's run to end", lambda: not deployment.unfinished(), SECONDS)

    change(sandbox)
    last = deployment.launch("refresh_everything", range_tags(Months(months[-RECENT], months[-1])))
    assert holds.last.arrived.wait(SECONDS)
    deployment.kill("code")
    holds.last.released.set()
    with ThreadPoolExecutor() as meanwhile:
        to_compare = meanwhile.submit(undisturbed.run_in_a_process, "refresh")
        deployment.wait_until_healthy("code")
        interrupted = ended(deployment, last)
    # Until the sensor and the daemon have seen it.
    deployment.wait_for("a second try of the killed run", lambda: second_tries(deployment), SECONDS)
    deployment.wait_for("all runs to end", lambda: not deployment.unfinished(), SECONDS)
    retried = [run["status"] for run in second_tries(deployment)]
    assert to_compare.result().returncode == 0, to_compare.result().stderr
    in_store = len({path for method, path in asked if method == "PUT" and path.startswith("/lakes/dagster/")})
    backfilled = deployment.wait_for_backfill(backfill, SECONDS)

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
        sandbox=sandbox,
        months=keys,
        backfill=backfilled,
        machine=(other.returncode, printed),
        ticks=ticks,
        ports=ports,
        interrupted=interrupted,
        retried=retried,
        starts={name: each.starts for name, each in deployment.containers.items()},
        lake=rows(deployment.lake),
        undisturbed=rows(undisturbed.lake),
        logs_in_store=in_store,
        old=old,
        left={run["id"] for run in deployment.runs()} & old,
    )


def read_until(text: str, process: subprocess.Popen[str]) -> str:
    """What the process prints, up to the line with this text."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(f"It never said {text!r}: {printed}")


def first_ticks(deployment: Deployment) -> dict[str, list[Any]]:
    """Turns every schedule and sensor on. Returns the ended ticks of each sensor, one at least."""
    repository = deployment.repository()
    sensors = repository["sensors"]
    for sensor in sensors:
        if sensor["sensorState"]["status"] != "RUNNING":
            deployment.start_sensor(sensor["name"])
    for schedule in repository["schedules"]:
        deployment.start_schedule(schedule["name"])
    ticks = {
        name: deployment.wait_for(f"a tick of {name}", partial(ended_ticks, deployment, name), SECONDS)
        for name in (sensor["name"] for sensor in sensors)
    }
    # It would compute rollups again after each refresh, for minutes in all.
    deployment.stop_sensor("default_automation_condition_sensor")
    return ticks


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


def test_each_service_was_killed_and_restarted_once(story: Story) -> None:
    assert story.starts == dict.fromkeys(OURS, 2)


def test_another_machine_waits_for_the_lake_and_ends_green(story: Story) -> None:
    status, printed = story.machine
    assert status == 0, printed
    # One that does not wait is warned of the other.
    assert "Another machine wrote" not in printed


def test_no_request_was_rate_limited(story: Story) -> None:
    assert 429 not in {seen.status for seen in story.sandbox.requests}


def test_tables_equal_those_of_a_lake_that_nothing_disturbed(story: Story) -> None:
    assert "rollups/budget_health" in story.lake
    assert story.lake == story.undisturbed


def test_what_runs_print_is_in_the_store(story: Story) -> None:
    assert story.logs_in_store


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
