"""What a code location of several workspaces costs to load: for a code server, for a run, and for a run in a container."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from timix_assets.workspace import RUN_JOB

from .child import Measured, measure
from .figures import Figure
from .project import empty_project
from .workspaces_child import JOB

COUNTS = (1, 5, 20)
ROUNDS = 3
MOST_SECONDS_A_FIRM, MOST_MB_A_FIRM = 1, 10


def figures() -> list[Figure]:
    with empty_project() as folder:
        servers = {count: _rounds(folder, count) for count in COUNTS}
        runs = {count: _rounds(folder, count, JOB) for count in COUNTS}
        contained = _rounds(folder, COUNTS[-1], JOB, {RUN_JOB: JOB})
    found = []
    for count, rounds in servers.items():
        firms = _firms(count)
        found += [
            Figure(f"{firms}, definitions loaded", _cpu(rounds), "s CPU"),
            Figure(f"{firms}, memory of the process", _memory(rounds), "MB"),
            Figure(f"{firms}, snapshot", [each.reported["snapshot_mb"] for each in rounds], "MB"),
        ]
    for count, rounds in runs.items():
        found += [
            Figure(f"{_firms(count)}, loaded by a run", _cpu(rounds), "s CPU"),
            Figure(f"{_firms(count)}, memory of the run before its first step", _memory(rounds), "MB"),
        ]
    return [
        *found,
        Figure(f"{_firms(COUNTS[-1])}, loaded by a run in a container", _cpu(contained), "s CPU"),
        Figure("one more workspace, definitions loaded", _one_more(servers, _cpu), "s CPU", MOST_SECONDS_A_FIRM),
        Figure("one more workspace, memory", _one_more(servers, _memory), "MB", MOST_MB_A_FIRM),
        Figure("one more workspace, loaded by a run", _one_more(runs, _cpu), "s CPU"),
    ]


def _rounds(folder: Path, count: int, job: str = "", settings: Mapping[str, str] = {}) -> list[Measured]:
    return [measure("workspaces_child", count, job, folder=folder, settings=settings) for _ in range(ROUNDS)]


def _cpu(rounds: Sequence[Measured]) -> list[float]:
    return [each.cost.cpu for each in rounds]


def _memory(rounds: Sequence[Measured]) -> list[float]:
    return [each.peak_mb for each in rounds]


def _one_more(measured: Mapping[int, list[Measured]], cost: Callable[[Sequence[Measured]], list[float]]) -> list[float]:
    first, last = COUNTS[0], COUNTS[-1]
    pairs = zip(cost(measured[first]), cost(measured[last]), strict=True)
    return [(high - low) / (last - first) for low, high in pairs]


def _firms(count: int) -> str:
    return "1 workspace" if count == 1 else f"{count} workspaces"
