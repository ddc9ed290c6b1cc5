"""docs/metrics.md, 2: hours against capacity."""

from datetime import date

import pytest

from timix_assets.metrics.settings import BudgetPolicy, WorkCalendar

from .small_firm import MONDAY, D, SmallFirm

FRIDAY, SATURDAY, SUNDAY = "2026-03-06", "2026-03-07", "2026-03-08"


def first_week(firm: SmallFirm, user: str = "ann") -> dict:
    return firm.row("utilization_weekly", user_id=user, week_start=MONDAY)


def with_holiday(firm: SmallFirm, *days: str) -> SmallFirm:
    firm.user(holiday_profile_id="hers")
    return firm.having("holiday_profiles", id="hers", year=2026, holidays=[{"date": d, "name": d} for d in days])


def test_a_week_of_40_hours_with_one_holiday_24_hours_tm_and_4_ovh_is_three_quarters_billable():
    firm = with_holiday(SmallFirm(), "2026-03-04").entries(MONDAY, 3, 8).entry(FRIDAY, 4, subtask_id="ovh")
    week = first_week(firm)
    assert week["capacity_hours"] == 32
    assert (week["billable_utilization"], week["total_utilization"]) == (0.75, 0.875)
    assert (week["billable_hours"], week["overhead_hours"], week["logged_hours"]) == (24, 4, 28)


def test_who_joined_on_wednesday_is_measured_against_24_hours():
    week = first_week(SmallFirm().user(start_date="2026-03-04").entries("2026-03-04", 2, 10))
    assert week["capacity_hours"] == 24
    assert week["billable_utilization"] == pytest.approx(20 / 24)


def test_the_organization_is_a_ratio_of_sums_and_not_a_mean_of_ratios():
    firm = SmallFirm(as_of="2026-03-08").user(weekly_hours=40, start_date=MONDAY)
    firm.user(id="bob", weekly_hours=10, start_date=MONDAY)
    firm.entries(MONDAY, 5, 4).entries(MONDAY, 5, 2, user_id="bob")
    assert firm.row("organization_kpis")["billable_utilization"] == 0.60


def test_a_week_of_holiday_with_six_hours_of_work_has_no_ratio_but_a_flag_and_counts_for_the_firm():
    firm = with_holiday(SmallFirm(as_of=SUNDAY), *(f"2026-03-0{n}" for n in range(2, 7))).entry(MONDAY, 6)
    firm.user(id="bob", weekly_hours=40)
    week = first_week(firm)
    assert (week["billable_utilization"], week["total_utilization"]) == (None, None)
    assert week["worked_at_zero_capacity"] is True
    assert firm.row("organization_kpis")["billable_utilization"] == 6 / 40


def test_a_thousand_entries_of_a_tenth_of_an_hour_are_exactly_a_hundred_hours():
    firm = SmallFirm()
    for n in range(1000):
        firm.entry(MONDAY, "0.1", user_id=f"user {n % 50}")
    assert firm.row("organization_kpis")["total_hours"] == D(100)


def test_a_week_off_without_work_has_no_ratio_and_no_flag():
    week = first_week(SmallFirm().user(weekly_hours=0))
    assert (week["billable_utilization"], week["worked_at_zero_capacity"]) == (None, False)


def test_utilization_is_never_clipped():
    assert first_week(SmallFirm().entries(MONDAY, 5, 10))["billable_utilization"] == 1.25


def test_overtime_and_bench_are_floored_day_by_day():
    week = first_week(SmallFirm().entry(MONDAY, 10).entry("2026-03-03", 6))
    assert (week["overtime_hours"], week["bench_hours"]) == (2, 2 + 3 * 8)


def test_the_target_gap_is_what_is_missing_to_three_quarters_of_capacity():
    assert first_week(SmallFirm().entries(MONDAY, 4, 5))["target_gap_hours"] == 10
    assert first_week(SmallFirm().entries(MONDAY, 4, 10))["target_gap_hours"] == -10


def test_fixed_price_work_is_billable():
    week = first_week(SmallFirm().entry(MONDAY, 5, subtask_id="fix"))
    assert (week["billable_hours"], week["billable_share"]) == (5, 1.0)


def test_the_billable_share_is_null_when_nothing_is_logged():
    assert first_week(SmallFirm())["billable_share"] is None


def test_an_unknown_billing_type_is_logged_and_neither_billable_nor_overhead():
    week = first_week(SmallFirm().entry(MONDAY, 5, billing_type="Retainer"))
    assert (week["logged_hours"], week["billable_hours"], week["overhead_hours"]) == (5, 0, 0)


def test_a_missing_billing_type_is_the_subtasks():
    assert first_week(SmallFirm().entry(MONDAY, 5, subtask_id="ovh"))["overhead_hours"] == 5


def test_an_entrys_own_billing_type_comes_before_the_subtasks():
    assert first_week(SmallFirm().entry(MONDAY, 5, subtask_id="ovh", billing_type="Fix"))["billable_hours"] == 5


@pytest.mark.parametrize("status", ["Draft", "Submitted", "Approved", "Invoiced"])
def test_every_status_but_rejected_counts(status: str):
    week = first_week(SmallFirm().entry(MONDAY, 5, status=status))
    assert week["logged_hours"] == 5
    assert week["approved_hours"] == (5 if status in ("Approved", "Invoiced") else 0)


@pytest.mark.parametrize("status", ["Rejected", "Pending review", None])
def test_rejected_and_unknown_statuses_are_out(status: str | None):
    assert first_week(SmallFirm().entry(MONDAY, 5, status=status))["logged_hours"] == 0


def test_which_statuses_count_is_a_setting():
    firm = SmallFirm(budgets=BudgetPolicy(counted_statuses=("Approved",)))
    assert first_week(firm.entry(MONDAY, 5, status="Draft").entry(MONDAY, 3))["logged_hours"] == 3


def test_approved_hours_are_of_every_billing_type():
    assert first_week(SmallFirm().entry(MONDAY, 5, subtask_id="ovh"))["approved_hours"] == 5


@pytest.mark.parametrize("hours", [0, -1, "24.01", 1000])
def test_absurd_hours_are_left_out(hours: int | str):
    assert first_week(SmallFirm().entry(MONDAY, hours))["logged_hours"] == 0


def test_a_day_of_24_hours_is_not_absurd():
    assert first_week(SmallFirm().entry(MONDAY, 24))["logged_hours"] == 24


def test_time_off_is_not_logged():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"}))).entry(MONDAY, 8, subtask_id="ovh")
    week = first_week(firm)
    assert (week["logged_hours"], week["overhead_hours"], week["approved_hours"]) == (0, 0, 0)
    assert (week["capacity_hours"], week["bench_hours"]) == (32, 32)


def test_entries_after_as_of_do_not_count():
    firm = SmallFirm(as_of="2026-03-03").entry("2026-03-03", 2).entry("2026-03-04", 5)
    assert first_week(firm)["logged_hours"] == 2


def test_a_running_week_is_measured_to_as_of_and_says_that_it_is_partial():
    week = first_week(SmallFirm(as_of="2026-03-04").entries(MONDAY, 3, 8))
    assert (week["capacity_hours"], week["capacity_full_hours"]) == (24, 40)
    assert (week["billable_utilization"], week["is_partial"]) == (1.0, True)


def test_a_week_that_ends_on_as_of_is_whole():
    assert first_week(SmallFirm(as_of=SUNDAY))["is_partial"] is False
    assert first_week(SmallFirm(as_of=SATURDAY))["is_partial"] is True


def test_a_week_that_began_before_the_first_loaded_day_is_partial():
    weeks = SmallFirm(first_month="2026-04-01", as_of="2026-04-30").rows("utilization_weekly")
    assert (weeks[0]["week_start"], weeks[0]["capacity_hours"], weeks[0]["is_partial"]) == (date(2026, 3, 30), 24, True)


def test_periods_after_as_of_have_no_rows():
    weeks = SmallFirm(as_of="2026-03-04").rows("utilization_weekly")
    assert max(week["week_start"] for week in weeks) == MONDAY


def test_a_period_begun_by_as_of_has_a_row_for_who_joins_later_in_it():
    week = first_week(SmallFirm(as_of="2026-03-03").user(start_date="2026-03-05"))
    assert (week["capacity_hours"], week["capacity_full_hours"]) == (0, 16)


def test_a_week_that_straddles_months_is_whole_and_a_month_is_not_a_sum_of_weeks():
    firm = SmallFirm(first_month="2026-03-01", as_of="2026-04-30").entry("2026-03-31", 3).entry("2026-04-01", 4)
    assert firm.row("utilization_weekly", week_start="2026-03-30")["logged_hours"] == 7
    assert [m["logged_hours"] for m in firm.rows("utilization_monthly")] == [3, 4]


def test_weeks_start_on_sunday_where_the_organization_says_so():
    firm = SmallFirm().having("organization", id="org", first_day_of_week=0)
    weeks = firm.entry("2026-03-08", 3).rows("utilization_weekly")
    assert weeks[0]["week_start"] == date(2026, 3, 1)
    assert firm.row("utilization_weekly", week_start=SUNDAY)["logged_hours"] == 3


def test_weeks_start_on_monday_where_nobody_says():
    assert {w["week_start"].weekday() for w in SmallFirm().without("organization").rows("utilization_weekly")} == {0}


def test_hours_before_employment_stand_against_a_capacity_of_zero():
    firm = SmallFirm().user(start_date="2026-03-04").entry(MONDAY, 6)
    monday = firm.row("utilization_daily", date=MONDAY)
    assert (monday["capacity_hours"], monday["logged_hours"], monday["overtime_hours"]) == (0, 6, 6)


def test_hours_of_a_user_whom_the_list_of_users_lacks_stand_against_a_capacity_of_zero():
    week = first_week(SmallFirm().entry(MONDAY, 6, user_id="ghost"), "ghost")
    assert (week["capacity_hours"], week["logged_hours"], week["worked_at_zero_capacity"]) == (0, 6, True)


def test_a_running_month_is_partial_and_a_finished_one_is_not():
    firm = SmallFirm(first_month="2026-02-01", as_of="2026-03-30")
    assert [m["is_partial"] for m in firm.rows("utilization_monthly")] == [False, True]
    assert [m["capacity_hours"] for m in firm.rows("utilization_monthly")] == [160, 168]
