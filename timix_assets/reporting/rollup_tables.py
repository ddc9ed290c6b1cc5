"""Rollups as they lie in the lake: after an upgrade, until the first refresh, as an earlier version computed them."""

from collections.abc import Iterable

import polars as pl

from timix_assets.lake.errors import OutdatedRollup
from timix_assets.lake.tables import Lake
from timix_assets.metrics import BY_NAME


def scan_rollup(lake: Lake, table: str, columns: Iterable[str] | None = None) -> pl.LazyFrame:
    """Reads a rollup lazily.

    Args:
        table: Its name, such as `rollups/budget_health`.
        columns: Those that the reader needs; by default all that this version declares.

    Raises:
        TableMissing: It does not exist.
        OutdatedRollup: An earlier version computed it, without one of the columns.
    """
    rows = lake.scan(table)
    needed = BY_NAME[table.rpartition("/")[2]].schema if columns is None else columns
    if set(needed) - set(rows.collect_schema()):
        raise OutdatedRollup(
            f"{table} was computed by an earlier version; run `timix-assets refresh` to compute it again."
        )
    return rows
