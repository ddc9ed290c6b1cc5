"""What a check found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from timix_assets.wording import numbered

MOST_SHOWN = 20
"""Offending rows, or departures, that a check shows; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Held:
    """The rows for which a rule does not hold, and what that means.

    sentence: follows the number of offending rows, by which its `[one|many]` go. figures: what a person wants to see beside
    them, by label. detail: the end of the sentence, as it is.
    """

    offending: pl.DataFrame
    sentence: str
    figures: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""

    @property
    def told(self) -> str | None:
        """What a person is told; None where the rule holds."""
        rows = self.offending.height
        return numbered(rows, self.sentence) + self.detail if rows else None
