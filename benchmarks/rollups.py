"""All rollups over a lake that grows: seconds, memory, and whether the cost stays linear in the entries."""

import sys
from statistics import median

from .child import measure, run
from .figures import Figure
from .project import empty_project

SIZES = (1_000_000, 3_000_000, 10_000_000)
ROUNDS = 3

MOST_SECONDS = 6
MOST_MB = 2_500
MOST_GROWTH = 1.3
"""Cost of ten times the entries, divided by ten times the cost."""


def figures() -> list[Figure]:
    walls: dict[int, list[float]] = {}
    found: list[Figure] = []
    for rows in SIZES:
        largest = rows == SIZES[-1]
        with empty_project() as folder:
            settings = {"TIMIX_LAKE": str(folder / "lake")}
            run(_module("grow_lake", rows), folder, settings)
            measured = [measure("compute", folder=folder, settings=settings) for _ in range(ROUNDS)]
        walls[rows] = [each.cost.wall for each in measured]
        million = f"{rows // 1_000_000} million entries"
        found += [
            Figure(f"wall, {million}", walls[rows], "s", MOST_SECONDS if largest else None),
            Figure(f"CPU, {million}", [each.cost.cpu for each in measured]),
            Figure(f"peak memory, {million}", [each.peak_mb for each in measured], "MB", MOST_MB if largest else None),
        ]
    growth = median(walls[SIZES[-1]]) / median(walls[SIZES[0]]) * SIZES[0] / SIZES[-1]
    return [*found, Figure("10 million, times 10 × 1 million", [growth], "", MOST_GROWTH)]


def _module(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
