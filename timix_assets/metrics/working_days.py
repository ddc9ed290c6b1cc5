"""Working days as numbers, so that counting between two dates is a subtraction: closed form, no calendar table.

Budgets use the working days of the default week (Monday to Friday unless configured); holidays are not taken off.
"""

import polars as pl

from timix_assets.settings.firm import Week, WorkCalendar

_A_MONDAY = 4
"""1970-01-05 in days since 1970-01-01."""

MONDAY_TO_FRIDAY = (0, 1, 2, 3, 4)


def days_with_hours(week: Week) -> tuple[int, ...]:
    """Weekdays that have hours, 0 = Monday."""
    return tuple(day for day, hours in enumerate(week.hours) if hours > 0)


def working_weekdays(calendar: WorkCalendar) -> tuple[int, ...]:
    """The default week's working days, 0 = Monday; Monday to Friday when it has none."""
    return days_with_hours(calendar.default_week) or MONDAY_TO_FRIDAY


def number(day: pl.Expr, weekdays: tuple[int, ...]) -> pl.Expr:
    """How many working days have passed up to and with `day` (a date), from a fixed start."""
    since = day.cast(pl.Int32).cast(pl.Int64) - _A_MONDAY
    weekday = since % 7
    return since // 7 * len(weekdays) + pl.sum_horizontal((weekday >= w).cast(pl.Int64) for w in weekdays)


def day_with(number: pl.Expr, weekdays: tuple[int, ...]) -> pl.Expr:
    """The working day that has this number: the inverse of `number`."""
    before = number - 1
    position = before % len(weekdays)
    weekday = position.replace_strict(dict(enumerate(weekdays)), return_dtype=pl.Int64)
    return (before // len(weekdays) * 7 + weekday + _A_MONDAY).cast(pl.Int32).cast(pl.Date)


def between(first: pl.Expr, last: pl.Expr, weekdays: tuple[int, ...]) -> pl.Expr:
    """Working days from first to last, both included; 0 when last comes before first, null when a date is missing."""
    return (number(last, weekdays) - number(first.dt.offset_by("-1d"), weekdays)).clip(lower_bound=0)
