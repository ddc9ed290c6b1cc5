"""In a process of its own: hourly refreshes of one lake, an entry edited before each, with a look at what they leave behind."""

import os
import resource
import sys
import time
from datetime import date
from pathlib import Path

import httpx

from timix_assets.commands.sandbox_process import running_sandbox

from .child import report, timed

ENTRIES = "timix/time_reports"
PEOPLE, MONTHS, RECENT_MONTHS = 6, 3, 2
OPENINGS = 20
HOURS = (0.9, 1.1)

Look = dict[str, float]


def main(refreshes: int, every: int) -> None:
    looks: list[Look] = []
    with (
        running_sandbox("--people", str(PEOPLE), "--months", str(MONTHS)) as sandbox,
        httpx.Client(base_url=sandbox.base_url, headers={"X-Api-Key": sandbox.key}) as api,
        timed() as cost,
    ):
        os.environ |= {**sandbox.environment, "DAGSTER_HOME": str(Path.cwd())}
        _run("refresh_everything", MONTHS)
        youngest = f"/time-reports/{_youngest_entry(api)}"
        for number in range(1, refreshes + 1):
            # No entry of the sandbox has these hours, so that each edit is a change.
            api.put(youngest, json={"hours": HOURS[number % len(HOURS)]}).raise_for_status()
            began = time.process_time()
            _run("refresh_recent", RECENT_MONTHS)
            used = time.process_time() - began
            if number == 1 or number % every == 0:
                looks.append({**_look(number), "CPU of a refresh": used})
        _run("compact_lake", None)
        looks.append(_look(refreshes))
    report(cost(), looks=looks)


def _youngest_entry(api: httpx.Client) -> str:
    """Its id. It is a draft, which may be edited."""
    entries = api.get("/time-reports", params={"pageSize": 1}).raise_for_status().json()
    last = api.get("/time-reports", params={"pageSize": 1, "page": entries["totalCount"]}).raise_for_status().json()
    return str(last["items"][0]["id"])


def _run(job: str, months: int | None) -> None:
    # Reads the settings above.
    from dagster import DagsterInstance  # noqa: PLC0415

    from timix_assets.definitions import defs  # noqa: PLC0415
    from timix_assets.lake.months import Months  # noqa: PLC0415
    from timix_assets.partitions import range_tags  # noqa: PLC0415

    tags = {}
    if months:
        last = date.today().replace(day=1)
        index = last.year * 12 + last.month - months
        tags = range_tags(Months(date(index // 12, index % 12 + 1, 1), last))
    with DagsterInstance.get() as instance:
        done = defs.resolve_job_def(job).execute_in_process(
            instance=instance, tags=tags, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        )
    if not done.success:
        sys.exit(f"{job} failed")


def _look(refreshes: int) -> Look:
    from timix_assets.lake.tables import Lake  # noqa: PLC0415
    from timix_assets.settings import Settings  # noqa: PLC0415

    lake, storage = Path(Settings.from_environment().lake), Path(".dagster/storage")
    entries = lake / ENTRIES
    began = time.process_time()
    for _ in range(OPENINGS):
        Lake(str(lake)).version(ENTRIES)
    opening = (time.process_time() - began) / OPENINGS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "refreshes": refreshes,
        "files of the entries' table": _count(entries, "*.parquet"),
        "files of all tables": _count(lake, "*.parquet"),
        "log files of the entries' table": _count(entries / "_delta_log", "*"),
        "lake": _size(lake) / 1e6,
        "opening the entries' table": opening * 1000,
        "run storage": _size(storage) / 1e6,
        "peak memory of the process": peak / 1e6,
    }


def _count(folder: Path, pattern: str) -> int:
    return sum(file.is_file() for file in folder.rglob(pattern))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
