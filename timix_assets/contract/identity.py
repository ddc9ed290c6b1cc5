"""What must be known of records before they are decoded: the key of each, and the plan of an API key's own record."""

from collections.abc import Callable, Mapping
from typing import Any

from .expressions import evaluate, parsed
from .schema import MONTH, Column, Endpoint
from .values import identifier, text

Record = Mapping[str, Any]


def key_reader(endpoint: Endpoint) -> Callable[[Record], str | None]:
    """A function from a record as sent to its key as text; None where it has none, or none that can be read so.

    The month of a monthly report is what was asked for, so it is no part of a record. A column that an override computes
    by more than naming a field is not read here: then no record has a key.
    """
    readers = [_reader(endpoint.column(name)) for name in endpoint.key if name != MONTH]

    def of_several(record: Record) -> str | None:
        values = [reader(record) for reader in readers]
        return None if None in values or not values else "\x00".join(map(str, values))

    return readers[0] if len(readers) == 1 else of_several


def plan_in(me: Endpoint, answer: Record) -> str | None:
    """The plan that the key's own record names, though other columns of it cannot be read; `{plan: {name}}` too."""
    column = me.column("plan")
    if column.expression is not None:
        [plan], _ = evaluate(parsed(column.expression), [answer])
    else:
        plan = next((value for name in column.spellings if (value := answer.get(name)) is not None), None)
    return text(plan.get("name") if isinstance(plan, Mapping) else plan)


def _reader(column: Column) -> Callable[[Record], str | None]:
    if column.expression is None:
        return _spelled(column.spellings)
    path = parsed(column.expression).path

    def at_path(record: Record) -> str | None:
        value: Any = record if path else None
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return identifier(value) or None

    return at_path


def _spelled(spellings: tuple[str, ...]) -> Callable[[Record], str | None]:
    first, *others = spellings

    def spelled(record: Record) -> str | None:
        value = record.get(first)
        for name in others:
            if value not in (None, ""):
                break
            value = record.get(name)
        return (value if type(value) is str else identifier(value)) or None

    return spelled
