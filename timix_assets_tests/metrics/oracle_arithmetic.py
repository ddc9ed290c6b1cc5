"""What all formulas share: exact ratios, rounding, sums that pass unknown amounts over, and days (docs/metrics.md, § 0)."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

Row = dict[str, Any]
Tables = Mapping[str, list[Row]]
Number = Decimal | Fraction
Item = TypeVar("Item")
Key = TypeVar("Key")

ONE_DAY = timedelta(days=1)
ZERO = Decimal(0)


def quotient(numerator: Number | None, denominator: Number | None) -> Fraction | None:
    """§ 0: division by zero or by null gives null."""
    if numerator is None or denominator is None or denominator == 0:
        return None
    return Fraction(numerator) / Fraction(denominator)


def as_float(exact: Number | None) -> float | None:
    """§ 0: ratios and the other quotients are floats."""
    return None if exact is None else float(exact)


def ratio(numerator: Number | None, denominator: Number | None) -> float | None:
    return as_float(quotient(numerator, denominator))


def rounded(value: Number) -> Decimal:
    """§ 0: hours of a day and divided money that do not come out even: 4 places, half away from zero."""
    ten_thousandths = math.floor(abs(Fraction(value)) * 10**4 + Fraction(1, 2))
    return Decimal(ten_thousandths if value >= 0 else -ten_thousandths).scaleb(-4)


def known_total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """§ 0: sums pass unknown values over; they are null only if there is something to add up and none of it is known."""
    all_amounts = list(amounts)
    known = [amount for amount in all_amounts if amount is not None]
    return None if all_amounts and not known else sum(known, ZERO)


def difference(minuend: Decimal | None, subtrahend: Decimal | None) -> Decimal | None:
    return None if minuend is None or subtrahend is None else minuend - subtrahend


def at_most(value: Decimal | None, limit: Decimal) -> Decimal | None:
    """§ 0: a value beyond its limit, of either sign, is unknown."""
    return None if value is None or abs(value) > limit else value


def first_known(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def days(first: date, last: date) -> Iterator[date]:
    """Every day from first to last, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def month_of(day: date) -> date:
    return day.replace(day=1)


def month_end(day: date) -> date:
    """Last day of the day's month."""
    return month_of(month_of(day) + timedelta(days=31)) - ONE_DAY


def months(first: date, last: date) -> Iterator[date]:
    """First day of every month from first's to last's, both included."""
    month = month_of(first)
    while month <= last:
        yield month
        month = month_end(month) + ONE_DAY


def week_start(day: date, first_day_of_week: int) -> date:
    """§ 0: weeks start on the organization's first day; 0 = Sunday … 6 = Saturday (timix-api.md § 4)."""
    days_since_sunday = day.isoweekday() % 7
    return day - timedelta(days=(days_since_sunday - first_day_of_week) % 7)


def years_later(day: date, years: int) -> date:
    """The same day of a later year; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
