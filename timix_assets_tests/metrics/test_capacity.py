"""docs/metrics.md, 1: who was there for how many hours on which day."""

from datetime import date
from typing import Any

import pytest

from timix_assets.settings.firm import WorkCalendar

from .small_firm import MONDAY, D, SmallFirm, week_of

SUNDAY_TO_THURSDAY = (D(8), D(8), D(8), D(8), D(0), D(0), D(8))
FOUR_LONG_DAYS = (D(10), D(10), D(10), D(10), D(0), D(0), D(0))


def holiday(firm: SmallFirm, *holidays: dict[str, Any], **profile: Any) -> SmallFirm:
    """Ann's own profile of 2026."""
    firm.user(holiday_profile_id="hers")
    return firm.having("holiday_profiles", **{"id": "hers", "year": 2026, **profile, "holidays": list(holidays)})


def on(firm: SmallFirm, when: str | date, user: str = "ann") -> dict[str, Any]:
    return firm.row("capacity_daily", user_id=user, date=when)


def first_week(firm: SmallFirm) -> D:
    days = firm.rows("capacity_daily", user_id="ann")
    return sum((d["capacity_hours"] for d in days if MONDAY <= d["date"] <= date(2026, 3, 8)), D(0))


def test_user_has_a_row_for_every_employed_day():
    days = SmallFirm(as_of="2026-03-10").rows("capacity_daily")
    assert [days[0]["date"], days[-1]["date"], len(days)] == [date(2026, 3, 1), date(2026, 3, 31), 31]
    assert (days[0]["date"].weekday(), days[0]["capacity_hours"]) == (6, 0)


def test_default_week_is_monday_to_friday_eight_hours():
    firm = SmallFirm()
    assert on(firm, MONDAY)["scheduled_hours"] == 8
    assert on(firm, MONDAY)["capacity_source"] == "default"
    assert first_week(firm) == 40


def test_break_comes_off_days_longer_than_six_hours():
    assert on(SmallFirm().user(work_schedule=week_of("09:00", "15:00")), MONDAY)["scheduled_hours"] == 6
    assert on(SmallFirm().user(work_schedule=week_of("09:00", "15:01")), MONDAY)["scheduled_hours"] == D("5.0167")


def test_break_and_threshold_are_settings():
    calendar = WorkCalendar(daily_break_hours=D("0.5"), break_threshold_hours=D(4))
    firm = SmallFirm(calendar=calendar).user(work_schedule=week_of("09:00", "14:00"))
    assert on(firm, MONDAY)["scheduled_hours"] == D("4.5")


def test_break_longer_than_the_day_leaves_zero():
    calendar = WorkCalendar(daily_break_hours=D(3), break_threshold_hours=D(1))
    assert on(SmallFirm(calendar=calendar).user(work_schedule=week_of("09:00", "11:00")), MONDAY)["capacity_hours"] == 0


def test_break_comes_off_before_rounding():
    calendar = WorkCalendar(daily_break_hours=D("0.33333"))
    assert on(SmallFirm(calendar=calendar).user(work_schedule=week_of("09:00", "18:00")), MONDAY)[
        "scheduled_hours"
    ] == D("8.6667")


def test_day_off_in_the_schedule_has_no_hours():
    firm = SmallFirm().user(work_schedule=week_of("09:00", "17:00", days=4))
    assert on(firm, "2026-03-06")["scheduled_hours"] == 0
    assert on(firm, "2026-03-06")["capacity_source"] == "api_schedule"


def test_night_shift_ends_on_the_next_day():
    assert on(SmallFirm().user(work_schedule=week_of("22:00", "06:00")), MONDAY)["scheduled_hours"] == 7


def test_schedule_with_an_unreadable_time_is_not_used():
    firm = SmallFirm().user(work_schedule=week_of("nine", "17:00"), weekly_hours=30)
    assert on(firm, MONDAY)["scheduled_hours"] == 6
    assert on(firm, MONDAY)["capacity_source"] == "api_weekly_hours"


def test_schedule_without_a_day_is_not_used():
    firm = SmallFirm().user(work_schedule=dict.fromkeys(week_of("09:00", "17:00")), weekly_hours=30)
    assert on(firm, MONDAY)["capacity_source"] == "api_weekly_hours"


def test_weekly_hours_are_spread_over_monday_to_friday():
    friday = on(SmallFirm().user(weekly_hours=36), "2026-03-06")
    assert (friday["scheduled_hours"], friday["capacity_source"]) == (D("7.2"), "api_weekly_hours")
    assert on(SmallFirm().user(weekly_hours=36), "2026-03-07")["scheduled_hours"] == 0


def test_weekly_hours_use_the_working_days_of_the_calendar():
    calendar = WorkCalendar(users={"ann": FOUR_LONG_DAYS}, countries={"IL": SUNDAY_TO_THURSDAY})
    firm = SmallFirm(calendar=calendar).user(weekly_hours=36).user(id="bob", weekly_hours=36, country_code="IL")
    assert on(firm, MONDAY)["scheduled_hours"] == 9
    assert on(firm, "2026-03-06")["scheduled_hours"] == 0
    assert on(firm, "2026-03-01", "bob")["scheduled_hours"] == D("7.2")
    assert on(firm, "2026-03-06", "bob")["scheduled_hours"] == 0


def test_day_is_rounded_half_away_from_zero_to_four_places():
    six_days = (*(D(1),) * 6, D(0))
    firm = SmallFirm(calendar=WorkCalendar(users={"ann": six_days}))
    assert on(firm.user(weekly_hours=40), MONDAY)["scheduled_hours"] == D("6.6667")
    assert on(SmallFirm().user(weekly_hours="0.00025"), MONDAY)["scheduled_hours"] == D("0.0001")


def test_configured_day_is_rounded_to_four_places():
    calendar = WorkCalendar(default_week=(D("7.33335"),) * 7, users={"bob": (D("6.00004"),) * 7})
    firm = SmallFirm(calendar=calendar).user(id="bob")
    assert on(firm, MONDAY)["scheduled_hours"] == D("7.3334")
    assert on(firm, MONDAY, "bob")["scheduled_hours"] == 6


def test_weekly_hours_of_zero_are_a_capacity_of_zero():
    monday = on(SmallFirm().user(weekly_hours=0), MONDAY)
    assert (monday["capacity_hours"], monday["capacity_source"]) == (0, "api_weekly_hours")


def test_negative_weekly_hours_are_ignored():
    assert on(SmallFirm().user(weekly_hours=-1), MONDAY)["capacity_source"] == "default"


def test_country_codes_in_the_calendar_ignore_case():
    calendar = WorkCalendar(countries={"il": FOUR_LONG_DAYS, "IL": SUNDAY_TO_THURSDAY})
    assert on(SmallFirm(calendar=calendar).user(country_code="Il"), "2026-03-01")["scheduled_hours"] == 8


@pytest.mark.parametrize(
    ("user", "source", "hours"),
    [
        ({"work_schedule": week_of("09:00", "12:00"), "weekly_hours": 30, "country_code": "IL"}, "api_schedule", 3),
        ({"weekly_hours": 30, "country_code": "IL"}, "api_weekly_hours", D("7.5")),
        ({"country_code": "IL"}, "calendar_user", 10),
        ({"id": "bob", "country_code": "IL"}, "calendar_country", 8),
        ({"id": "bob", "country_code": "DE"}, "default", 8),
    ],
)
def test_first_available_source_wins(user: dict[str, Any], source: str, hours: Any):
    firm = SmallFirm(calendar=WorkCalendar(users={"ann": FOUR_LONG_DAYS}, countries={"IL": SUNDAY_TO_THURSDAY}))
    monday = on(firm.user(**user), MONDAY, user.get("id", "ann"))
    assert (monday["capacity_source"], monday["scheduled_hours"]) == (source, hours)


def test_holiday_on_a_day_off_takes_nothing():
    firm = SmallFirm().user(work_schedule=week_of("09:00", "18:00", days=4))
    firm = holiday(firm, {"date": "2026-03-06", "name": "Friday off", "full_day_off": True})
    assert first_week(firm) == 32
    assert on(firm, "2026-03-06")["holiday_name"] is None


def test_holiday_is_a_full_day_by_default():
    assert on(holiday(SmallFirm(), {"date": MONDAY, "name": "Day"}), MONDAY)["capacity_hours"] == 0


def test_day_without_clock_times_starts_at_nine():
    window = {"date": MONDAY, "full_day_off": False, "window_start": "08:00", "window_end": "11:00"}
    assert on(holiday(SmallFirm(), window), MONDAY)["holiday_hours"] == 2


def test_window_ends_with_a_day_of_fractional_hours():
    firm = SmallFirm(calendar=WorkCalendar(users={"ann": (D(1),) * 7})).user(weekly_hours=15)
    window = {"date": MONDAY, "full_day_off": False, "window_start": "10:00", "window_end": "18:00"}
    monday = on(holiday(firm, window), MONDAY)
    assert (monday["scheduled_hours"], monday["holiday_hours"]) == (D("2.1429"), D("1.1429"))


def test_window_outside_the_working_day_takes_nothing():
    window = {"date": MONDAY, "full_day_off": False, "window_start": "18:00", "window_end": "22:00", "name": "Late"}
    monday = on(holiday(SmallFirm(), window), MONDAY)
    assert (monday["holiday_hours"], monday["holiday_name"]) == (0, None)


def test_window_with_one_time_missing_is_half_a_day():
    window = {"date": MONDAY, "full_day_off": False, "window_start": "13:00"}
    assert on(holiday(SmallFirm(), window), MONDAY)["holiday_hours"] == 4


def test_window_that_ends_before_it_starts_crosses_midnight():
    window = {"date": MONDAY, "full_day_off": False, "window_start": "16:00", "window_end": "02:00"}
    assert on(holiday(SmallFirm(), window), MONDAY)["holiday_hours"] == 1
    night = SmallFirm().user(work_schedule=week_of("22:00", "06:00"))
    assert on(holiday(night, window), MONDAY)["holiday_hours"] == D("3.5")


@pytest.mark.parametrize("time", ["00:00", "13:00", "24:00"])
def test_window_without_length_is_half_a_day(time: str):
    window = {"date": MONDAY, "full_day_off": False, "window_start": time, "window_end": time}
    assert on(holiday(SmallFirm(), window), MONDAY)["holiday_hours"] == 4


def test_larger_of_two_holidays_on_a_day_counts():
    half, full = {"date": MONDAY, "name": "Half", "full_day_off": False}, {"date": MONDAY, "name": "Full"}
    monday = on(holiday(SmallFirm(), half, full), MONDAY)
    assert (monday["holiday_hours"], monday["holiday_name"]) == (8, "Full")


def test_leave_takes_at_most_what_the_holiday_leaves():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"leave"})))
    firm.having("subtasks", id="leave", task_id="build", billing_type="OVH")
    firm = holiday(firm, {"date": MONDAY, "full_day_off": False}).entry(MONDAY, 8, subtask_id="leave")
    monday = on(firm, MONDAY)
    assert (monday["holiday_hours"], monday["time_off_hours"], monday["capacity_hours"]) == (4, 4, 0)
    assert monday["gross_capacity_hours"] == 8


def test_leave_of_part_of_a_day_leaves_the_rest():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"})))
    firm.entry(MONDAY, 2, subtask_id="ovh").entry(MONDAY, 3, subtask_id="ovh", status="Rejected")
    assert on(firm, MONDAY)["time_off_hours"] == 2
    assert on(firm, MONDAY)["capacity_hours"] == 6


def test_leave_on_a_weekend_takes_nothing():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"})))
    assert on(firm.entry("2026-03-07", 8, subtask_id="ovh"), "2026-03-07")["time_off_hours"] == 0


def test_nothing_is_time_off_unless_configured():
    assert on(SmallFirm().entry(MONDAY, 8, subtask_id="ovh"), MONDAY)["time_off_hours"] == 0


def test_employment_includes_its_first_and_last_day():
    days = SmallFirm().user(start_date="2026-03-04", end_date="2026-03-05").rows("capacity_daily")
    assert [d["date"] for d in days] == [date(2026, 3, 4), date(2026, 3, 5)]


def test_last_counted_entry_ends_an_inactive_users_employment():
    firm = SmallFirm().user(status="Inactive").entry("2026-03-04").entry("2026-03-20", status="Rejected")
    assert firm.rows("capacity_daily")[-1]["date"] == date(2026, 3, 4)


def test_inactive_user_without_entries_has_no_rows():
    assert SmallFirm().user(status="Inactive").rows("capacity_daily") == []


def test_end_date_ends_an_inactive_users_employment():
    firm = SmallFirm().user(status="Inactive", end_date="2026-03-20").entry("2026-03-04")
    assert firm.rows("capacity_daily")[-1]["date"] == date(2026, 3, 20)


def test_user_who_left_before_the_loaded_months_has_no_rows():
    assert SmallFirm().user(end_date="2026-02-27").rows("capacity_daily") == []


def test_other_years_use_the_countrys_profile():
    firm = SmallFirm(first_month="2025-12-01").user(country_code="IL")
    firm = holiday(firm, {"date": "2026-03-02", "name": "Hers"}, {"date": "2025-12-01", "name": "Wrong year"})
    firm.having(
        "holiday_profiles",
        id="il25",
        year=2025,
        is_active=True,
        default_for_countries=["IL"],
        holidays=[{"date": "2025-12-25", "name": "Theirs"}],
    )
    firm.having("holiday_profiles", id="il26", year=2026, is_active=True, default_for_countries=["IL"], holidays=[])
    names = {d["date"]: d["holiday_name"] for d in firm.rows("capacity_daily") if d["holiday_name"]}
    assert names == {date(2025, 12, 25): "Theirs", date(2026, 3, 2): "Hers"}


def profile(name: str, **columns: Any) -> dict[str, Any]:
    return {"id": name, "year": 2026, "is_active": True, "holidays": [{"date": MONDAY, "name": name}], **columns}


def test_default_profile_of_a_country_comes_first():
    firm = SmallFirm().user(country_code="IL")
    firm.having("holiday_profiles", **profile("a: lies there", country_code="IL"))
    firm.having("holiday_profiles", **profile("b: names it", country_code="US", default_for_countries=["FR", "IL"]))
    assert on(firm, MONDAY)["holiday_name"] == "b: names it"


def test_profile_of_the_users_country_is_used():
    firm = SmallFirm().user(country_code="IL").having("holiday_profiles", **profile("there", country_code="IL"))
    assert on(firm, MONDAY)["holiday_name"] == "there"


def test_inactive_profile_is_not_used_for_a_country():
    retired = profile("retired", country_code="IL", is_active=False)
    assert on(SmallFirm().user(country_code="IL").having("holiday_profiles", **retired), MONDAY)["capacity_hours"] == 8


def test_profile_without_a_year_has_its_earliest_holidays():
    eve = {"date": "2026-12-31", "name": "Eve"}
    other_year = {"date": "2027-01-01", "name": "next year"}
    monday = {"date": MONDAY, "name": "Day"}
    firm = SmallFirm().user(country_code="IL")
    firm.having("holiday_profiles", **profile("p", country_code="IL", year=None, holidays=[other_year, eve, monday]))
    assert on(firm, MONDAY)["holiday_name"] == "Day"


def test_smallest_id_of_several_profiles_is_used():
    firm = SmallFirm().user(country_code="il")
    firm.having("holiday_profiles", **profile("b", country_code="IL")).having(
        "holiday_profiles", **profile("a", country_code="Il")
    )
    assert on(firm, MONDAY)["holiday_name"] == "a"


def test_configured_profile_is_the_last_resort():
    firm = SmallFirm(calendar=WorkCalendar(default_holiday_profile_id="house"))
    assert on(firm.having("holiday_profiles", **profile("house")), MONDAY)["holiday_name"] == "house"


def test_inactive_profile_never_counts():
    firm = SmallFirm(calendar=WorkCalendar(default_holiday_profile_id="house")).user(holiday_profile_id="own")
    for name in ("house", "own"):
        firm.having("holiday_profiles", **profile(name, is_active=False))
    assert on(firm, MONDAY)["holiday_hours"] == 0


def test_no_holidays_without_a_profile():
    firm = SmallFirm().having("holiday_profiles", **profile("elsewhere", country_code="FR"))
    assert on(firm, MONDAY)["holiday_hours"] == 0


def test_leap_day_has_capacity():
    firm = SmallFirm(as_of="2028-02-10", first_month="2028-02-01")
    assert len(firm.rows("capacity_daily")) == 29
    assert on(firm, "2028-02-29")["capacity_hours"] == 8


@pytest.mark.parametrize("changed", ["2026-03-29", "2026-10-25"])
def test_days_of_clock_changes_have_full_capacity(changed: str):
    every_day = WorkCalendar(default_week=(D(8),) * 7)
    firm = SmallFirm(as_of=changed, first_month=changed[:8] + "01", calendar=every_day)
    assert on(firm, changed)["capacity_hours"] == 8
    window = {"date": changed, "full_day_off": False, "window_start": "09:00", "window_end": "13:00"}
    firm = SmallFirm(as_of=changed, first_month=changed[:8] + "01", calendar=every_day)
    assert on(holiday(firm, window), changed)["capacity_hours"] == 4


def test_users_own_profile_comes_before_the_countrys():
    firm = SmallFirm().user(country_code="IL", holiday_profile_id="z: own")
    firm.having("holiday_profiles", **profile("z: own"))
    firm.having("holiday_profiles", **profile("a: the country's", default_for_countries=["IL"]))
    assert on(firm, MONDAY)["holiday_name"] == "z: own"


def test_leave_does_not_prolong_employment():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"}))).user(status="Inactive")
    firm.entry("2026-03-04").entry("2026-03-05", 8, subtask_id="ovh")
    assert firm.rows("capacity_daily")[-1]["date"] == date(2026, 3, 4)


def test_leave_outside_employment_has_no_row():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"ovh"}))).user(end_date="2026-03-03")
    assert firm.entry("2026-03-05", 8, subtask_id="ovh").rows("utilization_daily", date="2026-03-05") == []
