"""Polars types and their Delta counterparts, and how a table's columns may change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from deltalake import DeltaTable, Field, Schema
from deltalake.schema import ArrayType, PrimitiveType, StructType
from polars.datatypes import DataTypeClass

from .errors import SchemaChanged, UnstorableColumn

COMMENT = "comment"
"""The field metadata where Spark, Databricks and Trino look for a column's description."""

_PRIMITIVES: Mapping[type[pl.DataType], str] = {
    pl.String: "string",
    pl.Boolean: "boolean",
    pl.Int8: "byte",
    pl.Int16: "short",
    pl.Int32: "integer",
    pl.Int64: "long",
    pl.Float32: "float",
    pl.Float64: "double",
    pl.Date: "date",
    pl.Binary: "binary",
}

# Delta has neither unsigned numbers nor categories: each is stored in the next type that can represent all its values.
# UInt64 (sums of row counts) is cast strictly, so that a number above Int64 raises an error.
_WIDENED: Mapping[type[pl.DataType], pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Int64(),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
}


def stored_type(dtype: pl.DataType) -> pl.DataType:
    """The type in which a column of `dtype` is stored; for most types the same."""
    if isinstance(dtype, pl.List):
        return pl.List(stored_type(_instance(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(field.name, stored_type(_instance(field.dtype))) for field in dtype.fields])
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return pl.Datetime("us", "UTC")
    return _WIDENED.get(type(dtype), dtype)


def delta_schema(
    table: str, schema: Mapping[str, pl.DataType], descriptions: Mapping[str, str], base: Schema | None = None
) -> Schema:
    """The Delta schema of the columns. Those of `base` stay as they are; descriptions become comments."""
    existing = {field.name: field for field in base.fields} if base is not None else {}
    fields = []
    for name, dtype in schema.items():
        field = existing.get(name) or Field(name, _delta_type(table, name, dtype))
        comment = {COMMENT: descriptions[name]} if name in descriptions else {}
        fields.append(Field(name, field.type, nullable=field.nullable, metadata={**field.metadata, **comment}))
    return Schema(fields)


def schema_of(table: DeltaTable) -> pl.Schema:
    return pl.Schema(table.schema())


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        type: As Delta names it, such as `decimal(38,10)`.
        description: As the table has it; empty for none.
    """

    name: str
    type: str
    description: str


def columns_of(table: DeltaTable) -> list[Column]:
    return [
        Column(field.name, _type_name(field.type), str(field.metadata.get(COMMENT, "")))
        for field in table.schema().fields
    ]


def _type_name(dtype: Any) -> str:
    if isinstance(dtype, ArrayType):
        return f"array<{_type_name(dtype.element_type)}>"
    if isinstance(dtype, StructType):
        return f"struct<{', '.join(f'{field.name}: {_type_name(field.type)}' for field in dtype.fields)}>"
    return dtype.type if isinstance(dtype, PrimitiveType) else str(dtype)


def merged_schema(table: str, url: str, sent: pl.Schema, stored: pl.Schema, *, exact: bool = False) -> pl.Schema:
    """The columns of the table after `sent` is written into it.

    Args:
        exact: Drop the columns that `sent` lacks; otherwise they stay, null in the new rows.

    Raises:
        SchemaChanged: A column's type differs.
    """
    for name in sent.names():
        if name in stored and sent[name] != stored[name]:
            raise SchemaChanged(
                f"{table}: column {name} is {stored[name]} in the table but {sent[name]} in the new rows; nothing was written. "
                f"Correct the type, or, if the new one is right, move {url} away and materialize the whole table again."
            )
    staying = {name: dtype for name, dtype in stored.items() if name in sent or not exact}
    return pl.Schema({**staying, **{name: dtype for name, dtype in sent.items() if name not in stored}})


def _delta_type(table: str, column: str, dtype: pl.DataType) -> PrimitiveType | ArrayType | StructType:
    if isinstance(dtype, pl.List):
        return ArrayType(_delta_type(table, column, _instance(dtype.inner)), contains_null=True)
    if isinstance(dtype, pl.Struct):
        return StructType(
            [Field(field.name, _delta_type(table, column, _instance(field.dtype))) for field in dtype.fields]
        )
    if isinstance(dtype, pl.Decimal):
        return PrimitiveType(f"decimal({dtype.precision},{dtype.scale})")
    if dtype == pl.Datetime("us", "UTC"):
        return PrimitiveType("timestamp")
    if type(dtype) not in _PRIMITIVES:
        advice = "give it its declared type" if isinstance(dtype, pl.Null) else "cast it before it is stored"
        raise UnstorableColumn(
            f"{table}: column {column} has the Polars type {dtype}, which Delta cannot store; {advice}."
        )
    return PrimitiveType(_PRIMITIVES[type(dtype)])


def _instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()
