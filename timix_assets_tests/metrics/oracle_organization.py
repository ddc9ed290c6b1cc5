"""The organization's figures by month, and its money by month and currency (docs/metrics.md, § 6)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from timix_assets_tests.metrics.oracle_arithmetic import ZERO, Row, grouped, known_total, month_end, month_of, ratio
from timix_assets_tests.metrics.oracle_budgets import Budget, Thresholds, worst_statuses
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger
from timix_assets_tests.metrics.oracle_invoices import Invoice
from timix_assets_tests.metrics.oracle_money import profit, revenue_of, worth
from timix_assets_tests.metrics.oracle_receivables import receivables, unbilled
from timix_assets_tests.metrics.oracle_utilization import hours_by_kind, needed, total

ECONOMICS = ("revenue", "approved_revenue", "cost", "tm_cost", "uncosted_hours", "tm_margin")

MonthAndCurrency = tuple[date, str | None]
Sums = dict[MonthAndCurrency, Decimal | None]


def organization_kpis(ledger: Ledger, capacity: list[Row], of_projects: list[Budget]) -> list[Row]:
    """§ 6: one row for each loaded month to as-of, empty ones too."""
    entries_of = grouped(ledger.worked, lambda entry: entry.month)
    capacity_of = grouped(capacity, lambda row: row["month"])
    return [
        {"month": month, "as_of": ledger.params.as_of}
        | _hours(ledger, month, entries_of.get(month, []), capacity_of.get(month, []))
        | _active(entries_of.get(month, []))
        | _projects(ledger, month, of_projects)
        for month in ledger.months
    ]


def _hours(ledger: Ledger, month: date, entries: list[Entry], capacity: list[Row]) -> Row:
    """§ 6, of sums over everybody."""
    hours = hours_by_kind(entries)
    logged, billable = hours["logged_hours"], hours["billable_hours"]
    available = total((row for row in capacity if row["date"] <= ledger.params.as_of), "capacity_hours")
    row = {
        "month": month,
        "total_hours": logged,
        "billable_hours": billable,
        "approved_billable_hours": hours["approved_billable_hours"],
        "capacity_hours": available,
        "capacity_full_hours": total(capacity, "capacity_hours"),
        "billable_utilization": ratio(billable, available),
        "total_utilization": ratio(logged, available),
        "target_gap_hours": ledger.params.firm.targets.utilization * available - billable,
    }
    return row | needed(ledger, row)


def _active(entries: list[Entry]) -> Row:
    """§ 6: at least one counted entry, leave apart."""
    return {
        "active_users": _distinct(entry.user_id for entry in entries),
        "active_projects": _distinct(entry.project_id for entry in entries),
        "active_customers": _distinct(entry.customer_id for entry in entries),
    }


def _distinct(ids: Iterable[str | None]) -> int:
    return len({known for known in ids if known is not None})


def _projects(ledger: Ledger, month: date, of_projects: list[Budget]) -> Row:
    """§ 6: by cumulative use at the end of that month (the running month: as-of)."""
    running = [budget for budget in of_projects if ledger.counts_as_running(budget.project, month)]
    until = min(month_end(month), ledger.params.as_of)
    statuses = list(worst_statuses(running, Thresholds.of(ledger), until).values())
    return {"projects_at_risk": statuses.count("at_risk"), "projects_over_budget": statuses.count("over_budget")}


def organization_money(ledger: Ledger, profitability: list[Row]) -> list[Row]:
    """§ 6: each loaded month and currency where a counted or unbilled entry or an invoice exists; 0 where nothing is."""
    entries_of = grouped(ledger.worked, _month_and_currency)
    projects_of = grouped(profitability, lambda row: (row["month"], row["currency"]))
    # § 6: unbilled by entry date, to the end of the as-of month.
    waiting = grouped((e for e in unbilled(ledger) if ledger.is_loaded(e.day)), _month_and_currency)
    invoices = _invoice_columns(ledger)
    rows = []
    for key in {*entries_of, *waiting, *(key for sums in invoices.values() for key in sums)}:
        month, currency = key
        entries, projects = entries_of.get(key, []), projects_of.get(key, [])
        drafted = [entry for entry in waiting.get(key, []) if ledger.invoice_status(entry) == "Draft"]
        rows.append(
            {
                "month": month,
                "currency": currency,
                **{column: value for column, value in worth(ledger, entries).items() if column in ECONOMICS},
                # § 6: fixed_earned the sum of project_profitability's.
                **profit(
                    ledger, entries, known_total(p["fixed_earned"] for p in projects), total(projects, "unearned_hours")
                ),
                **{column: sums.get(key, ZERO) for column, sums in invoices.items()},
                "unbilled": revenue_of(waiting.get(key, [])),
                "on_draft_invoice_amount": revenue_of(drafted),
            }
        )
    return rows


def _month_and_currency(entry: Entry) -> MonthAndCurrency:
    return entry.month, entry.currency


def _invoice_columns(ledger: Ledger) -> dict[str, Sums]:
    """§ 6: invoiced and invoiced_net by issue date, paid by paid date, outstanding by issue date."""
    invoiced = [invoice for invoice in ledger.invoices.values() if invoice.is_invoiced]
    paid = [invoice for invoice in invoiced if invoice.status == "Paid"]
    return {
        "invoiced": _sums(ledger, ((invoice, invoice.issue_date, invoice.total) for invoice in invoiced)),
        "invoiced_net": _sums(ledger, ((invoice, invoice.issue_date, invoice.net) for invoice in invoiced)),
        "paid": _sums(ledger, ((invoice, invoice.paid_date, invoice.total) for invoice in paid)),
        "outstanding": _sums(ledger, ((owed, owed.issue_date, owed.balance) for owed in receivables(ledger))),
    }


def _sums(ledger: Ledger, amounts: Iterable[tuple[Invoice, date | None, Decimal | None]]) -> Sums:
    """§ 6: invoices dated after as-of or in no loaded month are out."""
    dated = [
        ((month_of(day), invoice.currency), amount)
        for invoice, day, amount in amounts
        if day is not None and day <= ledger.params.as_of and ledger.is_loaded(day)
    ]
    return {key: known_total(amount for _, amount in own) for key, own in grouped(dated, lambda one: one[0]).items()}
