"""What is still to be billed, what is billed and not paid, and the days that takes (docs/metrics.md, § 5)."""

from datetime import date, timedelta

from timix_assets.settings.firm import AgingBuckets
from timix_assets_tests.metrics.oracle_arithmetic import Row, as_float, days, grouped, known_total, quotient
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, hours_of
from timix_assets_tests.metrics.oracle_invoices import INVOICED_STATUSES, Invoice
from timix_assets_tests.metrics.oracle_money import revenue_of

UNAPPROVED_STATUSES = ("Draft", "Submitted")
FEWEST_WINDOW_DAYS = 28
NOT_DUE = "not_due"


def to_be_billed(ledger: Ledger) -> list[Entry]:
    """§ 5: entries of any date whose invoice is not Issued, Sent or Paid; without leave and invalid hours."""
    return [e for e in ledger.sound if ledger.invoice_status(e) not in INVOICED_STATUSES and not e.is_time_off]


def unbilled(ledger: Ledger) -> list[Entry]:
    return [entry for entry in to_be_billed(ledger) if _is_unbilled(entry)]


def _is_unbilled(entry: Entry) -> bool:
    """§ 5: Approved, TM."""
    return entry.billing_type == "TM" and entry.status == "Approved"


def _is_unapproved(entry: Entry) -> bool:
    """§ 5: TM, Draft or Submitted."""
    return entry.billing_type == "TM" and entry.status in UNAPPROVED_STATUSES


def _is_fixed_price(entry: Entry) -> bool:
    """§ 5: Fix, Approved."""
    return entry.billing_type == "Fix" and entry.status == "Approved"


def unbilled_aging(ledger: Ledger) -> list[Row]:
    """§ 5: a row exists where any of unbilled, unapproved and fixed price does."""
    concerned = [
        entry
        for entry in to_be_billed(ledger)
        if _is_unbilled(entry) or _is_unapproved(entry) or _is_fixed_price(entry)
    ]
    rows = []
    for (customer_id, project_id, bucket, currency), entries in grouped(
        concerned, lambda e: (e.customer_id, e.project_id, _age_bucket(ledger, e), e.currency)
    ).items():
        approved = [entry for entry in entries if _is_unbilled(entry)]
        drafted = [entry for entry in approved if ledger.invoice_status(entry) == "Draft"]
        rows.append(
            {
                "customer_id": customer_id,
                "project_id": project_id,
                "bucket": bucket,
                "currency": currency,
                "hours": hours_of(approved),
                "amount": revenue_of(approved),
                "entry_count": len(approved),
                "oldest_date": min((entry.day for entry in approved), default=None),
                "on_draft_invoice_hours": hours_of(drafted),
                "on_draft_invoice_amount": revenue_of(drafted),
                "unapproved_hours": hours_of(entry for entry in entries if _is_unapproved(entry)),
                "fixed_price_hours": hours_of(entry for entry in entries if _is_fixed_price(entry)),
                "as_of": ledger.params.as_of,
            }
        )
    return rows


def _age_bucket(ledger: Ledger, entry: Entry) -> str:
    """§ 5: age = as-of − date in days; future (age < 0), 0-30, 31-60, 61-90, 91+."""
    age = (ledger.params.as_of - entry.day).days
    return "future" if age < 0 else _bucket(age, 0, ledger.params.firm.aging_buckets)


def _bucket(age: int, lower: int, aging: AgingBuckets) -> str:
    for upper in aging.upper_days:
        if age <= upper:
            return f"{lower}-{upper}"
        lower = upper + 1
    return f"{lower}+"


def receivables(ledger: Ledger) -> list[Invoice]:
    return [invoice for invoice in ledger.invoices.values() if invoice.is_receivable(ledger.params.as_of)]


def receivables_aging(ledger: Ledger) -> list[Row]:
    """§ 5: customer × bucket × currency; unknown totals count in invoice_count only."""
    return [
        {
            "customer_id": customer_id,
            "bucket": bucket,
            "currency": currency,
            "outstanding": known_total(invoice.balance for invoice in invoices),
            "invoice_count": len(invoices),
            "oldest_due_date": min((i.due for i in invoices if i.due and i.balance is not None), default=None),
            "as_of": ledger.params.as_of,
        }
        for (customer_id, bucket, currency), invoices in grouped(
            receivables(ledger), lambda i: (i.customer_id, _overdue_bucket(ledger, i), i.currency)
        ).items()
    ]


def _overdue_bucket(ledger: Ledger, invoice: Invoice) -> str:
    """§ 5: overdue days = as-of − due date (else issue date; neither: not due); not_due (≤ 0), 1-30, 31-60, 61-90, 91+."""
    overdue = 0 if invoice.due is None else (ledger.params.as_of - invoice.due).days
    return NOT_DUE if overdue <= 0 else _bucket(overdue, 1, ledger.params.firm.aging_buckets)


def working_capital(ledger: Ledger) -> list[Row]:
    """§ 5: a row for each currency with unbilled work, a receivable, or counted work or an invoice in the window."""
    window = _window(ledger)
    # § 5: unbilled_aging without `future`.
    aged = grouped((e for e in unbilled(ledger) if e.day <= ledger.params.as_of), lambda entry: entry.currency)
    owed = grouped(receivables(ledger), lambda invoice: invoice.currency)
    worked = grouped((e for e in ledger.worked if e.day in window), lambda entry: entry.currency)
    invoiced = grouped(
        (i for i in ledger.invoices.values() if i.is_invoiced and i.issue_date in window), lambda i: i.currency
    )
    rows = []
    for currency in {*aged, *owed, *worked, *invoiced}:
        row = {
            "unbilled": revenue_of(aged.get(currency, [])),
            "outstanding": known_total(i.balance for i in owed.get(currency, [])),
            "overdue": known_total(i.balance for i in owed.get(currency, []) if _overdue_bucket(ledger, i) != NOT_DUE),
            "revenue_in_window": revenue_of(worked.get(currency, [])),
            "invoiced_in_window": known_total(i.total for i in invoiced.get(currency, [])),
        }
        rows.append({"currency": currency, **row, **_lock_up(row, len(window)), "as_of": ledger.params.as_of})
    return rows


def _window(ledger: Ledger) -> set[date]:
    """§ 5: those of the last days to as-of that are in loaded months."""
    as_of, length = ledger.params.as_of, ledger.params.firm.money_policy.lockup_window_days
    return {day for day in days(as_of - timedelta(days=length - 1), as_of) if ledger.is_loaded(day)}


def _lock_up(row: Row, window_days: int) -> Row:
    """§ 5: wip_days and debtor_days and their sum, null when the window is shorter than 28 days."""
    wip, debtor = (
        None if share is None or window_days < FEWEST_WINDOW_DAYS else share * window_days
        for share in (
            quotient(row["unbilled"], row["revenue_in_window"]),
            quotient(row["outstanding"], row["invoiced_in_window"]),
        )
    )
    return {
        "window_days": window_days,
        "wip_days": as_float(wip),
        "debtor_days": as_float(debtor),
        "lockup_days": None if wip is None or debtor is None else float(wip + debtor),
    }
