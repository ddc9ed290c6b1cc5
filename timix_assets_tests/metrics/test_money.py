"""docs/metrics.md, 4 and 5: what projects earn and cost, and what is not billed yet."""

from typing import Any

import pytest

from timix_assets.settings.firm import WorkCalendar

from .small_firm import MONDAY, D, SmallFirm


def project(firm: SmallFirm, **where: Any) -> dict[str, Any]:
    return firm.row("project_profitability", **where)


def test_revenue_is_of_tm_work_and_cost_of_all_work():
    firm = SmallFirm().entry(MONDAY, 2).entry(MONDAY, 3, subtask_id="fix").entry(MONDAY, 5, subtask_id="ovh")
    row = project(firm)
    assert (row["revenue"], row["cost"]) == (200, 400)
    assert (row["logged_hours"], row["billable_hours"]) == (10, 5)
    assert (row["margin"], row["effective_rate"]) == (-1.0, 20.0)


def test_margin_is_null_without_revenue():
    row = project(SmallFirm().entry(MONDAY, 5, subtask_id="ovh"))
    assert (row["revenue"], row["margin"], row["effective_rate"]) == (0, None, 0.0)


def test_hours_without_a_rate_are_unrated():
    row = project(SmallFirm().entry(MONDAY, 2).entry(MONDAY, 3, customer_rate=None))
    assert (row["revenue"], row["unrated_hours"]) == (200, 3)


def test_rate_of_zero_is_a_rate():
    row = project(SmallFirm().entry(MONDAY, 3, customer_rate=0))
    assert (row["revenue"], row["unrated_hours"]) == (0, 0)


def test_fixed_price_hours_are_never_unrated():
    assert project(SmallFirm().entry(MONDAY, 3, subtask_id="fix", customer_rate=None))["unrated_hours"] == 0


def test_revenue_is_null_when_no_tm_hour_has_a_rate():
    row = project(SmallFirm().entry(MONDAY, 3, customer_rate=None).entry(MONDAY, 1, subtask_id="ovh"))
    assert (row["revenue"], row["margin"], row["effective_rate"]) == (None, None, None)


def test_hidden_cost_gives_null_cost_and_margin():
    row = project(SmallFirm().entry(MONDAY, 3, cost_rate=None))
    assert (row["revenue"], row["cost"], row["margin"]) == (300, None, None)


def test_cost_sums_the_known_costs():
    assert project(SmallFirm().entry(MONDAY, 3, cost_rate=None).entry(MONDAY, 2))["cost"] == 80


@pytest.mark.parametrize(
    ("entry", "project_currency", "customer", "organization", "found"),
    [
        ("ILS", "USD", "EUR", "GBP", "ILS"),
        (None, "USD", "EUR", "GBP", "USD"),
        (None, None, "EUR", "GBP", "EUR"),
        (None, None, None, "GBP", "GBP"),
        (None, None, None, None, None),
    ],
)
def test_currency_falls_back_along_the_hierarchy(
    entry: str | None, project_currency: str | None, customer: str | None, organization: str | None, found: str | None
):
    firm = SmallFirm().project(currency=project_currency).having("customers", id="acme", currency=customer)
    firm.having("organization", id="org", currency=organization).entry(MONDAY, 3, currency=entry)
    assert project(firm)["currency"] == found


def test_revenue_is_exact_to_ten_places():
    firm = SmallFirm().entry(MONDAY, "0.3333333333", customer_rate="0.00000000015")
    firm.entry(MONDAY, "0.3333333333", customer_rate="0.00000000015")
    assert project(firm)["revenue"] == D("0.0000000001")
    firm = SmallFirm().entry(MONDAY, "7.3333333333", customer_rate="99.99")
    assert project(firm)["revenue"] == D("733.2599999967")


def test_project_has_a_row_per_month_to_as_of():
    firm = SmallFirm(first_month="2026-01-01", as_of="2026-03-02")
    firm.entry("2026-01-31", 1).entry("2026-02-01", 2).entry(MONDAY, 3).entry("2026-03-03", 4)
    assert [(r["month"].month, r["logged_hours"]) for r in firm.rows("project_profitability")] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_rejected_invalid_and_leave_hours_are_in_no_project():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"})))
    firm.entry(MONDAY, 3, status="Rejected").entry(MONDAY, 30).entry(MONDAY, 8, subtask_id="ovh")
    assert firm.rows("project_profitability") == []


def test_unknown_billing_type_costs_but_earns_nothing():
    row = project(SmallFirm().entry(MONDAY, 3, billing_type="Retainer", customer_rate=None))
    assert (row["logged_hours"], row["billable_hours"], row["unrated_hours"]) == (3, 0, 0)
    assert (row["revenue"], row["cost"]) == (0, 120)


def test_contract_cost_accumulates_by_month():
    firm = SmallFirm(first_month="2026-01-01").project(contract_amount=1000)
    firm.entry("2026-01-05", 5, subtask_id="fix").entry("2026-02-02", 3).entry("2026-03-02", 2, subtask_id="fix")
    rows = firm.rows("project_profitability")
    assert [(r["contract_amount"], r["contract_cost_to_date"], r["contract_remaining"]) for r in rows] == [
        (1000, 200, 800),
        (1000, 200, 800),
        (1000, 280, 720),
    ]


def test_contract_is_on_rows_in_the_projects_currency():
    firm = SmallFirm().project(contract_amount=1000).entry(MONDAY, 5, subtask_id="fix")
    firm.entry(MONDAY, 5, subtask_id="fix", currency="EUR")
    contracts = {
        r["currency"]: (r["contract_amount"], r["contract_cost_to_date"]) for r in firm.rows("project_profitability")
    }
    assert contracts == {"USD": (1000, 200), "EUR": (None, None)}


@pytest.mark.parametrize("amount", [0, None])
def test_contract_amount_of_zero_is_null(amount: int | None):
    row = project(SmallFirm().project(contract_amount=amount).entry(MONDAY, 5, subtask_id="fix"))
    assert (row["contract_amount"], row["contract_cost_to_date"], row["contract_remaining"]) == (None, None, None)


def test_contract_remaining_is_null_when_cost_is_hidden():
    row = project(SmallFirm().project(contract_amount=1000).entry(MONDAY, 5, subtask_id="fix", cost_rate=None))
    assert (row["contract_amount"], row["contract_cost_to_date"], row["contract_remaining"]) == (1000, None, None)


def test_hours_of_an_unknown_project_keep_a_row():
    firm = SmallFirm().entry(MONDAY, 3).entry(MONDAY, 2, subtask_id="gone", billing_type="TM")
    firm.entry(MONDAY, 1, subtask_id="gone", billing_type="TM", customer_id="acme")
    row = project(firm, project_id=None)
    assert (row["logged_hours"], row["customer_id"], row["currency"]) == (3, "acme", "USD")
    assert firm.row("organization_money")["revenue"] == 600


def aging(firm: SmallFirm, **where: Any) -> dict[str, Any]:
    return firm.row("unbilled_aging", **where)


@pytest.mark.parametrize(
    ("on", "bucket"),
    [
        ("2026-04-01", "future"),
        ("2026-03-31", "0-30"),
        ("2026-03-01", "0-30"),
        ("2026-02-28", "31-60"),
        ("2026-01-30", "31-60"),
        ("2026-01-29", "61-90"),
        ("2025-12-31", "61-90"),
        ("2025-12-30", "91+"),
        ("2019-01-01", "91+"),
    ],
)
def test_buckets_include_both_ends(on: str, bucket: str):
    assert aging(SmallFirm(as_of="2026-03-31", first_month="2019-01-01").entry(on, 1))["bucket"] == bucket


def test_entry_on_an_unknown_invoice_is_unbilled():
    firm = SmallFirm().entry(MONDAY, 2, invoice_id="gone").entry(MONDAY, 3, status="Submitted", invoice_id="gone")
    row = aging(firm)
    assert (row["hours"], row["unapproved_hours"], row["on_draft_invoice_hours"]) == (2, 3, 0)


def test_fixed_price_hours_are_not_in_the_total():
    row = aging(SmallFirm().entry(MONDAY, 2, subtask_id="fix"))
    assert (row["hours"], row["amount"], row["fixed_price_hours"], row["unapproved_hours"]) == (0, 0, 2, 0)


@pytest.mark.parametrize(
    "entry",
    [
        {"subtask_id": "ovh"},
        {"subtask_id": "fix", "status": "Draft"},
        {"status": "Invoiced"},
        {"status": "Rejected"},
        {"status": "Waiting"},
        {"billing_type": "Retainer"},
        {"hours": 25},
    ],
)
def test_work_that_cannot_be_billed_has_no_row(entry: dict[str, Any]):
    assert SmallFirm().entry(MONDAY, **{"hours": 2, **entry}).rows("unbilled_aging") == []


def test_unbilled_hours_without_a_rate_have_a_null_amount():
    firm = SmallFirm().entry(MONDAY, 2, customer_rate=None)
    assert (aging(firm)["hours"], aging(firm)["amount"]) == (2, None)
    assert aging(SmallFirm().entry(MONDAY, 2, customer_rate=None).entry(MONDAY, 1))["amount"] == 100


def test_unbilled_work_is_grouped_by_currency():
    firm = SmallFirm().entry(MONDAY, 2).entry(MONDAY, 3, currency="EUR")
    assert {r["currency"]: r["amount"] for r in firm.rows("unbilled_aging")} == {"USD": 200, "EUR": 300}


def test_leave_is_never_billed():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"tm"}))).entry(MONDAY, 2)
    assert firm.rows("unbilled_aging") == []


def test_unbilled_ignores_the_counted_statuses():
    firm = SmallFirm()
    firm.budgets = type(firm.budgets)(counted_statuses=("Invoiced",))
    assert aging(firm.entry(MONDAY, 2))["hours"] == 2
    assert firm.rows("project_profitability") == []
