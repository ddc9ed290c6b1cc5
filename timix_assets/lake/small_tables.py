"""Rows of small tables in memory: a run reads most tables ten times, for formulas, names, checks and charts."""

from collections.abc import Mapping

import polars as pl
from deltalake import DeltaTable
from polars.exceptions import PanicException, PolarsError

from timix_assets.interrupts import interrupts_deferred

from .storage import files_of, scan_table

MOST_BYTES = 300_000
"""Of a table's files. Its rows take some ten times as much memory."""


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
        if files_of(table)["size_bytes"].sum() > MOST_BYTES:
            return frame
        try:
            with interrupts_deferred():
                rows = frame.collect()
        except (OSError, PolarsError, PanicException):
            # Who collects it says what is wrong.
            return frame
        self._read[table.table_uri] = table, rows
        return rows.lazy()
