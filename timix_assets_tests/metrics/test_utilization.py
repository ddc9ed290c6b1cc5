"""docs/metrics.md, 2: hours against capacity."""

from datetime import date

import pytest

from timix_assets.settings.firm import BudgetPolicy, WorkCalendar

from .small_firm import MONDAY, SmallFirm

FRIDAY, SATURDAY, SUNDAY = "2026-03-06", "2026-03-07", "2026-03-08"


def first_week(firm: SmallFirm, user: str = "ann") -> dict:
    return firm.row("utilization_weekly", user_id=user, week_start=MONDAY)


def test_week_off_without_work_has_no_ratio_and_no_flag():
    week = first_week(SmallFirm().user(weekly_hours=0))
    assert (week["billable_utilization"], week["worked_at_zero_capacity"]) == (None, False)


def test_utilization_exceeds_one():
    assert first_week(SmallFirm().entries(MONDAY, 5, 10))["billable_utilization"] == 1.25


def test_overtime_and_bench_are_floored_per_day():
    week = first_week(SmallFirm().entry(MONDAY, 10).entry("2026-03-03", 6))
    assert (week["overtime_hours"], week["bench_hours"]) == (2, 2 + 3 * 8)


def test_target_gap_is_target_hours_less_billable_hours():
    assert first_week(SmallFirm().entries(MONDAY, 4, 5))["target_gap_hours"] == 10
    assert first_week(SmallFirm().entries(MONDAY, 4, 10))["target_gap_hours"] == -10


def test_fixed_price_work_is_billable():
    week = first_week(SmallFirm().entry(MONDAY, 5, subtask_id="fix"))
    assert (week["billable_hours"], week["billable_share"]) == (5, 1.0)


def test_billable_share_is_null_without_logged_hours():
    assert first_week(SmallFirm())["billable_share"] is None


def test_unknown_billing_type_is_logged_only():
    week = first_week(SmallFirm().entry(MONDAY, 5, billing_type="Retainer"))
    assert (week["logged_hours"], week["billable_hours"], week["overhead_hours"]) == (5, 0, 0)


def test_missing_billing_type_is_the_subtasks():
    assert first_week(SmallFirm().entry(MONDAY, 5, subtask_id="ovh"))["overhead_hours"] == 5


def test_entrys_billing_type_overrides_the_subtasks():
    assert first_week(SmallFirm().entry(MONDAY, 5, subtask_id="ovh", billing_type="Fix"))["billable_hours"] == 5


@pytest.mark.parametrize("status", ["Draft", "Submitted", "Approved", "Invoiced"])
def test_counted_statuses(status: str):
    week = first_week(SmallFirm().entry(MONDAY, 5, status=status))
    assert week["logged_hours"] == 5
    assert week["approved_hours"] == (5 if status in ("Approved", "Invoiced") else 0)


@pytest.mark.parametrize("status", ["Rejected", "Pending review", None])
def test_rejected_and_unknown_statuses_do_not_count(status: str | None):
    assert first_week(SmallFirm().entry(MONDAY, 5, status=status))["logged_hours"] == 0


def test_counted_statuses_are_a_setting():
    firm = SmallFirm(budgets=BudgetPolicy(counted_statuses=("Approved",)))
    assert first_week(firm.entry(MONDAY, 5, status="Draft").entry(MONDAY, 3))["logged_hours"] == 3


def test_approved_hours_include_every_billing_type():
    assert first_week(SmallFirm().entry(MONDAY, 5, subtask_id="ovh"))["approved_hours"] == 5


@pytest.mark.parametrize("hours", [0, -1, "24.01", 1000])
def test_invalid_hours_do_not_count(hours: int | str):
    assert first_week(SmallFirm().entry(MONDAY, hours))["logged_hours"] == 0


def test_24_hours_are_valid():
    assert first_week(SmallFirm().entry(MONDAY, 24))["logged_hours"] == 24


def test_time_off_is_not_logged():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"}))).entry(MONDAY, 8, subtask_id="ovh")
    week = first_week(firm)
    assert (week["logged_hours"], week["overhead_hours"], week["approved_hours"]) == (0, 0, 0)
    assert (week["capacity_hours"], week["bench_hours"]) == (32, 32)


def test_entries_after_as_of_do_not_count():
    firm = SmallFirm(as_of="2026-03-03").entry("2026-03-03", 2).entry("2026-03-04", 5)
    assert first_week(firm)["logged_hours"] == 2


def test_current_week_counts_to_as_of_and_is_partial():
    week = first_week(SmallFirm(as_of="2026-03-04").entries(MONDAY, 3, 8))
    assert (week["capacity_hours"], week["capacity_full_hours"]) == (24, 40)
    assert (week["billable_utilization"], week["is_partial"]) == (1.0, True)


def test_week_that_ends_on_as_of_is_whole():
    assert first_week(SmallFirm(as_of=SUNDAY))["is_partial"] is False
    assert first_week(SmallFirm(as_of=SATURDAY))["is_partial"] is True


def test_week_begun_before_the_first_loaded_day_is_partial():
    weeks = SmallFirm(first_month="2026-04-01", as_of="2026-04-30").rows("utilization_weekly")
    assert (weeks[0]["week_start"], weeks[0]["capacity_hours"], weeks[0]["is_partial"]) == (date(2026, 3, 30), 24, True)


def test_periods_after_as_of_have_no_rows():
    weeks = SmallFirm(as_of="2026-03-04").rows("utilization_weekly")
    assert max(week["week_start"] for week in weeks) == MONDAY


def test_period_has_a_row_for_a_person_who_joins_later_in_it():
    week = first_week(SmallFirm(as_of="2026-03-03").user(start_date="2026-03-05"))
    assert (week["capacity_hours"], week["capacity_full_hours"]) == (0, 16)


def test_week_across_two_months_is_one_row():
    firm = SmallFirm(first_month="2026-03-01", as_of="2026-04-30").entry("2026-03-31", 3).entry("2026-04-01", 4)
    assert firm.row("utilization_weekly", week_start="2026-03-30")["logged_hours"] == 7
    assert [m["logged_hours"] for m in firm.rows("utilization_monthly")] == [3, 4]


def test_weeks_start_on_the_organizations_first_day():
    firm = SmallFirm().having("organization", id="org", first_day_of_week=0)
    weeks = firm.user(start_date="2026-03-01").entry("2026-03-08", 3).rows("utilization_weekly")
    assert weeks[0]["week_start"] == date(2026, 3, 1)
    assert firm.row("utilization_weekly", week_start=SUNDAY)["logged_hours"] == 3


def test_weeks_start_on_monday_by_default():
    assert {w["week_start"].weekday() for w in SmallFirm().without("organization").rows("utilization_weekly")} == {0}


def test_hours_before_employment_have_capacity_zero():
    firm = SmallFirm().user(start_date="2026-03-04").entry(MONDAY, 6)
    monday = firm.row("utilization_daily", date=MONDAY)
    assert (monday["capacity_hours"], monday["logged_hours"], monday["overtime_hours"]) == (0, 6, 6)


def test_hours_of_an_unknown_user_have_capacity_zero():
    week = first_week(SmallFirm().entry(MONDAY, 6, user_id="ghost"), "ghost")
    assert (week["capacity_hours"], week["logged_hours"], week["worked_at_zero_capacity"]) == (0, 6, True)


def test_current_month_is_partial_and_a_past_one_is_not():
    firm = SmallFirm(first_month="2026-02-01", as_of="2026-03-30")
    assert [m["is_partial"] for m in firm.rows("utilization_monthly")] == [False, True]
    assert [m["capacity_hours"] for m in firm.rows("utilization_monthly")] == [160, 168]
