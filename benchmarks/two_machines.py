"""Two machines on one lake in an object store with one key: no request is refused, and no table is wrong."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

from obstore.store import ObjectStore

from timix_assets.lake.lease import read_lease
from timix_assets.lake.maintenance import list_tables
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.vendor import REQUESTS_PER_MINUTE
from timix_assets_tests.lake.s3 import store

from .child import MeasurementFailedError, environment, run
from .figures import Figure
from .live import settings_of
from .project import empty_project
from .soak_child import texts

REFRESHES = 10
"""Of each machine."""

KILLED = 5
"""Which refresh of each machine is killed, at a random moment while it holds the lease."""

LONGEST_LIFE = 3.0
"""Seconds from the lease to the kill, at most."""

POLL_SECONDS = 0.1

MONTHS = 12
PLAN = "Free"
LIMIT = REQUESTS_PER_MINUTE[PLAN]
LAKE = "s3://lakes/shared"
MINUTE = 60.0
LEASE_SECONDS = 5
SEED = 20_261_130
REFRESH = [sys.executable, "-m", "timix_assets.cli", "refresh"]
WAITING = "Waiting for the lease of the lake"

Tables = Mapping[str, Sequence[str]]


def figures() -> list[Figure]:
    # moto's server logs every request, and errors that are retried.
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    firm = Firm.generate(people=6, months=MONTHS, seed=7, today=date.today())
    with (
        Sandbox(firm, plan=PLAN) as sandbox,
        store() as (options, _),
        empty_project() as one,
        empty_project() as other,
    ):
        settings = {
            **settings_of(sandbox),
            # The rollups' day is the same for a lake that knows the organization's time zone and for one that does not.
            "TIMIX_TIMEZONE": "UTC",
            "TIMIX_LAKE": LAKE,
            "TIMIX_LEASE_SECONDS": str(LEASE_SECONDS),
            **options,
        }
        lake = open_store(LAKE, options)
        machines = [
            _Machine(folder, settings, sandbox, lake, Random(SEED + place)) for place, folder in enumerate((one, other))
        ]
        began = time.monotonic()
        with _looks(machines[1]) as looks, ThreadPoolExecutor() as both:
            for ended in [both.submit(machine.refresh_often) for machine in machines]:
                ended.result()
        wall = time.monotonic() - began
        times = sorted(seen.time for seen in sandbox.requests)
        refused = sum(seen.status == 429 for seen in sandbox.requests)
        # The undisturbed lake is read by a third machine, which nobody tells of these requests.
        time.sleep(MINUTE + 1)
        found, truth = _tables(LAKE, options), _undisturbed(settings)
    different = sorted(name for name in truth.keys() | found.keys() if truth.get(name) != found.get(name))
    print(*different, sep="\n", file=sys.stderr)
    return [
        Figure("answers of 429", [refused], "", at_most=0),
        Figure("tables that differ from an undisturbed lake at the end", [len(different)], "", at_most=0),
        Figure("refreshes that failed", [sum(each.failed for each in machines)], "", at_most=0),
        Figure("most requests in a minute", [_most_in_a_minute(times)], "", at_most=LIMIT),
        Figure("refreshes", [sum(each.refreshes for each in machines)], ""),
        Figure("of them killed", [sum(each.killed for each in machines)], ""),
        Figure("of them waited for the other machine", [sum(each.waited for each in machines)], ""),
        Figure("requests", [len(times)], ""),
        Figure("looks for changes meanwhile", [looks.count("looked")], ""),
        Figure("looks that found no room in the reserve", [looks.count("no room")], ""),
        Figure("wall", [wall]),
    ]


@dataclass
class _Machine:
    """One with nothing in common with the other but the lake and the key. failed, waited: how many of its refreshes."""

    folder: Path
    common: Mapping[str, str]
    sandbox: Sandbox
    store: ObjectStore
    random: Random
    refreshes: int = field(default=0, init=False)
    killed: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    waited: int = field(default=0, init=False)

    @property
    def settings(self) -> dict[str, str]:
        own = {name: str(self.folder) for name in ("HOME", "TMPDIR", "DAGSTER_HOME")}
        return {**self.common, **own}

    def refresh_often(self) -> None:
        for number in range(1, REFRESHES + 1):
            if number < REFRESHES:
                self._edit_an_entry()
            self._refresh(killed=number == KILLED)

    def _refresh(self, *, killed: bool) -> None:
        self.refreshes += 1
        process = subprocess.Popen(
            REFRESH,
            cwd=self.folder,
            env=environment(self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if killed:
            while process.poll() is None and not self._holds_the_lease():
                time.sleep(POLL_SECONDS)
            time.sleep(self.random.uniform(0, LONGEST_LIFE))
            process.kill()
        said, _ = process.communicate()
        if process.returncode == -signal.SIGKILL:
            self.killed += 1
            return
        self.waited += WAITING in said
        if process.returncode:
            self.failed += 1
            print(said, file=sys.stderr)

    def _holds_the_lease(self) -> bool:
        """Whether its holder is the run that holds the lock of this machine."""
        seen = read_lease(self.store)
        locks = (self.folder / ".dagster").glob("turn-*.json")
        return (
            seen is not None
            and not seen.holder.is_released
            and any(seen.holder.who in lock.read_text() for lock in locks)
        )

    def _edit_an_entry(self) -> None:
        workspace = self.sandbox.workspace
        drafts = [row for row in workspace.rows("time_reports") if row["status"] == "Draft" and row["hours"] < 20]
        entry = self.random.choice(drafts)
        workspace.update("time_reports", entry["id"], {"hours": entry["hours"] + Decimal("0.25")})


@contextmanager
def _looks(machine: _Machine) -> Iterator[list[str]]:
    """What came of the looks for changes by a process on the machine, which go on while the block lasts."""
    command = [sys.executable, "-m", "benchmarks.two_machines_child"]
    process = subprocess.Popen(
        command,
        cwd=machine.folder,
        env=environment(machine.settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    came: list[str] = []
    reader = threading.Thread(target=lambda: came.extend(line.strip() for line in process.stdout or ()))
    reader.start()
    try:
        yield came
    finally:
        process.communicate()
        reader.join()
    if process.returncode:
        raise MeasurementFailedError(f"the looks for changes ended with {process.returncode}.")


def _undisturbed(settings: Mapping[str, str]) -> Tables:
    with empty_project() as folder:
        run(REFRESH, folder, {**settings, "TIMIX_LAKE": "data/lake"})
        return _tables(str(folder / "data" / "lake"), {})


def _tables(url: str, options: dict[str, str]) -> Tables:
    """Table -> its rows as text, in order; an empty quarantine counts as none."""
    lake = Lake(url, options)
    names = (name for name in list_tables(url, options) if not name.startswith("meta/"))
    return {name: rows for name in names if (rows := texts(lake, name)) or not name.startswith("quarantine/")}


def _most_in_a_minute(times: Sequence[float]) -> int:
    return max(
        sum(begin <= at < begin + MINUTE for at in times[place : place + 2 * LIMIT])
        for place, begin in enumerate(times)
    )
