"""All rollups over a lake that grows: seconds, memory, and whether the cost stays linear in the entries."""

import sys
from collections.abc import Mapping, Sequence
from statistics import median

from .child import measure, run
from .figures import Figure
from .project import empty_project

ROUNDS = {1_000_000: 3, 3_000_000: 3, 10_000_000: 3, 30_000_000: 1}
"""How often each number of entries is measured."""

SIZE_OF_TARGETS = 10_000_000

MOST_SECONDS = 6
MOST_MB = 2_500
MOST_GROWTH = 1.3
"""Seconds of many entries, divided by as many times the seconds of one million."""


def figures() -> list[Figure]:
    walls: dict[int, list[float]] = {}
    found: list[Figure] = []
    for rows, rounds in ROUNDS.items():
        has_targets = rows == SIZE_OF_TARGETS
        with empty_project() as folder:
            settings = {"TIMIX_LAKE": str(folder / "lake")}
            run(_module("grow_lake", rows), folder, settings)
            measured = [measure("compute", folder=folder, settings=settings) for _ in range(rounds)]
        walls[rows] = [each.cost.wall for each in measured]
        million = f"{rows // 1_000_000} million entries"
        found += [
            Figure(f"wall, {million}", walls[rows], "s", MOST_SECONDS if has_targets else None),
            Figure(f"CPU, {million}", [each.cost.cpu for each in measured]),
            Figure(
                f"peak memory, {million}", [each.peak_mb for each in measured], "MB", MOST_MB if has_targets else None
            ),
        ]
    growth = [
        Figure(f"{times} million, times {times} × 1 million", [_growth(walls, times)], "", MOST_GROWTH)
        for times in (10, 30)
    ]
    return [*found, *growth]


def _growth(walls: Mapping[int, Sequence[float]], times: int) -> float:
    return median(walls[times * 1_000_000]) / median(walls[1_000_000]) / times


def _module(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
