"""The tables of docs/metrics.md that repeat declarations, as Markdown. `make docs` writes them between their markers.

The page explains the names that stand beside ids once, so no table of columns repeats them.
"""

from collections.abc import Mapping
from itertools import chain

import polars as pl

from timix_assets.metrics import BY_NAME, ROLLUPS, Column, Rollup
from timix_assets.metrics.names import NAMES
from timix_assets.metrics.restatements import CLOSED_MONTHS

_SHARED = (("utilization_weekly", "utilization_monthly"),)
"""Rollups with the same columns, except for the period: one table for both."""


def generated_tables() -> Mapping[str, str]:
    """The Markdown of each generated table, by the name in its marker: `rollups/<name>`, `meta/<name>`, and `keys`."""
    groups = [*_SHARED, *((r.name,) for r in ROLLUPS if r.name not in chain(*_SHARED))]
    tables = {f"rollups/{names[0]}": _columns([BY_NAME[name] for name in names]) for names in groups}
    return tables | {f"meta/{CLOSED_MONTHS.name}": _columns([CLOSED_MONTHS]), "keys": _keys()}


def _columns(rollups: list[Rollup]) -> str:
    """Key columns first."""
    beside_ids = {name.column for name in NAMES.values()}
    columns = {column.name: column for rollup in rollups for column in rollup.columns if column.name not in beside_ids}
    names = dict.fromkeys([*chain(*(rollup.key for rollup in rollups)), *columns])
    return _table(["column", "unit", "meaning"], [_row(columns[name]) for name in names])


def _row(column: Column) -> list[str]:
    return [f"`{column.name}`", _unit(column), column.description]


def _unit(column: Column) -> str:
    if column.unit:
        return column.unit.partition(",")[0]
    return "true or false" if column.dtype == pl.Boolean else "text"


def _keys() -> str:
    rows = [[f"`{rollup.name}`", ", ".join(f"`{column}`" for column in rollup.key)] for rollup in ROLLUPS]
    return _table(["table", "one row per"], rows)


def _table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
