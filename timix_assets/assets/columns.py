"""A table's declared columns as the Dagster UI shows them."""

from collections.abc import Iterable

import polars as pl
from dagster import TableColumn, TableColumnConstraints, TableSchema

from timix_assets.contract.schema import Column


def column_schema(columns: Iterable[Column]) -> TableSchema:
    """Name, stored type and a description with the unit and, for enums, the known values."""
    return TableSchema(
        [
            TableColumn(
                column.name,
                type=type_name(column.dtype),
                description=description_of(column),
                constraints=TableColumnConstraints(nullable=not column.required),
            )
            for column in columns
        ]
    )


def description_of(column: Column) -> str:
    parts = [column.description]
    if column.unit:
        parts.append(f"Unit: {column.unit}.")
    if column.values:
        parts.append(f"Known values: {', '.join(column.values)}.")
    return " ".join(parts)


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
