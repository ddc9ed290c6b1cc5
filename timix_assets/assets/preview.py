"""Rows of a table as Markdown, for the metadata of assets and checks."""

import math
from collections.abc import Callable, Iterable, Mapping, Set
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl

from timix_assets.contract.schema import Endpoint, Type
from timix_assets.metrics.columns import RATIO
from timix_assets.metrics.names import NAMES
from timix_assets.metrics.rollup import Rollup
from timix_assets.text.figures import number, percent
from timix_assets.text.printable import markdown

PREVIEW_ROWS, PREVIEW_COLUMNS = 5, 12
ROLLUP_PREVIEW_ROWS = 10
CELL_CHARACTERS = 40
NO_BREAK_SPACE = "\u00a0"


def preview(frame: pl.DataFrame, *, characters: int = CELL_CHARACTERS) -> str:
    """A Markdown table with one line for each row. Longer cells are truncated, and Markdown in cells is escaped."""
    return _table(frame, lambda _column, value: _cell(value, characters))


def raw_preview(endpoint: Endpoint, rows: pl.LazyFrame, named: Mapping[str, pl.LazyFrame]) -> str:
    """The newest rows of a raw table: names in the place of ids, and only columns that have a value in one of them.

    Args:
        named: The raw tables that are there to take names from, by name.
    """
    newest = _newest_first(endpoint)
    order = [*newest, *(name for name in endpoint.key if name not in newest)]
    first = rows.sort(order, descending=[name in newest for name in order], nulls_last=True).head(PREVIEW_ROWS)
    names = {
        column: name
        for column, name in NAMES.items()
        if column in endpoint.schema
        and column not in endpoint.key
        and name.table in named
        # Some reports send the name.
        and name.column not in endpoint.schema
    }
    shown = first.with_columns(name.beside(column, named[name.table]) for column, name in names.items()).collect()
    filled = [
        names[column].column if column in names else column
        for column in endpoint.schema.names()
        if shown[column].null_count() < shown.height or shown.is_empty()
    ]
    return preview(shown.select(filled[:PREVIEW_COLUMNS]))


def _newest_first(endpoint: Endpoint) -> list[str]:
    """The column that says how new a row is: its month's day, else its first date, else when it was created."""
    days = [column.name for column in endpoint.columns if column.type is Type.DAY and not column.is_list]
    moments = [column.name for column in endpoint.columns if column.type is Type.INSTANT]
    return ([endpoint.date_column] if endpoint.date_column else [*days, *moments])[:1]


def rollup_preview(table: Rollup, rows: pl.DataFrame) -> str:
    """The rows of a rollup that its declaration puts first, as people read them: 84 %, 1,234; the table has the exact values."""
    ratios = {column.name for column in table.columns if column.unit == RATIO}
    return _table(table.preview.first_rows(rows, ROLLUP_PREVIEW_ROWS), partial(_rounded, ratios))


def _table(frame: pl.DataFrame, cell: Callable[[str, Any], str]) -> str:
    if frame.is_empty():
        return "*no rows*"
    lines = [
        _line(map(markdown, frame.columns)),
        _line("---:" if dtype.is_numeric() else "---" for dtype in frame.dtypes),
        *(_line(map(cell, frame.columns, row)) for row in frame.rows()),
    ]
    return "\n".join(lines)


def _rounded(ratios: Set[str], column: str, value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        if column in ratios:
            # A narrow column must not part the sign from the figure.
            return percent(value).replace(" ", NO_BREAK_SPACE)
        value = number(Decimal(value))
    elif isinstance(value, Decimal):
        value = number(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:,}"
    return _cell(value, CELL_CHARACTERS)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any, characters: int) -> str:
    if value is None:
        return ""
    text = f"{value.normalize():f}" if isinstance(value, Decimal) else " ".join(str(value).split())
    if len(text) > characters:
        text = text[: characters - 1] + "…"
    return markdown(text)
