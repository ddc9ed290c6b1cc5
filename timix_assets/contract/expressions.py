"""Columns that an override computes: a Polars SQL expression over the records of one batch."""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any, TypeAlias

import polars as pl

from timix_assets.errors import TimixAssetsError
from timix_assets.text.wording import MAX_QUOTED_LENGTH

from .rescued import json_text
from .schema import AMOUNT
from .values import amount_texts

_ROW = "\x00row"
# Parts whose result for one record depends on other records, and so on how a listing is split into batches.
_ACROSS_ROWS = frozenset({"Agg", "Len", "Over", "Explode"})
_MAX_DEPTH = 16  # nested deeper than this, a field is its JSON text
_JSON_SCALARS = frozenset({str, int, float, Decimal, bool, NoneType})
_POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)

Record = Mapping[str, Any]
Members: TypeAlias = Mapping[str, "Members"]


class ExpressionError(TimixAssetsError, ValueError):
    """An expression that cannot compute a column; the message says why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked SQL expression.

    Attributes:
        sql: As written in the override.
        paths: The fields that it reads: `customer.id` is (customer, id).
        path: The one path, when the expression only names a field, nested or not; else empty.
    """

    sql: str
    paths: tuple[tuple[str, ...], ...]
    path: tuple[str, ...] = ()

    @property
    def fields(self) -> Members:
        """The fields that it reads, with the members of each: {customer: {id: {}}}."""
        return _members(self.paths)


@lru_cache(maxsize=256)
def parsed(sql: str) -> Expression:
    """Parses an expression; ExpressionError when it is not SQL, or not over a single record."""
    try:
        expression = pl.sql_expr(sql)
        several = expression.meta.has_multiple_outputs()
        tree = _tree(expression)
    except _POLARS_ERRORS as error:
        reason, _, _ = str(error).partition("\n")
        # The reason can quote any part of the expression; of a long one, only the beginning may be shown.
        why = f" ({reason})" if len(sql) <= MAX_QUOTED_LENGTH else ""
        raise ExpressionError(f"it is not a SQL expression that Polars knows{why}") from None
    parts = list(_parts(tree))
    if several or any(part in _ACROSS_ROWS for part in parts):
        raise ExpressionError("it must give one value per record, from that record alone")
    paths = dict.fromkeys(part for part in parts if isinstance(part, tuple))
    return Expression(sql, tuple(paths), _path(tree) or ())


def _tree(expression: pl.Expr) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format may change between versions of Polars; tests pin this one
        return json.loads(expression.meta.serialize(format="json"))


def _parts(tree: Any) -> Iterator[str | tuple[str, ...]]:
    """The kinds of all parts of an expression, with a path in place of each field that it reads."""
    if path := _path(tree):
        yield path
    elif isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for element in tree:
            yield from _parts(element)
    elif isinstance(tree, dict):
        for kind, part in tree.items():
            yield kind
            if kind != "Literal":
                yield from _parts(part["input"] if kind == "Function" else part)


def _path(tree: Any) -> tuple[str, ...] | None:
    match tree:
        case {"Column": str() as name}:
            return (name,)
        case {"Function": {"input": [outer], "function": {"StructExpr": {"FieldByName": str() as name}}}}:
            path = _path(outer)
            return (*path, name) if path else None
    return None


def _members(paths: Sequence[Sequence[str]]) -> Members:
    """{first names: the members below them}."""
    firsts = dict.fromkeys(path[0] for path in paths)
    return {first: _members([path[1:] for path in paths if path[0] == first and len(path) > 1]) for first in firsts}


def members_read(expressions: Iterable[Expression]) -> Members:
    """What several expressions read; a field that one of them reads completely has no members."""
    paths = {path for expression in expressions for path in expression.paths}
    return _members([path for path in paths if not any(path[:length] in paths for length in range(1, len(path)))])


def unread_members(name: str, value: Any, members: Members) -> Iterator[str]:
    """The members of an object that are not read, as `name.member`."""
    if members and isinstance(value, Mapping):
        for member, inner in value.items():
            if member not in members:
                yield f"{name}.{member}"
            else:
                yield from unread_members(f"{name}.{member}", inner, members[member])


def evaluate(expression: Expression, records: Sequence[Record]) -> tuple[list[Any], frozenset[int]]:
    """Computes the expression for each record.

    A path takes the value as sent. Anything else is computed by Polars, which sees a field as AMOUNT when all its values
    read as numbers, else as text, boolean, struct or list, and as null when no record has it. Polars divides decimals to
    two places more than the larger scale, so a quotient is correct to ten places after rounding.

    Returns:
        The values, as JSON would have them, and the indexes of the records for which the expression failed (null there).
    """
    if expression.path:
        return [value_at(record, expression.path) for record in records], frozenset()
    rows = pl.Series(_ROW, range(len(records)), dtype=pl.UInt32)
    fields = [
        _series(name, [record.get(name) for record in records], members) for name, members in expression.fields.items()
    ]
    return _computed(pl.sql_expr(expression.sql), pl.DataFrame([rows, *fields]))


def value_at(value: Any, path: Sequence[str]) -> Any:
    """The value at a path of field names; null where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _computed(sql: pl.Expr, frame: pl.DataFrame) -> tuple[list[Any], frozenset[int]]:
    """Splits the frame where it fails (division by zero, overflow) until only the records at fault fail."""
    values: list[Any] = [None] * frame.height
    if _attempt(sql, frame.clear()) is None:  # it fails for any record, so there is no need to search
        return values, frozenset(range(frame.height))
    failed: set[int] = set()
    waiting = [frame]
    while waiting:
        part = waiting.pop()
        result = _attempt(sql, part)
        if result is not None:
            for row, value in zip(part[_ROW].to_list(), _as_json(result.to_list()), strict=True):
                values[row] = value
        elif part.height == 1:
            failed.add(part[_ROW][0])
        else:
            half = part.height // 2
            waiting += [part[:half], part[half:]]
    return values, frozenset(failed)


def _attempt(sql: pl.Expr, frame: pl.DataFrame) -> pl.Series | None:
    try:
        return frame.with_columns(sql.alias(_ROW))[_ROW]
    except _POLARS_ERRORS:
        return None


def _series(name: str, values: Sequence[Any], members: Members, depth: int = 0) -> pl.Series:
    """A field as the expression sees it. members: what is read of an object; then the field is a struct."""
    kinds = set(map(type, values)) - {NoneType}
    if members or (kinds == {dict} and any(values) and depth < _MAX_DEPTH):
        return _struct(name, [value if isinstance(value, dict) else None for value in values], members, depth)
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {list} and depth < _MAX_DEPTH:
        return _list(name, values, depth)
    amounts = pl.Series(name, amount_texts(values, kinds), dtype=pl.String).cast(AMOUNT, strict=False)
    if amounts.null_count() == values.count(None):
        return amounts
    texts = [value if value is None or isinstance(value, str) else json_text(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _struct(name: str, values: Sequence[Record | None], members: Members, depth: int) -> pl.Series:
    sent = dict.fromkeys(member for value in values if value is not None for member in value)
    fields = [
        _series(
            member,
            [None if value is None else value.get(member) for value in values],
            members.get(member, {}),
            depth + 1,
        )
        for member in {**sent, **members}
    ]
    present = pl.Series([value is not None for value in values], dtype=pl.Boolean)
    struct = pl.DataFrame(fields, height=len(values)).to_struct(name)
    return pl.select(pl.when(present).then(struct).alias(name)).to_series()


def _list(name: str, values: Sequence[Any], depth: int) -> pl.Series:
    flat = _series(name, [element for value in values if value is not None for element in value], {}, depth + 1)
    return listed(flat, [None if value is None else len(value) for value in values])


def listed(flat: pl.Series, lengths: Sequence[int | None]) -> pl.Series:
    """Splits a flat series into lists of these lengths; None is a null list."""
    # Not a series of series: Polars would turn structs into dicts and back.
    rows = pl.DataFrame({"row": range(len(lengths)), "length": lengths}, schema={"row": pl.UInt32, "length": pl.UInt32})
    owners = rows.filter(pl.col("length") > 0).select(pl.col("row").repeat_by("length").explode())
    lists = owners.with_columns(flat.alias("list")).group_by("row").agg("list")
    split = rows.join(lists, on="row", how="left", maintain_order="left").select(
        pl.when(pl.col("length") == 0).then(pl.lit([], pl.List(flat.dtype))).otherwise("list").alias(flat.name)
    )
    return split.to_series()


def _as_json(value: Any) -> Any:
    """A computed value, in the form that JSON would have."""
    match value:
        case date() | time():
            return value.isoformat()
        case dict():
            return {name: _as_json(member) for name, member in value.items()}
        case list() if not set(map(type, value)) <= _JSON_SCALARS:
            return [_as_json(element) for element in value]
        case _:
            return value
