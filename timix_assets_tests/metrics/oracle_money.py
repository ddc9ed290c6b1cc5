"""What work earns and costs, by project and by person, per currency (docs/metrics.md, § 4)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction

from timix_assets_tests.metrics.oracle_arithmetic import (
    ZERO,
    Row,
    difference,
    grouped,
    known_total,
    month_end,
    quotient,
    ratio,
    rounded,
)
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, hours_of, of_type
from timix_assets_tests.metrics.oracle_fixed_price import FixedPrice

FixedPrices = dict[str | None, FixedPrice]


def revenue_of(entries: Iterable[Entry]) -> Decimal | None:
    """§ 4: TM: hours × customer rate. Fix, OVH: 0."""
    return known_total(entry.charge for entry in of_type(entries, "TM"))


def cost_of(entries: Iterable[Entry]) -> Decimal | None:
    """§ 4: hours × cost rate; a key that may not see cost gets no rate, and so null."""
    return known_total(entry.cost for entry in entries)


def uncosted_hours(entries: Iterable[Entry]) -> Decimal:
    return hours_of(entry for entry in entries if entry.cost is None)


def margin_of(revenue: Decimal | None, cost: Decimal | None) -> float | None:
    """§ 4: (revenue − cost) ÷ revenue; revenue 0: null."""
    return ratio(difference(revenue, cost), revenue)


def worth(ledger: Ledger, entries: list[Entry]) -> Row:
    """§ 4: hours, money and what is missing of it, of entries in one currency."""
    tm = of_type(entries, "TM")
    rated = [entry for entry in tm if entry.charge is not None]
    revenue, cost, tm_cost = revenue_of(entries), cost_of(entries), cost_of(tm)
    return {
        "logged_hours": hours_of(entries),
        "billable_hours": hours_of(entry for entry in entries if entry.is_billable),
        "tm_hours": hours_of(tm),
        "unrated_hours": hours_of(tm) - hours_of(rated),
        "uncosted_hours": uncosted_hours(entries),
        "revenue": revenue,
        "approved_revenue": revenue_of(entry for entry in entries if entry.is_approved),
        "cost": cost,
        "tm_cost": tm_cost,
        "tm_margin": margin_of(revenue, tm_cost) if is_costed(ledger, tm) else None,
        "average_rate": ratio(revenue, hours_of(rated)),
    }


def is_costed(ledger: Ledger, entries: list[Entry]) -> bool:
    """§ 4: uncosted hours do not exceed the tolerance of the hours that a margin stands on."""
    return _is_tolerable(ledger, uncosted_hours(entries), entries)


def _is_tolerable(ledger: Ledger, missing: Decimal, entries: list[Entry]) -> bool:
    return missing <= ledger.params.firm.money_policy.uncosted_tolerance * hours_of(entries)


def profit(ledger: Ledger, entries: list[Entry], fixed_earned: Decimal | None, unearned_hours: Decimal) -> Row:
    """§ 4: the margins on all cost; earned_margin also null where unearned hours exceed the tolerance."""
    revenue, cost, costed = revenue_of(entries), cost_of(entries), is_costed(ledger, entries)
    earned_revenue = None if revenue is None or fixed_earned is None else revenue + fixed_earned
    is_earned = costed and _is_tolerable(ledger, unearned_hours, entries)
    return {
        "margin": margin_of(revenue, cost) if costed else None,
        "fixed_earned": fixed_earned,
        "unearned_hours": unearned_hours,
        "earned_revenue": earned_revenue,
        "earned_margin": margin_of(earned_revenue, cost) if is_earned else None,
    }


def project_profitability(ledger: Ledger, prices: FixedPrices) -> list[Row]:
    """§ 4: project × month × currency."""
    fix_entries = grouped(of_type(ledger.worked, "Fix"), lambda entry: (entry.project_id, entry.currency))
    rows = []
    for (project_id, month, currency), entries in grouped(
        ledger.worked, lambda entry: (entry.project_id, entry.month, entry.currency)
    ).items():
        row, fix, price = worth(ledger, entries), of_type(entries, "Fix"), prices.get(project_id)
        # § 4: nothing is earned, nor is there a contract, on rows in another currency than the project's.
        price = price if price is not None and price.currency == currency else None
        fixed_earned = _fixed_earned(price, hours_of(fix))
        rows.append(
            {
                "project_id": project_id,
                "customer_id": ledger.projects.get(project_id or "", {}).get("customer_id") or _customer_of(entries),
                "month": month,
                "currency": currency,
                **row,
                "fix_cost": cost_of(fix),
                "overhead_cost": cost_of(of_type(entries, "OVH")),
                "effective_rate": ratio(row["revenue"], row["logged_hours"]),
                **_contract(price, month, fix_entries.get((project_id, currency), [])),
                **profit(ledger, entries, fixed_earned, hours_of(fix) if fixed_earned is None else ZERO),
            }
        )
    return rows


def _customer_of(entries: list[Entry]) -> str | None:
    """The customer that all entries name; None where they name several."""
    named = {entry.customer_id for entry in entries if entry.customer_id is not None}
    return named.pop() if len(named) == 1 else None


def _fixed_earned(price: FixedPrice | None, fix_hours: Decimal) -> Decimal | None:
    """§ 4: 0 without Fix hours; null without a contract amount or estimated_hours."""
    if fix_hours == 0:
        return ZERO
    return None if price is None else price.earned_by(fix_hours)


def _contract(price: FixedPrice | None, month: date, fix_entries: list[Entry]) -> Row:
    """§ 4: cost to date through the end of the row's month."""
    if price is None:
        return {"contract_amount": None, "contract_cost_to_date": None, "contract_remaining": None}
    to_date = cost_of(entry for entry in fix_entries if entry.day <= month_end(month))
    return {
        "contract_amount": price.amount,
        "contract_cost_to_date": to_date,
        "contract_remaining": difference(price.amount, to_date),
    }


def person_economics(ledger: Ledger) -> list[Row]:
    """§ 4: user × month × currency, of counted work."""
    shares = _billed_shares(ledger)
    rows = []
    for (user_id, month, currency), entries in grouped(
        ledger.worked, lambda entry: (entry.user_id, entry.month, entry.currency)
    ).items():
        row = worth(ledger, entries)
        rows.append(
            {
                "user_id": user_id,
                "month": month,
                "currency": currency,
                **row,
                "cost_per_hour": ratio(row["cost"], row["logged_hours"] - row["uncosted_hours"]),
                **_realization([entry for entry in entries if _is_invoiced(ledger, entry)], shares),
            }
        )
    return rows


def _is_invoiced(ledger: Ledger, entry: Entry) -> bool:
    """§ 4: TM with a rate, on an invoice Issued, Sent or Paid, in its currency and with a known net amount."""
    invoice = ledger.invoices.get(entry.invoice_id or "")
    if invoice is None or not invoice.is_invoiced or invoice.net is None or invoice.currency != entry.currency:
        return False
    return entry.billing_type == "TM" and entry.charge is not None


def _billed_shares(ledger: Ledger) -> dict[str | None, Fraction]:
    """§ 4, by invoice: min(1, net ÷ value of all such entries). One whose hours are worth 0 has none."""
    invoiced = grouped((e for e in ledger.worked if _is_invoiced(ledger, e)), lambda entry: entry.invoice_id)
    shares = {id_: quotient(ledger.invoices[id_].net, revenue_of(entries)) for id_, entries in invoiced.items() if id_}
    return {id_: min(Fraction(1), share) for id_, share in shares.items() if share is not None}


def _realization(invoiced: list[Entry], shares: dict[str | None, Fraction]) -> Row:
    """§ 4: billed ÷ worked value."""
    shared = [entry for entry in invoiced if entry.invoice_id in shares]
    value = revenue_of(shared)
    billed = rounded(sum((Fraction(entry.charge or ZERO) * shares[entry.invoice_id] for entry in shared), Fraction(0)))
    return {"invoiced_value": value, "billed_value": billed, "realization": ratio(billed, value)}
