"""`timix-assets tables`: prints what the lake holds, or the columns of a table."""

import json
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timix_assets.lake.schema import Column
from timix_assets.reporting.table_states import TableState
from timix_assets.text.printable import printable

_UNITS = ("B", "kB", "MB", "GB", "TB")


def show(states: Sequence[TableState], lake: str, zone: str, console: Console) -> None:
    """Prints a line for each table.

    Args:
        zone: The time zone in which the last changes are shown.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("table", overflow="fold")
    for heading in ("rows", "size", "version"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("last change", "as of"):
        table.add_column(heading, no_wrap=True)
    for state in states:
        changed = f"{state.changed_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if state.changed_at else "unknown"
        as_of = f"{state.as_of}" if state.as_of else ""
        table.add_row(
            Text(printable(state.table)), f"{state.rows:,}", _size(state.bytes), f"{state.version}", changed, as_of
        )
    console.print(table)
    console.print(Text(f"Times are those of {zone}. The lake is {lake}", "dim"), soft_wrap=True)


def print_json(states: Sequence[TableState]) -> None:
    """Prints a list of objects, one for each table; instants in UTC."""
    rows = [
        {
            "table": state.table,
            "rows": state.rows,
            "bytes": state.bytes,
            "version": state.version,
            "changed_at": state.changed_at.isoformat() if state.changed_at else None,
            "as_of": state.as_of.isoformat() if state.as_of else None,
        }
        for state in states
    ]
    click.echo(json.dumps(rows, indent=2))


def show_columns(columns: Sequence[Column], console: Console) -> None:
    """Prints a line for each column, and more where its description is long."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("column", "type", "description"):
        table.add_column(heading, overflow="fold")
    for each in columns:
        # As Text, so that a bracket is not markup.
        table.add_row(*(Text(printable(text)) for text in (each.name, each.type, each.description)))
    console.print(table)


def print_columns_json(columns: Sequence[Column]) -> None:
    """Prints a list of objects, one for each column."""
    rows = [{"column": each.name, "type": each.type, "description": each.description} for each in columns]
    click.echo(json.dumps(rows, indent=2, ensure_ascii=False))


def _size(count: int) -> str:
    """`812 B`, `1.2 MB`, in powers of 1,000."""
    size, unit = float(count), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit and size < 9.95 else f"{size:.0f} {_UNITS[unit]}"
