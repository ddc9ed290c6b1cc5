"""Rows of small tables in memory: a run reads most tables ten times, for formulas, names, checks and charts."""

from collections.abc import Mapping

import polars as pl
from deltalake import DeltaTable
from polars.exceptions import PanicException, PolarsError

from timix_assets.interrupts import interrupts_deferred

from .schema import schema_of
from .storage import scan_table
from .table_details import rows_of

MAX_CELLS = 400_000
"""Rows × columns: some 16 bytes each, so 6 MB a table. The size of its files says little, where repeated text takes no room."""


class SmallTables:
    """The rows of small tables, each for as long as its table stays open at that version.

    Args:
        options: Of the store, as the deltalake library names them.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self._read: dict[str, tuple[DeltaTable, pl.DataFrame]] = {}

    def scan(self, table: DeltaTable) -> pl.LazyFrame:
        """As `scan_table`. table: one that stays open; another object is another version."""
        known, rows = self._read.get(table.table_uri, (None, None))
        if known is table and rows is not None:
            return rows.lazy()
        frame = scan_table(table, self._options)
        rows_in_log = rows_of(table)
        if rows_in_log is None or rows_in_log * len(schema_of(table)) > MAX_CELLS:
            return frame
        try:
            with interrupts_deferred():
                rows = frame.collect()
        except (OSError, PolarsError, PanicException):
            # Who collects it says what is wrong.
            return frame
        self._read[table.table_uri] = table, rows
        return rows.lazy()
