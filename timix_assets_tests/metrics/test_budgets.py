"""docs/metrics.md, 3: how far each cap is used, how fast, and when it will be reached."""

from datetime import date
from typing import Any

import pytest

from timix_assets.metrics.settings import BudgetPolicy, WorkCalendar

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


@pytest.mark.parametrize(
    ("hours", "cap", "status"),
    [
        ("79.99", 100, "on_track"),
        ("80", 100, "at_risk"),
        ("99.99", 100, "at_risk"),
        ("100", 100, "over_budget"),
        ("100", 0, "no_budget"),
        ("100", None, "no_budget"),
        ("0", 100, "on_track"),
    ],
)
def test_the_status_goes_by_inclusive_thresholds(hours: str, cap: int | None, status: str):
    assert used(hours, cap)["status"] == status


def test_a_cap_of_zero_is_shown_as_no_cap():
    row = used("10", 0)
    assert (row["cap"], row["used"], row["remaining"], row["burn"], row["outlook"]) == (None, 10, None, None, None)


def test_burn_is_used_by_cap_and_may_pass_one():
    row = used("120", 100)
    assert (row["burn"], row["remaining"]) == (1.2, -20)


def test_the_organizations_thresholds_come_before_the_configured_ones():
    assert used("60", 100, budget_warning_threshold="0.5")["status"] == "at_risk"
    assert used("60", 100, budget_critical_threshold="0.6")["status"] == "over_budget"


def test_a_threshold_above_two_is_a_percentage():
    assert used("60", 100, budget_warning_threshold=60)["status"] == "at_risk"
    assert used("59", 100, budget_warning_threshold=60)["status"] == "on_track"
    assert used("199", 100, budget_critical_threshold=2)["status"] == "at_risk"


def test_a_project_has_its_three_hour_budgets_always_and_money_only_with_a_cap():
    assert [r["scope"] for r in SmallFirm().rows("budget_health")] == ["Fix", "OVH", "TM"]
    firm = SmallFirm().project(amount_limit=5, contract_amount=0)
    assert [r["scope"] for r in firm.rows("budget_health")] == ["Fix", "OVH", "TM", "amount"]


def test_tasks_and_subtasks_have_a_row_only_with_a_cap():
    firm = SmallFirm().having("tasks", id="build", fix_hour_limit=10, tm_hour_limit=0)
    firm.having("subtasks", id="tm", hour_limit=4).having("subtasks", id="ovh", hour_limit=0)
    rows = [(r["level"], r["task_id"], r["subtask_id"], r["scope"], r["cap"]) for r in firm.rows("budget_health")]
    assert rows[3:] == [("subtask", "build", "tm", "hours", 4), ("task", "build", None, "Fix", 10)]


def test_each_level_uses_the_hours_of_its_own_scope():
    firm = SmallFirm().project(tm_hour_limit=100).having("tasks", id="build", tm_hour_limit=50)
    firm.having("subtasks", id="tm", hour_limit=10).having("subtasks", id="tm2", task_id="build", billing_type="TM")
    firm.entry(MONDAY, 4).entry(MONDAY, 3, subtask_id="tm2").entry(MONDAY, 2, subtask_id="fix")
    assert budget(firm)["used"] == 7
    assert budget(firm, "TM", "task")["used"] == 7
    assert budget(firm, "hours", "subtask")["used"] == 4
    assert budget(firm, "Fix")["used"] == 2


def test_an_unknown_billing_type_is_in_no_scope():
    firm = SmallFirm().having("subtasks", id="tm", hour_limit=10).entry(MONDAY, 5, billing_type="Retainer")
    assert {r["used"] for r in firm.rows("budget_health")} == {D(0)}


def test_time_off_counts_in_budgets():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"}))).entry(MONDAY, 8, subtask_id="ovh")
    assert budget(firm, "OVH")["used"] == 8


def test_rejected_absurd_and_later_entries_use_nothing():
    firm = SmallFirm(as_of="2026-03-10").entry(MONDAY, 5, status="Rejected").entry(MONDAY, 25).entry("2026-03-11", 5)
    assert budget(firm)["used"] == 0


def test_the_parents_that_an_entry_does_not_name_are_joined_in():
    firm = SmallFirm().project(tm_hour_limit=10).entry(MONDAY, 2).entry(MONDAY, 3, project_id="site", task_id="build")
    assert budget(firm)["used"] == 5


def test_the_amount_is_the_value_of_tm_entries_and_the_contract_the_cost_of_fix_entries():
    firm = SmallFirm().project(amount_limit=1000, contract_amount=500)
    firm.entry(MONDAY, 3).entry(MONDAY, 5, subtask_id="fix").entry(MONDAY, 7, subtask_id="ovh")
    assert budget(firm, "amount")["used"] == 300
    assert budget(firm, "contract")["used"] == 200
    assert (budget(firm, "amount")["currency"], budget(firm, "TM")["currency"]) == ("USD", None)


def test_money_of_another_currency_is_not_the_projects():
    firm = SmallFirm().project(amount_limit=1000).entry(MONDAY, 3).entry(MONDAY, 4, currency="EUR")
    assert budget(firm, "amount")["used"] == 300
    assert budget(firm, "TM")["used"] == 7


def test_a_project_without_a_currency_has_its_customers():
    firm = SmallFirm().project(amount_limit=1000, currency=None).having("customers", id="acme", currency="EUR")
    firm.entry(MONDAY, 3, currency="EUR").entry(MONDAY, 2, currency="USD").entry(MONDAY, 1)
    assert (budget(firm, "amount")["used"], budget(firm, "amount")["currency"]) == (400, "EUR")


def test_hidden_cost_leaves_the_contract_unknown_and_the_project_judged_by_the_rest():
    firm = SmallFirm().project(contract_amount=500, tm_hour_limit=1, start_date="2026-03-01", end_date="2026-04-30")
    row = budget(firm.entry(MONDAY, 5, subtask_id="fix", cost_rate=None).entry(MONDAY, 1), "contract")
    assert [row[c] for c in ("used", "burn", "remaining", "status", "outlook", "burn_rate")] == [None] * 6
    assert (row["cap"], row["project_budget_status"]) == (500, "over_budget")


def test_a_contract_on_which_nobody_worked_used_nothing_also_when_cost_is_hidden():
    firm = SmallFirm().project(contract_amount=500).entry(MONDAY, 5, cost_rate=None)
    assert budget(firm, "contract")["used"] == 0


def test_the_projects_status_is_the_worst_of_its_own_rows_and_stands_on_its_tasks_and_subtasks():
    firm = SmallFirm().project(tm_hour_limit=10, fix_hour_limit=100).having("subtasks", id="ovh", hour_limit=1)
    firm.entry(MONDAY, 9).entry(MONDAY, 5, subtask_id="ovh")
    assert {r["project_budget_status"] for r in firm.rows("budget_health")} == {"at_risk"}
    assert budget(firm, "hours", "subtask")["status"] == "over_budget"


def test_a_project_without_caps_has_no_budget():
    assert budget(SmallFirm())["project_budget_status"] == "no_budget"


def test_elapsed_is_working_days_passed_by_working_days_planned():
    firm = SmallFirm(as_of="2026-03-06").project(start_date=MONDAY, end_date="2026-03-27")
    assert budget(firm)["elapsed"] == 5 / 20


@pytest.mark.parametrize(("as_of", "elapsed"), [("2026-03-31", 1.0), ("2026-03-01", 0.0), ("2026-03-08", 5 / 20)])
def test_elapsed_is_between_0_and_1_and_does_not_move_on_weekends(as_of: str, elapsed: float):
    assert budget(SmallFirm(as_of=as_of).project(start_date=MONDAY, end_date="2026-03-27"))["elapsed"] == elapsed


def test_elapsed_is_null_without_both_dates_or_without_a_working_day_between_them():
    assert budget(SmallFirm().project(start_date=MONDAY))["elapsed"] is None
    assert budget(SmallFirm().project(end_date=MONDAY))["elapsed"] is None
    assert budget(SmallFirm().project(start_date="2026-03-07", end_date="2026-03-08"))["elapsed"] is None


def long_running(as_of: str = FRIDAY, **project: Any) -> SmallFirm:
    """One hour in January, so that the burn window is full; then 2 hours on each of the 20 working days."""
    firm = SmallFirm(as_of=as_of, first_month="2026-01-01").project(**{"tm_hour_limit": 61, **project})
    return firm.entry("2026-01-05", 1).entries(MONDAY, 20, 2)


def test_the_burn_rate_is_the_use_of_the_last_20_working_days_per_day():
    assert budget(long_running())["burn_rate"] == 2.0


def test_work_on_a_weekend_counts_in_the_window():
    assert budget(long_running().entry("2026-03-07", 10))["burn_rate"] == 2.5


def test_work_before_the_window_does_not_count_in_it():
    assert budget(long_running().entry("2026-02-27", 10))["burn_rate"] == 2.0


def test_on_a_weekend_the_window_is_the_20_working_days_before():
    assert budget(long_running(as_of="2026-03-29"))["burn_rate"] == 2.0


def test_a_budget_younger_than_the_window_is_measured_since_its_first_entry():
    firm = SmallFirm(as_of="2026-03-13").project(tm_hour_limit=100).entry("2026-03-04", 12).entry("2026-03-05", 4)
    assert budget(firm)["burn_rate"] == 16 / 8


def test_under_five_working_days_there_is_no_burn_rate():
    assert budget(SmallFirm(as_of="2026-03-05").entry(MONDAY, 8))["burn_rate"] is None
    assert budget(SmallFirm(as_of="2026-03-06").entry(MONDAY, 8))["burn_rate"] == 8 / 5


def test_without_entries_there_is_no_burn_rate():
    assert budget(SmallFirm())["burn_rate"] is None


def test_an_old_budget_at_rest_burns_nothing_and_will_never_be_exhausted():
    row = budget(SmallFirm(first_month="2026-01-01").project(tm_hour_limit=100).entry("2026-01-05", 8))
    assert (row["burn_rate"], row["exhaustion_date"]) == (0.0, None)


def test_the_exhaustion_date_is_so_many_working_days_ahead():
    assert budget(long_running(tm_hour_limit=51))["exhaustion_date"] == date(2026, 4, 3)
    assert budget(long_running(tm_hour_limit=52))["exhaustion_date"] == date(2026, 4, 6)
    assert budget(long_running(tm_hour_limit=53))["exhaustion_date"] == date(2026, 4, 6)


def test_an_exhaustion_beyond_five_years_is_not_said():
    within = 41 + 2 * 1304
    assert budget(long_running(tm_hour_limit=within))["exhaustion_date"] == date(2031, 3, 27)
    assert budget(long_running(tm_hour_limit=within + 2))["exhaustion_date"] is None
    assert budget(long_running(tm_hour_limit=10**9))["exhaustion_date"] is None


def test_without_a_cap_nothing_is_exhausted():
    assert budget(long_running(tm_hour_limit=None))["exhaustion_date"] is None


def test_a_cap_that_is_used_up_was_reached_on_the_first_day_on_which_the_sum_met_it():
    firm = SmallFirm(first_month="2026-01-01").project(tm_hour_limit=10, amount_limit=1500, contract_amount=80)
    firm.entry("2026-02-10", 4).entry("2026-03-03", 5).entry("2026-03-12", 1).entry("2026-03-12", 5)
    firm.entry("2026-03-20", 2, subtask_id="fix").entry("2026-03-23", 2, subtask_id="fix")
    assert budget(firm)["exhaustion_date"] == date(2026, 3, 12)
    assert budget(firm, "amount")["exhaustion_date"] == date(2026, 3, 12)
    assert budget(firm, "contract")["exhaustion_date"] == date(2026, 3, 20)


def test_tasks_and_subtasks_say_too_when_they_were_used_up():
    firm = SmallFirm().having("tasks", id="build", fix_hour_limit=3).having("subtasks", id="tm", hour_limit=2)
    firm.entry(MONDAY, 1).entry("2026-03-03", 1).entry("2026-03-04", 3, subtask_id="fix").entry("2026-03-05", 3)
    assert budget(firm, "hours", "subtask")["exhaustion_date"] == date(2026, 3, 3)
    assert budget(firm, "Fix", "task")["exhaustion_date"] == date(2026, 3, 4)


def test_the_projected_final_use_goes_on_at_the_burn_rate_to_the_end_date():
    assert budget(long_running(end_date="2026-04-03"))["projected_final"] == 41 + 2 * 5


def test_a_project_that_has_ended_ends_with_what_it_used():
    assert budget(long_running(end_date=FRIDAY))["projected_final"] == 41.0
    assert budget(SmallFirm().project(end_date="2026-03-02"))["projected_final"] == 0.0


def test_without_an_end_date_or_without_a_burn_rate_before_it_nothing_is_projected():
    assert budget(long_running())["projected_final"] is None
    assert budget(SmallFirm().project(end_date="2026-05-01"))["projected_final"] is None


def test_the_outlook_is_an_overrun_when_the_projection_passes_the_cap():
    assert budget(long_running(tm_hour_limit=50, end_date="2026-04-03"))["outlook"] == "overrun_expected"
    assert budget(long_running(tm_hour_limit=51, end_date="2026-04-03"))["outlook"] == "in_control"


def test_the_outlook_is_an_overrun_when_use_passed_the_cap():
    assert budget(long_running(tm_hour_limit=40, end_date=FRIDAY))["outlook"] == "overrun_expected"
    assert budget(long_running(tm_hour_limit=41, end_date=FRIDAY))["outlook"] == "in_control"


def ahead_of_time(hours: int, as_of: str = "2026-03-13") -> dict[str, Any]:
    """100 hours for the 40 working days from March 2nd to April 24th; nothing projected, for the work is of today."""
    firm = SmallFirm(as_of=as_of).project(tm_hour_limit=100, start_date=MONDAY, end_date="2026-04-24")
    for _ in range(hours):
        firm.entry(as_of, 1)
    return budget(firm)


def test_the_outlook_is_an_overrun_when_burn_runs_a_tenth_ahead_of_time():
    assert ahead_of_time(35)["elapsed"] == 0.25
    assert ahead_of_time(35)["outlook"] == "in_control"
    assert ahead_of_time(36)["outlook"] == "overrun_expected"


def test_before_five_working_days_running_ahead_of_time_says_nothing():
    assert ahead_of_time(90, as_of="2026-03-05")["outlook"] == "in_control"
    assert ahead_of_time(90, as_of="2026-03-06")["outlook"] == "overrun_expected"


def test_without_dates_there_is_no_outlook():
    assert budget(SmallFirm().project(tm_hour_limit=10).entry(MONDAY, 5))["outlook"] is None


def test_windows_and_tolerance_are_settings():
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


def test_history_is_complete_when_the_project_did_not_start_before_the_loaded_months():
    assert budget(SmallFirm().project(start_date="2026-03-01"))["history_complete"] is True
    assert budget(SmallFirm().project(start_date="2026-02-28"))["history_complete"] is False
    assert budget(SmallFirm())["history_complete"] is None


def test_the_apis_own_status_stands_beside_ours():
    firm = SmallFirm().having("budget_health_report", project_id="site", status="critical")
    assert {r["api_status"] for r in firm.having("subtasks", id="tm", hour_limit=1).rows("budget_health")} == {
        "critical"
    }


def test_a_task_whose_project_is_not_listed_still_has_its_budget():
    firm = SmallFirm().having("tasks", id="lost", project_id="gone", tm_hour_limit=5)
    row = budget(firm, "TM", "task", "gone")
    assert (row["cap"], row["project_budget_status"], row["customer_id"]) == (5, None, None)


def test_burn_by_month_has_every_loaded_month_with_zero_where_nothing_was_used():
    firm = SmallFirm(first_month="2026-01-01").project(tm_hour_limit=10)
    firm.entry("2026-01-05", 2).entry("2026-03-02", 3)
    months = firm.rows("budget_burn", scope="TM")
    assert [(m["month"].month, m["used"], m["cumulative_used"], m["burn"]) for m in months] == [
        (1, 2, 2, 0.2),
        (2, 0, 2, 0.2),
        (3, 3, 5, 0.5),
    ]
    assert [(m["used"], m["cap"], m["burn"]) for m in firm.rows("budget_burn", scope="OVH")] == [(0, None, None)] * 3


def test_burn_by_month_ends_with_the_month_of_as_of_and_with_the_use_to_that_day():
    firm = SmallFirm(as_of="2026-03-02").entry(MONDAY, 3).entry("2026-03-03", 4)
    assert [(m["month"], m["used"]) for m in firm.rows("budget_burn", scope="TM")] == [(date(2026, 3, 1), 3)]


def test_burn_by_month_has_money_scopes_only_with_a_cap_and_no_tasks():
    firm = SmallFirm().project(amount_limit=500).having("tasks", id="build", tm_hour_limit=5).entry(MONDAY, 3)
    rows = firm.rows("budget_burn")
    assert [(r["scope"], r["used"]) for r in rows] == [("Fix", 0), ("OVH", 0), ("TM", 3), ("amount", 300)]


def test_burn_by_month_of_hidden_cost_is_unknown_where_there_was_work():
    firm = SmallFirm(first_month="2026-01-01").project(contract_amount=500)
    firm.entry("2026-02-02", 5, subtask_id="fix", cost_rate=None)
    months = firm.rows("budget_burn", scope="contract")
    assert [(m["used"], m["cumulative_used"]) for m in months] == [(0, 0), (None, None), (0, None)]
