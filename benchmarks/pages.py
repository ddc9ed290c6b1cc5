"""Dagster's webserver after half a year: how long questions like those of the UI take with 5,000 runs, and what idling costs."""

import os
import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from timix_assets.lake.months import Months
from timix_assets.partitions import range_tags
from timix_assets_tests.automation.dagster_dev import REPOSITORY, DagsterDev
from timix_assets_tests.processes import tree

from .figures import Figure
from .live import filled_project, small_firm

RUNS = 5_000
ROUNDS = 7
MOST_PAGE_SECONDS = 0.3
MOST_IDLE_SHARE = 0.02
IDLE_SECONDS, IDLE_ROUNDS = 60, 2
SECONDS_APART = 3_600

_INDEX, _RUNS = Path(".dagster/storage/history/runs/index.db"), Path(".dagster/storage/history/runs.db")

TABLE = {"path": ["rollups", "budget_health"]}
_TAGS = "tags { key value }"
_RUN = f"id status jobName startTime endTime updateTime {_TAGS} assetSelection {{ path }}"

# Written after those of Dagster's UI, with what a page shows; its own ask for more fields, in several questions.
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "runs": (f"query {{ runsOrError(limit: 30) {{ __typename ... on Runs {{ results {{ {_RUN} }} }} }} }}", {}),
    "runs of a job": (
        "query($f: RunsFilter!) { runsOrError(limit: 30, filter: $f) { __typename ... on Runs { results { "
        + _RUN
        + " } } } }",
        {"f": {"pipelineName": "refresh_recent", "statuses": ["SUCCESS", "FAILURE"]}},
    ),
    "timeline": (
        "query($s: RepositorySelector!) { repositoryOrError(repositorySelector: $s) { __typename ... on Repository { "
        "jobs { name runs(limit: 100) { id status startTime endTime } } } } }",
        {"s": REPOSITORY},
    ),
    "lineage": (
        "query { assetNodes { id groupName opNames description assetKey { path } dependencyKeys { path } "
        "assetMaterializations(limit: 1) { timestamp runId } partitionStats { numMaterialized numFailed } } }",
        {},
    ),
    "asset": (
        "query($k: AssetKeyInput!) { assetOrError(assetKey: $k) { __typename ... on Asset { id "
        "assetMaterializations(limit: 100) { runId timestamp partition "
        "metadataEntries { label description ... on MarkdownMetadataEntry { mdStr } } } } } }",
        {"k": TABLE},
    ),
    "checks of an asset": (
        "query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { __typename ... on AssetNode { assetChecksOrError { "
        "... on AssetChecks { checks { name description executionForLatestMaterialization { status runId timestamp } } } } } } }",
        {"k": TABLE},
    ),
    "sensors and schedules": (
        "query($s: RepositorySelector!) { repositoryOrError(repositorySelector: $s) { __typename ... on Repository { "
        "schedules { name scheduleState { status ticks(limit: 1) { status } } } "
        "sensors { name sensorState { status ticks(limit: 1) { status skipReason } } } } } }",
        {"s": REPOSITORY},
    ),
}


def figures(runs: int = RUNS) -> list[Figure]:
    with filled_project(small_firm()) as (dev, sandbox):
        dev.start()
        months = Months(sandbox.firm.first_day, date.today().replace(day=1))
        first = dev.launch("refresh_recent", range_tags(months))
        dev.wait_for("a refresh to end", lambda: dev.status(first) == "SUCCESS")
        dev.kill()
        repeat(dev.folder, first, runs)
        dev.start()
        pages = [*PAGES.items(), ("a run", _run_page(first))]
        found = [_page(dev, name, *question) for name, question in pages]
        idle = [_share_of_a_core(dev, IDLE_SECONDS) for _ in range(IDLE_ROUNDS)]
        _stop_our_sensors(dev)
        stopped = [_share_of_a_core(dev, IDLE_SECONDS) for _ in range(IDLE_ROUNDS)]
    ours = [a - b for a, b in zip(idle, stopped, strict=True)]
    return [
        *found,
        Figure("idle, share of a core", idle, ""),
        Figure("idle, share of a core without our sensors", stopped, ""),
        Figure("idle, our sensors' share of a core", ours, "", MOST_IDLE_SHARE),
    ]


def _page(dev: DagsterDev, name: str, query: str, variables: dict[str, Any]) -> Figure:
    dev.ask(query, **variables)
    return Figure(
        f"page: {name}", [_seconds(lambda: dev.ask(query, **variables)) for _ in range(ROUNDS)], "s", MOST_PAGE_SECONDS
    )


def _run_page(run_id: str) -> tuple[str, dict[str, Any]]:
    query = (
        "query($id: ID!) { logsForRun(runId: $id, limit: 1000) { __typename ... on EventConnection { events { __typename "
        "... on MessageEvent { timestamp message stepKey } } } } }"
    )
    return query, {"id": run_id}


def _seconds(do: Callable[[], Any]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def repeat(folder: Path, run_id: str, times: int) -> None:
    """Copies a run with its events in the index, an hour apart, as hourly refreshes leave them."""
    copies = [str(uuid.uuid4()) for _ in range(times)]
    for file, tables in {_RUNS: ("runs", "run_tags"), _INDEX: ("event_logs", "asset_check_executions")}.items():
        with closing(sqlite3.connect(folder / file)) as database, database:
            # Gigabytes, which need not survive a power cut.
            database.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
            for table in tables:
                _copy(database, table, run_id, copies)


def _copy(database: sqlite3.Connection, table: str, run_id: str, copies: list[str]) -> None:
    """Copies the rows of a run under other ids, each an hour earlier than the one before."""
    database.execute(f"CREATE TEMP TABLE of_run AS SELECT * FROM {table} WHERE run_id = ?", [run_id])
    names = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
    moved = {
        "run_id": ":copy",
        "run_body": "replace(run_body, :run, :copy)",
        "event": "replace(event, :run, :copy)",
        "evaluation_event": "replace(evaluation_event, :run, :copy)",
        "start_time": "start_time - :earlier",
        "end_time": "end_time - :earlier",
    }
    if table == "runs":
        for column in ("create_timestamp", "update_timestamp"):
            moved[column] = f"datetime({column}, '-' || :earlier || ' seconds')"
    read = ", ".join(moved.get(name, name) for name in names)
    database.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {read} FROM of_run",
        (
            {"run": run_id, "copy": copy, "earlier": number * SECONDS_APART}
            for number, copy in enumerate(copies, start=1)
        ),
    )
    database.execute("DROP TABLE of_run")


def _stop_our_sensors(dev: DagsterDev) -> None:
    for sensor in dev.repository()["sensors"]:
        if sensor["sensorState"]["status"] == "RUNNING":
            dev.stop_sensor(sensor["name"])


def _share_of_a_core(dev: DagsterDev, seconds: float) -> float:
    """CPU of all its processes while nobody asks for anything."""
    assert dev.process is not None
    before = _cpu(dev.process.pid)
    time.sleep(seconds)
    return (_cpu(dev.process.pid) - before) / seconds


def _cpu(pid: int) -> float:
    """CPU seconds of a process and all that it started, those that have ended too."""
    used = []
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        used.append(sum(map(int, fields[11:15])))
    return sum(used) / os.sysconf("SC_CLK_TCK")
