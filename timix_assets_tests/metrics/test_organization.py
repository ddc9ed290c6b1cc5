"""docs/metrics.md, 6: the firm as a whole."""

from typing import Any

import pytest

from timix_assets.settings.firm import WorkCalendar

from .small_firm import MONDAY, SmallFirm


def month(firm: SmallFirm, on: str = "2026-03-01") -> dict[str, Any]:
    return firm.row("organization_kpis", month=on)


def test_counted_entry_makes_user_project_customer_active():
    firm = SmallFirm().user(id="bob").user(id="cyd").having("customers", id="globex")
    firm.project(id="ship", customer_id="globex").having("tasks", id="sail", project_id="ship")
    firm.having("subtasks", id="sea", task_id="sail", billing_type="TM")
    firm.entry(MONDAY, 1).entry(MONDAY, 1, user_id="bob").entry(MONDAY, 1, subtask_id="sea", status="Rejected")
    row = month(firm)
    assert (row["active_users"], row["active_projects"], row["active_customers"]) == (2, 1, 1)
    row = month(firm.entry(MONDAY, 1, subtask_id="sea").without())
    assert (row["active_users"], row["active_projects"], row["active_customers"]) == (2, 2, 2)


def test_time_off_does_not_make_a_user_active():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"}))).entry(MONDAY, 8, subtask_id="ovh")
    row = month(firm)
    assert (row["active_users"], row["active_projects"], row["total_hours"]) == (0, 0, 0)


def test_current_month_counts_to_as_of():
    row = month(SmallFirm(as_of="2026-03-06").entries(MONDAY, 5, 4).entry("2026-03-09", 4))
    assert (row["capacity_hours"], row["total_hours"], row["total_utilization"]) == (40, 20, 0.5)


def test_month_without_hours_has_a_row_of_zeros():
    firm = SmallFirm(first_month="2026-01-01").entry("2026-01-05", 8)
    row = month(firm, "2026-02-01")
    assert (row["total_hours"], row["active_users"], row["billable_utilization"]) == (0, 0, 0.0)


def test_loaded_month_has_a_row_without_people():
    firm = SmallFirm(first_month="2026-02-01").without("org_users", "projects")
    assert [(r["month"].month, r["total_hours"], r["capacity_hours"]) for r in firm.rows("organization_kpis")] == [
        (2, 0, 0),
        (3, 0, 0),
    ]


def test_projects_at_risk_by_burn_at_the_months_end():
    firm = SmallFirm(first_month="2026-01-01").project(tm_hour_limit=10, fix_hour_limit=100)
    firm.entry("2026-01-05", 7).entry("2026-02-02", 1).entry("2026-03-02", 2)
    counts = [(r["projects_at_risk"], r["projects_over_budget"]) for r in firm.rows("organization_kpis")]
    assert counts == [(0, 0), (1, 0), (0, 1)]


def test_organizations_thresholds_decide_what_is_at_risk():
    firm = SmallFirm().having("organization", id="org", budget_warning_threshold=50).project(tm_hour_limit=10)
    assert month(firm.entry(MONDAY, 5))["projects_at_risk"] == 1


def invoice(firm: SmallFirm, status: str, **columns: Any) -> SmallFirm:
    given = {"id": f"{status} {len(firm.records.get('invoices', []))}", "currency": "USD", "total": 100}
    return firm.having("invoices", **{**given, "status": status, "issue_date": "2026-03-05", **columns})


def money(firm: SmallFirm, **where: Any) -> dict[str, Any]:
    return firm.row("organization_money", **where)


@pytest.mark.parametrize(
    ("status", "invoiced", "paid", "outstanding"),
    [("Issued", 100, 0, 100), ("Sent", 100, 0, 100), ("Paid", 100, 100, 0)],
)
def test_invoices_count_by_their_state(status: str, invoiced: int, paid: int, outstanding: int):
    row = money(invoice(SmallFirm(), status, paid_date="2026-03-20" if status == "Paid" else None))
    assert (row["invoiced"], row["paid"], row["outstanding"]) == (invoiced, paid, outstanding)


@pytest.mark.parametrize("status", ["Draft", "Void", "Disputed"])
def test_draft_and_void_invoices_do_not_count(status: str):
    assert invoice(SmallFirm(), status).rows("organization_money") == []


def test_invoice_counts_by_issue_and_paid_date():
    firm = invoice(SmallFirm(first_month="2026-01-01"), "Paid", issue_date="2026-01-31", paid_date="2026-03-01")
    rows = [(r["month"].month, r["invoiced"], r["paid"]) for r in firm.rows("organization_money")]
    assert rows == [(1, 100, 0), (3, 0, 100)]


def test_invoices_outside_the_loaded_range_do_not_count():
    firm = invoice(SmallFirm(as_of="2026-03-10"), "Issued", issue_date="2026-03-11")
    invoice(firm, "Issued", issue_date="2026-02-28")
    invoice(firm, "Paid", issue_date="2026-02-28", paid_date="2026-03-11")
    assert firm.rows("organization_money") == []


def test_invoice_without_a_currency_has_its_customers():
    firm = SmallFirm().having("customers", id="acme", currency="EUR")
    assert money(invoice(firm, "Issued", currency=None, customer_id="acme"))["currency"] == "EUR"


def test_money_is_zero_where_nothing_happened():
    row = money(invoice(SmallFirm(), "Issued"))
    assert [row[c] for c in ("revenue", "cost", "paid", "unbilled")] == [0, 0, 0, 0]
    assert row["margin"] is None


def test_hidden_cost_stays_unknown():
    row = money(SmallFirm().entry(MONDAY, 2, cost_rate=None))
    assert (row["revenue"], row["cost"], row["margin"]) == (200, None, None)


def test_revenue_and_cost_include_all_projects():
    firm = SmallFirm().project(id="ship", customer_id="acme").having("tasks", id="sail", project_id="ship")
    firm.having("subtasks", id="sea", task_id="sail", billing_type="TM")
    row = money(firm.entry(MONDAY, 2).entry(MONDAY, 3, subtask_id="sea"))
    assert (row["revenue"], row["cost"], row["margin"]) == (500, 200, 0.6)


def test_unbilled_is_by_entry_date_in_the_loaded_months():
    firm = SmallFirm(as_of="2026-03-10").entry(MONDAY, 1).entry("2026-03-20", 2).entry("2026-04-01", 4)
    assert [(r["month"].month, r["unbilled"]) for r in firm.rows("organization_money")] == [(3, 300)]


def test_unbilled_excludes_fixed_price_and_unapproved_work():
    firm = SmallFirm().entry(MONDAY, 1, subtask_id="fix").entry(MONDAY, 1, status="Draft")
    assert money(firm)["unbilled"] == 0
