"""Small tables of time entries for the lake's tests."""

from datetime import date

import polars as pl

from timix_assets.lake.months import Months

JANUARY, FEBRUARY, MARCH = (date(2025, month, 1) for month in (1, 2, 3))
WINTER = Months(JANUARY, MARCH)


def only(month: date) -> Months:
    return Months(month, month)


def entries(*rows: tuple[str, date, int]) -> pl.DataFrame:
    """Entries with id, month and hours."""
    return pl.DataFrame(rows, schema={"id": pl.String, "month": pl.Date, "hours": pl.Int64}, orient="row")


def numbered(month: date, count: int, hours: int = 1) -> pl.DataFrame:
    """`count` entries of one month, each with the same hours."""
    return entries(*((f"{month:%b}-{number}", month, hours) for number in range(count)))


def sorted_rows(frame: pl.LazyFrame) -> list[tuple[object, ...]]:
    """A table's rows, sorted."""
    return sorted(frame.collect().rows(), key=str)
