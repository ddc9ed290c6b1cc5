"""docs/metrics.md, 3: how far each cap is used, how fast, and when it will be reached."""

from datetime import date
from typing import Any

import pytest

from timix_assets.settings.firm import BudgetPolicy, WorkCalendar

from .small_firm import MONDAY, D, SmallFirm

FRIDAY = "2026-03-27"
"""20 working days after the last Friday of February: the burn window is March up to here."""


def budget(firm: SmallFirm, scope: str = "TM", level: str = "project", project: str = "site") -> dict[str, Any]:
    return firm.row("budget_health", level=level, project_id=project, scope=scope)


def used(hours: str | int, cap: int | None, **organization: Any) -> dict[str, Any]:
    """The TM budget after so many hours, in entries of up to a day."""
    firm = SmallFirm().project(tm_hour_limit=cap).having("organization", id="org", **organization)
    whole, rest = divmod(D(hours), 20)
    firm.entries(MONDAY, int(whole), 20)
    return budget(firm.entry(MONDAY, str(rest)) if rest else firm)


def test_a_cap_of_zero_is_shown_as_no_cap():
    row = used("10", 0)
    assert (row["cap"], row["used"], row["remaining"], row["burn"], row["outlook"]) == (None, 10, None, None, None)


def test_burn_is_used_by_cap_and_can_exceed_one():
    row = used("120", 100)
    assert (row["burn"], row["remaining"]) == (1.2, -20)


def test_organizations_thresholds_override_the_settings():
    assert used("60", 100, budget_warning_threshold="0.5")["status"] == "at_risk"
    assert used("60", 100, budget_critical_threshold="0.6")["status"] == "over_budget"


def test_threshold_above_two_is_a_percentage():
    assert used("60", 100, budget_warning_threshold=60)["status"] == "at_risk"
    assert used("59", 100, budget_warning_threshold=60)["status"] == "on_track"
    assert used("199", 100, budget_critical_threshold=2)["status"] == "at_risk"


def test_project_always_has_its_three_hour_budgets():
    assert [r["scope"] for r in SmallFirm().rows("budget_health")] == ["Fix", "OVH", "TM"]
    firm = SmallFirm().project(amount_limit=5, contract_amount=0)
    assert [r["scope"] for r in firm.rows("budget_health")] == ["Fix", "OVH", "TM", "amount"]


def test_tasks_and_subtasks_have_a_row_only_with_a_cap():
    firm = SmallFirm().having("tasks", id="build", fix_hour_limit=10, tm_hour_limit=0)
    firm.having("subtasks", id="tm", hour_limit=4).having("subtasks", id="ovh", hour_limit=0)
    rows = [(r["level"], r["task_id"], r["subtask_id"], r["scope"], r["cap"]) for r in firm.rows("budget_health")]
    assert rows[3:] == [("subtask", "build", "tm", "hours", 4), ("task", "build", None, "Fix", 10)]


def test_each_level_counts_the_hours_of_its_scope():
    firm = SmallFirm().project(tm_hour_limit=100).having("tasks", id="build", tm_hour_limit=50)
    firm.having("subtasks", id="tm", hour_limit=10).having("subtasks", id="tm2", task_id="build", billing_type="TM")
    firm.entry(MONDAY, 4).entry(MONDAY, 3, subtask_id="tm2").entry(MONDAY, 2, subtask_id="fix")
    assert budget(firm)["used"] == 7
    assert budget(firm, "TM", "task")["used"] == 7
    assert budget(firm, "hours", "subtask")["used"] == 4
    assert budget(firm, "Fix")["used"] == 2


def test_unknown_billing_type_counts_in_its_subtask_alone():
    firm = SmallFirm().having("subtasks", id="tm", hour_limit=10).entry(MONDAY, 5, billing_type="Retainer")
    assert {(r["level"], r["used"]) for r in firm.rows("budget_health")} == {("project", D(0)), ("subtask", D(5))}


def test_time_off_counts_in_budgets():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"}))).entry(MONDAY, 8, subtask_id="ovh")
    assert budget(firm, "OVH")["used"] == 8


def test_rejected_invalid_and_later_entries_use_nothing():
    firm = SmallFirm(as_of="2026-03-10").entry(MONDAY, 5, status="Rejected").entry(MONDAY, 25).entry("2026-03-11", 5)
    assert budget(firm)["used"] == 0


def test_missing_parents_of_an_entry_are_joined_in():
    firm = SmallFirm().project(tm_hour_limit=10).entry(MONDAY, 2).entry(MONDAY, 3, project_id="site", task_id="build")
    assert budget(firm)["used"] == 5


def test_amount_is_tm_revenue_and_contract_is_fix_cost():
    firm = SmallFirm().project(amount_limit=1000, contract_amount=500)
    firm.entry(MONDAY, 3).entry(MONDAY, 5, subtask_id="fix").entry(MONDAY, 7, subtask_id="ovh")
    assert budget(firm, "amount")["used"] == 300
    assert budget(firm, "contract")["used"] == 200
    assert (budget(firm, "amount")["currency"], budget(firm, "TM")["currency"]) == ("USD", None)


def test_money_in_another_currency_uses_no_budget():
    firm = SmallFirm().project(amount_limit=1000).entry(MONDAY, 3).entry(MONDAY, 4, currency="EUR")
    assert budget(firm, "amount")["used"] == 300
    assert budget(firm, "TM")["used"] == 7


def test_project_without_a_currency_has_its_customers():
    firm = SmallFirm().project(amount_limit=1000, currency=None).having("customers", id="acme", currency="EUR")
    firm.entry(MONDAY, 3, currency="EUR").entry(MONDAY, 2, currency="USD").entry(MONDAY, 1)
    assert (budget(firm, "amount")["used"], budget(firm, "amount")["currency"]) == (400, "EUR")


def test_hidden_cost_makes_the_contract_unknown():
    firm = SmallFirm().project(contract_amount=500, tm_hour_limit=1, start_date="2026-03-01", end_date="2026-04-30")
    row = budget(firm.entry(MONDAY, 5, subtask_id="fix", cost_rate=None).entry(MONDAY, 1), "contract")
    assert [row[c] for c in ("used", "burn", "remaining", "status", "outlook", "burn_rate")] == [None] * 6
    assert (row["cap"], row["project_budget_status"]) == (500, "over_budget")


def test_contract_without_entries_used_nothing():
    firm = SmallFirm().project(contract_amount=500).entry(MONDAY, 5, cost_rate=None)
    assert budget(firm, "contract")["used"] == 0


def test_project_status_is_the_worst_of_its_own_rows():
    firm = SmallFirm().project(tm_hour_limit=10, fix_hour_limit=100).having("subtasks", id="ovh", hour_limit=1)
    firm.entry(MONDAY, 9).entry(MONDAY, 5, subtask_id="ovh")
    assert {r["project_budget_status"] for r in firm.rows("budget_health")} == {"at_risk"}
    assert budget(firm, "hours", "subtask")["status"] == "over_budget"


def test_project_without_caps_has_no_budget():
    assert budget(SmallFirm())["project_budget_status"] == "no_budget"


def test_elapsed_is_working_days_passed_by_planned():
    firm = SmallFirm(as_of="2026-03-06").project(start_date=MONDAY, end_date="2026-03-27")
    assert budget(firm)["elapsed"] == 5 / 20


@pytest.mark.parametrize(("as_of", "elapsed"), [("2026-03-31", 1.0), ("2026-03-01", 0.0), ("2026-03-08", 5 / 20)])
def test_elapsed_is_clamped_and_ignores_weekends(as_of: str, elapsed: float):
    assert budget(SmallFirm(as_of=as_of).project(start_date=MONDAY, end_date="2026-03-27"))["elapsed"] == elapsed


def test_elapsed_is_null_without_dates_or_working_days():
    assert budget(SmallFirm().project(start_date=MONDAY))["elapsed"] is None
    assert budget(SmallFirm().project(end_date=MONDAY))["elapsed"] is None
    assert budget(SmallFirm().project(start_date="2026-03-07", end_date="2026-03-08"))["elapsed"] is None


def long_running(as_of: str = FRIDAY, **project: Any) -> SmallFirm:
    """One hour in January, so that the burn window is full; then 2 hours on each of the 20 working days."""
    firm = SmallFirm(as_of=as_of, first_month="2026-01-01").project(**{"tm_hour_limit": 61, **project})
    return firm.entry("2026-01-05", 1).entries(MONDAY, 20, 2)


def test_burn_rate_is_the_use_of_20_working_days_per_day():
    assert budget(long_running())["burn_rate"] == 2.0


def test_weekend_work_counts_in_the_burn_window():
    assert budget(long_running().entry("2026-03-07", 10))["burn_rate"] == 2.5


def test_work_before_the_burn_window_does_not_count():
    assert budget(long_running().entry("2026-02-27", 10))["burn_rate"] == 2.0


def test_burn_window_ends_on_the_last_working_day():
    assert budget(long_running(as_of="2026-03-29"))["burn_rate"] == 2.0


def test_young_budget_has_a_window_since_its_first_entry():
    firm = SmallFirm(as_of="2026-03-13").project(tm_hour_limit=100).entry("2026-03-04", 12).entry("2026-03-05", 4)
    assert budget(firm)["burn_rate"] == 16 / 8


def test_no_burn_rate_under_five_working_days():
    assert budget(SmallFirm(as_of="2026-03-05").entry(MONDAY, 8))["burn_rate"] is None
    assert budget(SmallFirm(as_of="2026-03-06").entry(MONDAY, 8))["burn_rate"] == 8 / 5


def test_no_burn_rate_without_entries():
    assert budget(SmallFirm())["burn_rate"] is None


def test_idle_budget_is_never_exhausted():
    row = budget(SmallFirm(first_month="2026-01-01").project(tm_hour_limit=100).entry("2026-01-05", 8))
    assert (row["burn_rate"], row["exhaustion_date"]) == (0.0, None)


def test_exhaustion_date_counts_working_days():
    assert budget(long_running(tm_hour_limit=51))["exhaustion_date"] == date(2026, 4, 3)
    assert budget(long_running(tm_hour_limit=52))["exhaustion_date"] == date(2026, 4, 6)
    assert budget(long_running(tm_hour_limit=53))["exhaustion_date"] == date(2026, 4, 6)


def test_exhaustion_beyond_five_years_is_null():
    within = 41 + 2 * 1304
    assert budget(long_running(tm_hour_limit=within))["exhaustion_date"] == date(2031, 3, 27)
    assert budget(long_running(tm_hour_limit=within + 2))["exhaustion_date"] is None
    assert budget(long_running(tm_hour_limit=10**9))["exhaustion_date"] is None


def test_budget_without_a_cap_is_never_exhausted():
    assert budget(long_running(tm_hour_limit=None))["exhaustion_date"] is None


def test_reached_cap_has_the_date_it_was_reached():
    firm = SmallFirm(first_month="2026-01-01").project(tm_hour_limit=10, amount_limit=1500, contract_amount=80)
    firm.entry("2026-02-10", 4).entry("2026-03-03", 5).entry("2026-03-12", 1).entry("2026-03-12", 5)
    firm.entry("2026-03-20", 2, subtask_id="fix").entry("2026-03-23", 2, subtask_id="fix")
    assert budget(firm)["exhaustion_date"] == date(2026, 3, 12)
    assert budget(firm, "amount")["exhaustion_date"] == date(2026, 3, 12)
    assert budget(firm, "contract")["exhaustion_date"] == date(2026, 3, 20)


def test_tasks_and_subtasks_have_the_date_they_were_reached():
    firm = SmallFirm().having("tasks", id="build", fix_hour_limit=3).having("subtasks", id="tm", hour_limit=2)
    firm.entry(MONDAY, 1).entry("2026-03-03", 1).entry("2026-03-04", 3, subtask_id="fix").entry("2026-03-05", 3)
    assert budget(firm, "hours", "subtask")["exhaustion_date"] == date(2026, 3, 3)
    assert budget(firm, "Fix", "task")["exhaustion_date"] == date(2026, 3, 4)


def test_projected_final_continues_the_burn_rate():
    assert budget(long_running(end_date="2026-04-03"))["projected_final"] == 41 + 2 * 5


def test_projected_final_of_an_ended_project_is_its_use():
    assert budget(long_running(end_date=FRIDAY))["projected_final"] == 41.0
    assert budget(SmallFirm().project(end_date="2026-03-02"))["projected_final"] == 0.0


def test_projected_final_needs_end_date_and_burn_rate():
    assert budget(long_running())["projected_final"] is None
    assert budget(SmallFirm().project(end_date="2026-05-01"))["projected_final"] is None


def test_overrun_expected_when_projection_exceeds_the_cap():
    assert budget(long_running(tm_hour_limit=50, end_date="2026-04-03"))["outlook"] == "overrun_expected"
    assert budget(long_running(tm_hour_limit=51, end_date="2026-04-03"))["outlook"] == "in_control"


def test_overrun_expected_when_use_exceeds_the_cap():
    assert budget(long_running(tm_hour_limit=40, end_date=FRIDAY))["outlook"] == "overrun_expected"
    assert budget(long_running(tm_hour_limit=41, end_date=FRIDAY))["outlook"] == "in_control"


def ahead_of_time(hours: int, as_of: str = "2026-03-13") -> dict[str, Any]:
    """100 hours for the 40 working days from March 2nd to April 24th; nothing projected, for the work is of today."""
    firm = SmallFirm(as_of=as_of).project(tm_hour_limit=100, start_date=MONDAY, end_date="2026-04-24")
    for _ in range(hours):
        firm.entry(as_of, 1)
    return budget(firm)


def test_overrun_expected_when_burn_is_ahead_of_elapsed():
    assert ahead_of_time(35)["elapsed"] == 0.25
    assert ahead_of_time(35)["outlook"] == "in_control"
    assert ahead_of_time(36)["outlook"] == "overrun_expected"


def test_burn_ahead_of_elapsed_needs_five_working_days():
    assert ahead_of_time(90, as_of="2026-03-05")["outlook"] == "in_control"
    assert ahead_of_time(90, as_of="2026-03-06")["outlook"] == "overrun_expected"


def test_outlook_is_null_without_dates():
    assert budget(SmallFirm().project(tm_hour_limit=10).entry(MONDAY, 5))["outlook"] is None


def test_burn_window_and_warning_are_settings():
    firm = long_running()
    firm.budgets = BudgetPolicy(burn_window_days=10)
    assert budget(firm.entry("2026-03-13", 10))["burn_rate"] == 2.0
    firm = long_running()
    firm.budgets = BudgetPolicy(warning=D("0.5"))
    assert budget(firm)["status"] == "at_risk"


def test_working_days_are_those_of_the_default_week():
    sunday_to_thursday = (D(8),) * 4 + (D(0), D(0), D(8))
    firm = SmallFirm(as_of="2026-03-05", calendar=WorkCalendar(default_week=sunday_to_thursday))
    assert budget(firm.project(start_date="2026-03-01", end_date="2026-03-12"))["elapsed"] == 5 / 10


def test_history_is_complete_from_the_first_loaded_month():
    assert budget(SmallFirm().project(start_date="2026-03-01"))["history_complete"] is True
    assert budget(SmallFirm().project(start_date="2026-02-28"))["history_complete"] is False
    assert budget(SmallFirm())["history_complete"] is None


def test_api_status_is_on_every_row_of_the_project():
    firm = SmallFirm().having("budget_health_report", project_id="site", status="critical")
    assert {r["api_status"] for r in firm.having("subtasks", id="tm", hour_limit=1).rows("budget_health")} == {
        "critical"
    }


def test_task_of_an_unlisted_project_has_its_budget():
    firm = SmallFirm().having("tasks", id="lost", project_id="gone", tm_hour_limit=5)
    row = budget(firm, "TM", "task", "gone")
    assert (row["cap"], row["project_budget_status"], row["customer_id"]) == (5, None, None)


def test_budget_burn_has_every_loaded_month():
    firm = SmallFirm(first_month="2026-01-01").project(tm_hour_limit=10)
    firm.entry("2026-01-05", 2).entry("2026-03-02", 3)
    months = firm.rows("budget_burn", scope="TM")
    assert [(m["month"].month, m["used"], m["cumulative_used"], m["burn"]) for m in months] == [
        (1, 2, 2, 0.2),
        (2, 0, 2, 0.2),
        (3, 3, 5, 0.5),
    ]
    assert [(m["used"], m["cap"], m["burn"]) for m in firm.rows("budget_burn", scope="OVH")] == [(0, None, None)] * 3


def test_budget_burn_ends_with_as_of():
    firm = SmallFirm(as_of="2026-03-02").entry(MONDAY, 3).entry("2026-03-03", 4)
    assert [(m["month"], m["used"]) for m in firm.rows("budget_burn", scope="TM")] == [(date(2026, 3, 1), 3)]


def test_budget_burn_has_money_scopes_only_with_a_cap():
    firm = SmallFirm().project(amount_limit=500).having("tasks", id="build", tm_hour_limit=5).entry(MONDAY, 3)
    rows = firm.rows("budget_burn")
    assert [(r["scope"], r["used"]) for r in rows] == [("Fix", 0), ("OVH", 0), ("TM", 3), ("amount", 300)]


def test_budget_burn_of_hidden_cost_is_null():
    firm = SmallFirm(first_month="2026-01-01").project(contract_amount=500).entry("2026-01-05")
    firm.entry("2026-02-02", 5, subtask_id="fix", cost_rate=None)
    months = firm.rows("budget_burn", scope="contract")
    assert [(m["used"], m["cumulative_used"]) for m in months] == [(0, 0), (None, None), (0, None)]
