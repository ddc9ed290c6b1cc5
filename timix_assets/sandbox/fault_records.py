"""Faults in records: values, names and fields that are not what the contract expects. A record is name -> JSON text.

Faults of one value strike the first `count` records of each page (default 1) that have the field; faults of names strike all.
"""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from hashlib import sha256

from .faults import Fault, Stage, kind
from .wire import Record

TEXTS = {
    "hebrew": '"שלום, עולם — גרסה 2"',
    "emoji": '"Launch 🚀👩🏽‍🚀 done"',
    "nul": '"before\\u0000after"',
    "surrogate": '"broken \\ud83d half"',
    "long": json.dumps("0123456789abcdef" * 4096),
}
FORTY_DIGITS = "1234567890123456789012345678901234567890"


def _each(fault: Fault, records: Sequence[Record], field: str, change: Callable[[str], str]) -> list[Record]:
    left, bent = 1 if fault.count is None else fault.count, []
    for record in records:
        if left and field in record:
            left -= 1
            record = {**record, field: change(record[field])}  # noqa: PLW2901  the list keeps its order
        bent.append(record)
    return bent


@kind(Stage.RECORD)
def raw_value(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` is `value`, sent as it is: any JSON text, or something that is no JSON."""
    return _each(fault, records, str(fault.field), lambda _: fault.value or "null")


@kind(Stage.RECORD)
def null_id(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`id`, or `field`, is null."""
    return _each(fault, records, fault.field or "id", lambda _: "null")


@kind(Stage.RECORD)
def missing_id(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`id`, or `field`, is not there, in the first `count` records of each page (default 1)."""
    field, count = fault.field or "id", 1 if fault.count is None else fault.count
    return [_without(record, field) if n < count else record for n, record in enumerate(records)]


def _without(record: Record, field: str) -> Record:
    return {name: value for name, value in record.items() if name != field}


@kind(Stage.RECORD)
def numeric_ids(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """Every id is a JSON number, the same for the same id everywhere."""
    return [{name: _numeric(name, value) for name, value in record.items()} for record in records]


def _numeric(name: str, value: str) -> str:
    if not (name == "id" or name.endswith("Id")) or not value.startswith('"'):
        return value
    return str(int(sha256(value.encode()).hexdigest()[:12], 16))


@kind(Stage.RECORD)
def unknown_enum(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default status) is a word that nobody knows: `value`, default Parked."""
    return _each(fault, records, fault.field or "status", lambda _: json.dumps(fault.value or "Parked"))


@kind(Stage.RECORD)
def new_field(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """A field of a later version: `field` (default approvedByAi) with the JSON text `value` (default true)."""
    return [{**record, fault.field or "approvedByAi": fault.value or "true"} for record in records]


@kind(Stage.RECORD)
def drop_field(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` is not there."""
    return [_without(record, str(fault.field)) for record in records]


@kind(Stage.RECORD)
def rename_field(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """The field `old` is called `new`."""
    return [{fault.new if name == fault.old and fault.new else name: v for name, v in r.items()} for r in records]


@kind(Stage.RECORD)
def number_as_text(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default hours) is its number in quotes, null stays null; all records unless `count` says otherwise."""
    everywhere = fault.set_up(count=len(records))
    return _each(everywhere, records, fault.field or "hours", lambda n: n if n[0] in '"n' else f'"{n}"')


@kind(Stage.RECORD)
def bad_number(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default hours) is `value` in quotes, default oops."""
    return _each(fault, records, fault.field or "hours", lambda _: json.dumps(fault.value or "oops"))


@kind(Stage.RECORD)
def not_a_number(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default hours) is the bare word NaN, which is no JSON."""
    return _each(fault, records, fault.field or "hours", lambda _: "NaN")


@kind(Stage.RECORD)
def infinity(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default hours) is the bare word Infinity, which is no JSON."""
    return _each(fault, records, fault.field or "hours", lambda _: "Infinity")


@kind(Stage.RECORD)
def huge_number(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default hours) is 1e400, or an integer of forty digits when `value` is digits."""
    return _each(fault, records, fault.field or "hours", lambda _: FORTY_DIGITS if fault.value == "digits" else "1e400")


@kind(Stage.RECORD)
def odd_money(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default customerRate) is `value` as a JSON number, default 12.3000000001; in quotes when `to` is text."""
    number = fault.value or "12.3000000001"
    return _each(
        fault, records, fault.field or "customerRate", lambda _: f'"{number}"' if fault.to == "text" else number
    )


@kind(Stage.RECORD)
def odd_date(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default date) is the text `value`, default 2026-02-30."""
    return _each(fault, records, fault.field or "date", lambda _: json.dumps(fault.value or "2026-02-30"))


@kind(Stage.RECORD)
def zoned_dates(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default date) is the same day with a time behind it: `value`, default T00:00:00Z; in all records."""
    everywhere, tail = fault.set_up(count=len(records)), fault.value or "T00:00:00Z"
    return _each(everywhere, records, fault.field or "date", lambda day: f'{day[:-1]}{tail}"')


@kind(Stage.RECORD)
def odd_text(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default text) is one of `value`: hebrew, emoji, nul, surrogate, long (64 kB); any other value as it is."""
    text = TEXTS.get(fault.value or "emoji") or json.dumps(fault.value)
    return _each(fault, records, fault.field or "text", lambda _: text)


@kind(Stage.RECORD)
def other_organization(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """/me and /organization name another organization: `value`, default org-another."""
    other = json.dumps(fault.value or "org-another")
    return [{**r, **({"organizationId": other} if "organizationId" in r else {"id": other})} for r in records]


@kind(Stage.RECORD)
def figure_off(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default revenue) is off by `amount` (default 1.00)."""
    amount = Decimal(fault.amount or "1.00")
    return _each(
        fault, records, fault.field or "revenue", lambda n: n if n == "null" else format(Decimal(n) + amount, "f")
    )
