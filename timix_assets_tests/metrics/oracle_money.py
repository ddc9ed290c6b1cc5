"""Project profitability and unbilled time, per currency (metrics.md §§ 4-5)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from timix_assets.metrics.settings import AgingBuckets
from timix_assets_tests.metrics.oracle_arithmetic import Row, difference, grouped, known_total, month_end, ratio
from timix_assets_tests.metrics.oracle_budgets import capped
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, hours_of

UNAPPROVED_STATUSES = ("Draft", "Submitted")


def revenue_of(entries: Iterable[Entry]) -> Decimal | None:
    """§ 4: TM: hours × customer rate. Fix, OVH: 0, a fixed price is tracked as contract against cost."""
    return known_total(entry.charge for entry in entries if entry.billing_type == "TM")


def cost_of(entries: Iterable[Entry]) -> Decimal | None:
    """§ 4: hours × cost rate; a key that may not see cost gets no rate, and so null."""
    return known_total(entry.cost for entry in entries)


def margin_of(revenue: Decimal | None, cost: Decimal | None) -> float | None:
    """§ 4: (revenue − cost) ÷ revenue; revenue 0: null."""
    return ratio(difference(revenue, cost), revenue)


def project_profitability(ledger: Ledger) -> list[Row]:
    """§ 4: project × month × currency."""
    fixed_price = grouped(
        (entry for entry in ledger.worked if entry.billing_type == "Fix"),
        lambda entry: (entry.project_id, entry.currency),
    )
    rows = []
    for (project_id, month, currency), entries in grouped(
        ledger.worked, lambda entry: (entry.project_id, entry.month, entry.currency)
    ).items():
        project = ledger.projects.get(project_id or "", {})
        revenue, cost, logged = revenue_of(entries), cost_of(entries), hours_of(entries)
        rows.append(
            {
                "project_id": project_id,
                "customer_id": project.get("customer_id") or _customer_of(entries),
                "month": month,
                "currency": currency,
                "logged_hours": logged,
                "billable_hours": hours_of(entry for entry in entries if entry.is_billable),
                "unrated_hours": hours_of(
                    entry for entry in entries if entry.billing_type == "TM" and entry.customer_rate is None
                ),
                "revenue": revenue,
                "cost": cost,
                "margin": margin_of(revenue, cost),
                "effective_rate": ratio(revenue, logged),
                **_contract(ledger, project, month, currency, fixed_price.get((project_id, currency), [])),
            }
        )
    return rows


def _customer_of(entries: list[Entry]) -> str | None:
    """The customer that all entries name; None where they name several."""
    named = {entry.customer_id for entry in entries if entry.customer_id is not None}
    return named.pop() if len(named) == 1 else None


def _contract(ledger: Ledger, project: Row, month: date, currency: str | None, fixed_price: list[Entry]) -> Row:
    """§ 4: on rows in the project's currency with a contract amount; cost through the end of the row's month."""
    amount = capped(project.get("contract_amount"))
    if amount is None or currency != ledger.project_currency(project):
        return {"contract_amount": None, "contract_cost_to_date": None, "contract_remaining": None}
    to_date = cost_of(entry for entry in fixed_price if entry.day <= month_end(month))
    return {
        "contract_amount": amount,
        "contract_cost_to_date": to_date,
        "contract_remaining": difference(amount, to_date),
    }


def uninvoiced(ledger: Ledger) -> list[Entry]:
    """§ 5: entries without an invoice id, of any date, leave and absurd ones apart."""
    return [entry for entry in ledger.sound if entry.invoice_id is None and not entry.is_time_off]


def is_unbilled(entry: Entry) -> bool:
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
    as_of, aging = ledger.settings.as_of, ledger.settings.aging
    concerned = [
        entry for entry in uninvoiced(ledger) if is_unbilled(entry) or _is_unapproved(entry) or _is_fixed_price(entry)
    ]
    rows = []
    for (customer_id, project_id, bucket, currency), entries in grouped(
        concerned, lambda e: (e.customer_id, e.project_id, bucket_of(e.day, as_of, aging), e.currency)
    ).items():
        unbilled = [entry for entry in entries if is_unbilled(entry)]
        rows.append(
            {
                "customer_id": customer_id,
                "project_id": project_id,
                "bucket": bucket,
                "currency": currency,
                "hours": hours_of(unbilled),
                "amount": known_total(entry.charge for entry in unbilled),
                "entry_count": len(unbilled),
                "oldest_date": min((entry.day for entry in unbilled), default=None),
                "unapproved_hours": hours_of(entry for entry in entries if _is_unapproved(entry)),
                "fixed_price_hours": hours_of(entry for entry in entries if _is_fixed_price(entry)),
                "as_of": as_of,
            }
        )
    return rows


def bucket_of(day: date, as_of: date, aging: AgingBuckets) -> str:
    """§ 5: age = as-of − date in days; future (age < 0), 0-30, 31-60, 61-90, 91+."""
    age, lower = (as_of - day).days, 0
    if age < 0:
        return "future"
    for upper in aging.upper_days:
        if age <= upper:
            return f"{lower}-{upper}"
        lower = upper + 1
    return f"{lower}+"
