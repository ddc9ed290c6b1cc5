"""Reads the rows of a file: CSV, Excel, Parquet or a Delta table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from deltalake.exceptions import DeltaError
from fastexcel import FastExcelError

from timix_assets.text.csv_table import BrokenCsv, read_records
from timix_assets.text.wording import count_noun

from .errors import ImportRefused

EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
MAX_BYTES = 100_000_000
MAX_SOURCE_ROWS = 200_000

_UNREADABLE = (
    OSError,
    ValueError,
    DeltaError,
    FastExcelError,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)

Table = tuple[list[str], list[dict[str, Any]]]
"""Columns, and column -> value of each row."""


def read_source(path: Path, sheet: str = "") -> Table:
    """The columns and rows of a file; of a CSV every value is text.

    Args:
        path: A CSV, an Excel or a Parquet file, or the folder of a Delta table.
        sheet: The sheet of an Excel file; the first one when empty.

    Raises:
        ImportRefused: The file cannot be read, has no rows, or is too large.
    """
    if not path.exists():
        raise ImportRefused(f"There is no file {path.name}; check the name.")
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise ImportRefused(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB; split it.")
    try:
        columns, rows = _read(path, sheet)
    except BrokenCsv as error:
        raise ImportRefused(f"{path.name} is not a complete CSV: {error}.") from error
    except _UNREADABLE as error:
        first_line = str(error).partition("\n")[0]
        raise ImportRefused(f"{path.name} cannot be read ({first_line}); check what kind of file it is.") from error
    if not rows:
        raise ImportRefused(f"{path.name} has no rows.")
    return checked(columns, rows, path.name)


def rows_of_frame(frame: pl.DataFrame | pl.LazyFrame, name: str) -> Table:
    """The columns and rows of a frame, such as an upstream asset's.

    Args:
        name: What messages call it.
    """
    collected = frame.lazy().collect()
    return checked(collected.columns, collected.to_dicts(), name)


def checked(columns: Sequence[str], rows: list[dict[str, Any]], name: str) -> Table:
    """The same table; ImportRefused where it has too many rows or a column twice."""
    if len(rows) > MAX_SOURCE_ROWS:
        raise ImportRefused(f"{name} has {count_noun(len(rows), 'row')}, more than {MAX_SOURCE_ROWS:,}; split it.")
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise ImportRefused(f"{name} has the column {twice[0]} twice; rename one of them.")
    return list(columns), rows


def _read(path: Path, sheet: str) -> Table:
    if path.is_dir():
        frame = pl.read_delta(str(path))
    elif path.suffix.lower() == ".parquet":
        frame = pl.read_parquet(path)
    elif path.suffix.lower() in EXCEL:
        frame = pl.read_excel(path, sheet_name=sheet) if sheet else pl.read_excel(path)
    else:
        header, *records = read_records(path.read_bytes())
        return header, [dict(zip(header, record, strict=True)) for record in records]
    return frame.columns, frame.to_dicts()
