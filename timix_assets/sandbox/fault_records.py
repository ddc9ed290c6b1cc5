"""Faults in records: unexpected values, names and fields. A record maps names to JSON text.

Faults of a value apply to the first `count` records of each page (default 1) that have the field; faults of names apply to all.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256

from .faults import Fault, Stage, declare, kind
from .serialization import Record

TEXTS = {
    "hebrew": '"שלום, עולם — גרסה 2"',
    "emoji": '"Launch 🚀👩🏽‍🚀 done"',
    "nul": '"before\\u0000after"',
    "surrogate": '"broken \\ud83d half"',
    "long": json.dumps("0123456789abcdef" * 4096),
}
FORTY_DIGITS = "1234567890123456789012345678901234567890"


def _each(
    fault: Fault, records: Sequence[Record], field: str, change: Callable[[str], str], default_count: int = 1
) -> list[Record]:
    left, changed = default_count if fault.count is None else fault.count, []
    for record in records:
        if left and field in record:
            left -= 1
            record = {**record, field: change(record[field])}  # noqa: PLW2901  the list keeps its order
        changed.append(record)
    return changed


def _huge_number(fault: Fault) -> str:
    return FORTY_DIGITS if fault.value == "digits" else "1e400"


def _money(fault: Fault) -> str:
    number = fault.value or "12.3000000001"
    return f'"{number}"' if fault.to == "text" else number


def _text(default: str) -> Callable[[Fault], str]:
    return lambda fault: json.dumps(fault.value or default)


def _odd_text(fault: Fault) -> str:
    return TEXTS.get(fault.value or "emoji") or json.dumps(fault.value)


VALUES: Mapping[str, tuple[str, str, Callable[[Fault], str]]] = {
    "raw_value": ("", "`value`, sent as it is: any JSON text, or text that is not JSON", lambda f: f.value or "null"),
    "null_id": ("id", "null", lambda _: "null"),
    "unknown_enum": ("status", "an unknown value: `value`, default Parked", _text("Parked")),
    "bad_number": ("hours", "`value` in quotes, default oops", _text("oops")),
    "not_a_number": ("hours", "the bare word NaN, which is not JSON", lambda _: "NaN"),
    "infinity": ("hours", "the bare word Infinity, which is not JSON", lambda _: "Infinity"),
    "huge_number": ("hours", "1e400, or an integer of forty digits when `value` is digits", _huge_number),
    "odd_money": (
        "customerRate",
        "`value` as a JSON number, default 12.3000000001; in quotes when `to` is text",
        _money,
    ),
    "odd_date": ("date", "the text `value`, default 2026-02-30", _text("2026-02-30")),
    "odd_text": (
        "text",
        "one of `value`: hebrew, emoji, nul, surrogate, long (64 kB); any other value as it is",
        _odd_text,
    ),
}
"""Kind -> the field that it changes by default, what that is then, and its JSON text."""


def _declare_value(name: str, default_field: str, is_then: str, value: Callable[[Fault], str]) -> None:
    def act(fault: Fault, records: Sequence[Record]) -> list[Record]:
        return _each(fault, records, fault.field or default_field, lambda _: value(fault))

    of_field = f"`field` (default {default_field})" if default_field else "`field`"
    declare(name, Stage.RECORD, f"{of_field} is {is_then}.", act)


for _name, (_field, _is_then, _value) in VALUES.items():
    _declare_value(_name, _field, _is_then, _value)


@kind(Stage.RECORD)
def missing_id(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`id`, or `field`, is missing in the first `count` records of each page (default 1)."""
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
def new_field(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """A field of a later version: `field` (default approvedByAi) with the JSON text `value` (default true)."""
    return [{**record, fault.field or "approvedByAi": fault.value or "true"} for record in records]


@kind(Stage.RECORD)
def drop_field(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` is missing."""
    return [_without(record, str(fault.field)) for record in records]


@kind(Stage.RECORD)
def rename_field(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """The field `old` is called `new`."""
    return [{fault.new if name == fault.old and fault.new else name: v for name, v in r.items()} for r in records]


@kind(Stage.RECORD)
def rename_word(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """The word `old` of `field` (default status) is `new`, in lists too; all records unless `count` says otherwise."""
    old, new = json.dumps(fault.old), json.dumps(fault.new)
    return _each(fault, records, fault.field or "status", lambda word: word.replace(old, new), len(records))


@kind(Stage.RECORD)
def number_as_text(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default hours) is its number in quotes, null stays null; all records unless `count` says otherwise."""
    return _each(fault, records, fault.field or "hours", lambda n: n if n[0] in '"n' else f'"{n}"', len(records))


@kind(Stage.RECORD)
def zoned_dates(fault: Fault, records: Sequence[Record]) -> list[Record]:
    """`field` (default date) is followed by a time: `value`, default T00:00:00Z; in all records."""
    tail = fault.value or "T00:00:00Z"
    return _each(fault, records, fault.field or "date", lambda day: f'{day[:-1]}{tail}"', len(records))


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
