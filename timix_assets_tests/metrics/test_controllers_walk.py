"""docs/metrics.md, 8: the controller's walk. The page has the raw rows and the figures; the figures follow from the rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.metrics import BY_NAME
from timix_assets.metrics.restatements import CLOSED_MONTHS

from .small_firm import Row, SmallFirm

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
WALK = PAGE.read_text(encoding="utf-8").partition("\n## 8. ")[2].partition("\n## 9. ")[0]
MARCH = date(2026, 3, 1)

_BLOCK = re.compile(r"^\*\*`(?P<group>\w+)/(?P<table>\w+)`\*\*(?P<key>.*)\n\n(?P<rows>(?:\|.*\n)+)", re.MULTILINE)
_AS_OF = re.compile(r"\*\*(\d{4}-\d\d-\d\d)\*\*")


@dataclass(frozen=True)
class Block:
    """A table of the walk, and the day that it is as of.

    rows: Of raw tables, the records; of others, dicts of column, figure and by hand.
    """

    group: str
    table: str
    key: Row
    rows: tuple[Row, ...]
    as_of: str

    def __str__(self) -> str:
        return " ".join((self.table, *self.key.values()))


def cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip("|\n").split("|")]


def blocks() -> Iterator[Block]:
    for found in _BLOCK.finditer(WALK):
        head, _, *lines = map(cells, found["rows"].splitlines())
        key = dict(re.findall(r"`(\w+)` ([\w-]+)", found["key"]))
        rows = tuple(dict(zip(head, line, strict=True)) for line in lines)
        as_of = _AS_OF.findall(WALK[: found.start()])[-1]
        yield Block(found["group"], found["table"], key, rows, as_of)


BLOCKS = tuple(blocks())
DERIVED = tuple(block for block in BLOCKS if block.group != "timix")
CLOSED_ON = BLOCKS[0].as_of


def raw_value(column: str, cell: str) -> Any:
    if column == "holidays":
        day, _, name = cell.partition(" ")
        return [{"date": day, "name": name}]
    return (cell.replace(",", "") if re.fullmatch(r"[\d,.]+", cell) else cell) or None


@cache
def firm(as_of: str) -> SmallFirm:
    """The firm whose records are the raw rows up to that day."""
    made = SmallFirm(as_of=as_of, records={})
    for block in BLOCKS:
        if block.group == "timix" and block.as_of <= as_of:
            for row in block.rows:
                record = {column: raw_value(column, cell) for column, cell in row.items()}
                made.having(block.table, **record)
    for entry in made.records["time_reports"]:
        entry["date"] = date.fromisoformat(str(entry["date"]))
    return made


def table_of(block: Block) -> pl.DataFrame:
    return firm(block.as_of).close(MARCH, as_it_was=firm(CLOSED_ON)).table(block.table)


def shown(value: Any) -> str:
    """A value as the page writes it: ratios and other quotients with at most four places."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return str(value)


@pytest.mark.parametrize("block", DERIVED, ids=str)
def test_figures_follow_from_the_raw_rows(block: Block):
    rows = [
        row for row in table_of(block).to_dicts() if all(shown(row[name]) == key for name, key in block.key.items())
    ]
    assert len(rows) == 1
    figures = {row["column"]: row["figure"] for row in block.rows}
    assert {column: shown(rows[0][column]) for column in figures} == figures


def test_every_table_is_in_the_walk():
    assert {block.table for block in DERIVED} == {*BY_NAME, CLOSED_MONTHS.name}
