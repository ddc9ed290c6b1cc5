"""Exact arithmetic for hours and money: never a binary float, never a division by zero, one rounding at the end."""

from decimal import ROUND_HALF_UP, Decimal

import polars as pl

from timix_assets.contract.schema import AMOUNT

EXACT = pl.Decimal(38, 20)
"""Wide enough for hours x rate without rounding; sums stay exact below 10^18."""

_MAX_DECIMAL_QUOTIENT = 1e17

DAY_PLACES = 4
_UNITS_PER_HOUR = 10**DAY_PLACES
_PHYSICAL_PER_UNIT = 10 ** (10 - DAY_PLACES)


def amount(value: Decimal | int) -> pl.Expr:
    """A constant of the type AMOUNT."""
    # By its digits: for a Decimal, Polars imports numpy.
    return pl.lit(f"{value:f}" if isinstance(value, Decimal) else str(value)).cast(AMOUNT)


def as_integer(hours: pl.Expr) -> pl.Expr:
    """Hours in units of 10^-10, as 64-bit integers: exact, and faster to add up than decimals over millions of rows."""
    return hours.to_physical().cast(pl.Int64)


def from_integer(units: pl.Expr) -> pl.Expr:
    """The inverse of `as_integer`."""
    return units.cast(pl.Int128).reinterpret(dtype=AMOUNT)


def price(hours: pl.Expr, rate: pl.Expr) -> pl.Expr:
    """hours x rate of AMOUNTs in units of 10^-20, as 128-bit integers: exact, and faster than decimals; null if one is null."""
    return hours.to_physical() * rate.to_physical()


def from_price(units: pl.Expr) -> pl.Expr:
    """A sum of `price` as EXACT."""
    return units.reinterpret(dtype=EXACT)


def rounded(exact: pl.Expr) -> pl.Expr:
    """An EXACT sum as AMOUNT, rounded half away from zero (Polars' default is half to even, its cast cuts off)."""
    return exact.round(10, mode="half_away_from_zero").cast(AMOUNT)


def round_hours(hours: Decimal) -> Decimal:
    """A constant's hours of a day, rounded half away from zero to 4 places."""
    return hours.quantize(Decimal(1).scaleb(-DAY_PLACES), ROUND_HALF_UP)


def prorate(of: pl.Expr, part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """of x part / whole for an AMOUNT >= 0 and two integers, rounded half away from zero to 4 places: a day's hours.

    Null when whole is 0. Integer arithmetic, because a decimal quotient is rounded twice.
    """
    numerator = of.to_physical() * part.cast(pl.Int128)
    denominator = whole.cast(pl.Int128) * _PHYSICAL_PER_UNIT
    units: pl.Expr = (2 * numerator + denominator) // (2 * denominator)
    return units.cast(AMOUNT) * amount(1 / Decimal(_UNITS_PER_HOUR))


def share(of: pl.Expr, part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """of x part / whole as an AMOUNT, rounded half away from zero to 4 places; null when whole is 0 or any is null."""
    return round_places(exact_share(of, part, whole))


def exact_share(of: pl.Expr, part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """of x part / whole as an EXACT, good to about 12 places; the larger of the amounts must come first."""
    fits = of.cast(pl.Float64).abs() * part.cast(pl.Float64).abs() < _MAX_DECIMAL_QUOTIENT
    divisor = pl.when(whole != 0).then(whole).cast(EXACT)
    multiplied_first = of.cast(EXACT) * pl.when(fits).then(part).cast(EXACT) / divisor
    return pl.coalesce(multiplied_first, of.cast(EXACT) * (part.cast(EXACT) / divisor))


def round_places(exact: pl.Expr) -> pl.Expr:
    """An EXACT quotient, or a sum of some, as an AMOUNT with 4 places; what a division lost must not turn a half around."""
    return exact.round(12, mode="half_away_from_zero").round(DAY_PLACES, mode="half_away_from_zero").cast(AMOUNT)


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """numerator / denominator as a float; null when the denominator is 0 or null: never 0, infinity or NaN.

    Divides as decimals, then converts to float: Polars divides floats by a constant, or in a table of one row, by multiplying
    with the reciprocal, so 11.5 / 20 would be 0.575 in one table and 0.5750000000000001 in another. Only quotients too large
    for a decimal are divided as floats.
    """
    top, bottom = numerator.cast(pl.Float64), denominator.cast(pl.Float64)
    fits = top.abs() < bottom.abs() * _MAX_DECIMAL_QUOTIENT
    divisor = pl.when((denominator != 0) & fits).then(denominator).cast(EXACT, strict=False)
    quotient = numerator.cast(EXACT, strict=False) / divisor
    return pl.coalesce(as_float(quotient), pl.when(denominator != 0).then(top / bottom))


def as_float(value: pl.Expr) -> pl.Expr:
    """The nearest float to an AMOUNT or EXACT."""
    return value.cast(EXACT).cast(pl.Float64)


def sum_or_null_if_unpriced(exact: pl.Expr, *, to_price: pl.Expr, priced: pl.Expr) -> pl.Expr:
    """A sum of prices as AMOUNT, without the unknown ones; null only if there are entries to price and none is priced.

    Args:
        exact: The sum of the known prices, EXACT.
        to_price: How many entries there are to price.
        priced: How many of them have a price.
    """
    return pl.when((to_price == 0) | (priced > 0)).then(rounded(exact))


def sum_of_known(column: str) -> pl.Expr:
    """Sum of a column over a group, without unknown values; null when none is known."""
    return pl.when(pl.col(column).is_not_null().any()).then(pl.col(column).sum())
