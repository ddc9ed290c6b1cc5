"""The month ranges that refreshes read. Pure functions: today and the first partition are passed in."""

from collections.abc import Callable
from datetime import date

from timix_assets.lake.months import Months

MONTHS_BEFORE_CLOSED = 3
"""Months before the closed one that are read again, for late approvals and invoices."""

SWEEP_MONTHS = 12
"""Months of the weekly sweep, the current one included, for late edits and deletions."""

MonthRange = Callable[[date], tuple[date, date]]
"""Today -> the first and the last month to read."""


def months_before(today: date, months: int) -> date:
    """The first day of the month that is `months` before today's."""
    number = today.year * 12 + today.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def recent_months(trail: int) -> MonthRange:
    """The current month and `trail` before it."""
    return lambda today: (months_before(today, trail), months_before(today, 0))


def closed_months(today: date) -> tuple[date, date]:
    """The previous month and those before it."""
    return months_before(today, 1 + MONTHS_BEFORE_CLOSED), months_before(today, 1)


def sweep_months(today: date) -> tuple[date, date]:
    """The last 12 months, the current one included."""
    return months_before(today, SWEEP_MONTHS - 1), months_before(today, 0)


def clip(months: tuple[date, date], first: date) -> Months | None:
    """Without the months before `first`, the first partition; None if none is left."""
    start, end = months
    return Months(max(start, first), end) if end >= first else None
