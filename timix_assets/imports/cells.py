"""The cells of a row as text, days and numbers, as a mapping says. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

from timix_assets.text.wording import excerpt

from .entry import minute_of
from .errors import ImportRefused
from .mapping import FieldMapping

Cells = Mapping[str, Any]

_DAY_OF_ANOTHER_FORMAT = re.compile(r"(?!\d{4}-\d\d-\d\d)\d{1,4}([./ -])\d{1,2}\1\d{1,4}")
_MAX_NUMBER = Decimal(10) ** 9
_EXCEL_DAY_ZERO = datetime(1899, 12, 31)


def is_blank(cells: Cells) -> bool:
    """Whether every cell of the row is empty."""
    return not any(map(plain, cells.values()))


def check_columns(columns: Sequence[str], specs: Mapping[str, FieldMapping]) -> None:
    """ImportRefused if a column of the mapping is not in the file."""
    missing = sorted({name for spec in specs.values() for name in spec.columns} - set(columns))
    if missing:
        raise ImportRefused(
            f"The file has no column {excerpt(', '.join(missing))}; it has {excerpt(', '.join(columns)) or 'none'}. Choose the "
            "mapping that fits it, or correct the mapping."
        )


def without_mapping(columns: Sequence[str]) -> str:
    """What a file needs whose run names no mapping."""
    return f"Without a mapping, columns have the names of the fields; the file has {excerpt(', '.join(columns)) or 'none'}."


def reference_of(specs: Mapping[str, FieldMapping], cells: Cells, seen: Counter[str]) -> str:
    """The id of the source as it is; of several columns, or of the whole row, a hash and the number among equal ones."""
    spec = specs.get("reference")
    if spec is not None and len(spec.columns) == 1:
        return text_of(spec, cells)
    names = spec.columns if spec is not None else sorted({name for each in specs.values() for name in each.columns})
    content = "\x1f".join(plain(cells.get(name)) for name in names)
    if not content.strip("\x1f"):
        return ""
    digest = sha256(content.encode("utf-8", "replace")).hexdigest()[:20]
    seen[digest] += 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def text_of(spec: FieldMapping, cells: Cells) -> str:
    """The field as text, after its value map."""
    if spec.constant:
        return spec.constant
    value = spec.join.join(part for name in spec.columns if (part := plain(cells.get(name)))).strip()
    return spec.values.get(value, value)


def plain(value: Any) -> str:
    """A cell as text: whole numbers without `.0`, times and days in ISO format."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, datetime):
        if (clock := clock_of(value)) is not None:
            value = clock
        elif value.time() == time():
            value = value.date()
    return value.isoformat() if isinstance(value, date | time) else str(value).strip()


def clock_of(cell: Any) -> timedelta | None:
    """A time of day or a duration; None for any other cell. Excel has both as moments of its first days."""
    if isinstance(cell, time):
        return timedelta(hours=cell.hour, minutes=cell.minute, seconds=cell.second)
    if isinstance(cell, datetime) and cell.tzinfo is None and cell.year <= 1900:
        return cell - _EXCEL_DAY_ZERO
    return cell if isinstance(cell, timedelta) else None


def single(spec: FieldMapping, cells: Cells) -> Any:
    """The cell of a field that one column holds; None for any other field."""
    return cells.get(spec.columns[0]) if len(spec.columns) == 1 else None


def day_of(spec: FieldMapping, cells: Cells) -> date | None:
    """The field as a day; None where it is empty, ValueError for anything else."""
    cell = single(spec, cells)
    if isinstance(cell, datetime) and clock_of(cell) is None:
        if cell.tzinfo is not None:
            raise ValueError(f"“{cell}” has a time zone, so its day depends on the place; give a date, without a time")
        return cell.date()
    if isinstance(cell, date) and not isinstance(cell, datetime):
        return cell
    text = text_of(spec, cells)
    if not text:
        return None
    try:
        return datetime.strptime(text, spec.format).date() if spec.format else date.fromisoformat(text)
    except ValueError:
        wanted = f"a date like {date(2026, 11, 30).strftime(spec.format or '%Y-%m-%d')}"
        hint = "; set format in the mapping" if _DAY_OF_ANOTHER_FORMAT.match(text) else ""
        raise ValueError(f"“{excerpt(text)}” is not {wanted}{hint}") from None


def time_of(spec: FieldMapping, cells: Cells) -> str | None:
    """The field as a time of day, `09:05`, without seconds; None where it is empty, ValueError for anything else."""
    clock = clock_of(single(spec, cells))
    text = text_of(spec, cells) if clock is None else str(clock)
    if not text:
        return None
    if minute := minute_of(text):
        return minute
    raise ValueError(f"“{excerpt(text)}” is not a time of day like 9:00 or 17:30")


def number_of(spec: FieldMapping, cells: Cells) -> Decimal | None:
    """The field as a number; None where it is empty, ValueError for anything else."""
    text = text_of(spec, cells)
    if not text:
        return None
    try:
        # Decimal ignores underscores: 1_5 would be 15.
        number = Decimal((text.replace(",", ".") if spec.decimal_comma else text).replace("_", "?"))
    except InvalidOperation:
        hint = "; set decimal_comma in the mapping" if re.fullmatch(r"\d+,\d+", text) else ""
        raise ValueError(f"“{excerpt(text)}” is not a number{hint}") from None
    if not number.is_finite() or abs(number) > _MAX_NUMBER:
        raise ValueError(f"“{excerpt(text)}” is not a number that can be imported")
    return number
