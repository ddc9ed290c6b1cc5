"""The declared columns of a table as Dagster metadata."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import polars as pl
from dagster import TableColumn, TableColumnConstraints, TableSchema

from timix_assets.contract.schema import Column

PERSONAL_DATA = {"timix/personal_data": "true"}
"""The tag of columns that tell something about a person, and of tables with such columns."""


def column_schema(columns: Iterable[Column]) -> TableSchema:
    """Name, stored type and a description with the unit and, for enums, the known values."""
    return TableSchema(
        [
            TableColumn(
                column.name,
                type=type_name(column.dtype),
                description=column_description(column),
                constraints=TableColumnConstraints(nullable=not column.required),
                tags=PERSONAL_DATA if column.personal else None,
            )
            for column in columns
        ]
    )


def code_version(schema: Mapping[str, pl.DataType], *, revision: int = 1) -> str:
    """Differs when a table has to be read or computed again after an upgrade; the UI then marks the asset as unsynced.

    Args:
        schema: Its columns.
        revision: Of its formula.
    """
    columns = " ".join(f"{name}:{type_name(dtype)}" for name, dtype in schema.items())
    return f"{revision}-{sha256(columns.encode()).hexdigest()[:8]}"


def column_description(column: Column) -> str:
    parts = [column.description]
    if column.unit:
        parts.append(f"Unit: {column.unit}.")
    if column.values:
        parts.append(f"Known values: {', '.join(_with_spellings(column, value) for value in column.values)}.")
    return " ".join(parts)


def _with_spellings(column: Column, value: str) -> str:
    others = column.spellings.get(value)
    return f"{value} (also {' or '.join(others)})" if others else value


def type_name(dtype: pl.DataType) -> str:
    """`decimal(38, 10)`, `list<struct>`, `string`: short enough for a table's column."""
    match dtype:
        case pl.Decimal():
            return f"decimal({dtype.precision}, {dtype.scale})"
        case pl.List():
            inner = dtype.inner
            return f"list<{type_name(inner if isinstance(inner, pl.DataType) else inner())}>"
        case pl.Struct():
            return "struct"
        case pl.Datetime():
            return f"timestamp, {dtype.time_zone}"
        case _:
            return str(dtype).lower()
