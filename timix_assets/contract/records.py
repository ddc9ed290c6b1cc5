"""Decodes JSON records into a typed table. Nothing that Timix sent is lost.

A record becomes a row, or goes to quarantine as a whole when its key or another required value cannot be read. In a row,
`_rescued_data` keeps every field without a column and every value that could not be read.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from operator import itemgetter
from types import NoneType
from typing import Any

import polars as pl

from .decode_report import DecodeReport
from .expressions import Members, evaluate, listed, members_read, parsed, unread_members
from .rescued import json_text, texts_of_fields, without_lone_surrogates
from .schema import MONTH, RESCUED, Column, Endpoint, Type, Window
from .values import READERS, TEXTS, Kinds, Values, text

REJECTED_SCHEMA = pl.Schema({"reason": pl.String, "column": pl.String, "value": pl.String, "record": pl.String})
"""Rows of quarantine: the reason, the unreadable column, its value as text, and the whole record as JSON text."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decoded:
    """rows: in the endpoint's schema, in the order of the records. rejected: in REJECTED_SCHEMA, in the same order."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    report: DecodeReport


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a record cannot become a row."""

    reason: str
    column: str | None
    value: Any


@dataclass(slots=True)
class _Table:
    """Objects, read column by column.

    columns: each as it was read.
    known: the JSON fields that a column reads.
    unknown: the other fields of an object, in its order, and the rows that have exactly these; for rows with any.
    rescue: row -> the known fields that no column holds completely.
    """

    columns: dict[str, pl.Series]
    known: frozenset[str]
    unknown: list[tuple[list[str], list[int]]] = field(default_factory=list)
    rescue: dict[int, set[str]] = field(default_factory=dict)

    def leave_out(self, row: int, names: Iterable[str]) -> None:
        self.rescue.setdefault(row, set()).update(names)

    def partly_read(self) -> Iterator[int]:
        """The rows with a field that no column holds completely; one may come twice."""
        yield from self.rescue
        for _, rows in self.unknown:
            yield from rows

    def rescued(self, objects: Sequence[Record]) -> list[str | None]:
        """For each row, the JSON text of the fields that no column holds completely; None where there are none."""
        texts: list[str | None] = [None] * len(objects)
        for names, rows in self.unknown:
            for row, rescued in zip(rows, texts_of_fields([objects[row] for row in rows], names), strict=True):
                texts[row] = rescued
        for row, left in self.rescue.items():
            texts[row] = json_text({n: v for n, v in objects[row].items() if n in left or n not in self.known})
        return texts


def decode(endpoint: Endpoint, records: Sequence[Any], *, month: date | None = None) -> Decoded:
    """Decodes records into the endpoint's table. Lone surrogates are replaced by U+FFFD and counted.

    Args:
        endpoint: Declares the columns.
        records: As `json.loads(…, parse_float=Decimal, parse_constant=Decimal)` returns them, so that no number is a float.
        month: The month that was requested, for an endpoint with Window.MONTH.

    Raises:
        ValueError: Window.MONTH without a month.
    """
    if endpoint.window is Window.MONTH and month is None:
        raise ValueError(f"{endpoint.name} is read by month: the month of the records is missing.")
    try:
        return _decode(endpoint, records, month)
    except UnicodeEncodeError:
        cleaned, replaced = without_lone_surrogates(list(records))
        decoded = _decode(endpoint, cleaned, month)
        decoded.report.replaced_characters += replaced
        return decoded


def _decode(endpoint: Endpoint, records: Sequence[Any], month: date | None) -> Decoded:
    report = DecodeReport(records=len(records))
    faults = {
        row: _Fault("the record is not a JSON object", None, None)
        for row, record in enumerate(records)
        if not isinstance(record, dict)
    }
    objects = records if not faults else [record if isinstance(record, dict) else {} for record in records]
    if len(faults) < len(records):
        report.expected = frozenset(column.name for column in endpoint.columns)

    required = frozenset(endpoint.required_columns)
    table = _read_objects(endpoint.columns, objects, report, required=required)
    for column in endpoint.columns:
        if column.name in required:
            _reject_missing(column, table.columns[column.name], objects, faults)

    rows = _assemble(endpoint, table, objects, month)
    if not faults:
        return Decoded(rows, pl.DataFrame(schema=REJECTED_SCHEMA), report)
    kept = rows.filter(pl.Series([row not in faults for row in range(len(records))], dtype=pl.Boolean))
    return Decoded(kept, _rejected(records, faults), report)


def _assemble(endpoint: Endpoint, table: _Table, objects: Sequence[Record], month: date | None) -> pl.DataFrame:
    """The table's columns in the order of the schema, with the month and the rescued data."""
    columns = dict(table.columns)
    if endpoint.date_column is not None:
        columns[MONTH] = columns[endpoint.date_column].dt.month_start().alias(MONTH)
    elif month is not None and endpoint.window is Window.MONTH:
        columns[MONTH] = pl.Series(MONTH, [month.replace(day=1)] * len(objects), dtype=pl.Date)
    columns[RESCUED] = pl.Series(RESCUED, table.rescued(objects), dtype=pl.String)
    return pl.DataFrame([columns[column.name] for column in endpoint.table_columns])


def _reject_missing(column: Column, read: pl.Series, objects: Sequence[Record], faults: dict[int, _Fault]) -> None:
    """Adds a fault for every row without a value in a required column, unless the row has a fault already."""
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
    report: DecodeReport,
    *,
    required: frozenset[str] = frozenset(),
    path: str = "",
) -> _Table:
    """Reads each column of some objects, and reports the fields that no column reads. path: of the objects, `lines.`."""
    sources = {column.name: _sources(column) for column in columns}
    table = _Table({}, frozenset().union(*sources.values()))
    rows_by_names = _rows_by_names(objects)
    names: set[str] = set().union(*rows_by_names)
    for column in columns:
        blank_is_null = column.type is Type.ID or column.name in required
        values, unused = _values(column, objects, names, report, blank_is_null=blank_is_null)
        table.columns[column.name], unread = _read_column(column, values, report, path)
        for row in unread:
            table.leave_out(row, (name for name in sources[column.name] if objects[row].get(name) is not None))
        for row, left in unused.items():
            table.leave_out(row, left)
    if not path:
        # A column that needs no field, like a constant, is present too.
        report.present |= {name for name, fields in sources.items() if not fields or not names.isdisjoint(fields)}
    for sent, rows in rows_by_names.items():
        if unknown := [name for name in sent if name not in table.known]:
            report.unknown_fields.update({path + name: len(rows) for name in unknown})
            table.unknown.append((unknown, rows))
    _rescue_unread_members(columns, objects, table, report)
    return table


def _rows_by_names(objects: Sequence[Record]) -> dict[tuple[str, ...], list[int]]:
    """The names of an object's fields, in its order -> the rows of the objects that have exactly these."""
    rows = defaultdict[tuple[str, ...], list[int]](list)
    for row, names in enumerate(map(tuple, objects)):
        rows[names].append(row)
    return rows


def _rescue_unread_members(
    columns: Sequence[Column], objects: Sequence[Record], table: _Table, report: DecodeReport
) -> None:
    """Rescues and counts the fields of which overrides read only some members."""
    for name, members in _partially_read_fields(columns).items():
        for row, record in enumerate(objects):
            if others := list(unread_members(name, record.get(name), members)):
                report.unknown_fields.update(others)
                table.leave_out(row, [name])


def _partially_read_fields(columns: Sequence[Column]) -> Members:
    """The fields of which overrides read only some members, and which no column reads completely."""
    expressions = [parsed(column.expression) for column in columns if column.expression is not None]
    if not expressions:
        return {}
    whole = {name for column in columns if column.expression is None for name in column.json_names}
    return {name: members for name, members in members_read(expressions).items() if members and name not in whole}


def _sources(column: Column) -> tuple[str, ...]:
    """The JSON fields that a column reads."""
    return column.json_names if column.expression is None else tuple(parsed(column.expression).fields)


def _values(
    column: Column, objects: Sequence[Record], names: Set[str], report: DecodeReport, *, blank_is_null: bool
) -> tuple[Values, dict[int, set[str]]]:
    """A column's values as sent, one per object, and for each row the fields with a value that was not used.

    blank_is_null: for an id or another required value, empty text counts as missing.
    """
    if column.expression is not None:
        values, unused = _computed(column, column.expression, objects, report)
        return _blank_as_null(values) if blank_is_null else values, unused
    json_names = [name for name in column.json_names if name in names] or [column.source]
    candidates: list[Values] = [_field(objects, name) for name in json_names]
    if blank_is_null:
        candidates = [_blank_as_null(values) for values in candidates]
    return (candidates[0], {}) if len(candidates) == 1 else _first_present(json_names, candidates)


def _field(objects: Sequence[Record], name: str) -> Values:
    """One field of every object; None where an object does not have it."""
    try:
        return list(map(itemgetter(name), objects))
    except KeyError:
        return [record.get(name) for record in objects]


def _blank_as_null(values: Values) -> Values:
    # Nearly always all values are truthy, which is faster to check.
    if all(values) or "" not in values:
        return values
    return [None if value == "" else value for value in values]


def _first_present(json_names: Sequence[str], candidates: Sequence[Values]) -> tuple[Values, dict[int, set[str]]]:
    """The first alias that is not null. A later one with a different value is not used; the row lists it."""
    values = list(candidates[0])
    unused: dict[int, set[str]] = {}
    for json_name, further in zip(json_names[1:], candidates[1:], strict=True):
        for row, value in enumerate(further):
            if values[row] is None:
                values[row] = value
            elif value is not None and json_text(value) != json_text(values[row]):
                unused.setdefault(row, set()).add(json_name)
    return values, unused


def _computed(
    column: Column, sql: str, objects: Sequence[Record], report: DecodeReport
) -> tuple[Values, dict[int, set[str]]]:
    """An override's values. Where it yields null although a field that it reads has a value, that field is unused."""
    expression = parsed(sql)
    values, failed = evaluate(expression, objects)
    unused = {
        row: {name: v for name in expression.fields if (v := objects[row].get(name)) is not None}
        for row, value in enumerate(values)
        if value is None
    }
    if lost := [unused[row] for row in sorted(failed) if unused[row]]:
        report.add_unreadable(column.name, map(json_text, lost))
    return values, {row: set(sent) for row, sent in unused.items() if sent}


def _read_column(column: Column, values: Values, report: DecodeReport, path: str) -> tuple[pl.Series, Collection[int]]:
    """The values as the column's Polars type, and the rows whose value it does not hold completely."""
    if column.is_list:
        return _read_lists(column, values, report, path)
    if column.type is Type.OBJECT:
        return _read_structs(column, values, report, path)
    kinds = set(map(type, values))
    reader = READERS[column.type]
    read = reader.read(column, values, kinds)
    series = pl.Series(column.name, read, dtype=reader.dtype, strict=True)
    if reader.dtype is not column.dtype:
        series = series.cast(column.dtype, strict=False)
    if column.type is Type.ENUM:
        _report_words(column, values, kinds, report, path)
    # Types are counted, not values: to compare a Decimal with None takes three times as long.
    nulls = list(map(type, values)).count(NoneType) if NoneType in kinds else 0
    if series.null_count() == nulls:
        return series, ()
    return series, _unread(column, values, series.is_null(), report, path)


def _report_words(column: Column, values: Values, kinds: Kinds, report: DecodeReport, path: str) -> None:
    """Counts the words of an enum that are not its declared values as they stand."""
    words = values if kinds <= TEXTS else list(map(text, values))
    declared = {*column.values, None}
    if not declared.issuperset(words):
        counted = Counter(words)
        report.add_words(path + column.name, column, {word: n for word, n in counted.items() if word not in declared})


def _unread(column: Column, values: Values, null: pl.Series, report: DecodeReport, path: str) -> list[int]:
    """The rows with a value that became null; they are added to the report."""
    rows = [row for row in null.arg_true() if values[row] is not None]
    if rows:
        report.add_unreadable(path + column.name, (json_text(values[row]) for row in rows))
    return rows


def _read_structs(column: Column, values: Values, report: DecodeReport, path: str) -> tuple[pl.Series, Collection[int]]:
    """Objects as structs, whose fields are read like the columns of a table."""
    objects = [value if isinstance(value, dict) else {} for value in values]
    table = _read_objects(column.fields, objects, report, path=f"{path}{column.name}.")
    present = pl.Series([isinstance(value, dict) for value in values], dtype=pl.Boolean)
    struct = pl.DataFrame(list(table.columns.values())).to_struct(column.name)
    series = pl.select(pl.when(present).then(struct).alias(column.name)).to_series()
    return series, {*table.partly_read(), *_unread(column, values, ~present, report, path)}


def _read_lists(column: Column, values: Values, report: DecodeReport, path: str) -> tuple[pl.Series, Collection[int]]:
    """Lists, read as one long column and split again; a single value is a list of one, or null if unreadable."""
    lists = [value if value is None or isinstance(value, list) else [value] for value in values]
    rows = [row for row, elements in enumerate(lists) if elements is not None for _ in elements]
    flat = [element for elements in lists if elements is not None for element in elements]
    series, partly_read = _read_column(replace(column, is_list=False), flat, report, path)
    lengths = [None if elements is None else len(elements) for elements in lists]
    in_part = {rows[element] for element in partly_read}
    if unread := {e for e in partly_read if series[e] is None and not isinstance(values[rows[e]], list)}:
        series = series.filter(pl.Series([element not in unread for element in range(len(flat))]))
        for element in unread:
            lengths[rows[element]] = None
    return listed(series, lengths), in_part
