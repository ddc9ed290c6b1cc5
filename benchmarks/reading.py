"""How much more the whole pipeline costs than a bare loop over the same pages, and than what one would use instead."""

from collections.abc import Sequence
from contextlib import nullcontext
from statistics import median

from . import stages
from .child import Cost, Measured, measure
from .figures import Figure
from .peers import environment_with_dlt
from .project import empty_project
from .stand_in import Service, service

ROWS = 100_000
ONE_PAGE = 200
LATENCY_SECONDS = 0.020
ROUNDS = 3

MOST_WALL, MOST_CPU = 1.2, 1.5
"""Times the bare loop."""
MOST_OVER_DAGSTER = 1.15
"""Times the bare loop in a minimal Dagster project with the same events."""
MOST_OF_DLT = 1 / 6

OURS, IN_MEMORY, BARE, DAGSTER = "ours", "ours without run storage", "bare loop", "bare loop in Dagster"
MODULES = {
    OURS: ("refresh",),
    BARE: ("bare_loop",),
    DAGSTER: ("minimal_dagster",),
    IN_MEMORY: ("refresh", "--in-memory"),
}


def figures(*, peers: bool = False) -> list[Figure]:
    """In turns, so that what else the machine does strikes all alike. peers: dlt too, as it comes and tuned."""
    turns: dict[str, list[Cost]] = {}
    measured: dict[str, list[Measured]] = {}
    alone, one_page = list[Measured](), list[Measured]()
    with (
        service(ROWS, latency=LATENCY_SECONDS) as stand_in,
        service(ONE_PAGE, latency=LATENCY_SECONDS) as small,
        environment_with_dlt() if peers else nullcontext() as dlt,
    ):
        for _ in range(ROUNDS):
            for name, module in MODULES.items():
                measured.setdefault(name, []).append(read(stand_in, ROWS, *module))
                turns.setdefault(name, []).append(measured[name][-1].cost)
            one_page.append(read(small, ONE_PAGE, "refresh"))
            alone.append(read(stand_in, ROWS, "stages"))
            if dlt is not None:
                for name, options in {f"dlt {dlt.version}": (), f"dlt {dlt.version}, tuned": ("--tuned",)}.items():
                    turns.setdefault(name, []).append(dlt.read(stand_in, ROWS, *options))
    return [
        *_ratio("the bare loop", turns[OURS], turns[BARE], MOST_WALL, MOST_CPU),
        *_ratio("floor + Dagster", turns[OURS], turns[DAGSTER], MOST_OVER_DAGSTER, MOST_OVER_DAGSTER),
        *(
            Figure(f"wall, times that of {name}", _divided([c.wall for c in turns[OURS]], costs), "", MOST_OF_DLT)
            for name, costs in ((n, [c.wall for c in costs]) for n, costs in turns.items() if n.startswith("dlt"))
        ),
        *(Figure(f"wall, {name}", [cost.wall for cost in costs]) for name, costs in turns.items()),
        *(Figure(f"CPU, {name}", [cost.cpu for cost in costs]) for name, costs in turns.items()),
        *(Figure(f"CPU with imports, {name}", [run.whole.cpu for run in runs]) for name, runs in measured.items()),
        Figure("CPU, ours, a listing of one page", [run.cost.cpu for run in one_page]),
        *_split(alone),
    ]


def read(stand_in: Service, rows: int, module: str, *options: str) -> Measured:
    """One run of a module of this package in a project of its own."""
    with empty_project(used_before=True) as folder:
        settings = {**stand_in.settings, "DAGSTER_HOME": str(folder)}
        return measure(module, rows, *options, folder=folder, settings=settings)


def _ratio(what: str, ours: Sequence[Cost], others: Sequence[Cost], wall: float, cpu: float) -> list[Figure]:
    return [
        Figure(f"wall, times {what}", _divided([c.wall for c in ours], [c.wall for c in others]), "", wall),
        Figure(f"CPU, times {what}", _divided([c.cpu for c in ours], [c.cpu for c in others]), "", cpu),
    ]


def _divided(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """Turn by turn."""
    return [a / b for a, b in zip(ours, others, strict=True)]


def _split(alone: Sequence[Measured]) -> list[Figure]:
    """Where our seconds go. Stages run one after another here, so their CPU adds up to that of a run, and their wall does not."""
    return [
        Figure(f"{kind} of {stage}, alone", [run.reported["stages"][stage][kind.lower()] for run in alone])
        for stage in stages.STAGES
        for kind in ("wall", "CPU")
    ]


def cpu_ratio(rows: int, turns: int) -> list[float]:
    """Our CPU by the bare loop's, turn by turn; without latency, as only CPU counts."""
    with service(rows) as stand_in:
        pairs = [(read(stand_in, rows, "refresh"), read(stand_in, rows, "bare_loop")) for _ in range(turns)]
    return [ours.cost.cpu / bare.cost.cpu for ours, bare in pairs]


def spread(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
