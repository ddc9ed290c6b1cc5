"""A customer, project, task or subtask as an import writes and compares it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from timix_assets.contract.schema import Column, Type

from ..values import Values
from .levels import LEVELS

AMOUNTS = (Type.HOURS, Type.MONEY)
CAP = "_limit"
"""Ends the names of caps, in which 0 is unlimited."""


@dataclass(frozen=True, slots=True)
class Element(Values):
    """What an import sets in an element. A column that is missing or None: it sets nothing there.

    Attributes:
        level: `customer` … `subtask`.
        parent_id: The element above; empty for a customer, and while the one above is not written.
        columns: Column -> text, Decimal, date, or a tuple of texts.
    """

    level: str
    parent_id: str
    columns: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.level

    @property
    def name(self) -> str:
        """The element's name; empty when it has none."""
        return self.columns.get("name") or ""

    def named(self, name: str) -> "Element":
        """The same with another name."""
        return replace(self, columns={**self.columns, "name": name})

    def items(self) -> dict[str, object]:
        level = LEVELS[self.level]
        above = {level.parent_column: self.parent_id or None} if level.parent_column else {}
        return {**above, **{name: self.columns[name] for name in level.columns if name in self.columns}}

    def over(self, current: "Element") -> "Element":
        set_here = {name: value for name, value in self.columns.items() if value is not None}
        whole = {**current.columns, **set_here}
        # A cap that is null in Timix stands here as 0. Either means unlimited, so 0 is sent only where it removes a cap.
        needed = {n: v for n, v in whole.items() if v or not n.endswith(CAP) or current.columns.get(n)}
        return replace(self, parent_id=self.parent_id or current.parent_id, columns=needed)


def element_of(level: str, row: Mapping[str, Any]) -> Element:
    """The element of a record in the endpoint's schema."""
    parent_column = LEVELS[level].parent_column
    columns = {name: _stored(column, row[name]) for name, column in LEVELS[level].columns.items()}
    return Element(level, (row[parent_column] or "") if parent_column else "", columns)


def typed(column: Column, text: str) -> Any:
    """A value of the column from the text of a file; a list is separated by commas. ValueError says what it should be."""
    value = _read(column, text)
    if not column.values:
        return value
    words = tuple(dict.fromkeys(map(column.value_of, value if column.is_list else (value,))))
    if None in words:
        raise ValueError(f"must be one of {', '.join(column.values)}")
    return words if column.is_list else words[0]


def _stored(column: Column, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(part for part in value if part is not None)
    # Timix keeps 0 or null for unlimited.
    return Decimal(0) if value is None and column.name.endswith(CAP) else value


def _read(column: Column, text: str) -> Any:
    """A value from text. Words are as they stand: what Timix has may be none of the contract's."""
    if column.is_list:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if column.type in AMOUNTS:
        return Decimal(text)
    return date.fromisoformat(text) if column.type is Type.DAY else text


def _from_json(level: str, text: str) -> Element:
    stored: Mapping[str, str | None] = json.loads(text)
    parent_column, columns = LEVELS[level].parent_column, LEVELS[level].columns
    return Element(
        level,
        stored.get(parent_column or "") or "",
        {name: _read(columns[name], text) for name, text in stored.items() if name in columns and text is not None},
    )


KINDS = {level: partial(_from_json, level) for level in LEVELS}
