"""Columns that an override computes: a Polars SQL expression over the records of one chunk."""

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from typing import Any

import polars as pl

from .rescued import json_text
from .schema import AMOUNT
from .values import amount

_NAME = r'(?:[A-Za-z_]\w*|"[^"]+")'
_PATH = re.compile(rf"\s*{_NAME}(?:\.{_NAME})*\s*", re.ASCII)
_ROW = "\x00row"
# Parts of an expression whose result for one record depends on the others, and so on how a listing is cut into chunks.
_ACROSS_RECORDS = frozenset({"Agg", "Len", "Over", "Explode"})

Record = Mapping[str, Any]


class ExpressionError(ValueError):
    """An expression that cannot stand for a column; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Expression:
    """fields: the names of the record's fields that it reads. path: set when it only names a field, nested or not."""

    sql: str
    fields: tuple[str, ...]
    path: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def parsed(sql: str) -> Expression:
    """The expression, checked; ExpressionError when it is no SQL, or no expression over a single record."""
    try:
        expression = pl.sql_expr(sql)
        fields = tuple(dict.fromkeys(expression.meta.root_names()))
        several = expression.meta.has_multiple_outputs()
        across = _ACROSS_RECORDS & _parts(expression)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ExpressionError(
            f"it is no SQL expression that Polars knows ({str(error).partition(chr(10))[0]})"
        ) from error
    if across or several:
        raise ExpressionError("it must give one value per record, from that record alone")
    path = tuple(part.strip('"') for part in re.findall(_NAME, sql)) if _PATH.fullmatch(sql) else ()
    return Expression(sql, fields, path if fields == path[:1] else ())


def _parts(expression: pl.Expr) -> set[str]:
    """The names of all parts of an expression's tree."""
    found: set[str] = set()

    def walk(part: Any) -> None:
        match part:
            case str():
                found.add(part)
            case list():
                for element in part:
                    walk(element)
            case dict():
                for name, element in part.items():
                    found.add(name)
                    if name == "Function":
                        walk(element["input"])
                    elif name not in ("Column", "Literal"):
                        walk(element)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Polars warns that this form is not stable between its versions
        walk(json.loads(expression.meta.serialize(format="json")))
    return found


def evaluate(expression: Expression, records: Sequence[Record]) -> tuple[list[Any], frozenset[int]]:
    """The expression's value for each record, as JSON would have it, and the records for which it failed (null there).

    A path takes the value just as it was sent. Anything else is computed by Polars, which sees a field as AMOUNT when all
    its values read as numbers, else as text, flag, struct or list, and as null when no record has it. Polars divides decimals
    to two places more than the larger scale, so a quotient is right to ten places after rounding.
    """
    if expression.path:
        return [_at(record, expression.path) for record in records], frozenset()
    sql = pl.sql_expr(expression.sql)
    frame = pl.DataFrame(
        [
            pl.Series(_ROW, range(len(records)), dtype=pl.UInt32),
            *(_series(name, [record.get(name) for record in records]) for name in expression.fields),
        ]
    )
    return _computed(sql, frame)


def _computed(sql: pl.Expr, frame: pl.DataFrame) -> tuple[list[Any], frozenset[int]]:
    """Halves the frame where it fails (a division by zero, an overflow) until only the records at fault are left."""
    if _attempt(sql, frame.clear()) is None:
        return [None] * frame.height, frozenset(range(frame.height))
    values: list[Any] = [None] * frame.height
    failed: set[int] = set()
    waiting = [frame]
    while waiting:
        part = waiting.pop()
        result = _attempt(sql, part)
        first: int = part[_ROW][0] if part.height else 0
        if result is not None:
            values[first : first + part.height] = [_as_json(value) for value in result]
        elif part.height == 1:
            failed.add(first)
        else:
            half = part.height // 2
            waiting += [part[:half], part[half:]]
    return values, frozenset(failed)


def _attempt(sql: pl.Expr, frame: pl.DataFrame) -> pl.Series | None:
    try:
        return frame.with_columns(sql.alias(_ROW))[_ROW]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None


def _at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    """A field as the expression sees it."""
    sent = [value for value in values if value is not None]
    if not sent:
        return pl.Series(name, values, dtype=pl.Null)
    if all(isinstance(value, bool) for value in sent):
        return pl.Series(name, values, dtype=pl.Boolean)
    if all(isinstance(value, dict) for value in sent):
        return _struct(name, values)
    if all(isinstance(value, list) for value in sent):
        return _list(name, values)
    amounts = [None if value is None else amount(value) for value in values]
    if all(number is not None for number, value in zip(amounts, values, strict=True) if value is not None):
        return pl.Series(name, [None if number is None else str(number) for number in amounts], dtype=pl.String).cast(
            AMOUNT
        )
    texts = [value if value is None or isinstance(value, str) else json_text(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _struct(name: str, values: Sequence[Any]) -> pl.Series:
    members = dict.fromkeys(member for value in values if value is not None for member in value)
    fields = [_series(member, [None if value is None else value.get(member) for value in values]) for member in members]
    present = pl.Series([value is not None for value in values])
    struct = pl.DataFrame(fields, height=len(values)).to_struct(name)
    return pl.select(pl.when(present).then(struct).alias(name)).to_series()


def _list(name: str, values: Sequence[Any]) -> pl.Series:
    flat = _series(name, [element for value in values if value is not None for element in value])
    return listed(flat, [None if value is None else len(value) for value in values])


def listed(flat: pl.Series, lengths: Sequence[int | None]) -> pl.Series:
    """Cuts a flat series into lists of these lengths; None is a null list."""
    lists: list[pl.Series | None] = []
    start = 0
    for length in lengths:
        lists.append(None if length is None else flat.slice(start, length))
        start += length or 0
    return pl.Series(flat.name, lists, dtype=pl.List(flat.dtype))


def _as_json(value: Any) -> Any:
    """A value that Polars computed, in the form in which JSON would have brought it."""
    match value:
        case date() | time():
            return value.isoformat()
        case dict():
            return {name: _as_json(member) for name, member in value.items()}
        case list():
            return [_as_json(element) for element in value]
        case _:
            return value
