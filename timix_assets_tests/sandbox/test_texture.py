"""What makes the firm's rows like those of a real one: money owed, hours owed, and costs in another currency."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from timix_assets.sandbox import Firm

from .conftest import TODAY

Row = Mapping[str, Any]


@pytest.fixture(
    scope="module",
    params=[(40, 24, 7, date(2026, 11, 24)), (12, 12, 2, date(2026, 11, 18)), (6, 3, 7, date(2026, 11, 18))],
    ids=["demo", "middle", "small"],
)
def any_firm(request: pytest.FixtureRequest) -> Firm:
    people, months, seed, today = request.param
    return Firm.generate(people=people, months=months, seed=seed, today=today)


@pytest.fixture(scope="module")
def demo() -> Firm:
    return Firm.generate(today=date(2026, 11, 24))


@pytest.fixture(scope="module")
def middle() -> Firm:
    return Firm.generate(people=12, months=12, seed=2, today=date(2026, 11, 18))


def invoices_by_id(firm: Firm) -> Mapping[str, Row]:
    return {row["id"]: row for row in firm.tables["invoices"]}


def entries_of(firm: Firm, seat: int) -> Sequence[Row]:
    return [row for row in firm.tables["time_reports"] if row["user_id"].startswith(f"usr-{seat:03d}-")]


def test_amount_paid_follows_the_status(any_firm: Firm) -> None:
    for invoice in any_firm.tables["invoices"]:
        paid, total = invoice["amount_paid"], invoice["total"]
        match invoice["status"]:
            case "Draft" | "Void":
                assert paid is None
            case "Paid":
                assert paid == total
            case "Issued":
                assert paid == 0
            case "Sent":
                assert 0 <= paid < total or total == 0
        assert paid is None or paid == round(paid, 2)


def test_some_invoices_are_paid_in_part(any_firm: Firm) -> None:
    sent = [row for row in any_firm.tables["invoices"] if row["status"] == "Sent"]
    assert any(row["amount_paid"] > 0 for row in sent)
    assert any(row["amount_paid"] == 0 for row in sent)


def test_an_invoice_is_paid_after_its_issue_and_by_some_customers_late(demo: Firm) -> None:
    late: dict[str, Counter[bool]] = defaultdict(Counter)
    for invoice in demo.tables["invoices"]:
        if invoice["paid_date"]:
            assert invoice["issue_date"] < invoice["paid_date"] <= demo.today
            late[invoice["customer_id"]][invoice["paid_date"] >= invoice["due_date"] + timedelta(days=20)] += 1
    always_late = [customer for customer, counted in late.items() if not counted[False]]
    assert 0 < len(always_late) < len(late) / 2
    overdue = [i for i in demo.tables["invoices"] if i["status"] == "Sent" and i["due_date"] < demo.today]
    assert any(i["due_date"] < demo.today - timedelta(days=60) for i in overdue)


def test_hours_on_drafts_and_void_invoices_stay_approved(demo: Firm, middle: Firm) -> None:
    for firm in (demo, middle):
        invoices = invoices_by_id(firm)
        pairs = Counter(
            (invoices[entry["invoice_id"]]["status"], entry["status"])
            for entry in firm.tables["time_reports"]
            if entry["invoice_id"]
        )
        assert {("Draft", "Approved"), ("Void", "Approved"), ("Sent", "Invoiced"), ("Paid", "Invoiced")} <= pairs.keys()
        assert {status for invoice, status in pairs if invoice in ("Draft", "Void")} == {"Approved"}


def test_some_void_invoices_are_replaced(demo: Firm) -> None:
    invoices = invoices_by_id(demo)
    replaced = [row for row_id, row in invoices.items() if row["status"] == "Void" and f"{row_id}-b" in invoices]
    assert replaced
    named = {entry["invoice_id"] for entry in demo.tables["time_reports"]}
    assert not named & {row["id"] for row in replaced}


def test_an_invoice_names_its_project_only_where_it_bills_one(any_firm: Firm) -> None:
    for invoice in any_firm.tables["invoices"]:
        billed = {line["project_id"] for line in invoice["lines"]}
        assert invoice["project_id"] == (billed.pop() if len(billed) == 1 else None)
    assert {row["project_id"] is None for row in any_firm.tables["invoices"]} == {True, False}


def test_most_people_log_all_their_hours(demo: Firm) -> None:
    schedule = {row["id"]: row["weekly_hours"] for row in demo.tables["org_users"]}
    weeks: dict[tuple[str, int, int], Decimal] = defaultdict(Decimal)
    for entry in demo.tables["time_reports"]:
        weeks[entry["user_id"], *entry["date"].isocalendar()[:2]] += entry["hours"]
    full = [logged >= schedule[user] - 1 for (user, *_), logged in weeks.items() if schedule[user]]
    assert len(full) / 2 < sum(full) < len(full)


def test_a_forgetful_person_logs_fewer_days_than_the_others(demo: Firm) -> None:
    days = {seat: len({entry["date"] for entry in entries_of(demo, seat)}) for seat in (0, 1, 2, 14, 26)}
    assert max(days[2], days[14], days[26]) < min(days[0], days[1])


def test_one_person_never_submits_within_weeks(any_firm: Firm) -> None:
    recent = [e for e in entries_of(any_firm, 3) if e["date"] > any_firm.today - timedelta(days=35)]
    assert recent
    assert {entry["status"] for entry in recent} == {"Draft"}
    assert len({entry["date"].isocalendar()[:2] for entry in recent}) >= 3
    assert {entry["status"] for entry in entries_of(any_firm, 0)} > {"Draft"}


def test_some_people_enter_their_hours_days_after_the_work(any_firm: Firm) -> None:
    lags: dict[str, set[int]] = defaultdict(set)
    for entry in any_firm.tables["time_reports"]:
        assert entry["created_at"].date() <= any_firm.today
        assert entry["updated_at"].date() >= entry["created_at"].date()
        lags[entry["user_id"]].add((entry["created_at"].date() - entry["date"]).days)
    assert any(lag == {0} for lag in lags.values())
    assert any(max(lag) >= 4 for lag in lags.values())
    assert min(min(lag) for lag in lags.values()) == 0


def test_costs_are_converted_and_say_so_except_the_contractors(any_firm: Firm) -> None:
    currency_of = {user["id"]: user["cost_rate_currency"] for user in any_firm.tables["org_users"]}
    last_seat = max(user_id[:7] for user_id in currency_of if user_id[4:7].isdigit())
    known: Counter[bool] = Counter()
    for entry in any_firm.tables["time_reports"]:
        currency = entry["cost_rate_currency"] or currency_of[entry["user_id"]]
        known[currency == entry["currency"]] += 1
        if entry["user_id"].startswith(last_seat):
            assert currency == currency_of[entry["user_id"]]
        else:
            assert currency == entry["currency"]
            assert (entry["cost_rate_currency"] is None) == (entry["currency"] == currency_of[entry["user_id"]])
    assert 0 < known[False] < known[True]


def test_fixed_prices_have_a_plan_and_some_run_over(demo: Firm) -> None:
    project_of_task = {task["id"]: task["project_id"] for task in demo.tables["tasks"]}
    project_of = {row["id"]: project_of_task[row["task_id"]] for row in demo.tables["subtasks"]}
    used: dict[str, Decimal] = defaultdict(Decimal)
    for entry in demo.tables["time_reports"]:
        if entry["billing_type"] == "Fix" and entry["status"] != "Rejected":
            used[project_of[entry["subtask_id"]]] += entry["hours"]
    planned = [row for row in demo.tables["projects"] if row["contract_amount"] and row["fix_hour_limit"]]
    assert len(planned) > 0.8 * sum(1 for row in demo.tables["projects"] if row["contract_amount"])
    over = [row for row in planned if used[row["id"]] > row["fix_hour_limit"]]
    assert len(planned) / 20 < len(over) < len(planned) / 2


def test_a_viewer_has_no_hours(any_firm: Firm) -> None:
    [viewer] = [row for row in any_firm.tables["org_users"] if row["role"] == "Viewer"]
    assert viewer["status"] == "Active"
    assert viewer["id"] not in {entry["user_id"] for entry in any_firm.tables["time_reports"]}


def test_a_person_names_a_holiday_profile_that_is_inactive(any_firm: Firm) -> None:
    inactive = {row["id"] for row in any_firm.tables["holiday_profiles"] if not row["is_active"]}
    assert inactive & {user["holiday_profile_id"] for user in any_firm.tables["org_users"]}


def test_every_later_day_keeps_what_was_paid() -> None:
    paid: dict[str, Decimal] = {}
    for days in range(0, 60, 7):
        today = TODAY + timedelta(days=days)
        firm = Firm.generate(people=8, months=5 + today.month - TODAY.month, seed=7, today=today)
        for invoice in firm.tables["invoices"]:
            assert (invoice["amount_paid"] or 0) >= paid.get(invoice["id"], 0) or invoice["status"] == "Void"
            paid[invoice["id"]] = invoice["amount_paid"] or Decimal(0)
