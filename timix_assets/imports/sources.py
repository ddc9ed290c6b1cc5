"""Reads the rows of a file: CSV, Excel, Parquet or a Delta table."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
from deltalake.exceptions import DeltaError

from timix_assets.text.csv_table import BrokenCsv, WrongEncoding, read_records
from timix_assets.text.wording import excerpt

from .cells import is_blank
from .errors import ImportRefused

EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
MAX_BYTES = 100_000_000
MAX_SOURCE_ROWS = 200_000

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
"""A date or a time of Excel, as text."""

_UNREADABLE = (
    OSError,
    ValueError,
    DeltaError,
    fastexcel.FastExcelError,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)

Table = tuple[list[str], list[dict[str, Any]]]
"""Columns, and column -> value of each row. Empty rows count, so that the first row is row 2 of the file."""


def read_source(path: Path, sheet: str = "") -> Table:
    """The columns and rows of a file. Of a CSV every value is text; of an Excel file, text or a datetime.

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
    except WrongEncoding as error:
        raise ImportRefused(f"{path.name} cannot be read: {error}.") from error
    except _UNREADABLE as error:
        first_line = str(error).partition("\n")[0]
        raise ImportRefused(f"{path.name} cannot be read ({first_line}); check what kind of file it is.") from error
    table = _table(columns, rows, path.name)
    if all(map(is_blank, table[1])):
        if path.suffix.lower() in EXCEL and len(names := fastexcel.read_excel(path).sheet_names) > 1:
            which = f"The sheet {sheet}" if sheet else "The first sheet"
            raise ImportRefused(f"{which} of {path.name} has no rows; {_choice(names)}.")
        raise ImportRefused(f"{path.name} has no rows.")
    return table


def rows_of_frame(frame: pl.DataFrame | pl.LazyFrame, name: str) -> Table:
    """The columns and rows of a frame, such as an upstream asset's.

    Args:
        name: What messages call it.

    Raises:
        ImportRefused: It is too large.
    """
    return _table(*_of_frame(frame.lazy()), name)


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]], name: str) -> Table:
    """The rows by column, without those columns that have no name, such as Excel leaves behind the last one."""
    if len(rows) > MAX_SOURCE_ROWS:
        raise ImportRefused(f"{name} has more than {MAX_SOURCE_ROWS:,} rows; split it.")
    columns = [column for column in header if column]
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise ImportRefused(f"{name} has the column {twice[0]} twice; rename one of them.")
    return columns, [{column: cell for column, cell in zip(header, row, strict=True) if column} for row in rows]


def _read(path: Path, sheet: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """The columns and the rows; of too many rows one more than the limit."""
    if path.is_dir():
        if not (path / "_delta_log").is_dir():
            raise ImportRefused(
                f"{path.name or path} is a folder without a Delta table; name a file in it, or a Delta table."
            )
        return _of_frame(pl.scan_delta(str(path)))
    if path.suffix.lower() == ".parquet":
        return _of_frame(pl.scan_parquet(path, glob=False))
    records = _excel(path, sheet) if path.suffix.lower() in EXCEL else read_records(path.read_bytes())
    header, *rows = [*islice(records, MAX_SOURCE_ROWS + 2)] or [[]]
    return header, rows


def _of_frame(frame: pl.LazyFrame) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    collected = frame.head(MAX_SOURCE_ROWS + 1).collect()
    return collected.columns, collected.rows()


def _excel(path: Path, sheet: str) -> list[list[Any]]:
    """The header and every row. Cells are read as text: a column with a type would lose its cells of another one."""
    workbook = fastexcel.read_excel(path)
    if sheet and sheet not in workbook.sheet_names:
        raise ImportRefused(f"{path.name} has no sheet {excerpt(sheet)}; {_choice(workbook.sheet_names)}.")
    size = MAX_SOURCE_ROWS + 2
    texts = workbook.load_sheet(sheet or 0, header_row=None, n_rows=size, dtypes="string").to_polars().rows()
    if not texts:
        return []
    rows = [[_cell(text) for text in row] for row in texts[1:]]
    if path.suffix.lower() == ".ods":
        # Its durations have no text.
        for at, column in enumerate(workbook.load_sheet(sheet or 0, n_rows=size).to_polars()):
            if column.dtype == pl.Duration:
                for row, duration in zip(rows, column, strict=False):
                    row[at] = row[at] if duration is None else duration
    return [[(name or "").strip() for name in texts[0]], *rows]


def _choice(sheets: Sequence[str]) -> str:
    return f"its sheets are {excerpt(', '.join(sheets))}; name one as `sheet` in a mapping"


def _cell(text: str | None) -> str | datetime | None:
    if text and _MOMENT.fullmatch(text):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return text
