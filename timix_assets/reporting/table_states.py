"""What a lake holds: every table with its rows, size, version, last change and as-of date."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from timix_assets.lake.errors import LakeError
from timix_assets.lake.schema import Column
from timix_assets.lake.tables import Lake
from timix_assets.metrics.columns import AS_OF

from .as_of import as_of_date_of
from .dictionary import dotted, in_order
from .errors import QueryError
from .queries import unknown_table


@dataclass(frozen=True, slots=True)
class TableState:
    """One table.

    Args:
        table: As SQL names it.
        changed_at: When its rows last changed; a refresh that finds nothing new changes nothing. None if unknown.
        as_of: The last day that the figures include; None where the table does not say.
    """

    table: str
    rows: int
    bytes: int
    version: int
    changed_at: datetime | None
    as_of: date | None


def table_states(lake: Lake) -> tuple[list[TableState], list[LakeError]]:
    """Every table, rollups first, and why others cannot be read. LakeError if the lake cannot be listed."""
    states, errors = [], []
    for table in in_order(lake.names()):
        try:
            states.append(_state(lake, table))
        except LakeError as error:
            errors.append(error)
    return states, errors


def columns(lake: Lake, name: str) -> list[Column]:
    """The columns of a table such as `timix.projects`.

    Raises:
        QueryError: There is no such table.
        LakeError: The lake cannot be listed, or the table not read.
    """
    known = {dotted(table): table for table in lake.names()}
    if dotted(name) not in known:
        raise QueryError(unknown_table(name, known))
    return lake.columns(known[dotted(name)])


def _state(lake: Lake, table: str) -> TableState:
    details = lake.details(table)
    rows = lake.scan(table).select(pl.len()).collect().item() if details.rows is None else details.rows
    as_of = as_of_date_of(lake, table) if AS_OF in lake.schema(table) else None
    return TableState(dotted(table), rows, details.bytes, details.version, details.changed_at, as_of)
