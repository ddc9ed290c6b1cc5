"""Readers for the values of one column: for each scalar type, from JSON to what Polars stores.

A reader takes all values of a column at a time, which is fast, and returns values of its `dtype`, with None (or, for
amounts, NaN) where a value cannot be read. Nothing is guessed and no number becomes a float.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from types import NoneType
from typing import Any

import polars as pl

from .rescued import number_text
from .schema import DTYPES, Column, Type

Values = Sequence[Any]
Kinds = Set[type]

TEXTS: Kinds = frozenset({str, NoneType})
FLAGS: Kinds = frozenset({bool, NoneType})
NUMBERS: Kinds = frozenset({int, Decimal, NoneType})

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_TEN_PLACES = Decimal("1e-10")
# Half away from zero, and NaN instead of an exception for what 38 digits cannot hold.
_AMOUNT = Context(prec=38, rounding=ROUND_HALF_UP, traps=[])
_INT64 = range(-(2**63), 2**63)
_MAX_PLAIN_ID_DIGITS = 40
# The format of nearly all days and instants. Polars reads it as `day` and `instant` do.
_PLAIN_DAY = "^(?:19|20|21)[0-9]{2}-[01][0-9]-[0-3][0-9]$"
_PLAIN_INSTANT = _PLAIN_DAY[:-1] + "T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$"
_AFTER_THE_DATE = frozenset({"", "T", " "})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _MICROSECONDS = timedelta(microseconds=1), pl.Int64()
_TEXTS = pl.col("texts")
_READ_DAY = _TEXTS.str.to_date("%Y-%m-%d", strict=False, cache=False)
_READ_INSTANT = _TEXTS.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False, cache=False).cast(_MICROSECONDS)


def text(value: Any) -> str | None:
    """Text as sent; a number or boolean as JSON text; None for a list or an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, int | float | Decimal) else None


def identifier(value: Any) -> str | None:
    """An opaque id: text as sent, a number by its digits (7 and 7.0 are "7")."""
    if isinstance(value, str):
        return value
    number = json_number(value)
    if number is None or not number.is_finite():
        return None
    if number == number.to_integral_value() and number.adjusted() < _MAX_PLAIN_ID_DIGITS:
        return str(int(number))
    return str(number)


def json_number(value: Any) -> Decimal | None:
    """A JSON number, or text that is one; it can be NaN or Infinity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:  # an exponent too large for Decimal
        return None


def integer(value: Any) -> int | None:
    """An integer of at most 64 bits: 7, 7.0 or "7", but not 7.5."""
    number = json_number(value)
    if number is None or not number.is_finite() or not _INT64.start <= number < _INT64.stop:
        return None
    return int(number) if number == number.to_integral_value() else None


def flag(value: Any) -> bool | None:
    """true and false, in JSON, as text, or as 1 and 0."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    number = Decimal(value) if isinstance(value, bool) else json_number(value)
    return bool(number) if number in (0, 1) else None


def instant(value: Any) -> int | None:
    """Microseconds since 1970 in UTC; a time without an offset is UTC, a bare date is its midnight.

    Digits beyond the microsecond are dropped. Years outside 1900 to 2200 are placeholders and not read.
    """
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    if not (value[4] == value[7] == "-" and value[10:11] in _AFTER_THE_DATE and 1900 <= moment.year <= 2200):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def day(value: Any) -> date | None:
    """The calendar date as sent, of a date or a date-time: an offset never moves it."""
    return date.fromisoformat(value[:10]) if instant(value) is not None else None


def _enums(column: Column, values: Values, kinds: Kinds) -> Values:
    """Known values as the contract writes them, others as sent."""

    def declared(value: Any) -> str | None:
        word = text(value)
        return None if word is None else column.value_of(word) or word

    return _per_distinct_value(declared, values) if kinds <= TEXTS else [declared(value) for value in values]


def amount_texts(values: Values, kinds: Kinds) -> Values:
    """Ten places, as text, which Polars reads four times faster than Decimals; "NaN" when a number does not fit."""
    numbers = values if kinds <= NUMBERS else [json_number(value) for value in values]
    return _per_distinct_value(lambda n: None if n is None else str(_AMOUNT.quantize(n, _TEN_PLACES)), numbers)


def _days(column: Column, values: Values, kinds: Kinds) -> Values | pl.Series:
    if not kinds <= TEXTS:
        return [day(value) for value in values]
    return _completed(_plain(values, _PLAIN_DAY, _READ_DAY), values, day)


def _instants(column: Column, values: Values, kinds: Kinds) -> Values | pl.Series:
    if not kinds <= TEXTS:
        return [instant(value) for value in values]
    return _completed(_plain(values, _PLAIN_INSTANT, _READ_INSTANT), values, instant)


def _plain(texts: Values, pattern: str, read: pl.Expr) -> pl.Series:
    """The texts that match the pattern, as Polars reads them; null for the others."""
    matching = pl.when(_TEXTS.str.contains(pattern)).then(read)
    return pl.Series("texts", texts, dtype=pl.String).to_frame().select(matching).to_series()


def _completed(plain: pl.Series, texts: Values, read: Callable[[Any], Any]) -> pl.Series:
    """The values that Polars has read, completed by `read` for the other texts."""
    rows = [row for row in plain.is_null().arg_true() if texts[row] is not None]
    if not rows:
        return plain
    return plain.scatter(rows, pl.Series(_per_distinct_value(read, [texts[row] for row in rows]), dtype=plain.dtype))


def _per_distinct_value(read: Callable[[Any], Any], values: Values) -> Values:
    """Reads every distinct value once. Only where 1, 1.0 and true are read the same, as they are equal in Python."""
    readings = {value: read(value) for value in set(values)}
    return [readings[value] for value in values]


@dataclass(frozen=True, slots=True)
class Reader:
    """read: a column's JSON values -> values of `dtype`, which Polars then casts to the column's own type."""

    read: Callable[[Column, Values, Kinds], Values | pl.Series]
    dtype: pl.DataType


def _each(read: Callable[[Any], Any], dtype: pl.DataType, already: Kinds = frozenset()) -> Reader:
    """Reads value by value, unless all of them are of kinds that are stored as they come."""
    return Reader(
        lambda column, values, kinds: values if kinds <= already else [read(value) for value in values], dtype
    )


_TEXT = DTYPES[Type.TEXT]
_AMOUNTS = Reader(lambda column, values, kinds: amount_texts(values, kinds), _TEXT)

READERS: Mapping[Type, Reader] = {
    Type.ID: _each(identifier, _TEXT, TEXTS),
    Type.TEXT: _each(text, _TEXT, TEXTS),
    Type.TIME: _each(text, _TEXT, TEXTS),
    Type.ENUM: Reader(_enums, _TEXT),
    Type.HOURS: _AMOUNTS,
    Type.MONEY: _AMOUNTS,
    Type.RATE: _AMOUNTS,
    Type.PERCENT: _AMOUNTS,
    Type.INTEGER: _each(integer, DTYPES[Type.INTEGER]),
    Type.FLAG: _each(flag, DTYPES[Type.FLAG], FLAGS),
    Type.DAY: Reader(_days, DTYPES[Type.DAY]),
    Type.INSTANT: Reader(_instants, _MICROSECONDS),
}
