"""Random numbers that depend only on their subject, not on earlier draws.

Every draw is seeded by its own subject (`rng_for(seed, "entry", seat, day)`), never taken from one running stream, so a firm
generated a day later, or with a longer history, has the same past.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


def rng_for(*subject: object) -> Random:
    """A random generator for one subject. Seeding by text does not depend on PYTHONHASHSEED."""
    return Random("|".join(map(str, subject)))


def weighted(draw: Random, items: Sequence[tuple[Item, float]]) -> Item:
    """One item, by weight; the weights need not sum to anything."""
    point = draw.random() * sum(weight for _, weight in items)
    for item, weight in items:
        point -= weight
        if point < 0:
            return item
    return items[-1][0]
