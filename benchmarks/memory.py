"""The most memory that a listing takes on its way into the lake, and how it grows with the listing."""

from statistics import median

from .child import measure
from .figures import Figure
from .project import empty_project
from .stand_in import service

SMALL, LARGE = 1_000_000, 3_000_000
ROUNDS = 3

MOST_MB = 500
MOST_GROWTH = 1.2


def figures() -> list[Figure]:
    small, large = _peaks(SMALL), _peaks(LARGE)
    growth = [peak / median(small) for peak in large]
    return [
        Figure("peak memory, 1 million rows", small, "MB", MOST_MB),
        Figure("peak memory, 3 million rows", large, "MB"),
        Figure("3 million, times 1 million", growth, "", MOST_GROWTH),
    ]


def _peaks(rows: int) -> list[float]:
    peaks = []
    with service(rows) as stand_in:
        for _ in range(ROUNDS):
            with empty_project(used_before=True) as folder:
                settings = {**stand_in.settings, "DAGSTER_HOME": str(folder)}
                peaks.append(measure("refresh", rows, "--quick-minutes", folder=folder, settings=settings).peak_mb)
    return peaks
