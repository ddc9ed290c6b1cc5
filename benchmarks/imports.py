"""Imports: requests for each time entry, and what imports leave when responses are lost and runs are killed."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import Any

from timix_assets.imports.entry import KINDS
from timix_assets.imports.ledger import Ledger, Outcome
from timix_assets.imports.structure.element import KINDS as ELEMENTS
from timix_assets.imports.structure.levels import LEVELS
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox

from .child import MeasurementFailedError
from .figures import Figure

TODAY = date(2026, 11, 18)
ENTRIES = 1000
IMPORTS = 200
STRUCTURES = 60
ELEMENTS_OF_ONE = {"customers": 1, "projects": 2, "tasks": 3, "subtasks": 6}
"""Of one import of structure, by the path of their level."""
ROWS = 12
SHARE_KILLED = 0.2
MAX_RUNS = 30
"""Runs of one import until all of its rows are written."""


def figures() -> list[Figure]:
    """All measurements."""
    return [*requests_for_each_entry(), *faults(), *structure_faults()]


def requests_for_each_entry() -> list[Figure]:
    """One import of 1,000 rows into the demo's firm, on the demo's plan."""
    with TemporaryDirectory() as folder, Sandbox(Firm.generate(people=40, months=24, seed=7, today=TODAY)) as sandbox:
        worker = Worker(sandbox, Path(folder))
        before, started = len(sandbox.requests), time.monotonic()
        done = worker.run("thousand", _rows(sandbox, "thousand", ENTRIES))
        seconds = time.monotonic() - started
        worker.stop()
        if done is None or len(_ours(sandbox)) != ENTRIES:
            raise MeasurementFailedError(f"{len(_ours(sandbox)):,} of {ENTRIES:,} entries were written")
        return [
            Figure("requests for each of 1,000 entries", [(len(sandbox.requests) - before) / ENTRIES], "", 1.1),
            Figure("wall of importing 1,000 entries", [seconds]),
        ]


def faults(seed: int = 7) -> list[Figure]:
    """200 imports with lost responses, 5xx and SIGKILL at random places, each repeated until it has nothing to do."""
    rng = random.Random(seed)
    wanted: set[str] = set()

    def rows_of(name: str, sandbox: Sandbox) -> list[dict[str, str]]:
        rows = _rows(sandbox, name, ROWS)
        wanted.update(row["text"] for row in rows)
        return rows

    def place() -> tuple[str, int]:
        return "/time-reports", rng.randint(1, ROWS)

    with _repeated("time_entries", IMPORTS, rows_of, place, rng) as (counts, sandbox, lake):
        return [*counts, *_accounts(sandbox, lake, wanted)]


def structure_faults(seed: int = 7) -> list[Figure]:
    """The same for 60 imports of structure: a customer each, and eleven elements below it."""
    rng = random.Random(seed)
    wanted: set[str] = set()

    def rows_of(name: str, _: Sandbox) -> list[dict[str, str]]:
        rows = _structure_rows(name)
        wanted.update(row["path"] for row in rows)
        return rows

    def place() -> tuple[str, int]:
        level = rng.choice(list(ELEMENTS_OF_ONE))
        return f"/{level}", rng.randint(1, ELEMENTS_OF_ONE[level])

    with _repeated("structure", STRUCTURES, rows_of, place, rng) as (counts, sandbox, lake):
        made = _structure_of(sandbox)
        ledger = Ledger(lake, "look", ELEMENTS)
        known = {(write.kind, write.record_id) for write in ledger.writes if write.outcome is Outcome.DONE}
        paths = Counter(made.values())
        return [
            *counts,
            Figure("elements", [len(made)], ""),
            Figure("doubled elements", [sum(count - 1 for count in paths.values())], "", 0),
            Figure("lost elements", [len(wanted - paths.keys())], "", 0),
            Figure("elements unaccounted for in the ledger", [len(made.keys() ^ known) + len(ledger.in_doubt)], "", 0),
        ]


@contextmanager
def _repeated(
    what: str,
    imports: int,
    rows_of: Callable[[str, Sandbox], list[dict[str, str]]],
    place: Callable[[], tuple[str, int]],
    rng: random.Random,
) -> Iterator[tuple[list[Figure], Sandbox, Lake]]:
    """Runs imports with faults and kills until each has nothing to do.

    Args:
        what: `time_entries` or `structure`.
        rows_of: The rows of the import of a name.
        place: Path and number of the request that the next fault is in.
    """
    killed = runs = hit = 0
    with (
        TemporaryDirectory() as folder,
        Sandbox(Firm.generate(people=6, months=3, seed=7, today=TODAY), requests_per_minute=100_000) as sandbox,
    ):
        worker = Worker(sandbox, Path(folder), what)
        for number in range(imports):
            name = f"import-{number:03d}"
            rows = rows_of(name, sandbox)
            for attempt in range(MAX_RUNS):
                sandbox.faults.clear()
                last = attempt == MAX_RUNS - 1
                if not last and rng.random() < 0.9 - attempt * 0.1:
                    sandbox.faults.add(*_faults(rng, place))
                kill = not last and rng.random() < SHARE_KILLED
                before = worker.killed
                done = worker.run(name, rows, kill_after_writes=rng.randint(0, ROWS - 1) if kill else None)
                runs += 1
                killed += worker.killed - before
                hit += sum(sandbox.faults.struck(each.kind) for each in sandbox.faults)
                if done == 0:
                    break
        worker.stop()
        label = "" if what == "time_entries" else " of structure"
        counts = [
            Figure(f"imports{label}", [imports], ""),
            Figure(f"runs{label}", [runs], ""),
            Figure(f"runs{label} killed", [killed], ""),
            Figure(f"faults{label} that struck", [hit], ""),
        ]
        yield counts, sandbox, Lake(str(Path(folder) / "lake"))


def _structure_rows(name: str) -> list[dict[str, str]]:
    """A customer with two projects, three tasks in all, and six subtasks; from the bottom up."""
    rows = [{"path": name, "billing_types": "", "billing_type": "", "hour_limit": ""}]
    for project, tasks in (("Alpha", 2), ("Beta", 1)):
        rows.append({"path": f"{name} / {project}", "billing_types": "TM, OVH", "billing_type": "", "hour_limit": ""})
        for task in range(tasks):
            path = f"{name} / {project} / Task {task}"
            rows.append({"path": path, "billing_types": "", "billing_type": "", "hour_limit": ""})
            rows += [
                {"path": f"{path} / {kind}", "billing_types": "", "billing_type": kind, "hour_limit": "7.5"}
                for kind in ("TM", "OVH")
            ]
    return rows[::-1]


def _structure_of(sandbox: Sandbox) -> dict[tuple[str, str], str]:
    """(level, id) -> path, of what imports created."""
    paths: dict[tuple[str, str], str] = {}
    for level in LEVELS.values():
        for row in sandbox.workspace.rows(level.endpoint):
            above = (
                paths.get((level.parent, row[level.parent_column])) if level.parent and level.parent_column else None
            )
            if above or row["name"].startswith("import-"):
                paths[level.name, row["id"]] = f"{above} / {row['name']}" if above else row["name"]
    return paths


def _accounts(sandbox: Sandbox, lake: Lake, wanted: set[str]) -> Sequence[Figure]:
    entries = _ours(sandbox)
    texts = Counter(entry["text"].rpartition(" ")[0] for entry in entries)
    ledger = Ledger(lake, "look", KINDS)
    known = {write.record_id for write in ledger.writes if write.outcome is Outcome.DONE}
    unaccounted = {entry["id"] for entry in entries} ^ known
    return [
        Figure("entries", [len(entries)], ""),
        Figure("doubled", [sum(count - 1 for count in texts.values())], "", 0),
        Figure("lost", [len(wanted - texts.keys())], "", 0),
        Figure("unaccounted for in the ledger", [len(unaccounted) + len(ledger.in_doubt)], "", 0),
    ]


def _faults(rng: random.Random, place: Callable[[], tuple[str, int]]) -> list[Fault]:
    """One to three faults of writes or reads, each at a random place."""
    made: list[Fault] = []
    for _ in range(rng.randint(1, 3)):
        where, nth = place()
        write: dict[str, Any] = {"path": where, "method": "POST", "nth": nth, "times": 1}
        kinds = [
            [Fault("reset_connection", **write)],
            [Fault("reset_connection", **write), Fault("server_error", **write)],
            [Fault("lost_answer", **write, status=rng.choice([200, 500, 502, 504]))],
            [Fault("server_error", **write, status=rng.choice([500, 503]))],
            [Fault("cut_body", **write)],
            [Fault("html", **write)],
            [Fault("server_error", path=where, method="GET", nth=1)],
        ]
        made += rng.choice(kinds)
    return made


def _ours(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [entry for entry in sandbox.workspace.rows("time_reports") if "[#" in (entry["text"] or "")]


def _rows(sandbox: Sandbox, name: str, count: int) -> list[dict[str, str]]:
    """Short entries of active people on open subtasks, in October and November."""
    tables = sandbox.firm.tables
    people = [user["email"] for user in tables["org_users"] if user["status"] == "Active" and user["role"] != "Viewer"][
        :4
    ]
    open_ids = {name: {row["id"] for row in tables[name] if row["status"] == "Active"} for name in _WITH_STATUS}
    of_project = {task["id"]: task["project_id"] for task in tables["tasks"]}
    subtasks = [
        row["id"]
        for row in tables["subtasks"]
        if row["status"] == "Active"
        and row["task_id"] in open_ids["tasks"]
        and of_project[row["task_id"]] in open_ids["projects"]
    ]
    return [
        {
            "reference": f"{name}-{number}",
            "person": people[number % len(people)],
            "date": (date(2026, 10, 1) + timedelta(days=number % 45)).isoformat(),
            "hours": "0.01",
            "text": f"{name} row {number}",
            "subtask": subtasks[number % len(subtasks)],
        }
        for number in range(count)
    ]


_WITH_STATUS = ("projects", "tasks")


class Worker:
    """A process that runs imports, which can be killed; the next run then has a new one."""

    def __init__(self, sandbox: Sandbox, folder: Path, what: str = "time_entries") -> None:
        self._sandbox = sandbox
        self.killed = 0
        self._command = [
            sys.executable,
            "-m",
            "benchmarks.imports_child",
            sandbox.base_url,
            sandbox.key,
            str(folder),
            what,
        ]
        self._process: subprocess.Popen[str] | None = None

    def run(self, name: str, rows: list[dict[str, str]], *, kill_after_writes: int | None = None) -> int | None:
        """How many entries of the import are still to be written after this run; None if it failed or was killed.

        kill_after_writes: SIGKILL as soon as the sandbox has seen so many writes of this run.
        """
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        writes = self._writes()
        process.stdin.write(json.dumps({"name": name, "rows": rows}) + "\n")
        process.stdin.flush()
        while kill_after_writes is not None and not select([process.stdout], [], [], 0.001)[0]:
            if self._writes() - writes >= kill_after_writes:
                process.kill()
                process.wait()
                self._process = None
                self.killed += 1
                return None
        answer = process.stdout.readline()
        if not answer:
            raise MeasurementFailedError(f"the process of {name} ended with {process.wait()}")
        left = json.loads(answer)["left"]
        return left if isinstance(left, int) else None

    def _writes(self) -> int:
        return sum(request.method == "POST" for request in self._sandbox.requests)

    def stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            # Ready when it has said so: a kill shall hit an import, not the start of Python.
            assert self._process.stdout is not None
            self._process.stdout.readline()
        return self._process
