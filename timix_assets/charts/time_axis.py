"""The weeks and months along a chart's axis, and their labels."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

from timix_assets.text.figures import MONTHS

WEEK, MONTH = "w", "mo"

MAX_MONTHS = 24

_PIXELS_PER_LABEL = 27


def latest(periods: pl.Series, unit: str, max_periods: int) -> list[date]:
    """Every week or month from the first to the last of `periods`, gaps included; the latest `max_periods`, oldest first."""
    first, last = pl.lit(periods.min()), pl.lit(periods.max())
    spanned = pl.select(pl.date_range(last.dt.offset_by(f"-{max_periods - 1}{unit}"), last, f"1{unit}").alias("period"))
    dates: list[date] = spanned.filter(pl.col("period") >= first)["period"].to_list()
    return dates


def is_current(month: date, as_of: date) -> bool:
    """Whether the month is not over on the as-of date, so that its figures are partial."""
    tomorrow = as_of + timedelta(days=1)
    return (month.year, month.month) >= (tomorrow.year, tomorrow.month)


def month_labels(months: Sequence[date], *, width: int) -> dict[date, list[str]]:
    """Axis labels by month, as lines: every month, or each third, sixth or twelfth, as `width` pixels allow.

    The year is below every January, or below the first label if there is none.
    """
    space = width / max(len(months), 1)
    every = next((n for n in (1, 3, 6) if space * n >= _PIXELS_PER_LABEL), 12)
    named = [m for m in months if (m.month - 1) % every == 0] or list(months[:1])
    with_year = {m for m in named if m.month == 1} or {named[0]}
    return {m: [MONTHS[m.month - 1], *([str(m.year)] if m in with_year else [])] for m in named}


def week_labels(weeks: Sequence[date], *, partial: frozenset[date]) -> dict[date, str]:
    """Axis labels by week: the month at its first week, an asterisk at a partial week."""
    begun = {w for before, w in pairwise(weeks) if before.month != w.month} | set(weeks[:1])
    return {w: (MONTHS[w.month - 1] if w in begun else "") + ("*" if w in partial else "") for w in weeks}


def month_names(months: Sequence[date], *, partial: frozenset[date]) -> dict[date, str]:
    """Axis labels by month: its name, the year in the place of January, an asterisk at a partial month."""
    return {m: (str(m.year) if m.month == 1 else MONTHS[m.month - 1]) + ("*" if m in partial else "") for m in months}
