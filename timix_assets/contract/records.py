"""JSON records -> a typed table: the one place where what Timix sent becomes what we store.

Nothing is lost on the way. A record becomes a row, or goes to quarantine whole when its key or another required value
cannot be read. In a row, `_rescued_data` keeps every field without a column and every value that could not be read.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from types import NoneType
from typing import Any

import polars as pl

from .expressions import Members, evaluate, listed, members_read, parsed, unread_members
from .findings import Findings
from .rescued import json_text, without_lone_surrogates
from .schema import MONTH, RESCUED, Column, Endpoint, Type, Window
from .values import READERS, Values

REJECTED_SCHEMA = pl.Schema({"reason": pl.String, "column": pl.String, "value": pl.String, "record": pl.String})
"""Rows of quarantine: why, the column that could not be read, its value as text, and the whole record as JSON text."""

RANGE_DATE = "date"
"""The column that says which month a row of a Window.RANGE table belongs to."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decoded:
    """rows: in the endpoint's schema, in the order of the records. rejected: in REJECTED_SCHEMA, in that order too."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    findings: Findings


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a record cannot be a row."""

    reason: str
    column: str | None
    value: Any


@dataclass(slots=True)
class _Table:
    """Objects read by their columns. rescue: row -> the fields, by the names sent, that no column holds in full."""

    columns: dict[str, pl.Series] = field(default_factory=dict)
    rescue: dict[int, set[str]] = field(default_factory=dict)

    def leave_out(self, row: int, names: Iterable[str]) -> None:
        self.rescue.setdefault(row, set()).update(names)


def decode(endpoint: Endpoint, records: Sequence[Any], *, month: date | None = None) -> Decoded:
    """Reads records into the endpoint's table.

    records: as `json.loads(…, parse_float=Decimal, parse_constant=Decimal)` gives them, so that no number met a float.
    month: the month that was asked for, for an endpoint with Window.MONTH (ValueError without it). Lone surrogates are
    replaced by U+FFFD and counted.
    """
    if endpoint.window is Window.MONTH and month is None:
        raise ValueError(f"{endpoint.name} is asked month by month: say which month its records are of.")
    try:
        return _decode(endpoint, records, month)
    except UnicodeEncodeError:
        mended, replaced = without_lone_surrogates(list(records))
        decoded = _decode(endpoint, mended, month)
        decoded.findings.replaced_characters += replaced
        return decoded


def _decode(endpoint: Endpoint, records: Sequence[Any], month: date | None) -> Decoded:
    findings = Findings(records=len(records))
    faults = {
        row: _Fault("the record is no JSON object", None, None)
        for row, record in enumerate(records)
        if not isinstance(record, dict)
    }
    objects = records if not faults else [record if isinstance(record, dict) else {} for record in records]
    if len(faults) < len(records):
        findings.expected = frozenset(column.name for column in endpoint.columns)

    required = frozenset({*endpoint.key, *(column.name for column in endpoint.columns if column.required)})
    table = _read_objects(endpoint.columns, objects, findings, required=required)
    for column in endpoint.columns:
        if column.name in required:
            _reject_unread(column, table.columns[column.name], objects, faults)

    rows = _framed(endpoint, table, objects, month)
    if not faults:
        return Decoded(rows, pl.DataFrame(schema=REJECTED_SCHEMA), findings)
    kept = rows.filter(pl.Series([row not in faults for row in range(len(records))], dtype=pl.Boolean))
    return Decoded(kept, _rejected(records, faults), findings)


def _framed(endpoint: Endpoint, table: _Table, objects: Sequence[Record], month: date | None) -> pl.DataFrame:
    """The table's columns in the order of the schema, with the month and the rescued data."""
    columns = dict(table.columns)
    if endpoint.window is Window.RANGE:
        columns[MONTH] = _months(columns[RANGE_DATE])
    elif month is not None and endpoint.window is Window.MONTH:
        columns[MONTH] = pl.Series(MONTH, [month.replace(day=1)] * len(objects), dtype=pl.Date)
    rescued: list[str | None] = [None] * len(objects)
    for row, names in table.rescue.items():
        rescued[row] = json_text({name: value for name, value in objects[row].items() if name in names})
    columns[RESCUED] = pl.Series(RESCUED, rescued, dtype=pl.String)
    return pl.DataFrame([columns[column.name] for column in endpoint.table_columns])


def _months(dates: pl.Series) -> pl.Series:
    """The first day of each date's month."""
    return dates.dt.month_start().alias(MONTH)


def _reject_unread(column: Column, read: pl.Series, objects: Sequence[Record], faults: dict[int, _Fault]) -> None:
    """Adds a fault for every row where a required column has no value, unless the row has one already."""
    if not read.null_count():
        return
    for row in read.is_null().arg_true():
        if row not in faults:
            sent = next((v for name in _sources(column) if (v := objects[row].get(name)) not in (None, "")), None)
            what = "is missing" if sent is None else f"cannot be read as {column.unit or column.type.value}"
            faults[row] = _Fault(f"`{column.name}` {what}", column.name, sent)


def _rejected(records: Sequence[Any], faults: Mapping[int, _Fault]) -> pl.DataFrame:
    """The quarantine rows of the records at fault, in the order of the records."""
    ordered = sorted(faults.items())
    return pl.DataFrame(
        {
            "reason": [fault.reason for _, fault in ordered],
            "column": [fault.column for _, fault in ordered],
            "value": [
                fault.value if isinstance(fault.value, str | None) else json_text(fault.value) for _, fault in ordered
            ],
            "record": [json_text(records[row]) for row, _ in ordered],
        },
        schema=REJECTED_SCHEMA,
    )


def _read_objects(
    columns: Sequence[Column],
    objects: Sequence[Record],
    findings: Findings,
    *,
    required: frozenset[str] = frozenset(),
    path: str = "",
) -> _Table:
    """Reads each column of some objects, and notes the fields that no column reads. path: of the objects, `lines.`."""
    table = _Table()
    names: set[str] = set().union(*objects)
    for column in columns:
        blank_is_null = column.type is Type.ID or column.name in required
        values, unused = _values(column, objects, names, findings, blank_is_null=blank_is_null)
        table.columns[column.name], unread = _read_column(column, values, findings, path)
        for row in unread:
            table.leave_out(row, (name for name in _sources(column) if objects[row].get(name) is not None))
        for row, left in unused.items():
            table.leave_out(row, left)
    if not path:
        findings.present |= _present(columns, names)
    _note_unknown(columns, objects, names, table, findings, path)
    return table


def _present(columns: Sequence[Column], names: Set[str]) -> frozenset[str]:
    """The columns that have a field among these names, or need none, as a constant does."""
    sources = {column.name: _sources(column) for column in columns}
    return frozenset(name for name, fields in sources.items() if not fields or not names.isdisjoint(fields))


def _note_unknown(
    columns: Sequence[Column],
    objects: Sequence[Record],
    names: Set[str],
    table: _Table,
    findings: Findings,
    path: str,
) -> None:
    """Rescues and counts the fields that no column reads, and those of which overrides read some members only."""
    if unknown := names - {name for column in columns for name in _sources(column)}:
        for row, record in enumerate(objects):
            if found := unknown & record.keys():
                findings.unknown_fields.update(path + name for name in found)
                table.leave_out(row, found)
    for name, members in _read_in_part(columns).items():
        for row, record in enumerate(objects):
            if others := list(unread_members(name, record.get(name), members)):
                findings.unknown_fields.update(others)
                table.leave_out(row, [name])


def _read_in_part(columns: Sequence[Column]) -> Members:
    """The fields of which overrides read some members only, and which no column reads whole."""
    expressions = [parsed(column.expression) for column in columns if column.expression is not None]
    if not expressions:
        return {}
    whole = {spelling for column in columns if column.expression is None for spelling in column.spellings}
    return {name: members for name, members in members_read(expressions).items() if members and name not in whole}


def _sources(column: Column) -> tuple[str, ...]:
    """The names, as sent, of the fields that a column reads."""
    return column.spellings if column.expression is None else tuple(parsed(column.expression).fields)


def _values(
    column: Column, objects: Sequence[Record], names: Set[str], findings: Findings, *, blank_is_null: bool
) -> tuple[Values, dict[int, set[str]]]:
    """A column's values as sent, one per object, and for each row the fields that have a value which was not used.

    blank_is_null: for an id or another required value, empty text says that there is none.
    """
    if column.expression is not None:
        values, unused = _computed(column, column.expression, objects, findings)
        return _blank_as_null(values) if blank_is_null else values, unused
    spellings = [spelling for spelling in column.spellings if spelling in names] or [column.source]
    spelled: list[Values] = [[record.get(spelling) for record in objects] for spelling in spellings]
    if blank_is_null:
        spelled = [_blank_as_null(values) for values in spelled]
    return (spelled[0], {}) if len(spelled) == 1 else _first_spelled(spellings, spelled)


def _blank_as_null(values: Values) -> Values:
    # Nearly always all say something, which is quicker to see than that none is "".
    if all(values) or "" not in values:
        return values
    return [None if value == "" else value for value in values]


def _first_spelled(spellings: Sequence[str], spelled: Sequence[Values]) -> tuple[Values, dict[int, set[str]]]:
    """The first spelling that is not null; a further one that says something else is not used, and named."""
    values = list(spelled[0])
    unused: dict[int, set[str]] = {}
    for spelling, further in zip(spellings[1:], spelled[1:], strict=True):
        for row, value in enumerate(further):
            if values[row] is None:
                values[row] = value
            elif value is not None and json_text(value) != json_text(values[row]):
                unused.setdefault(row, set()).add(spelling)
    return values, unused


def _computed(
    column: Column, sql: str, objects: Sequence[Record], findings: Findings
) -> tuple[Values, dict[int, set[str]]]:
    """An override's values. Where it gives none although a field that it reads has a value, that field is not used."""
    expression = parsed(sql)
    values, failed = evaluate(expression, objects)
    unused = {
        row: {name: v for name in expression.fields if (v := objects[row].get(name)) is not None}
        for row, value in enumerate(values)
        if value is None
    }
    if lost := [unused[row] for row in sorted(failed) if unused[row]]:
        findings.note_unreadable(column.name, map(json_text, lost))
    return values, {row: set(sent) for row, sent in unused.items() if sent}


def _read_column(column: Column, values: Values, findings: Findings, path: str) -> tuple[pl.Series, Collection[int]]:
    """The values as the column's Polars type, and the rows whose value it does not hold in full."""
    if column.many:
        return _read_lists(column, values, findings, path)
    if column.type is Type.OBJECT:
        return _read_structs(column, values, findings, path)
    kinds = set(map(type, values))
    reader = READERS[column.type]
    read = reader.read(column, values, kinds)
    series = pl.Series(column.name, read, dtype=reader.dtype, strict=True)
    if reader.dtype is not column.dtype:
        series = series.cast(column.dtype, strict=False)
    if column.type is Type.ENUM:
        findings.note_unknown_values(path + column.name, _unknown_values(column, read))
    nulls = values.count(None) if NoneType in kinds else 0
    if series.null_count() == nulls:
        return series, ()
    return series, _unread(column, values, series.is_null(), findings, path)


def _unknown_values(column: Column, read: Values | pl.Series) -> Iterable[str]:
    known = {*column.values, None}
    return (value for value in read if value not in known) if not known.issuperset(read) else ()


def _unread(column: Column, values: Values, null: pl.Series, findings: Findings, path: str) -> list[int]:
    """The rows that have a value which became null, noted."""
    rows = [row for row in null.arg_true() if values[row] is not None]
    if rows:
        findings.note_unreadable(path + column.name, (json_text(values[row]) for row in rows))
    return rows


def _read_structs(column: Column, values: Values, findings: Findings, path: str) -> tuple[pl.Series, Collection[int]]:
    """Objects as structs: their fields are columns of a table of their own."""
    objects = [value if isinstance(value, dict) else {} for value in values]
    table = _read_objects(column.fields, objects, findings, path=f"{path}{column.name}.")
    present = pl.Series([isinstance(value, dict) for value in values], dtype=pl.Boolean)
    struct = pl.DataFrame(list(table.columns.values())).to_struct(column.name)
    series = pl.select(pl.when(present).then(struct).alias(column.name)).to_series()
    return series, {*table.rescue, *_unread(column, values, ~present, findings, path)}


def _read_lists(column: Column, values: Values, findings: Findings, path: str) -> tuple[pl.Series, Collection[int]]:
    """Lists, read as one long column and cut again; a single value is a list of one, or null when it cannot be read."""
    lists = [value if value is None or isinstance(value, list) else [value] for value in values]
    rows = [row for row, elements in enumerate(lists) if elements is not None for _ in elements]
    flat = [element for elements in lists if elements is not None for element in elements]
    series, partly_read = _read_column(replace(column, many=False), flat, findings, path)
    lengths = [None if elements is None else len(elements) for elements in lists]
    in_part = {rows[element] for element in partly_read}
    if unread := {e for e in partly_read if series[e] is None and not isinstance(values[rows[e]], list)}:
        series = series.filter(pl.Series([element not in unread for element in range(len(flat))]))
        for element in unread:
            lengths[rows[element]] = None
    return listed(series, lengths), in_part
