"""Rollups as they lie in the lake: after an upgrade, until the first refresh, as an earlier version computed them."""

from collections.abc import Iterable

import polars as pl

from timix_assets.lake.errors import OutdatedRollup
from timix_assets.lake.tables import Lake
from timix_assets.metrics import BY_NAME, FORMULAS
from timix_assets.metrics.inputs import tables_of

INVOICES = "timix/invoices"
"""What a key may not be allowed to read, so that a lake can do without it."""

NEED_INVOICES = frozenset(f"rollups/{name}" for name, formula in FORMULAS.items() if "invoices" in tables_of(formula))

NO_INVOICES = (
    "Invoices were never read, so what is earned, invoiced, owed and unbilled is unknown here; refresh with a key that may read "
    "them."
)


def has_invoices(lake: Lake) -> bool:
    """Whether the figures that need invoices are known: invoices were read, now or once."""
    return lake.exists(INVOICES) or any(map(lake.exists, NEED_INVOICES))


def scan_rollup(lake: Lake, table: str, columns: Iterable[str] | None = None) -> pl.LazyFrame:
    """Reads a rollup lazily: without rows if it needs invoices and the lake has none.

    Args:
        table: Its name, such as `rollups/budget_health`.
        columns: Those that the reader needs; by default all that this version declares.

    Raises:
        TableMissing: It does not exist.
        OutdatedRollup: An earlier version computed it, without one of the columns.
    """
    if table in NEED_INVOICES and not lake.exists(table) and not has_invoices(lake):
        return BY_NAME[table.rpartition("/")[2]].schema.to_frame().lazy()
    rows = lake.scan(table)
    needed = BY_NAME[table.rpartition("/")[2]].schema if columns is None else columns
    if set(needed) - set(rows.collect_schema()):
        raise OutdatedRollup(
            f"{table} was computed by an earlier version; run `timix-assets refresh` to compute it again."
        )
    return rows
