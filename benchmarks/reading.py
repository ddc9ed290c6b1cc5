"""How much more the whole pipeline costs than a bare loop over the same pages."""

from collections.abc import Sequence
from statistics import median

from . import rooms
from .child import Measured, measure
from .figures import Figure
from .project import empty_project
from .stand_in import Service, service

ROWS = 100_000
LATENCY_SECONDS = 0.020
ROUNDS = 3

MOST_WALL, MOST_CPU = 1.3, 1.6
"""Times the bare loop."""


def figures() -> list[Figure]:
    with service(ROWS, latency=LATENCY_SECONDS) as stand_in:
        rounds = [(_read(stand_in, "refresh"), _read(stand_in, "bare_loop")) for _ in range(ROUNDS)]
        in_memory = [_read(stand_in, "refresh", "--in-memory") for _ in range(ROUNDS)]
        alone = [_read(stand_in, "rooms") for _ in range(ROUNDS)]
    ours, bare = ([pair[side] for pair in rounds] for side in (0, 1))
    return [
        Figure("wall, times the bare loop", [a.cost.wall / b.cost.wall for a, b in rounds], "", MOST_WALL),
        Figure("CPU, times the bare loop", [a.cost.cpu / b.cost.cpu for a, b in rounds], "", MOST_CPU),
        Figure("wall, ours", [run.cost.wall for run in ours]),
        Figure("wall, bare loop", [run.cost.wall for run in bare]),
        Figure("CPU, ours", [run.cost.cpu for run in ours]),
        Figure("CPU, bare loop", [run.cost.cpu for run in bare]),
        Figure("wall with imports, ours", [run.whole.wall for run in ours]),
        Figure("wall with imports, bare loop", [run.whole.wall for run in bare]),
        Figure("CPU with imports, ours", [run.whole.cpu for run in ours]),
        Figure("CPU with imports, bare loop", [run.whole.cpu for run in bare]),
        *_split(ours, in_memory, alone),
    ]


def _read(stand_in: Service, module: str, *options: str) -> Measured:
    with empty_project(used_before=True) as folder:
        settings = {**stand_in.settings, "DAGSTER_HOME": str(folder)}
        return measure(module, ROWS, *options, folder=folder, settings=settings)


def _split(ours: Sequence[Measured], in_memory: Sequence[Measured], alone: Sequence[Measured]) -> list[Figure]:
    """Where our seconds go. Rooms are timed one after another, so their CPU adds up to that of a run and their wall does not."""
    figures = []
    for room in rooms.ROOMS:
        figures.append(Figure(f"wall of {room}, alone", [run.told["rooms"][room]["wall"] for run in alone]))
        figures.append(Figure(f"CPU of {room}, alone", [run.told["rooms"][room]["cpu"] for run in alone]))
    in_rooms = median(run.cost.cpu for run in alone)
    without_storage = median(run.cost.cpu for run in in_memory)
    return [
        *figures,
        Figure("wall, ours without run storage", [run.cost.wall for run in in_memory]),
        Figure("CPU of Dagster, checks and metadata", [run.cost.cpu - in_rooms for run in in_memory]),
        Figure("CPU of Dagster's run storage", [run.cost.cpu - without_storage for run in ours]),
    ]
