"""Rows of any query on a terminal: a table where it is wide enough, else a block of lines for each row."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timix_assets.reporting.flat import with_nested_as_json
from timix_assets.text.printable import printable
from timix_assets.text.wording import count_noun

MAX_ROWS = 100
"""Rows that are printed; the others are counted."""
BETWEEN_COLUMNS = 2


def show(result: pl.DataFrame, console: Console) -> None:
    """Prints the first rows, null as nothing and decimals without zeros at their end."""
    rows = with_nested_as_json(result.head(MAX_ROWS).lazy()).collect()
    cells = [[_cell(value) for value in row] for row in rows.iter_rows()]
    headings = [printable(name) for name in rows.columns]
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    if len(widths) == 1 or sum(widths) + BETWEEN_COLUMNS * len(widths) <= console.width:
        _print_table(headings, cells, rows.schema, console)
    else:
        _print_blocks(headings, cells, console)
    shown = f"the first {MAX_ROWS} of " if result.height > MAX_ROWS else ""
    more = "; --format csv or json prints all" if shown else ""
    console.print(Text(f"{shown}{count_noun(result.height, 'row')}{more}", "dim"))


def _print_table(headings: Sequence[str], cells: Sequence[Sequence[str]], schema: pl.Schema, console: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, BETWEEN_COLUMNS, 0, 0), header_style="bold")
    for heading, dtype in zip(headings, schema.dtypes(), strict=True):
        table.add_column(Text(heading), justify="right" if dtype.is_numeric() else "left", no_wrap=True)
    for row in cells:
        # As Text, so that a bracket in a name is not markup.
        table.add_row(*map(Text, row))
    console.print(table)


def _print_blocks(headings: Sequence[str], cells: Sequence[Sequence[str]], console: Console) -> None:
    for number, row in enumerate(cells, 1):
        console.print(Text(f"row {number}", "bold"))
        for heading, cell in zip(headings, row, strict=True):
            console.print(Text(f"  {heading}: {cell}"), soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.10g}" if isinstance(value, float) else printable(str(value))
