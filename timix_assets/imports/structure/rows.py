"""Rows of a file as elements to be planned. Pure: what cannot be read becomes a problem of its row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from timix_assets.contract.schema import Column, Type
from timix_assets.text.wording import excerpt

from ..cells import Cells, check_columns, day_of, is_blank, number_of, reference_of, text_of, without_mapping
from ..directory import SEPARATOR, folded
from ..errors import ImportRefused
from ..mapping import FieldMapping
from .element import AMOUNTS, typed
from .levels import COLUMNS, LEVELS
from .mapping import StructureMapping


@dataclass(frozen=True, slots=True)
class StructureRow:
    """One row as the mapping reads it.

    Attributes:
        number: The row's number in the file, as a spreadsheet shows it: the header is row 1, and empty rows count.
        reference: What identifies it in its source.
        path: The names from the customer down to the element that the row is about.
        columns: Column -> value, of those that the row sets; without the name.
        problems: What cannot be read; such a row is refused.
    """

    number: int
    reference: str
    path: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """The level of the element."""
        return list(LEVELS)[len(self.path) - 1]


def read_rows(cells: Sequence[Cells], columns: Sequence[str], mapping: StructureMapping) -> list[StructureRow]:
    """The rows of a file, without empty ones.

    Args:
        cells: Column -> value of each row.
        columns: The columns of the file.

    Raises:
        ImportRefused: A column of the mapping is not in the file, or none says what the rows are about.
    """
    check_columns(columns, mapping.fields)
    if not mapping.fields.keys() & {"path", "customer"}:
        raise ImportRefused(
            f"The mapping names no column for customer (and {', '.join(list(LEVELS)[1:])}), nor one for path; add it under "
            f"`fields`. {without_mapping(columns)}"
        )
    seen: Counter[str] = Counter()
    return [_read(number, row, mapping.fields, seen) for number, row in enumerate(cells, start=2) if not is_blank(row)]


def _read(number: int, cells: Cells, specs: Mapping[str, FieldMapping], seen: Counter[str]) -> StructureRow:
    path, problems = _path(cells, specs)
    has_columns = LEVELS[list(LEVELS)[len(path) - 1]].columns if path else COLUMNS
    columns: dict[str, Any] = {}
    for name, spec in specs.items():
        if name not in COLUMNS or not (text := text_of(spec, cells)):
            continue
        if name not in has_columns:
            problems.append(f"a {list(LEVELS)[len(path) - 1]} has no {name}")
            continue
        try:
            columns[name] = _value(has_columns[name], spec, cells, text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    reference = reference_of(specs, cells, seen) if "reference" in specs else SEPARATOR.join(map(folded, path))
    if not reference and path:
        problems.append("reference is empty")
    return StructureRow(number, reference, path, columns, tuple(problems))


def _path(cells: Cells, specs: Mapping[str, FieldMapping]) -> tuple[tuple[str, ...], list[str]]:
    """The names of the row, and what is wrong with them."""
    names = {level: text_of(specs[level], cells) if level in specs else "" for level in LEVELS}
    if whole := text_of(specs["path"], cells) if "path" in specs else "":
        if any(names.values()):
            return (), ["has a path, and names in other columns too"]
        parts = [part.strip() for part in whole.split(SEPARATOR)]
        if len(parts) > len(LEVELS):
            return (), [f"“{excerpt(whole)}” has more than {len(LEVELS)} names"]
        names = dict(zip(LEVELS, [*parts, *[""] * (len(LEVELS) - len(parts))], strict=True))
    given = [level for level in LEVELS if folded(names[level])]
    if not given:
        return (), ["names no customer, project, task or subtask"]
    if given != list(LEVELS)[: len(given)]:
        missing = next(level for level in LEVELS if level not in given)
        return (), [f"{missing} is empty, and {given[-1]} is not"]
    return tuple(" ".join(names[level].split()) for level in given), []


def _value(column: Column, spec: FieldMapping, cells: Cells, text: str) -> Any:
    if column.type in AMOUNTS:
        number = number_of(spec, cells)
        if number is not None and (number < 0 or number != round(number, 4)):
            raise ValueError(f"“{excerpt(text)}” is not a number of at least 0 with at most 4 decimals")
        return number
    return day_of(spec, cells) if column.type is Type.DAY else typed(column, text)
