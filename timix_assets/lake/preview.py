"""The first rows of a table as Markdown, small enough to be looked at."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import polars as pl

PREVIEW_ROWS = 5
CELL_CHARACTERS = 40


def preview(frame: pl.DataFrame) -> str:
    """A Markdown table of the frame: one line a row, long cells cut, nothing in a cell that Markdown would obey."""
    if frame.is_empty():
        return "*no rows*"
    lines = [
        _line(frame.columns),
        _line("---" for _ in frame.columns),
        *(_line(map(_cell, row)) for row in frame.rows()),
    ]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value.normalize():f}" if isinstance(value, Decimal) else " ".join(str(value).split())
    if len(text) > CELL_CHARACTERS:
        text = text[: CELL_CHARACTERS - 1] + "…"
    for special in "\\|`*_<>[]":
        text = text.replace(special, f"\\{special}")
    return text
