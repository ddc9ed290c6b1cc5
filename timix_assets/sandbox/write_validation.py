"""Validation of writes: the JSON fields of a request against the contract and the product's rules."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import Column, Type

from .people import UNITS_PER_DOLLAR

Row = dict[str, Any]


class InvalidWrite(ValueError):  # noqa: N818
    """The request breaks a rule; the API responds 422 with this message."""


class RowNotFound(LookupError):  # noqa: N818
    """There is no such row; the API responds 404 with this message."""


class RowLookup(Protocol):
    """What the rules read."""

    def find_including_deleted(self, name: str, row_id: str | None) -> Mapping[str, Any]: ...
    def project_of(self, entry: Mapping[str, Any]) -> Mapping[str, Any]: ...
    def rows(self, name: str) -> list[Row]: ...


REQUIRED = {
    "customers": ("name",),
    "projects": ("name", "customer_id"),
    "tasks": ("name", "project_id"),
    "subtasks": ("name", "task_id", "billing_type"),
    "time_reports": ("user_id", "subtask_id", "date", "hours"),
}
PARENTS = {
    "customer_id": "customers",
    "project_id": "projects",
    "task_id": "tasks",
    "subtask_id": "subtasks",
    "user_id": "org_users",
}
DEFAULTS: Mapping[str, Row] = {
    "customers": {"status": "Active", "currency": "USD"},
    "projects": {"status": "Active", "billing_types": ["TM"], "currency": "USD"},
    "tasks": {"status": "Active"},
    "subtasks": {"status": "Active"},
    "time_reports": {"status": "Draft"},
}
SERVER_MANAGED = frozenset(("id", "created_at", "updated_at", "invoice_id", "cost_rate", "cost_rate_currency"))
NUMBERS = frozenset((Type.HOURS, Type.MONEY, Type.RATE, Type.PERCENT))
MAX_HOURS = 24
MAX_TEXT_LENGTH = 1000


def validated_row(records: RowLookup, name: str, fields: Mapping[str, Any], before: Row | None) -> Row:
    """The row after the request: `before` (None for a new row) with the request's fields.

    fields: JSON names -> values, numbers as Decimal or int. Raises `InvalidWrite`.
    """
    if before is not None and before.get("invoice_id"):
        raise InvalidWrite(f"{before['id']} is on an invoice and cannot be changed; void the invoice first.")
    given = {column.name: _value(column, value) for column, value in _known(name, fields)}
    blank = dict.fromkeys(column.name for column in BY_NAME[name].columns)
    row = {**blank, **DEFAULTS[name], **given} if before is None else {**before, **given}
    for needed in REQUIRED[name]:
        if row[needed] in (None, ""):
            raise InvalidWrite(f"{BY_NAME[name].column(needed).source} is required.")
    for column, parents in PARENTS.items():
        if given.get(column) is not None and not records.find_including_deleted(parents, given[column]):
            raise InvalidWrite(f"{BY_NAME[name].column(column).source} {given[column]!r} does not exist.")
    return _time_report(records, row, given) if name == "time_reports" else row


def _known(name: str, fields: Mapping[str, Any]) -> list[tuple[Column, Any]]:
    columns = {column.source: column for column in BY_NAME[name].columns}
    for field in fields:
        if field not in columns or columns[field].name in SERVER_MANAGED:
            raise InvalidWrite(f"{field} cannot be written.")
    return [(columns[field], value) for field, value in fields.items()]


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.is_list:
        return [_value_of_one(column, part) for part in value]
    return _value_of_one(column, value)


def _value_of_one(column: Column, value: Any) -> Any:
    try:
        if column.type in NUMBERS:
            number = Decimal(str(value))
            if not number.is_finite() or number < 0:
                raise InvalidWrite(f"{column.source} must be a number of at least 0.")
            return number
        if column.type is Type.DAY:
            return date.fromisoformat(value)
    except (InvalidOperation, TypeError, ValueError) as unreadable:
        raise InvalidWrite(f"{column.source} is invalid: {value!r}.") from unreadable
    if column.values:
        known = column.value_of(str(value))
        if known is None:
            raise InvalidWrite(f"{column.source} must be one of {', '.join(column.values)}.")
        return known
    return value if isinstance(value, str) else str(value)


def _time_report(records: RowLookup, row: Row, given: Row) -> Row:
    if not 0 < row["hours"] <= MAX_HOURS:
        raise InvalidWrite(f"hours must be more than 0 and at most {MAX_HOURS}.")
    if len(row["text"] or "") > MAX_TEXT_LENGTH:
        raise InvalidWrite(f"text must have at most {MAX_TEXT_LENGTH} characters.")
    if given.get("status") == "Invoiced":
        raise InvalidWrite("status becomes Invoiced only when an invoice is issued.")
    subtask, project = records.find_including_deleted("subtasks", row["subtask_id"]), records.project_of(row)
    row |= {
        "task_id": subtask["task_id"],
        "project_id": project.get("id"),
        "customer_id": project.get("customer_id"),
        "billing_type": subtask["billing_type"],
        "currency": project.get("currency"),
    }
    if row["customer_rate"] is None and row["billing_type"] != "OVH":
        row["customer_rate"] = _latest_rate(records, row)
    cost_rate = _cost_rate(records, row)
    return row | {"cost_rate": cost_rate, "cost_rate_currency": cost_rate and row["currency"]}


def _latest_rate(records: RowLookup, row: Row) -> Decimal | None:
    """The latest customer rate on that project."""
    rated = (e for e in reversed(records.rows("time_reports")) if e.get("project_id") == row["project_id"])
    return next((e["customer_rate"] for e in rated if e["customer_rate"] is not None), None)


def _cost_rate(records: RowLookup, row: Row) -> Decimal | None:
    user = records.find_including_deleted("org_users", row["user_id"])
    ours, theirs = (UNITS_PER_DOLLAR.get(c or "") for c in (user.get("cost_rate_currency"), row["currency"]))
    if user.get("cost_rate") is None or ours is None or theirs is None:
        return None
    return Decimal(user["cost_rate"] / ours * theirs).quantize(Decimal("0.01"))
