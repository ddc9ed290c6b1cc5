"""Rows as the JSON that the API sends, with the names of the contract."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from json.encoder import encode_basestring as quoted
from typing import Any

from timix_assets.contract.decode_report import COST_COLUMNS
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import Column, Endpoint, Type

Row = Mapping[str, Any]
Record = dict[str, str]
"""A serialized row: JSON name of each field -> its value as JSON text."""


class Visibility(Enum):
    """What a key can see. NO_COST hides cost, profit and margin; a Viewer does not see contacts either."""

    EVERYTHING = "everything"
    NO_COST = "no cost"
    NO_COST_NO_CONTACTS = "no cost, no contacts"


CONTACT_COLUMNS = frozenset(("contact_name", "contact_email", "email"))
HIDDEN: Mapping[Visibility, frozenset[str]] = {
    Visibility.EVERYTHING: frozenset(),
    Visibility.NO_COST: COST_COLUMNS,
    Visibility.NO_COST_NO_CONTACTS: COST_COLUMNS | CONTACT_COLUMNS,
}


def record(endpoint: Endpoint, row: Row, visibility: Visibility = Visibility.EVERYTHING) -> Record:
    """The row's fields as JSON text, in the contract's order.

    A column missing from the row is not sent. What the key cannot see is null in reports and omitted from resources.
    """
    hidden = HIDDEN[visibility]
    sent = {
        source: write(row[name])
        for name, source, write in _writers(endpoint.name)
        if name in row and name not in hidden
    }
    if hidden and endpoint.group == "reports":
        sent |= {column.source: "null" for column in endpoint.columns if column.name in hidden}
    return sent


def body(sent: Record) -> bytes:
    """A record as one JSON object. A lone surrogate, which only a fault produces, is sent as an escape."""
    return ("{" + ",".join([f'"{name}":{value}' for name, value in sent.items()]) + "}").encode(
        "utf-8", "backslashreplace"
    )


@cache
def _writers(name: str) -> tuple[tuple[str, str, Callable[[Any], str]], ...]:
    return tuple((column.name, column.source, _writer(column)) for column in BY_NAME[name].columns)


def _writer(column: Column) -> Callable[[Any], str]:
    one = _object_writer(column) if column.type is Type.OBJECT else _scalar
    if not column.is_list:
        return one
    return lambda values: "null" if values is None else "[" + ",".join([one(value) for value in values]) + "]"


def _object_writer(column: Column) -> Callable[[Any], str]:
    parts = [(part.name, part.source, _writer(part)) for part in column.fields]

    def write(value: Row | None) -> str:
        if value is None:
            return "null"
        return "{" + ",".join([f'"{source}":{part(value[name])}' for name, source, part in parts]) + "}"

    return write


def _scalar(value: Any) -> str:
    return _AS_JSON[type(value)](value)


_AS_JSON: Mapping[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    str: quoted,
    Decimal: lambda number: format(number, "f"),
    bool: lambda flag: "true" if flag else "false",
    int: str,
    date: lambda day: f'"{day.isoformat()}"',
    datetime: lambda instant: f'"{instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}"',
}
