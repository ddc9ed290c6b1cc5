"""The API's own financial reports, computed from the firm's rows as `metrics.md` says, in plain decimals.

A second, independent implementation of the formulas that `timix_assets.metrics` has as Polars expressions.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from typing import Any

from timix_assets.contract.schema import Endpoint

from .serialization import HIDDEN, Visibility
from .workspace import Workspace

Row = dict[str, Any]

COUNTED = frozenset(("Draft", "Submitted", "Approved", "Invoiced"))
BILLABLE = frozenset(("TM", "Fix"))
BILLED = frozenset(("Issued", "Sent", "Paid"))
BUCKETS = (("0-30", 30), ("31-60", 60), ("61-90", 90), ("91+", 10**6))
ZERO = Decimal(0)
TEN_PLACES = Decimal("1e-10")


@dataclass
class Amount:
    """A sum of hours × rate that skips unknown rates; null if there are entries and none has a rate."""

    total: Decimal = ZERO
    entries: int = 0
    priced: int = 0

    def add(self, hours: Decimal, rate: Decimal | None) -> None:
        self.entries += 1
        if rate is not None:
            self.priced += 1
            self.total += hours * rate

    @property
    def value(self) -> Decimal | None:
        return None if self.entries and not self.priced else self.total


@dataclass
class Totals:
    """Totals of one project or customer in one currency."""

    hours: Decimal = ZERO
    billable_hours: Decimal = ZERO
    revenue: Amount = field(default_factory=Amount)
    cost: Amount = field(default_factory=Amount)


def revenue(workspace: Workspace, start: date | None, end: date | None) -> list[Row]:
    """One row per project and currency with counted hours in the window: hours, revenue of TM, cost of everything."""
    totals: dict[tuple[str, str], Totals] = defaultdict(Totals)
    for entry in workspace.entries(start, end):
        project = workspace.project_of(entry)
        if entry["status"] not in COUNTED or not project:
            continue
        total = totals[project["id"], entry["currency"] or project["currency"]]
        total.hours += entry["hours"]
        total.cost.add(entry["hours"], _cost_rate(workspace, entry))
        if entry["billing_type"] in BILLABLE:
            total.billable_hours += entry["hours"]
        if entry["billing_type"] == "TM":
            total.revenue.add(entry["hours"], entry["customer_rate"])
    return [_revenue_row(workspace, *key, total) for key, total in sorted(totals.items(), key=lambda item: item[0])]


def _revenue_row(workspace: Workspace, project_id: str, currency: str, total: Totals) -> Row:
    project = workspace.find_including_deleted("projects", project_id)
    customer = workspace.find_including_deleted("customers", project.get("customer_id"))
    income, cost = total.revenue.value, total.cost.value
    profit = None if income is None or cost is None else income - cost
    return {
        "customer_id": project.get("customer_id"),
        "customer_name": customer.get("name"),
        "project_id": project_id,
        "project_name": project.get("name"),
        "currency": currency,
        "hours": total.hours,
        "billable_hours": total.billable_hours,
        "revenue": income,
        "cost": cost,
        "profit": profit,
        "margin_percent": _percent(profit, income),
    }


def budget_health(workspace: Workspace, *, see_cost: bool = True) -> list[Row]:
    """One row per project: its hour caps together, and the status of its worst capped scope, contract against cost included.

    A key that may not see cost gets a status that leaves the contract out.
    """
    used: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in workspace.entries(None, workspace.today):
        project = workspace.project_of(entry)
        if entry["status"] in COUNTED and project:
            _consume(workspace, used, project, entry)
    return [_budget_row(workspace.organization, project, used, see_cost) for project in workspace.rows("projects")]


def _cost_rate(workspace: Workspace, entry: Row) -> Decimal | None:
    """The entry's cost rate; unknown when it is in another currency than the entry."""
    user = workspace.find_including_deleted("org_users", entry["user_id"])
    currency = entry["cost_rate_currency"] or user.get("cost_rate_currency")
    rate: Decimal | None = entry["cost_rate"]
    return rate if currency in (None, entry["currency"]) else None


def _consume(
    workspace: Workspace, used: dict[tuple[str, str], Decimal], project: Mapping[str, Any], entry: Row
) -> None:
    kind, hours = entry["billing_type"], entry["hours"]
    used[project["id"], kind] += hours
    scope, rate = {"TM": ("amount", entry["customer_rate"]), "Fix": ("contract", _cost_rate(workspace, entry))}.get(
        kind, ("", None)
    )
    if rate is not None and entry["currency"] in (None, project["currency"]):
        used[project["id"], scope] += hours * rate


def _budget_row(organization: Row, project: Row, used: Mapping[tuple[str, str], Decimal], see_cost: bool) -> Row:
    hour_caps = {kind: project[f"{kind.lower()}_hour_limit"] or ZERO for kind in ("TM", "Fix", "OVH")}
    caps = {**hour_caps, "amount": project["amount_limit"] or ZERO}
    if see_cost:
        caps["contract"] = project["contract_amount"] or ZERO
    burns = [used.get((project["id"], scope), ZERO) / cap for scope, cap in caps.items() if cap]
    budget_hours = sum(hour_caps.values(), ZERO)
    consumed = sum(
        (used.get((project["id"], kind), ZERO) for kind, cap in hour_caps.items() if cap or not budget_hours), ZERO
    )
    return {
        "project_id": project["id"],
        "project_name": project["name"],
        "customer_id": project["customer_id"],
        "status": _status(organization, max(burns, default=ZERO)),
        "budget_hours": budget_hours or None,
        "consumed_hours": consumed,
        "remaining_hours": budget_hours - consumed if budget_hours else None,
        "budget_amount": caps["amount"] or None,
        "consumed_amount": used.get((project["id"], "amount"), ZERO),
        "percent_used": (max(burns) * 100).quantize(TEN_PLACES, ROUND_HALF_UP) if burns else None,
        "currency": project["currency"],
    }


def _status(organization: Row, burn: Decimal) -> str:
    if burn * 100 >= organization["budget_critical_threshold"]:
        return "critical"
    return "warning" if burn * 100 >= organization["budget_warning_threshold"] else "on-track"


def unbilled_time(workspace: Workspace) -> list[Row]:
    """One row per currency: approved TM time on no invoice that was issued, with its ages as of today."""
    waiting: dict[str, list[Row]] = defaultdict(list)
    for entry in workspace.rows("time_reports"):
        if _is_unbilled(workspace, entry):
            waiting[entry["currency"]].append(entry)
    return [_unbilled_row(currency, waiting[currency], workspace.today) for currency in sorted(waiting)]


def _unbilled_row(currency: str, entries: Sequence[Row], today: date) -> Row:
    aged: dict[str, list[Row]] = {bucket: [] for bucket, _ in BUCKETS}
    for entry in entries:
        age = (today - entry["date"]).days
        bucket = "future" if age < 0 else next(name for name, last in BUCKETS if age <= last)
        aged.setdefault(bucket, []).append(entry)
    return {
        "total_hours": _hours(entries),
        "total_amount": _value(entries),
        "entry_count": len(entries),
        "currency": currency,
        "aging": [
            {"bucket": bucket, "hours": _hours(rows), "amount": _value(rows), "entry_count": len(rows)}
            for bucket, rows in aged.items()
        ],
    }


def customer_billing(
    workspace: Workspace, start: date | None, end: date | None, customer_id: str | None = None
) -> list[Row]:
    """One row per customer and currency: the window's TM hours, billed or not, and the window's invoices.

    Invoices count by issue date when billed or outstanding (what is left of those issued or sent), and by payment date when paid.
    """
    billed: dict[tuple[str, str], list[Row]] = defaultdict(list)
    unbilled: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for entry in workspace.entries(start, end):
        key = (workspace.project_of(entry).get("customer_id", ""), entry["currency"])
        if entry["billing_type"] == "TM" and entry["status"] == "Invoiced":
            billed[key].append(entry)
        elif _is_unbilled(workspace, entry):
            unbilled[key].append(entry)
    issued: dict[tuple[str, str], list[Row]] = defaultdict(list)
    paid: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for invoice in workspace.rows("invoices"):
        key = (invoice["customer_id"], invoice["currency"])
        if invoice["status"] in BILLED and _within(invoice["issue_date"], start, end):
            issued[key].append(invoice)
        if invoice["status"] == "Paid" and _within(invoice["paid_date"], start, end):
            paid[key].append(invoice)
    keys = sorted(key for key in {*billed, *unbilled, *issued, *paid} if customer_id in (None, key[0]))
    return [
        {
            "customer_id": key[0],
            "customer_name": workspace.find_including_deleted("customers", key[0]).get("name"),
            "currency": key[1],
            "billed_hours": _hours(billed[key]),
            "billed_amount": _value(billed[key]),
            "unbilled_hours": _hours(unbilled[key]),
            "unbilled_amount": _value(unbilled[key]),
            "invoice_count": len(issued[key]),
            "paid_amount": _total(paid[key]),
            "outstanding_amount": _balance(i for i in issued[key] if i["status"] != "Paid"),
        }
        for key in keys
    ]


def as_csv(endpoint: Endpoint, rows: Iterable[Row], visibility: Visibility) -> bytes:
    """The export: UTF-8 with a byte order mark, every cell quoted, cells as they are, line breaks and leading `=` included."""
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(column.source for column in endpoint.columns)
    for row in rows:
        writer.writerow("" if c.name in HIDDEN[visibility] else _cell(row[c.name]) for c in endpoint.columns)
    return text.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date | datetime) else "" if value is None else str(value)


def _within(day: date | None, start: date | None, end: date | None) -> bool:
    return day is not None and (start or date.min) <= day <= (end or date.max)


def _is_unbilled(workspace: Workspace, entry: Row) -> bool:
    """Approved TM time; on a draft, void or unknown invoice it is still to be billed."""
    invoice = workspace.find_including_deleted("invoices", entry["invoice_id"])
    return entry["status"] == "Approved" and entry["billing_type"] == "TM" and invoice.get("status") not in BILLED


def _hours(entries: Iterable[Row]) -> Decimal:
    return sum((entry["hours"] for entry in entries), ZERO)


def _value(entries: Iterable[Row]) -> Decimal:
    return sum((entry["hours"] * (entry["customer_rate"] or ZERO) for entry in entries), ZERO)


def _total(invoices: Iterable[Row]) -> Decimal:
    return sum((invoice["total"] for invoice in invoices), ZERO)


def _balance(invoices: Iterable[Row]) -> Decimal:
    return sum((invoice["total"] - (invoice["amount_paid"] or ZERO) for invoice in invoices), ZERO)


def _percent(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return (part / whole * 100).quantize(TEN_PLACES, ROUND_HALF_UP) if part is not None and whole else None
