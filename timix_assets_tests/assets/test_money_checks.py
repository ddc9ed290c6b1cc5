"""Checks on money: cost in another currency, payments without a date, and the comparisons with Timix's reports."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from timix_assets.assets.checks.outcome import RuleOutcome
from timix_assets.assets.checks.reconciliation import receivables, unbilled
from timix_assets.assets.checks.rules import cost_in_entry_currency, paid_date_known
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.faults import Fault
from timix_assets_tests.workspace import Workspace, failures, warnings

from ..conftest import TODAY
from .checked_lake import Row, empty_lake, put, rollup_context

STRUCTURE = ("organization", "org_users", "customers", "projects", "tasks", "subtasks", "invoices")


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return empty_lake(tmp_path)


def entry(id: str, cost_currency: str | None, hours: int = 2, **columns: Any) -> Row:
    known = {"id": id, "date": TODAY, "month": TODAY.replace(day=1), "user_id": "u1", "subtask_id": "s1"}
    money = {"currency": "USD", "cost_rate": Decimal(40), "cost_rate_currency": cost_currency, "billing_type": "TM"}
    return {**known, "project_id": "p1", "status": "Approved", "hours": Decimal(hours), **money, **columns}


def test_hours_whose_cost_is_in_another_currency_are_named(lake: Lake) -> None:
    put(lake, "org_users", {"id": "u1", "cost_rate_currency": "ILS"})
    put(
        lake,
        "time_reports",
        entry("own", "EUR", 3),
        entry("user's", None, 2),
        entry("same", "USD", 5),
        entry("without cost", "EUR", 5, cost_rate=None),
        entry("rejected", "EUR", 5, status="Rejected"),
    )
    outcome = cost_in_entry_currency(lake, rollup_context(lake))

    assert outcome.violations.to_dicts() == [
        {"project_id": "p1", "currency": "USD", "cost_currency": "EUR", "hours": 3},
        {"project_id": "p1", "currency": "USD", "cost_currency": "ILS", "hours": 2},
    ]
    assert "3 h of USD work at a cost in EUR, 2 h of USD work at a cost in ILS" in str(outcome.message)


def test_cost_in_the_currency_of_the_entry_is_in_order(lake: Lake) -> None:
    put(lake, "time_reports", entry("same", "USD"), entry("unsaid", None))
    assert cost_in_entry_currency(lake, rollup_context(lake)).message is None


def test_paid_invoice_without_a_paid_date_is_named(lake: Lake) -> None:
    put(
        lake,
        "invoices",
        {"id": "i1", "number": "2026-10-001", "status": "Paid"},
        {"id": "i2", "status": "Paid", "paid_date": TODAY},
        {"id": "i3", "status": "Sent"},
    )
    outcome = paid_date_known(lake, rollup_context(lake))

    assert outcome.violations["number"].to_list() == ["2026-10-001"]
    assert "1 Paid invoice without a paid date" in str(outcome.message)


@pytest.mark.long
def test_checks_on_money_of_the_api(workspace: Workspace) -> None:
    sandbox = workspace.sandbox
    sandbox.faults.add(Fault("raw_value", path="/time-reports", field="costRateCurrency", value='"JPY"', page=1))
    sandbox.faults.add(Fault("new_field", path="/time-reports", field="costRateCurrency", value='"JPY"'))
    sandbox.faults.add(Fault("raw_value", path="/invoices", field="paidDate", value="null", count=99))
    result = workspace.refresh("timix/time_reports", *(f"timix/{name}" for name in STRUCTURE))

    assert failures(result) == {}
    assert "at a cost in JPY" in warnings(result, "timix/time_reports")["cost_in_entry_currency"]
    assert "without a paid date" in warnings(result, "timix/invoices")["paid_date_known"]


def unbilled_outcome(lake: Lake, theirs: Row) -> RuleOutcome:
    put(lake, "unbilled_time_report", {"currency": "USD", **theirs})
    put(
        lake,
        "unbilled_aging",
        {
            "currency": "USD",
            "bucket": "0-30",
            "hours": Decimal(10),
            "amount": Decimal(1000),
            "on_draft_invoice_hours": Decimal(4),
            "on_draft_invoice_amount": Decimal(400),
        },
    )
    return unbilled(lake, rollup_context(lake))


@pytest.mark.parametrize(
    ("hours", "amount", "agrees"), [(10, 1000, True), (6, 600, True), (10, 600, False), (8, 800, False)]
)
def test_unbilled_agrees_with_or_without_drafts(lake: Lake, hours: int, amount: int, agrees: bool) -> None:
    outcome = unbilled_outcome(lake, {"total_hours": Decimal(hours), "total_amount": Decimal(amount)})
    assert (outcome.message is None) == agrees


def test_difference_of_unbilled_shows_the_drafts(lake: Lake) -> None:
    outcome = unbilled_outcome(lake, {"total_hours": Decimal(8), "total_amount": Decimal(800)})
    assert "our amount 1,000.00, Timix's 800.00" in str(outcome.message)
    assert outcome.violations["on_draft_invoice_amount"].to_list() == [400]


def invoice(id: str, total: int, issued: date | None = TODAY, **columns: Any) -> Row:
    return {
        "id": id,
        "customer_id": "c1",
        "status": "Sent",
        "currency": "USD",
        "total": Decimal(total),
        "issue_date": issued,
        **columns,
    }


def reported(outstanding: int, month: date = date(2026, 11, 1), customer: str = "c1") -> Row:
    return {"month": month, "customer_id": customer, "currency": "USD", "outstanding_amount": Decimal(outstanding)}


def receivables_outcome(lake: Lake, invoices: list[Row], *report: Row) -> RuleOutcome:
    put(lake, "invoices", *invoices)
    put(lake, "customer_billing_report", *report)
    lake.metadata.add_months_read("timix/customer_billing_report", [date(2026, m, 1) for m in range(6, 12)])
    return receivables(lake, rollup_context(lake))


def test_outstanding_equal_to_timix_agrees(lake: Lake) -> None:
    paid_in_part = invoice("i1", 1000, amount_paid=Decimal(250))
    outcome = receivables_outcome(lake, [paid_in_part, invoice("i2", 500, date(2026, 10, 9))], *(
        reported(750), reported(500, date(2026, 10, 1))
    ))  # fmt: skip
    assert outcome.message is None
    assert outcome.figures["USD: our outstanding"] == "1,250.00 (Timix: 1,250.00)"


def test_other_outstanding_in_timix_is_shown_with_both_figures(lake: Lake) -> None:
    outcome = receivables_outcome(lake, [invoice("i1", 1000)], reported(700), reported(5, customer="c2"))
    assert outcome.violations["customer_id"].to_list() == ["c1", "c2"]
    assert "c1, USD: our outstanding 1,000.00, Timix's 700.00" in str(outcome.message)


def test_older_and_undated_invoices_are_not_compared(lake: Lake) -> None:
    """Their month of the report is not read by every refresh, so it may be older than the invoices."""
    old, undated = invoice("old", 300, date(2026, 6, 5)), invoice("undated", 40, None)
    outcome = receivables_outcome(lake, [invoice("i1", 1000), old, undated], reported(1000))
    assert outcome.message is None
    assert outcome.figures["USD: not compared"] == "340.00 of invoices without an issue date or issued before 2026-09"


def test_report_of_a_month_never_read_is_not_compared(lake: Lake) -> None:
    put(lake, "invoices", invoice("i1", 1000))
    assert receivables(lake, rollup_context(lake)).message is None


@pytest.mark.long
def test_receivables_agree_with_the_report_of_the_api(workspace: Workspace) -> None:
    tables = ("rollups/receivables_aging", "timix/customer_billing_report", "timix/time_reports")
    result = workspace.refresh(*tables, *(f"timix/{name}" for name in STRUCTURE))

    assert failures(result) == {}
    assert warnings(result, "rollups/receivables_aging") == {}

    workspace.sandbox.faults.add(
        Fault("figure_off", path="/financial-reports/customer-billing", field="outstandingAmount", amount="0.02")
    )
    result = workspace.refresh(*tables)
    assert "outstanding figure" in warnings(result, "rollups/receivables_aging")["agrees_with_timix"]
