"""Exact arithmetic for hours and money: never a binary float, never a division by zero, one rounding at the end."""

from decimal import ROUND_HALF_UP, Decimal

import polars as pl

AMOUNT = pl.Decimal(38, 10)
"""Hours, rates and money as every table stores them."""

EXACT = pl.Decimal(38, 20)
"""Wide enough for hours x rate without rounding; sums stay exact below 10^18."""

_LARGEST_QUOTIENT = 1e17

DAY_PLACES = 4
_UNITS_PER_HOUR = 10**DAY_PLACES
_PHYSICAL_PER_UNIT = 10 ** (10 - DAY_PLACES)


def amount(value: Decimal | int) -> pl.Expr:
    """A constant of the type AMOUNT."""
    return pl.lit(Decimal(value), AMOUNT)


def as_integer(hours: pl.Expr) -> pl.Expr:
    """Hours in units of 10^-10, as 64-bit integers: exact, and faster to add up than decimals over millions of rows."""
    return hours.to_physical().cast(pl.Int64)


def from_integer(units: pl.Expr) -> pl.Expr:
    """The inverse of `as_integer`."""
    return units.cast(AMOUNT) * amount(Decimal("1E-10"))


def worth(hours: pl.Expr, rate: pl.Expr) -> pl.Expr:
    """hours x rate, exact to 20 places; null when either is unknown."""
    return hours * rate.cast(EXACT)


def rounded(exact: pl.Expr) -> pl.Expr:
    """An EXACT sum as AMOUNT, rounded half away from zero (Polars' default is half to even, its cast cuts off)."""
    return exact.round(10, mode="half_away_from_zero").cast(AMOUNT)


def round_hours(hours: Decimal) -> Decimal:
    """A constant's hours of a day, rounded half away from zero to 4 places."""
    return hours.quantize(Decimal(1).scaleb(-DAY_PLACES), ROUND_HALF_UP)


def share(of: pl.Expr, part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """of x part / whole for an AMOUNT >= 0 and two integers, rounded half away from zero to 4 places: a day's hours.

    Integer arithmetic, because a decimal quotient is rounded twice. whole 0 gives null.
    """
    numerator = of.to_physical() * part.cast(pl.Int128)
    denominator = whole.cast(pl.Int128) * _PHYSICAL_PER_UNIT
    units: pl.Expr = (2 * numerator + denominator) // (2 * denominator)
    return units.cast(AMOUNT) * amount(1 / Decimal(_UNITS_PER_HOUR))


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """numerator / denominator as a float; null when the denominator is 0 or null: never 0, infinity or NaN.

    Divided as decimals and then made a float, since Polars divides floats by a constant, or in a table of one row, by way of
    the reciprocal: 11.5 / 20 would be 0.575 in one table and 0.5750000000000001 in another. Only quotients too large for
    a decimal are divided as floats.
    """
    top, bottom = numerator.cast(pl.Float64), denominator.cast(pl.Float64)
    fits = top.abs() < bottom.abs() * _LARGEST_QUOTIENT
    divisor = pl.when((denominator != 0) & fits).then(denominator).cast(EXACT, strict=False)
    quotient = numerator.cast(EXACT, strict=False) / divisor
    return pl.coalesce(as_float(quotient), pl.when(denominator != 0).then(top / bottom))


def as_float(value: pl.Expr) -> pl.Expr:
    """The nearest float to an AMOUNT or EXACT."""
    return value.cast(EXACT).cast(pl.Float64)


def total_worth(exact: pl.Expr, *, to_price: pl.Expr, priced: pl.Expr) -> pl.Expr:
    """Sum of worths as AMOUNT: unknown prices are passed over; null only if there is something to price and nothing is.

    to_price, priced: sums of counts of entries.
    """
    return pl.when((to_price == 0) | (priced > 0)).then(rounded(exact))


def sum_of_known(column: str) -> pl.Expr:
    """Sum over a group; unknown values are passed over, null when none is known."""
    return pl.when(pl.col(column).is_not_null().any()).then(pl.col(column).sum())
