"""Each measurement in a process of its own: nothing is warm from the one before, and its CPU and memory are its own."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_COMPLAINT_LINES = 12


class MeasurementFailedError(Exception):
    """A measured process did not do what was to be measured; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of the timed part: seconds of wall clock, and CPU seconds of this process and of the ended ones that it started."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Measured:
    """reported: what the process printed as its last line. cost: of its timed part. whole: of the process with its imports.

    peak_mb: the most memory that was resident, in millions of bytes.
    """

    reported: Mapping[str, Any]
    cost: Cost
    whole: Cost
    peak_mb: float


@contextmanager
def timed() -> Iterator[Callable[[], Cost]]:
    """The block's cost, once it is left."""
    began, used = time.perf_counter(), _cpu_seconds()
    spent: list[Cost] = []
    yield lambda: spent[0]
    spent.append(Cost(time.perf_counter() - began, _cpu_seconds() - used))


def report(cost: Cost, **reported: Any) -> None:
    """In the measured process, at its end: the figures as one line of JSON."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kB, macOS in bytes.
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    print(
        json.dumps({"cost": asdict(cost), "cpu": _cpu_seconds(), "peak_mb": peak_bytes / 1e6, "reported": reported}),
        flush=True,
    )


def measure(module: str, *arguments: object, folder: Path, settings: Mapping[str, str]) -> Measured:
    """Runs a module of this package in `folder` with these environment variables. MeasurementFailedError when it fails."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    began = time.perf_counter()
    said = run(command, folder, settings)
    wall = time.perf_counter() - began
    line = json.loads(said.splitlines()[-1])
    return Measured(line["reported"], Cost(**line["cost"]), Cost(wall, line["cpu"]), line["peak_mb"])


def run(command: Sequence[str], folder: Path, settings: Mapping[str, str]) -> str:
    """What a command prints. MeasurementFailedError with the end of its complaint when its exit status is not 0."""
    done = subprocess.run(command, cwd=folder, env=environment(settings), capture_output=True, text=True, check=False)
    if done.returncode:
        complaint = "\n".join((done.stdout + done.stderr).splitlines()[-_COMPLAINT_LINES:])
        said = f"{' '.join(command[1:4])} ended with {done.returncode}:\n{complaint}"
        raise MeasurementFailedError(said.replace(f"{ROOT}/", "").replace(f"{folder}/", ""))
    return done.stdout


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings of a real workspace, with the given ones, and with this package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIMIX_", "DAGSTER_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **settings}


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
