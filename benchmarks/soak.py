"""Many refreshes of two lakes while faults strike at random: afterwards no table may be wrong."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .child import measure
from .figures import Figure
from .project import empty_project

REFRESHES = 100
"""Of each lake."""

SEEDS = (20_261_124, 20_261_125)
"""One lake each. Most of a disturbed refresh is waiting, so that both go on at once."""


def figures() -> list[Figure]:
    with ThreadPoolExecutor(len(SEEDS)) as both:
        lakes = list(both.map(soaked, SEEDS))

    def total(name: str) -> list[float]:
        return [sum(reported[name] for reported in lakes)]

    return [
        Figure("tables that were wrong after a refresh", total("wrong"), "", at_most=0),
        Figure("tables that differ from an undisturbed lake at the end", total("different"), "", at_most=0),
        Figure("runs that ended without a sentence", total("speechless"), "", at_most=0),
        Figure("refreshes", total("refreshes"), ""),
        Figure("of them with a failed asset", total("red"), ""),
        Figure("of them killed", total("killed"), ""),
        Figure("requests struck by a fault", total("struck"), ""),
        Figure("kinds of fault that struck, of a lake", [reported["kinds"] for reported in lakes], ""),
        Figure("requests", total("requests"), ""),
        Figure("of them repeated, by retries and second passes", total("again"), ""),
        Figure("tables and exports looked at", total("looked_at"), ""),
        Figure("wall, of a lake", [reported["seconds"] for reported in lakes]),
    ]


def soaked(seed: int) -> Any:
    """What one lake's soak tells at its end."""
    with empty_project() as folder, empty_project() as undisturbed:
        return measure("soak_child", REFRESHES, seed, undisturbed, folder=folder, settings={}).reported
