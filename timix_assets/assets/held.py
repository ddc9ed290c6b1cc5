"""What a check found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

MOST_SHOWN = 20
"""Offending rows, or departures, that a check shows; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Held:
    """The rows for which a rule does not hold, and what that means.

    sentence: follows the number of offending rows. figures: what a person wants to see beside them, by label.
    """

    offending: pl.DataFrame
    sentence: str
    figures: Mapping[str, str] = field(default_factory=dict)
