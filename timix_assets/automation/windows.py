"""Which months a refresh reads. Pure: today is passed in, and so is the first month that is a partition."""

from collections.abc import Callable
from datetime import date

from timix_assets.lake.months import Months

CLOSED_TRAIL = 3
"""Months before the one that is closed: late approvals and invoices reach back that far."""

SWEPT = 12
"""Months of the deep sweep, the running one included: what was edited or deleted late."""

Reach = Callable[[date], tuple[date, date]]
"""Today -> the first and the last month to read."""


def months_before(today: date, months: int) -> date:
    """The first day of the month that many months before today's."""
    number = today.year * 12 + today.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def recent(trail: int) -> Reach:
    """The running month and `trail` before it."""
    return lambda today: (months_before(today, trail), months_before(today, 0))


def closed(today: date) -> tuple[date, date]:
    """The month before the running one, and the trail before that."""
    return months_before(today, 1 + CLOSED_TRAIL), months_before(today, 1)


def swept(today: date) -> tuple[date, date]:
    """The trailing months."""
    return months_before(today, SWEPT - 1), months_before(today, 0)


def clipped(months: tuple[date, date], first: date) -> Months | None:
    """Those without the months before `first`, the first partition; None when nothing is left."""
    start, end = months
    return Months(max(start, first), end) if end >= first else None
