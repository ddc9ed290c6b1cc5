"""The weeks and months that a chart spans."""

from datetime import date, timedelta

import polars as pl

WEEK, MONTH = "w", "mo"

MOST_MONTHS = 24


def latest(periods: pl.Series, unit: str, most: int) -> list[date]:
    """Every week or month from the first to the last of `periods`, gaps included, at most the latest `most`; oldest first."""
    first, last = pl.lit(periods.min()), pl.lit(periods.max())
    spanned = pl.select(pl.date_range(last.dt.offset_by(f"-{most - 1}{unit}"), last, f"1{unit}").alias("period"))
    dates: list[date] = spanned.filter(pl.col("period") >= first)["period"].to_list()
    return dates


def is_running(month: date, as_of: date) -> bool:
    """The month is not over on the as-of date, so its figures are not either."""
    tomorrow = as_of + timedelta(days=1)
    return (month.year, month.month) >= (tomorrow.year, tomorrow.month)


def iso(column: str) -> pl.Expr:
    """A date as the text that axes are ordered by: no time zone of the renderer can move it."""
    return pl.col(column).dt.to_string("%Y-%m-%d")
