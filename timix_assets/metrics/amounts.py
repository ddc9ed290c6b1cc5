"""Exact arithmetic for hours and money: never a binary float, never a division by zero, one rounding at the end."""

from decimal import Decimal

import polars as pl

AMOUNT = pl.Decimal(38, 10)
"""Hours, rates and money as every table stores them."""

EXACT = pl.Decimal(38, 20)
"""Wide enough for hours x rate without rounding; sums stay exact below 10^18."""

DAY_PLACES = 4
_UNITS_PER_HOUR = 10**DAY_PLACES
_PHYSICAL_PER_UNIT = 10 ** (10 - DAY_PLACES)


def amount(value: Decimal | int) -> pl.Expr:
    """A constant of the type AMOUNT."""
    return pl.lit(Decimal(value), AMOUNT)


def worth(hours: pl.Expr, rate: pl.Expr) -> pl.Expr:
    """hours x rate, exact to 20 places; null when either is unknown."""
    return hours * rate.cast(EXACT)


def rounded(exact: pl.Expr) -> pl.Expr:
    """An EXACT sum as AMOUNT, rounded half away from zero (Polars' default is half to even, its cast cuts off)."""
    return exact.round(10, mode="half_away_from_zero").cast(AMOUNT)


def share(of: pl.Expr, part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """of x part / whole for an AMOUNT >= 0 and two integers, rounded half away from zero to 4 places: a day's hours.

    Integer arithmetic, because a decimal quotient is rounded twice. whole 0 gives null.
    """
    numerator = of.to_physical() * part.cast(pl.Int128)
    denominator = whole.cast(pl.Int128) * _PHYSICAL_PER_UNIT
    units: pl.Expr = (2 * numerator + denominator) // (2 * denominator)
    return units.cast(AMOUNT) * amount(1 / Decimal(_UNITS_PER_HOUR))


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """numerator / denominator as a float; null when the denominator is 0 or null: never 0, infinity or NaN."""
    return pl.when(denominator != 0).then(numerator.cast(pl.Float64) / denominator.cast(pl.Float64))


def total_worth(exact: pl.Expr, *, to_price: pl.Expr, priced: pl.Expr) -> pl.Expr:
    """Sum of worths as AMOUNT: unknown prices are passed over; null only if there is something to price and nothing is.

    to_price, priced: sums of counts of entries.
    """
    return pl.when((to_price == 0) | (priced > 0)).then(rounded(exact))
