"""The organization's figures by month, and its money by month and currency (metrics.md § 6)."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from timix_assets_tests.metrics.oracle_arithmetic import (
    ZERO,
    Row,
    grouped,
    known_total,
    month_end,
    month_of,
    months,
    ratio,
)
from timix_assets_tests.metrics.oracle_budgets import Budget, Thresholds, worst_statuses
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, hours_of
from timix_assets_tests.metrics.oracle_money import cost_of, is_unbilled, margin_of, revenue_of, uninvoiced

INVOICED_STATUSES = ("Issued", "Sent", "Paid")
OUTSTANDING_STATUSES = ("Issued", "Sent")
PAID_STATUSES = ("Paid",)

MonthAndCurrency = tuple[date, str | None]
Sums = dict[MonthAndCurrency, Decimal | None]


def organization_kpis(ledger: Ledger, daily: list[Row], of_projects: list[Budget]) -> list[Row]:
    """§ 6: one row for every loaded month, an empty one too."""
    entries_of = grouped(ledger.worked, lambda entry: entry.month)
    days_of = grouped(daily, lambda row: row["month"])
    thresholds = Thresholds.of(ledger)
    rows = []
    for month in months(ledger.first_day, ledger.settings.as_of):
        entries = entries_of.get(month, [])
        logged, billable = hours_of(entries), hours_of(entry for entry in entries if entry.is_billable)
        capacity = sum((row["capacity_hours"] for row in days_of.get(month, [])), ZERO)
        # § 6: by their burn at the end of that month; the running month: as-of.
        until = min(month_end(month), ledger.settings.as_of)
        statuses = list(worst_statuses(of_projects, thresholds, until).values())
        rows.append(
            {
                "month": month,
                "total_hours": logged,
                "billable_hours": billable,
                "capacity_hours": capacity,
                "billable_utilization": ratio(billable, capacity),
                "total_utilization": ratio(logged, capacity),
                "active_users": _distinct(entry.user_id for entry in entries),
                "active_projects": _distinct(entry.project_id for entry in entries),
                "active_customers": _distinct(entry.customer_id for entry in entries),
                "projects_at_risk": statuses.count("at_risk"),
                "projects_over_budget": statuses.count("over_budget"),
                "as_of": ledger.settings.as_of,
            }
        )
    return rows


def _distinct(ids: Iterable[str | None]) -> int:
    return len({known for known in ids if known is not None})


def organization_money(ledger: Ledger) -> list[Row]:
    """§ 6: rows where any of these exists; 0, not null, where nothing is there."""
    entries_of = grouped(ledger.worked, _month_and_currency)
    invoiced = _invoice_totals(ledger, INVOICED_STATUSES, "issue_date")
    paid = _invoice_totals(ledger, PAID_STATUSES, "paid_date")
    outstanding = _invoice_totals(ledger, OUTSTANDING_STATUSES, "issue_date")
    unbilled = _unbilled(ledger)
    rows = []
    for month, currency in {*entries_of, *invoiced, *paid, *outstanding, *unbilled}:
        key = (month, currency)
        revenue, cost = revenue_of(entries_of.get(key, [])), cost_of(entries_of.get(key, []))
        rows.append(
            {
                "month": month,
                "currency": currency,
                "revenue": revenue,
                "cost": cost,
                "margin": margin_of(revenue, cost),
                "invoiced": invoiced.get(key, ZERO),
                "paid": paid.get(key, ZERO),
                "outstanding": outstanding.get(key, ZERO),
                "unbilled": unbilled.get(key, ZERO),
            }
        )
    return rows


def _month_and_currency(entry: Entry) -> MonthAndCurrency:
    return entry.month, entry.currency


def _unbilled(ledger: Ledger) -> Sums:
    """§ 6: § 5's unbilled amounts by entry date, within the loaded range."""
    entries = [e for e in uninvoiced(ledger) if is_unbilled(e) and ledger.first_day <= e.day <= ledger.last_day]
    return {
        key: known_total(entry.charge for entry in own) for key, own in grouped(entries, _month_and_currency).items()
    }


def _invoice_totals(ledger: Ledger, statuses: tuple[str, ...], dated_by: str) -> Sums:
    """§ 6: Σ total by that date; invoices dated after as-of or before the first loaded month are out."""
    totals = grouped(_dated_totals(ledger, statuses, dated_by), lambda dated: dated[0])
    return {key: known_total(total for _, total in own) for key, own in totals.items()}


def _dated_totals(
    ledger: Ledger, statuses: tuple[str, ...], dated_by: str
) -> Iterator[tuple[MonthAndCurrency, Decimal | None]]:
    for invoice in ledger.invoices:
        day = invoice.get(dated_by)
        if invoice.get("status") in statuses and day and ledger.first_day <= day <= ledger.settings.as_of:
            currency = invoice.get("currency") or ledger.customer_currency(invoice.get("customer_id"))
            yield (month_of(day), currency), invoice.get("total")
