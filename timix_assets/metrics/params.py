"""What the formulas take besides tables."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

from timix_assets.settings.firm import FirmConfig

MIN_LOCKUP_DAYS = 28
"""Fewer loaded days than these are no window for lock-up."""


def _month_after(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


@dataclass(frozen=True, slots=True)
class RollupParams:
    """The as-of date, the months that were read, and the firm config of one computation of the rollups.

    Attributes:
        as_of: The date as of which everything is computed.
        months: First days of the months of time reports that were ever read, empty ones too, in any order.
        first_entry: The date of the first counted entry; None without any.
        firm: What the firm decided about its figures.
    """

    as_of: date
    months: tuple[date, ...]
    first_entry: date | None = None
    firm: FirmConfig = field(default_factory=FirmConfig)

    @property
    def loaded_months(self) -> tuple[date, ...]:
        """The loaded months, sorted: those read, from the first counted entry's to as-of's. Source: docs/metrics.md, 0."""
        first = min(self.months, default=self.as_of) if self.first_entry is None else self.first_entry.replace(day=1)
        return tuple(sorted(month for month in set(self.months) if first <= month <= self.as_of))

    @property
    def ranges(self) -> tuple[tuple[date, date], ...]:
        """First and last day of each unbroken stretch of loaded months; one, unless a month in between was never read."""
        months = self.loaded_months
        starts = [month for before, month in pairwise((date.min, *months)) if _month_after(before) != month]
        ends = [month for month, after in pairwise((*months, date.max)) if _month_after(month) != after]
        return tuple((start, _month_after(end) - timedelta(days=1)) for start, end in zip(starts, ends, strict=True))

    @property
    def first_day(self) -> date:
        """The first loaded day; as-of when no month is loaded."""
        return min(self.loaded_months, default=self.as_of)

    @property
    def last_day(self) -> date:
        """The last loaded day, which may come after as-of; the day before `first_day` when no month is loaded."""
        return self.ranges[-1][1] if self.ranges else self.as_of - timedelta(days=1)

    @property
    def complete_since(self) -> date:
        """Every month from this day's to as-of's was read."""
        month = _month_after(self.as_of.replace(day=1))
        while (before := (month - timedelta(days=1)).replace(day=1)) in self.months:
            month = before
        return month

    @property
    def lockup_window(self) -> tuple[date, date]:
        """First and last day of the window that lock-up compares with; not all its days need be loaded."""
        days = self.firm.money_policy.lockup_window_days
        return self.as_of - timedelta(days=days - 1), self.as_of

    @property
    def lockup_days(self) -> int:
        """How many days of that window are loaded."""
        first, last = self.lockup_window
        return sum(max((min(end, last) - max(start, first)).days + 1, 0) for start, end in self.ranges)

    def is_loaded(self, day: pl.Expr) -> pl.Expr:
        """Whether a date is in a loaded month."""
        return _any(day.is_between(first, last) for first, last in self.ranges)

    def is_loaded_to_as_of(self, day: pl.Expr) -> pl.Expr:
        """Whether a date is in a loaded month, and not after as-of."""
        return _any(day.is_between(first, min(last, self.as_of)) for first, last in self.ranges)


def _any(conditions: Iterable[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *conditions)
