"""Which unknown fields have the values of a missing column: of its type, in its range, and filled in most records."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from timix_assets.text.wording import count_noun

from .records import Record
from .schema import Column, Endpoint, Type
from .values import day, identifier, json_number

MIN_FILLED_SHARE = 0.5
HOURS_OF_A_DAY = 24
UNITS_PER_HOUR = {"hours": 0, "minutes": 60, "seconds": 3600}
"""Unit -> its divisor; 0: the values are hours as they are. The first in which every value fits into a day is meant."""

_CURRENCY = re.compile("[A-Z]{3}")
_ID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Fit:
    """A field that may fill a column.

    Args:
        divisor: What its numbers are divided by; 0 for nothing.
        filled: In how many records it has a value.
        evidence: What its values are, and how often there is one.
    """

    name: str
    divisor: int
    filled: int
    evidence: str


def fits(endpoint: Endpoint, column: Column, records: Sequence[Record], names: Sequence[str]) -> list[Fit]:
    """The fields whose values fit a column, the one that is filled most often first."""
    look = _LOOKS.get(column.type)
    found = []
    for name in names if look else ():
        values = [value for record in records if (value := record.get(name)) not in (None, "")]
        if not values or len(values) < MIN_FILLED_SHARE * len(records):
            continue
        seen = look(values, endpoint, column) if look else None
        if seen:
            what, divisor = seen
            filled = f"in {len(values):,} of {count_noun(len(records), 'record')}"
            found.append(Fit(name, divisor, len(values), f"{what}, {filled}"))
    return sorted(found, key=lambda fit: (-fit.filled, fit.name))


Look = Callable[[Sequence[Any], Endpoint, Column], tuple[str, int] | None]
"""What the values are, and a divisor; None where they do not fit."""


def _as_hours(values: Sequence[Any], _endpoint: Endpoint, _column: Column) -> tuple[str, int] | None:
    numbers = [json_number(value) for value in values]
    known = [n for n in numbers if n is not None and n.is_finite() and n > 0]
    if len(known) < len(values):
        return None
    low, high = min(known), max(known)
    for unit, divisor in UNITS_PER_HOUR.items():
        if high <= HOURS_OF_A_DAY * (divisor or 1):
            return f"{_plain(low)} to {_plain(high)}, like {unit}", divisor
    return None


def _as_days(values: Sequence[Any], _endpoint: Endpoint, _column: Column) -> tuple[str, int] | None:
    days = [day(value) for value in values]
    known = [each for each in days if each is not None]
    return (f"dates from {min(known)} to {max(known)}", 0) if len(known) == len(values) else None


def _as_ids(values: Sequence[Any], endpoint: Endpoint, column: Column) -> tuple[str, int] | None:
    """Words and whole numbers, short and no dates; those of a key each once."""
    known = {found for value in values if (found := identifier(value)) is not None and _is_id(value, found)}
    if not all(identifier(value) in known for value in values):
        return None
    if endpoint.key == (column.name,) and len(known) < len(values):
        return None
    return f"{count_noun(len(known), 'distinct id')} such as {min(known)}", 0


def _is_id(value: Any, found: str) -> bool:
    amount = json_number(value)
    if amount is not None and (not amount.is_finite() or amount != amount.to_integral_value()):
        return False
    return len(found) <= _ID_LENGTH and len(found.split()) == 1 and day(value) is None


def _as_texts(values: Sequence[Any], _endpoint: Endpoint, column: Column) -> tuple[str, int] | None:
    """Only codes of currencies: any text would fit any other column."""
    if column.name != "currency" or not all(isinstance(each, str) and _CURRENCY.fullmatch(each) for each in values):
        return None
    return f"codes such as {min(values)}", 0


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


_LOOKS: Mapping[Type, Look] = {Type.HOURS: _as_hours, Type.DAY: _as_days, Type.ID: _as_ids, Type.TEXT: _as_texts}
