"""How old the figures of a table are: by the as-of date in the table itself, never by the reader's clock."""

from datetime import date

import polars as pl

from timix_assets.lake.tables import Lake
from timix_assets.metrics.columns import AS_OF
from timix_assets.reporting.rollup_tables import scan_rollup
from timix_assets.text.wording import count_noun


def as_of_date_of(lake: Lake, table: str) -> date | None:
    """The last day that the figures of a rollup include; None for an empty table.

    Raises:
        TableMissing: The table does not exist.
        OutdatedRollup: An earlier version computed the table, without the date.
    """
    day: date | None = scan_rollup(lake, table, [AS_OF]).select(pl.col(AS_OF).max()).collect().item()
    return day


def staleness_note(as_of: date, today: date) -> str:
    """`computed 3 days ago; refresh first`; empty for figures of today."""
    days = (today - as_of).days
    return f"computed {count_noun(days, 'day')} ago; refresh first" if days > 0 else ""
