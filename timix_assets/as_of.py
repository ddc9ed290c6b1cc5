"""By which day the figures of a table were computed: what the table itself says, never the clock of who reads it."""

from datetime import date

import polars as pl

from timix_assets.lake.errors import LakeError
from timix_assets.lake.tables import Lake
from timix_assets.metrics.tables import AS_OF
from timix_assets.wording import counted


def last_day_of(lake: Lake, table: str) -> date | None:
    """The last day that the table's figures count; None when it has no row.

    TableMissing; LakeError when the table was computed before tables said their day.
    """
    if AS_OF not in lake.schema(table):
        raise LakeError(
            f"{table} does not say by which day it was computed; refresh it once, with this version of timix_assets."
        )
    day: date | None = lake.scan(table).select(pl.col(AS_OF).max()).collect().item()
    return day


def age(as_of: date, today: date) -> str:
    """`computed 3 days ago; refresh first`; empty for figures of today."""
    days = (today - as_of).days
    return f"computed {counted(days, 'day')} ago; refresh first" if days > 0 else ""
