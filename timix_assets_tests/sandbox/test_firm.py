"""The firm's data: the same for the same seed and day, steady as days go by, and with the texture of a real firm."""

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal

import pytest

from timix_assets.sandbox import Firm
from timix_assets.sandbox.holidays import easter_sunday, profile_rows, rosh_hashanah

from .conftest import TODAY


def fingerprint(firm: Firm) -> str:
    return hashlib.sha256(repr(firm.tables).encode()).hexdigest()


def test_the_same_seed_and_day_give_the_same_firm(firm: Firm) -> None:
    assert fingerprint(Firm.generate(people=8, months=3, seed=7, today=TODAY)) == fingerprint(firm)


def test_another_seed_gives_another_firm(firm: Firm) -> None:
    other = Firm.generate(people=8, months=3, seed=8, today=TODAY)
    assert fingerprint(other) != fingerprint(firm)
    # So that a lake of one refuses a key of the other.
    assert [each.tables["me"][0]["organization_id"] for each in (firm, other)] == ["org-meridian", "org-meridian-8"]
    assert (
        other.tables["organization"][0]["name"]
        == other.tables["me"][0]["organization_name"]
        == "Meridian Bay Services 8"
    )


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_firm_does_not_depend_on_the_hash_seed(firm: Firm, hash_seed: str) -> None:
    program = (
        "import hashlib, datetime; from timix_assets.sandbox.firm import Firm;"
        f"firm = Firm.generate(people=8, months=3, seed=7, today=datetime.date({TODAY.year}, {TODAY.month}, {TODAY.day}));"
        "print(hashlib.sha256(repr(firm.tables).encode()).hexdigest())"
    )
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    said = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == fingerprint(firm)


APPROVAL_COLUMNS = ("status", "invoice_id", "updated_at")


@pytest.mark.parametrize("days", [1, 30])
def test_later_day_only_adds_entries_and_changes_approvals(firm: Firm, days: int) -> None:
    later = Firm.generate(people=8, months=4, seed=7, today=TODAY + timedelta(days=days))
    now = {entry["id"]: entry for entry in later.tables["time_reports"]}
    for entry in firm.tables["time_reports"]:
        assert {**now[entry["id"]], **dict.fromkeys(APPROVAL_COLUMNS)} == {**entry, **dict.fromkeys(APPROVAL_COLUMNS)}
    added = [now[row_id] for row_id in now.keys() - {entry["id"] for entry in firm.tables["time_reports"]}]
    assert all(entry["created_at"].date() > TODAY or entry["date"] < firm.first_day for entry in added)


def test_a_later_day_changes_no_cap_and_no_name(firm: Firm) -> None:
    later = Firm.generate(people=8, months=4, seed=7, today=TODAY + timedelta(days=30))
    for table in ("projects", "tasks", "subtasks", "customers"):
        now = {row["id"]: row for row in later.tables[table]}
        for row in firm.tables[table]:
            steady = row.keys() - {"status", "updated_at", "end_date"}
            assert {name: now[row["id"]][name] for name in steady} == {name: row[name] for name in steady}


def test_an_issued_invoice_keeps_its_number_and_amount(firm: Firm) -> None:
    later = Firm.generate(people=8, months=3, seed=7, today=TODAY + timedelta(days=10))
    now = {invoice["id"]: invoice for invoice in later.tables["invoices"]}
    issued = [invoice for invoice in firm.tables["invoices"] if invoice["number"]]
    assert issued
    for invoice in issued:
        assert now[invoice["id"]]["number"] == invoice["number"]
        assert now[invoice["id"]]["total"] == invoice["total"]


def test_every_entry_refers_to_rows_that_exist(firm: Firm) -> None:
    ids = {
        name: {row["id"] for row in firm.tables[name]}
        for name in ("org_users", "subtasks", "tasks", "projects", "customers")
    }
    for entry in firm.tables["time_reports"]:
        assert entry["user_id"] in ids["org_users"]
        assert entry["subtask_id"] in ids["subtasks"]
        assert entry.get("project_id", next(iter(ids["projects"]))) in ids["projects"]
    assert {task["project_id"] for task in firm.tables["tasks"]} <= ids["projects"]
    assert {project["customer_id"] for project in firm.tables["projects"]} <= ids["customers"]


def test_entries_lie_within_employment_the_window_and_a_day(firm: Firm) -> None:
    users = {user["id"]: user for user in firm.tables["org_users"]}
    a_day: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    for entry in firm.tables["time_reports"]:
        user = users[entry["user_id"]]
        assert firm.first_day <= entry["date"] <= TODAY
        assert user["start_date"] <= entry["date"] <= (user["end_date"] or TODAY)
        a_day[entry["user_id"], entry["date"]] += entry["hours"]
    assert all(0 < hours <= 24 for hours in a_day.values())


def test_numbers_of_invoices_have_no_gap_within_a_month(firm: Firm) -> None:
    numbers = sorted(invoice["number"] for invoice in firm.tables["invoices"] if invoice["number"])
    months = {number[:7] for number in numbers}
    for month in months:
        last = [int(number[8:]) for number in numbers if number.startswith(month)]
        assert last == list(range(1, len(last) + 1))


def test_entry_status_follows_its_invoice(firm: Firm) -> None:
    status = {invoice["id"]: invoice["status"] for invoice in firm.tables["invoices"]}
    pairs = Counter((status.get(e["invoice_id"]), e["status"]) for e in firm.tables["time_reports"] if e["invoice_id"])
    assert all(entry == ("Approved" if invoice in ("Draft", "Void") else "Invoiced") for invoice, entry in pairs)


@pytest.mark.parametrize(
    ("year", "easter", "new_year"),
    [
        (2024, date(2024, 3, 31), date(2024, 10, 3)),
        (2026, date(2026, 4, 5), date(2026, 9, 12)),
        (2027, date(2027, 3, 28), date(2027, 10, 2)),
    ],
)
def test_movable_holidays_fall_where_the_calendar_has_them(year: int, easter: date, new_year: date) -> None:
    assert easter_sunday(year) == easter
    assert rosh_hashanah(year) == new_year


def test_profiles_have_whole_days_half_days_and_windows() -> None:
    holidays = [holiday for profile in profile_rows(2026, 2026) for holiday in profile["holidays"]]
    kinds = {(h["full_day_off"], h["window_start"] is not None) for h in holidays}
    assert kinds == {(True, False), (False, False), (False, True)}


@pytest.fixture(scope="module")
def whole_firm() -> Firm:
    return Firm.generate(today=date(2026, 11, 24))


def test_default_firm_has_the_size_and_states_of_a_demo(whole_firm: Firm) -> None:
    tables = whole_firm.tables
    assert 35_000 < len(tables["time_reports"]) < 45_000
    assert 140 < len(tables["projects"]) < 170
    assert {e["status"] for e in tables["time_reports"]} == {"Draft", "Submitted", "Approved", "Invoiced", "Rejected"}
    assert {i["status"] for i in tables["invoices"]} == {"Draft", "Issued", "Sent", "Paid", "Void"}
    assert {e["currency"] for e in tables["time_reports"]} == {"USD", "EUR", "GBP", "ILS"}
    assert {p["status"] for p in tables["projects"]} == {"Active", "OnHold", "Completed", "Cancelled"}


def test_default_firm_has_people_with_and_without_schedules(whole_firm: Firm) -> None:
    people = whole_firm.tables["org_users"]
    known = {(p["weekly_hours"] is not None, p["work_schedule"] is not None) for p in people}
    assert known == {(True, True), (True, False), (False, False)}
    assert any(p["status"] == "Inactive" and p["end_date"] is None for p in people)
    assert any(p["holiday_profile_id"] is None for p in people)


def test_people_and_projects_have_distinct_names(whole_firm: Firm) -> None:
    for table in ("org_users", "projects"):
        names = Counter(row["name"] for row in whole_firm.tables[table])
        assert sum(names.values()) - len(names) <= 5, table


def test_default_firm_has_awkward_names(whole_firm: Firm) -> None:
    customers = [row["name"] for row in whole_firm.tables["customers"]]
    projects = [row["name"] for row in whole_firm.tables["projects"]]
    assert any("\n" in name for name in customers)
    assert any('"' in name for name in customers)
    assert any("\u05d0" <= letter <= "\u05ea" for name in projects for letter in name)
    assert any(name.startswith("=") for name in projects)
    assert max(map(len, projects)) > 100


def test_cost_rates_rise_in_january(whole_firm: Firm) -> None:
    rates: dict[int, set[Decimal]] = defaultdict(set)
    for entry in whole_firm.tables["time_reports"]:
        if entry["user_id"] == "usr-000-0" and entry["currency"] == "USD":
            rates[entry["date"].year].add(entry["cost_rate"])
    assert [len(rates[year]) for year in (2024, 2025, 2026)] == [1, 1, 1]
    assert max(rates[2024]) < max(rates[2025]) < max(rates[2026])
