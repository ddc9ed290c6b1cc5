"""Reading the values of one column: for each scalar type, from what JSON holds to what Polars stores.

A reader takes all values of a column at once, for that is what makes it quick, and gives back values of its `dtype`,
with None (or, for amounts, NaN) where a value cannot be read. Nothing is guessed and nothing goes through a float.
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
from .schema import DTYPES, Column, Type, folded

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
_LONGEST_PLAIN_ID = 40
# The spelling that nearly all days and instants have. Of what is spelled so, Polars reads what `day` and `instant` would.
_PLAIN_DAY = "^(?:19|20|21)[0-9]{2}-[01][0-9]-[0-3][0-9]$"
_PLAIN_INSTANT = _PLAIN_DAY[:-1] + "T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$"
_NO_TEXT = pl.Series([None], dtype=pl.String)
_AFTER_THE_DATE = frozenset({"", "T", " "})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _MICROSECONDS = timedelta(microseconds=1), pl.Int64()
_ACTIVE, _INACTIVE = "Active", "Inactive"


def text(value: Any) -> str | None:
    """Text as it came; a number or a flag in JSON's spelling; None for a list or an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, int | float | Decimal) else None


def identifier(value: Any) -> str | None:
    """An opaque id: text as it came, a number by its digits (7 and 7.0 are "7")."""
    if isinstance(value, str):
        return value
    number = _number(value)
    if number is None or not number.is_finite():
        return None
    if number == number.to_integral_value() and number.adjusted() < _LONGEST_PLAIN_ID:
        return str(int(number))
    return str(number)


def _number(value: Any) -> Decimal | None:
    """A JSON number, or text that is one; it may still be NaN or Infinity."""
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
    except InvalidOperation:  # an exponent that not even Decimal can hold
        return None


def integer(value: Any) -> int | None:
    """A whole number that fits 64 bits: 7, 7.0 and "7" are, 7.5 is not."""
    number = _number(value)
    if number is None or not number.is_finite() or not _INT64.start <= number < _INT64.stop:
        return None
    return int(number) if number == number.to_integral_value() else None


def flag(value: Any) -> bool | None:
    """true and false, as JSON's own words, as text, or as 1 and 0."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    number = Decimal(value) if isinstance(value, bool) else _number(value)
    return bool(number) if number in (0, 1) else None


def instant(value: Any) -> int | None:
    """Microseconds since 1970 in UTC; a time without an offset is taken as UTC, a bare date as its midnight.

    Digits beyond the microsecond are cut. Years outside 1900 to 2200 are placeholders, not times.
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


def _texts(column: Column, values: Values, kinds: Kinds) -> Values:
    return values if kinds <= TEXTS else [text(value) for value in values]


def _identifiers(column: Column, values: Values, kinds: Kinds) -> Values:
    return values if kinds <= TEXTS else [identifier(value) for value in values]


def _enums(column: Column, values: Values, kinds: Kinds) -> Values:
    """Known values in the contract's spelling, others as they came; true and false say whether a status is active."""
    known = {folded(value): value for value in column.values}
    if {_ACTIVE, _INACTIVE} <= set(column.values):
        known |= {"true": _ACTIVE, "false": _INACTIVE}

    def spelled(value: Any) -> str | None:
        word = text(value)
        return None if word is None else known.get(folded(word), word)

    return _each_once(spelled, values) if kinds <= TEXTS else [spelled(value) for value in values]


def amount_texts(values: Values, kinds: Kinds) -> Values:
    """Ten places, as text, for Polars reads that four times faster than a Decimal; "NaN" when a number does not fit."""
    numbers = values if kinds <= NUMBERS else [_number(value) for value in values]
    return _each_once(_amount_text, numbers)


def _amount_text(number: int | Decimal | None) -> str | None:
    return None if number is None else str(_AMOUNT.quantize(number, _TEN_PLACES))


def _amounts(column: Column, values: Values, kinds: Kinds) -> Values:
    return amount_texts(values, kinds)


def _integers(column: Column, values: Values, kinds: Kinds) -> Values:
    return [integer(value) for value in values]


def _flags(column: Column, values: Values, kinds: Kinds) -> Values:
    return values if kinds <= FLAGS else [flag(value) for value in values]


def _days(column: Column, values: Values, kinds: Kinds) -> Values | pl.Series:
    if not kinds <= TEXTS:
        return [day(value) for value in values]
    plain = _spelled(values, _PLAIN_DAY).str.to_date("%Y-%m-%d", strict=False, cache=False)
    return _completed(plain, values, day)


def _instants(column: Column, values: Values, kinds: Kinds) -> Values | pl.Series:
    if not kinds <= TEXTS:
        return [instant(value) for value in values]
    plain = _spelled(values, _PLAIN_INSTANT).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False, cache=False)
    return _completed(plain.cast(_MICROSECONDS), values, instant)


def _spelled(texts: Values, pattern: str) -> pl.Series:
    """The texts of that spelling, null for the others."""
    series = pl.Series(texts, dtype=pl.String)
    return series.zip_with(series.str.contains(pattern), _NO_TEXT)


def _completed(plain: pl.Series, texts: Values, read: Callable[[Any], Any]) -> pl.Series:
    """What Polars has read, and for the other texts what `read` gives."""
    rows = [row for row in plain.is_null().arg_true() if texts[row] is not None]
    if not rows:
        return plain
    return plain.scatter(rows, pl.Series(_each_once(read, [texts[row] for row in rows]), dtype=plain.dtype))


def _each_once(read: Callable[[Any], Any], values: Values) -> Values:
    """Reads every distinct value once. For texts, and where 1, 1.0 and true are to be read alike, as they are to Python."""
    readings = {value: read(value) for value in set(values)}
    return [readings[value] for value in values]


@dataclass(frozen=True, slots=True)
class Reader:
    """read: a column's JSON values -> values of `dtype`, which Polars then casts to the column's own type."""

    read: Callable[[Column, Values, Kinds], Values | pl.Series]
    dtype: pl.DataType


_TEXT = DTYPES[Type.TEXT]

READERS: Mapping[Type, Reader] = {
    Type.ID: Reader(_identifiers, _TEXT),
    Type.TEXT: Reader(_texts, _TEXT),
    Type.TIME: Reader(_texts, _TEXT),
    Type.ENUM: Reader(_enums, _TEXT),
    Type.HOURS: Reader(_amounts, _TEXT),
    Type.MONEY: Reader(_amounts, _TEXT),
    Type.RATE: Reader(_amounts, _TEXT),
    Type.PERCENT: Reader(_amounts, _TEXT),
    Type.INTEGER: Reader(_integers, DTYPES[Type.INTEGER]),
    Type.FLAG: Reader(_flags, DTYPES[Type.FLAG]),
    Type.DAY: Reader(_days, DTYPES[Type.DAY]),
    Type.INSTANT: Reader(_instants, _MICROSECONDS),
}
