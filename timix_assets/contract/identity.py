"""What is read from records before they are decoded: the key of each row, and the plan of the API key's own record."""

from collections.abc import Callable, Mapping
from typing import Any

from .expressions import evaluate, parsed, value_at
from .schema import MONTH, Column, Endpoint
from .values import identifier, text

Record = Mapping[str, Any]


def key_reader(endpoint: Endpoint) -> Callable[[Record], str | None]:
    """A function from a record as sent to its key as text, or to None where it has no readable key.

    The month of a monthly report comes from the request and is not part of a record. A column that an override computes,
    other than by naming a field, is not read here: then no record has a key.
    """
    readers = [_reader(endpoint.column(name)) for name in endpoint.key if name != MONTH]

    def of_several(record: Record) -> str | None:
        values = [reader(record) for reader in readers]
        return None if None in values or not values else "\x00".join(map(str, values))

    return readers[0] if len(readers) == 1 else of_several


def plan_in(me: Endpoint, answer: Record) -> str | None:
    """The plan in the key's own record, also in the form `{plan: {name}}`; other columns need not be readable."""
    column = me.column("plan")
    if column.expression is not None:
        [plan], _ = evaluate(parsed(column.expression), [answer])
    else:
        plan = next((value for name in column.json_names if (value := answer.get(name)) is not None), None)
    return text(plan.get("name") if isinstance(plan, Mapping) else plan)


def _reader(column: Column) -> Callable[[Record], str | None]:
    if column.expression is not None:
        path = parsed(column.expression).path
        return lambda record: (identifier(value_at(record, path)) or None) if path else None
    first, *others = column.json_names

    def first_present(record: Record) -> str | None:
        value = record.get(first)
        for name in others:
            if value not in (None, ""):
                break
            value = record.get(name)
        return (value if type(value) is str else identifier(value)) or None

    return first_present
