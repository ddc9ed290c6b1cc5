"""Rows of a file as time entries to be planned. Pure: what cannot be read becomes a problem of its row."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from timix_assets.text.wording import excerpt

from .cells import (
    Cells,
    check_columns,
    clock_of,
    day_of,
    is_blank,
    number_of,
    reference_of,
    single,
    text_of,
    time_of,
    without_mapping,
)
from .errors import ImportRefused
from .mapping import READY_NAMES, FieldMapping, Fields, ImportMapping, load_mapping

REQUIRED = ("person", "date", "hours")
PATH = ("customer", "project", "task", "subtask")

_CLOCK = re.compile(r"(\d{1,4}):(\d{2})(?::(\d{2}))?")
_PLACES = Decimal("0.0001")
"""Hours are rounded to this, 0.36 seconds: spreadsheets and clocks give thirds of an hour with endless digits."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the mapping reads it.

    Attributes:
        number: The row's number in the file, as a spreadsheet shows it: the header is row 1, and empty rows count.
        reference: What identifies it in its source.
        path: The names (or ids) of customer, project, task and subtask, empty where not given.
        problems: What cannot be read; such a row is refused.
    """

    number: int
    reference: str
    person: str = ""
    day: date | None = None
    hours: Decimal | None = None
    text: str = ""
    start_time: str = ""
    rate: Decimal | None = None
    path: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_rows(cells: Sequence[Cells], columns: Sequence[str], mapping: ImportMapping) -> list[Row]:
    """The rows of a file, without empty ones.

    Args:
        cells: Column -> value of each row. Values are text, or what Excel, Delta or Parquet hold.
        columns: The columns of the file.

    Raises:
        ImportRefused: A column of the mapping is not in the file, or a required field has none.
    """
    _check_columns(columns, mapping.fields)
    seen: Counter[str] = Counter()
    return [_read(number, row, mapping, seen) for number, row in enumerate(cells, start=2) if not is_blank(row)]


def _check_columns(columns: Sequence[str], fields: Fields) -> None:
    check_columns(columns, _specs(fields))
    absent = [name for name in REQUIRED if getattr(fields, name) is None]
    if not any(getattr(fields, name) for name in PATH):
        absent.append("subtask")
    if absent:
        what = "file" if fields == ImportMapping.of_columns(columns).fields else "mapping"
        raise ImportRefused(
            f"The {what} names no column for {', '.join(absent)}; add it under `fields` of a mapping. "
            f"{without_mapping(columns)} {_ready(columns)}"
        )


def _ready(columns: Sequence[str]) -> str:
    """The ready mapping whose columns the file has; otherwise all of them."""
    for name in READY_NAMES:
        if all(set(spec.columns) <= set(columns) for spec in _specs(load_mapping(name).fields).values()):
            return f"They are those of {name}: use that mapping (`--mapping {name}`)."
    return f"Ready mappings: {', '.join(READY_NAMES)}."


def _specs(fields: Fields) -> dict[str, FieldMapping]:
    return {name: spec for name in Fields.model_fields if (spec := getattr(fields, name)) is not None}


def _read(number: int, cells: Cells, mapping: ImportMapping, seen: Counter[str]) -> Row:
    specs, problems = _specs(mapping.fields), list[str]()

    def text(name: str) -> str:
        return text_of(specs[name], cells) if name in specs else ""

    def typed(name: str, read: Any) -> Any:
        if name not in specs:
            return None
        try:
            value = read(specs[name], cells)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return None
        if value is None and name in REQUIRED:
            problems.append(f"{name} is empty")
        return value

    values = {
        "person": text("person"),
        "day": typed("date", day_of),
        "hours": typed("hours", _hours),
        "text": text("text"),
        "start_time": typed("start_time", time_of) or "",
        "rate": typed("rate", number_of),
        "path": {name: text(name) for name in PATH if name in specs},
    }
    if not values["person"]:
        problems.append("person is empty")
    reference = reference_of(specs, cells, seen)
    if not reference:
        problems.append("reference is empty")
    return Row(number, reference, **values, problems=tuple(problems))


def _hours(spec: FieldMapping, cells: Cells) -> Decimal | None:
    duration = clock_of(single(spec, cells))
    if duration is not None:
        return (Decimal(round(duration.total_seconds())) / 3600).quantize(_PLACES)
    text = text_of(spec, cells)
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        if minutes > 59 or seconds > 59:
            raise ValueError(f"“{excerpt(text)}” is not a duration")
        return (Decimal(hours * 3600 + minutes * 60 + seconds) / 3600).quantize(_PLACES)
    number = number_of(spec, cells)
    return None if number is None else number.quantize(_PLACES)
