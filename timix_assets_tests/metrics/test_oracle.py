"""The oracle is itself trusted: the worked examples of metrics.md § 7, and rules that can be reckoned by hand."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from timix_assets.metrics.settings import Settings, WorkCalendar
from timix_assets_tests.metrics.oracle import compute
from timix_assets_tests.metrics.oracle_arithmetic import Row, Tables, rounded

RAW_TABLES = (
    "me",
    "organization",
    "org_users",
    "holiday_profiles",
    "customers",
    "projects",
    "tasks",
    "subtasks",
    "time_reports",
    "invoices",
    "budget_health_report",
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (date(2026, 3, day) for day in range(2, 7))
MARCH = date(2026, 3, 1)
MID_MARCH = date(2026, 3, 16)
LAST_DAY = date(2026, 3, 31)  # a Tuesday
MARCH_IN_FULL = Settings(as_of=LAST_DAY, first_month=MARCH)
SPRING = {"start_date": MONDAY, "end_date": date(2026, 4, 10)}
MON_TO_THU = (Decimal(8),) * 4 + (Decimal(0),) * 3


def hours(text: str | int) -> Decimal:
    return Decimal(text)


def raw(**tables: list[Row]) -> Tables:
    """All raw tables, with one project of one customer unless others are given."""
    structure = {
        "organization": [{"id": "o", "currency": "USD"}],
        "customers": [{"id": "c"}],
        "projects": [{"id": "p", "customer_id": "c"}],
        "tasks": [{"id": "t", "project_id": "p"}],
        "subtasks": [{"id": "s", "task_id": "t"}],
    }
    return {name: tables.get(name, structure.get(name, [])) for name in RAW_TABLES}


def user(user_id: str = "u", **columns: object) -> Row:
    return {"id": user_id, "status": "Active", **columns}


def project(**columns: object) -> Row:
    return {"id": "p", "customer_id": "c", **columns}


def entry(day: date, amount: str | int, billing_type: str | None = "TM", **columns: object) -> Row:
    return {
        "user_id": "u",
        "subtask_id": "s",
        "date": day,
        "hours": hours(amount),
        "billing_type": billing_type,
        "status": "Approved",
        **columns,
    }


def holidays(*on: Row, **columns: object) -> list[Row]:
    return [{"id": "h", "year": 2026, "is_active": True, "holidays": list(on), **columns}]


def full_day(day: date, name: str = "Holiday") -> Row:
    return {"date": day, "name": name, "full_day_off": True}


def half_day(day: date) -> Row:
    return {"date": day, "name": "Eve", "full_day_off": False}


def window(day: date, start: str, end: str) -> Row:
    return {"date": day, "name": "Afternoon off", "full_day_off": False, "window_start": start, "window_end": end}


def nine_to_six() -> Row:
    shift = {"start": "09:00", "end": "18:00"}
    return dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), shift)


def week(tables: Tables, settings: Settings = MARCH_IN_FULL, user_id: str = "u") -> Row:
    """The user's week that begins on Monday, 2 March."""
    rows = compute(tables, settings)["utilization_weekly"]
    return next(row for row in rows if row["user_id"] == user_id and row["week_start"] == MONDAY)


def capacity_on(day: date, tables: Tables, settings: Settings = MARCH_IN_FULL) -> Row:
    return next(row for row in compute(tables, settings)["capacity_daily"] if row["date"] == day)


def budget(tables: Tables, scope: str = "TM", level: str = "project", settings: Settings = MARCH_IN_FULL) -> Row:
    rows = compute(tables, settings)["budget_health"]
    return next(row for row in rows if (row["level"], row["scope"]) == (level, scope))


class TestWorkedExamples:
    def test_1_a_holiday_lowers_capacity_and_raises_utilization(self):
        utilization = week(
            raw(
                org_users=[user(weekly_hours=hours(40), holiday_profile_id="h")],
                holiday_profiles=holidays(full_day(WEDNESDAY)),
                time_reports=[
                    *(entry(day, 8) for day in (MONDAY, TUESDAY, THURSDAY)),
                    entry(FRIDAY, 4, "OVH"),
                ],
            )
        )
        assert utilization["capacity_hours"] == 32
        assert utilization["billable_utilization"] == 0.75
        assert utilization["total_utilization"] == 0.875

    @pytest.mark.parametrize(("holiday", "capacity"), [(full_day(FRIDAY), 32), (half_day(MONDAY), 28)])
    def test_2_a_holiday_on_a_day_off_takes_nothing_and_a_half_one_takes_half(self, holiday, capacity):
        settings = replace(MARCH_IN_FULL, calendar=WorkCalendar(users={"u": MON_TO_THU}))
        tables = raw(
            org_users=[user(weekly_hours=hours(32), holiday_profile_id="h")], holiday_profiles=holidays(holiday)
        )
        assert week(tables, settings)["capacity_hours"] == capacity

    def test_3_capacity_begins_on_the_first_day_of_employment(self):
        tables = raw(
            org_users=[user(weekly_hours=hours(40), start_date=WEDNESDAY)],
            time_reports=[entry(WEDNESDAY, 8), entry(THURSDAY, 8), entry(FRIDAY, 4)],
        )
        assert week(tables)["capacity_hours"] == 24
        assert week(tables)["billable_utilization"] == pytest.approx(20 / 24)

    def test_4_the_organizations_ratio_is_a_ratio_of_sums(self):
        one_week = {"start_date": MONDAY, "end_date": FRIDAY}
        tables = raw(
            org_users=[
                user("u40", weekly_hours=hours(40), **one_week),
                user("u10", weekly_hours=hours(10), **one_week),
            ],
            time_reports=[entry(MONDAY, 20, user_id="u40"), entry(MONDAY, 10, user_id="u10")],
        )
        (kpis,) = compute(tables, MARCH_IN_FULL)["organization_kpis"]
        assert (kpis["billable_hours"], kpis["capacity_hours"]) == (30, 50)
        assert kpis["billable_utilization"] == 0.6

    def test_5_work_in_a_week_of_holidays_has_no_ratio_but_counts_for_the_organization(self):
        days = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY)
        tables = raw(
            org_users=[user(holiday_profile_id="h"), user("v")],
            holiday_profiles=holidays(*(full_day(day) for day in days)),
            time_reports=[entry(TUESDAY, 6)],
        )
        utilization = week(tables)
        assert utilization["billable_utilization"] is None
        assert utilization["worked_at_zero_capacity"] is True
        assert compute(tables, MARCH_IN_FULL)["organization_kpis"][0]["billable_hours"] == 6

    @pytest.mark.parametrize(
        ("cap", "used", "status"),
        [
            (100, "79.99", "on_track"),
            (100, "80", "at_risk"),
            (100, "100", "over_budget"),
            (0, "100", "no_budget"),
            (None, "100", "no_budget"),
        ],
    )
    def test_6_thresholds_are_inclusive_and_a_cap_of_0_is_none(self, cap, used, status):
        whole, rest = divmod(hours(used), 20)
        amounts = [hours(20)] * int(whole) + [rest] * (rest > 0)
        row = budget(
            raw(
                projects=[project(tm_hour_limit=None if cap is None else hours(cap))],
                time_reports=[entry(MONDAY, amount) for amount in amounts],
            )
        )
        assert (row["used"], row["status"]) == (hours(used), status)

    def test_7_currencies_never_mix(self):
        tables = raw(
            time_reports=[
                entry(MONDAY, 10, customer_rate=Decimal("120.00"), currency="USD"),
                entry(MONDAY, 5, customer_rate=Decimal("100.00"), currency="EUR"),
            ]
        )
        rollups = compute(tables, MARCH_IN_FULL)
        for table in ("project_profitability", "organization_money"):
            assert [(row["currency"], row["revenue"]) for row in rollups[table]] == [("EUR", 500), ("USD", 1200)]

    def test_8_a_thousand_tenths_are_exactly_a_hundred(self):
        (kpis,) = compute(raw(time_reports=[entry(MONDAY, "0.1")] * 1000), MARCH_IN_FULL)["organization_kpis"]
        assert kpis["total_hours"] == hours("100.0")

    @pytest.mark.parametrize(
        ("status", "total", "unapproved"), [("Approved", ("180.00", 2, 1), 0), ("Submitted", ("0", 0, 0), 2)]
    )
    def test_9_only_approved_time_is_unbilled(self, status, total, unapproved):
        settings = Settings(as_of=LAST_DAY, first_month=date(2026, 1, 1))
        day = LAST_DAY - timedelta(days=45)
        (row,) = compute(raw(time_reports=[entry(day, 2, customer_rate=hours(90), status=status)]), settings)[
            "unbilled_aging"
        ]
        amount, approved_hours, count = total
        assert row["bucket"] == "31-60"
        assert (row["amount"], row["hours"], row["entry_count"]) == (Decimal(amount), approved_hours, count)
        assert row["unapproved_hours"] == unapproved

    def test_10_the_break_comes_off_the_schedule_and_a_window_is_measured_against_all_of_it(self):
        tables = raw(
            org_users=[user(work_schedule=nine_to_six(), holiday_profile_id="h")],
            holiday_profiles=holidays(window(WEDNESDAY, "13:00", "18:00")),
        )
        assert capacity_on(MONDAY, tables)["capacity_hours"] == 8
        assert capacity_on(WEDNESDAY, tables)["capacity_hours"] == hours("3.5556")
        assert week(tables)["capacity_hours"] == hours("35.5556")


class TestGroundRules:
    def test_an_empty_workspace_gives_a_month_of_nothing(self):
        rollups = compute(raw(organization=[], projects=[]), MARCH_IN_FULL)
        assert [table for table, rows in rollups.items() if rows] == ["organization_kpis"]
        assert rollups["organization_kpis"][0]["billable_utilization"] is None

    @pytest.mark.parametrize(
        ("value", "expected"), [("0.00005", "0.0001"), ("-0.00005", "-0.0001"), ("0.00004", "0"), ("2.5", "2.5")]
    )
    def test_halves_are_rounded_away_from_zero(self, value, expected):
        assert rounded(Decimal(value)) == Decimal(expected)

    @pytest.mark.parametrize(
        "out", [{"status": "Rejected"}, {"status": "Paused"}, {"hours": hours(0)}, {"hours": hours(25)}]
    )
    def test_rejected_unknown_and_absurd_entries_are_out(self, out):
        tables = raw(time_reports=[entry(MONDAY, 8) | out])
        assert compute(tables, MARCH_IN_FULL)["utilization_daily"] == []
        assert budget(tables)["used"] == 0

    def test_entries_after_as_of_count_only_in_unbilled(self):
        settings = Settings(as_of=TUESDAY, first_month=MARCH)
        rollups = compute(raw(time_reports=[entry(WEDNESDAY, 8, customer_rate=hours(10))]), settings)
        assert rollups["utilization_daily"] == rollups["project_profitability"] == []
        assert [(row["bucket"], row["amount"]) for row in rollups["unbilled_aging"]] == [("future", 80)]
        assert [row["unbilled"] for row in rollups["organization_money"]] == [80]

    def test_missing_parents_and_billing_type_are_joined_in(self):
        tables = raw(
            subtasks=[{"id": "s", "task_id": "t", "billing_type": "Fix", "hour_limit": hours(10)}],
            tasks=[{"id": "t", "project_id": "p", "fix_hour_limit": hours(10)}],
            time_reports=[entry(MONDAY, 8, billing_type=None)],
        )
        assert budget(tables, "Fix")["used"] == budget(tables, "Fix", "task")["used"] == 8
        assert budget(tables, "hours", "subtask")["used"] == 8
        assert compute(tables, MARCH_IN_FULL)["organization_kpis"][0]["active_customers"] == 1

    def test_an_unknown_billing_type_is_logged_and_in_no_scope(self):
        tables = raw(time_reports=[entry(MONDAY, 8, "Barter")])
        (day,) = compute(tables, MARCH_IN_FULL)["utilization_daily"]
        assert (day["logged_hours"], day["billable_hours"], day["overhead_hours"]) == (8, 0, 0)
        assert {row["used"] for row in compute(tables, MARCH_IN_FULL)["budget_health"]} == {0}

    def test_leave_counts_in_budgets_and_in_time_off_only(self):
        settings = replace(MARCH_IN_FULL, calendar=WorkCalendar(time_off_subtask_ids=frozenset({"s"})))
        tables = raw(
            org_users=[user(start_date=MONDAY, end_date=MONDAY)], time_reports=[entry(MONDAY, 10, "OVH", cost_rate=1)]
        )
        rollups = compute(tables, settings)
        assert [(row["time_off_hours"], row["capacity_hours"]) for row in rollups["capacity_daily"]] == [(8, 0)]
        assert [row["logged_hours"] for row in rollups["utilization_daily"]] == [0]
        assert rollups["project_profitability"] == []
        assert budget(tables, "OVH", settings=settings)["used"] == 10


class TestCapacity:
    def test_weekly_hours_that_do_not_divide_are_rounded_to_four_places(self):
        settings = replace(
            MARCH_IN_FULL, calendar=WorkCalendar(countries={"IL": (*MON_TO_THU[:3], *MON_TO_THU[4:], 0)})
        )
        monday = capacity_on(MONDAY, raw(org_users=[user(weekly_hours=hours(20), country_code="IL")]), settings)
        assert (monday["capacity_hours"], monday["capacity_source"]) == (hours("6.6667"), "api_weekly_hours")

    @pytest.mark.parametrize(
        ("columns", "calendar", "source"),
        [
            (
                {"work_schedule": nine_to_six(), "weekly_hours": hours(20)},
                WorkCalendar(users={"u": MON_TO_THU}),
                "api_schedule",
            ),
            ({"weekly_hours": hours(20)}, WorkCalendar(users={"u": MON_TO_THU}), "api_weekly_hours"),
            (
                {"country_code": "IL"},
                WorkCalendar(users={"u": MON_TO_THU}, countries={"IL": MON_TO_THU}),
                "calendar_user",
            ),
            ({"country_code": "IL"}, WorkCalendar(countries={"IL": MON_TO_THU}), "calendar_country"),
            ({"country_code": "IL"}, WorkCalendar(users={"v": MON_TO_THU}), "default"),
        ],
    )
    def test_the_first_source_that_is_there_rules(self, columns, calendar, source):
        settings = replace(MARCH_IN_FULL, calendar=calendar)
        assert capacity_on(MONDAY, raw(org_users=[user(**columns)]), settings)["capacity_source"] == source

    def test_the_last_entry_ends_an_inactive_users_employment(self):
        inactive = raw(org_users=[user(status="Inactive")], time_reports=[entry(MONDAY, 8), entry(TUESDAY, 8)])
        assert compute(inactive, MARCH_IN_FULL)["capacity_daily"][-1]["date"] == TUESDAY
        assert compute({**inactive, "time_reports": []}, MARCH_IN_FULL)["capacity_daily"] == []

    def test_the_loaded_range_ends_with_the_month_of_an_as_of_late_in_january(self):
        settings = Settings(as_of=date(2026, 1, 30), first_month=date(2026, 1, 1))
        assert compute(raw(org_users=[user()]), settings)["capacity_daily"][-1]["date"] == date(2026, 1, 31)

    @pytest.mark.parametrize("unreadable", ["nine", "9:60", "24:01", "", None])
    def test_a_schedule_with_a_time_that_cannot_be_read_gives_way_to_the_next_source(self, unreadable):
        schedule = {**nine_to_six(), "friday": {"start": unreadable, "end": "18:00"}}
        tables = raw(org_users=[user(work_schedule=schedule, weekly_hours=hours(0))])
        monday = capacity_on(MONDAY, tables)
        assert (monday["capacity_hours"], monday["capacity_source"]) == (0, "api_weekly_hours")

    def test_a_calendar_line_without_a_working_day_does_not_say_where_weekly_hours_go(self):
        calendar = WorkCalendar(users={"u": (Decimal(0),) * 7}, countries={"IL": MON_TO_THU})
        tables = raw(org_users=[user(weekly_hours=hours(32), country_code="il")])
        assert capacity_on(MONDAY, tables, replace(MARCH_IN_FULL, calendar=calendar))["capacity_hours"] == 8

    @pytest.mark.parametrize(("start", "end", "off"), [("16:00", "02:00", 1), ("00:00", "00:00", 4)])
    def test_a_window_may_pass_midnight_and_says_nothing_without_length(self, start, end, off):
        tables = raw(org_users=[user(holiday_profile_id="h")], holiday_profiles=holidays(window(MONDAY, start, end)))
        assert capacity_on(MONDAY, tables)["holiday_hours"] == off

    def test_a_profile_without_a_year_covers_that_of_its_earliest_holiday(self):
        dates = (date(2026, 1, 1), date(2025, 12, 31), date(2025, 12, 30))
        tables = raw(
            org_users=[user(holiday_profile_id="h")],
            holiday_profiles=holidays(*(full_day(day) for day in dates), year=None),
        )
        rows = compute(tables, Settings(as_of=date(2026, 1, 31), first_month=date(2025, 12, 1)))["capacity_daily"]
        assert [row["date"].day for row in rows if row["holiday_hours"]] == [30, 31]

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_larger_of_two_holidays_counts_and_names_the_day(self, order):
        both = [half_day(MONDAY), full_day(MONDAY, "New Year")][::order]
        tables = raw(org_users=[user(holiday_profile_id="h")], holiday_profiles=holidays(*both))
        assert (monday := capacity_on(MONDAY, tables))["capacity_hours"] == 0
        assert monday["holiday_name"] == "New Year"

    def test_a_day_without_clock_times_starts_at_nine(self):
        tables = raw(
            org_users=[user(holiday_profile_id="h")], holiday_profiles=holidays(window(MONDAY, "07:00", "11:00"))
        )
        assert capacity_on(MONDAY, tables)["holiday_hours"] == 2

    def test_a_profile_covers_its_own_year_and_the_countrys_profile_the_others(self):
        new_year = full_day(date(2026, 1, 1))
        profiles = [
            *holidays(full_day(date(2025, 12, 31)), new_year, year=2025),
            *holidays(full_day(date(2026, 1, 2)), id="i", default_for_countries=["IL"]),
            *holidays(full_day(date(2026, 1, 5)), id="j", country_code="IL"),
            *holidays(full_day(date(2026, 1, 6)), id="a", default_for_countries=["IL"], is_active=False),
        ]
        tables = raw(org_users=[user(holiday_profile_id="h", country_code="IL")], holiday_profiles=profiles)
        rows = compute(tables, Settings(as_of=date(2026, 1, 31), first_month=date(2025, 12, 1)))["capacity_daily"]
        assert [row["date"] for row in rows if row["holiday_hours"]] == [date(2025, 12, 31), date(2026, 1, 2)]

    def test_the_configured_default_serves_whom_no_country_does(self):
        settings = replace(MARCH_IN_FULL, calendar=WorkCalendar(default_holiday_profile_id="h"))
        tables = raw(org_users=[user()], holiday_profiles=holidays(full_day(MONDAY)))
        assert capacity_on(MONDAY, tables, settings)["holiday_hours"] == 8
        assert capacity_on(MONDAY, tables)["holiday_hours"] == 0


class TestUtilization:
    def test_overtime_and_bench_are_floored_by_day(self):
        utilization = week(raw(org_users=[user()], time_reports=[entry(MONDAY, 10), entry(TUESDAY, 5)]))
        assert (utilization["overtime_hours"], utilization["bench_hours"]) == (2, 3 + 3 * 8)
        assert utilization["target_gap_hours"] == hours("0.75") * 40 - 15

    def test_a_running_week_knows_its_capacity_to_as_of_and_in_full(self):
        utilization = week(raw(org_users=[user()]), Settings(as_of=TUESDAY, first_month=MARCH))
        assert (utilization["capacity_hours"], utilization["capacity_full_hours"]) == (16, 40)
        assert utilization["is_partial"] is True

    def test_weeks_begin_on_the_organizations_first_day(self):
        tables = raw(organization=[{"id": "o", "first_day_of_week": 0}], org_users=[user()])
        weeks = compute(tables, MARCH_IN_FULL)["utilization_weekly"]
        assert [row["week_start"] for row in weeks] == [MARCH + timedelta(days=7 * n) for n in range(5)]
        assert [row["is_partial"] for row in weeks] == [False, False, False, False, True]

    def test_a_week_that_begins_before_the_first_loaded_day_is_partial(self):
        first, *_ = compute(raw(org_users=[user()]), MARCH_IN_FULL)["utilization_weekly"]
        assert (first["week_start"], first["capacity_hours"], first["is_partial"]) == (date(2026, 2, 23), 0, True)

    def test_hours_of_an_unknown_user_stand_at_capacity_0(self):
        (day,) = compute(raw(time_reports=[entry(MONDAY, 8)]), MARCH_IN_FULL)["utilization_daily"]
        assert (day["capacity_hours"], day["overtime_hours"]) == (0, 8)


class TestBudgets:
    """The 20th working day back from Tuesday 31 March is Wednesday 4 March."""

    def test_the_pace_of_the_last_twenty_working_days_says_when_the_cap_is_reached(self):
        row = budget(
            raw(
                projects=[project(tm_hour_limit=hours(80), **SPRING)],
                time_reports=[entry(MONDAY, 20), entry(MID_MARCH, 24), entry(MID_MARCH, 6)],
            )
        )
        assert (row["used"], row["remaining"], row["burn"], row["burn_rate"]) == (50, 30, 0.625, 1.5)
        assert row["exhaustion_date"] == date(2026, 4, 28)
        assert row["projected_final"] == 50 + 1.5 * 8
        assert row["elapsed"] == pytest.approx(22 / 30)
        assert row["outlook"] == "in_control"

    @pytest.mark.parametrize(("first", "burn_rate"), [(date(2026, 3, 25), 2.0), (date(2026, 3, 26), None)])
    def test_a_young_budget_has_a_pace_from_its_fifth_working_day(self, first, burn_rate):
        assert budget(raw(time_reports=[entry(first, 10)]))["burn_rate"] == burn_rate

    def test_a_budget_without_recent_use_never_runs_out(self):
        row = budget(raw(projects=[project(tm_hour_limit=hours(80))], time_reports=[entry(TUESDAY, 10)]))
        assert (row["burn_rate"], row["exhaustion_date"]) == (0.0, None)

    def test_exhaustion_beyond_five_years_is_not_said(self):
        row = budget(raw(projects=[project(tm_hour_limit=hours(80000))], time_reports=[entry(MID_MARCH, 10)]))
        assert row["exhaustion_date"] is None

    def test_a_spent_budget_says_when_the_cap_was_reached(self):
        tables = raw(
            projects=[project(tm_hour_limit=hours(30), end_date=LAST_DAY)],
            time_reports=[entry(MONDAY, 20), entry(TUESDAY, 10), entry(MID_MARCH, 1)],
        )
        row = budget(tables)
        assert (row["exhaustion_date"], row["projected_final"], row["outlook"]) == (TUESDAY, 31, "overrun_expected")

    def test_burning_faster_than_time_passes_is_an_overrun_to_come(self):
        plan = {"start_date": date(2026, 3, 23), "end_date": date(2026, 6, 30), "tm_hour_limit": hours(80)}
        row = budget(raw(projects=[project(**plan)], time_reports=[entry(MONDAY, 20)]))
        assert (row["burn"], row["elapsed"]) == (0.25, pytest.approx(7 / 72))
        assert row["outlook"] == "overrun_expected"

    def test_a_project_always_has_its_three_hour_scopes_and_money_only_with_a_cap(self):
        rows = compute(raw(projects=[project(amount_limit=hours(0), contract_amount=hours(9))]), MARCH_IN_FULL)
        assert [row["scope"] for row in rows["budget_health"]] == ["Fix", "OVH", "TM", "contract"]

    def test_thresholds_above_two_are_percentages(self):
        organization = [{"id": "o", "budget_warning_threshold": hours(50), "budget_critical_threshold": hours("0.9")}]
        tables = raw(organization=organization, projects=[project(tm_hour_limit=hours(10), fix_hour_limit=hours(10))])
        tables = {**tables, "time_reports": [entry(MONDAY, 5), entry(MONDAY, 9, "Fix")]}
        assert budget(tables)["status"] == "at_risk"
        assert budget(tables, "Fix")["status"] == budget(tables)["project_budget_status"] == "over_budget"

    def test_money_budgets_take_only_their_own_type_and_currency(self):
        rates = {"customer_rate": hours(100), "cost_rate": hours(40)}
        tables = raw(
            projects=[project(amount_limit=hours(1000), contract_amount=hours(1000), currency="EUR")],
            time_reports=[
                entry(MONDAY, 1, **rates),
                entry(MONDAY, 2, "Fix", **rates),
                entry(MONDAY, 4, currency="USD", **rates),
                entry(MONDAY, 8, "OVH", **rates),
            ],
        )
        assert (budget(tables, "amount")["used"], budget(tables, "contract")["used"]) == (100, 80)
        assert budget(tables, "amount")["currency"] == "EUR"

    def test_where_no_entry_shows_its_cost_a_contract_has_no_use(self):
        tables = raw(
            projects=[project(contract_amount=hours(100), **SPRING)],
            time_reports=[entry(MONDAY, 8, "Fix")],
        )
        row = budget(tables, "contract")
        assert [row[column] for column in ("used", "burn", "remaining", "status", "outlook")] == [None] * 5
        assert row["project_budget_status"] == "no_budget"
        assert [row["cost"] for row in compute(tables, MARCH_IN_FULL)["project_profitability"]] == [None]

    def test_cost_that_an_entry_shows_counts_whatever_the_keys_role(self):
        entries = [entry(MONDAY, 8, "Fix", cost_rate=hours(40)), entry(MONDAY, 8, "Fix")]
        tables = raw(
            me=[{"user_id": "u", "role": "Viewer"}],
            projects=[project(contract_amount=hours(1000))],
            time_reports=entries,
        )
        assert budget(tables, "contract")["used"] == 320

    def test_a_default_week_without_a_working_day_means_monday_to_friday_for_budgets(self):
        settings = replace(MARCH_IN_FULL, calendar=WorkCalendar(default_week=(Decimal(0),) * 7))
        tables = raw(projects=[project(start_date=MONDAY, end_date=date(2026, 3, 29))])
        assert budget(tables, settings=settings)["elapsed"] == 1

    def test_every_loaded_month_has_its_burn(self):
        settings = Settings(as_of=LAST_DAY, first_month=date(2026, 1, 1))
        tables = raw(
            projects=[project(tm_hour_limit=hours(40))], time_reports=[entry(date(2026, 1, 5), 20), entry(MONDAY, 10)]
        )
        burn = [row for row in compute(tables, settings)["budget_burn"] if row["scope"] == "TM"]
        assert [(row["used"], row["cumulative_used"], row["burn"]) for row in burn] == [
            (20, 20, 0.5),
            (0, 20, 0.5),
            (10, 30, 0.75),
        ]

    @pytest.mark.parametrize(("start", "complete"), [(MONDAY, True), (date(2026, 2, 28), False), (None, None)])
    def test_history_is_complete_when_the_start_months_entries_are_loaded(self, start, complete):
        assert budget(raw(projects=[project(start_date=start)]))["history_complete"] is complete

    def test_the_apis_own_word_stands_on_every_row_of_the_project(self):
        tables = raw(
            tasks=[{"id": "t", "project_id": "p", "tm_hour_limit": hours(5)}],
            budget_health_report=[{"project_id": "p", "status": "warning"}],
        )
        assert [row["api_status"] for row in compute(tables, MARCH_IN_FULL)["budget_health"]] == ["warning"] * 4


class TestMoney:
    def test_unrated_hours_are_passed_over_and_counted(self):
        tables = raw(time_reports=[entry(MONDAY, 8, customer_rate=hours(0), cost_rate=hours(50)), entry(MONDAY, 2)])
        (row,) = compute(tables, MARCH_IN_FULL)["project_profitability"]
        assert (row["revenue"], row["cost"], row["unrated_hours"], row["margin"]) == (0, 400, 2, None)

    def test_a_sum_with_no_price_at_all_is_null_and_without_entries_to_price_0(self):
        tables = raw(time_reports=[entry(MONDAY, 8, currency="EUR"), entry(MONDAY, 8, "Fix", currency="USD")])
        rows = compute(tables, MARCH_IN_FULL)["project_profitability"]
        assert [(row["currency"], row["revenue"], row["cost"]) for row in rows] == [
            ("EUR", None, None),
            ("USD", 0, None),
        ]

    def test_an_unknown_project_has_the_customer_that_all_its_entries_name_or_none(self):
        nowhere = {"subtask_id": "?", "project_id": "?"}
        one = raw(time_reports=[entry(MONDAY, 1, **nowhere, customer_id="c"), entry(MONDAY, 1, **nowhere)])
        two = raw(time_reports=[entry(MONDAY, 1, **nowhere, customer_id=c) for c in "cd"])
        customers = [compute(t, MARCH_IN_FULL)["project_profitability"][0]["customer_id"] for t in (one, two)]
        assert customers == ["c", None]

    def test_margin_and_effective_rate_are_ratios_of_sums(self):
        tables = raw(
            time_reports=[
                entry(MONDAY, 6, customer_rate=hours(100), cost_rate=hours(50)),
                entry(MONDAY, 2, "OVH", cost_rate=hours(75)),
            ]
        )
        (row,) = compute(tables, MARCH_IN_FULL)["project_profitability"]
        assert (row["margin"], row["effective_rate"]) == (0.25, 75.0)

    def test_contract_cost_runs_through_the_end_of_each_rows_month(self):
        settings = Settings(as_of=LAST_DAY, first_month=date(2026, 1, 1))
        tables = raw(
            projects=[project(contract_amount=hours(1000))],
            time_reports=[
                entry(date(2026, 1, 5), 10, "Fix", cost_rate=hours(40)),
                entry(MONDAY, 5, "Fix", cost_rate=hours(40)),
                entry(MONDAY, 5, "Fix", cost_rate=hours(40), currency="EUR"),
            ],
        )
        rows = compute(tables, settings)["project_profitability"]
        assert [(row["currency"], row["contract_cost_to_date"], row["contract_remaining"]) for row in rows] == [
            ("USD", 400, 600),
            ("EUR", None, None),
            ("USD", 600, 400),
        ]

    def test_what_waits_to_be_billed_waits_also_from_before_the_loaded_range(self):
        rollups = compute(raw(time_reports=[entry(date(2025, 2, 27), 1, customer_rate=hours(10))]), MARCH_IN_FULL)
        assert [(row["bucket"], row["amount"]) for row in rollups["unbilled_aging"]] == [("91+", 10)]
        assert rollups["organization_money"] == []

    def test_invoiced_and_foreign_types_are_not_unbilled(self):
        tables = raw(
            time_reports=[
                entry(LAST_DAY, 1, customer_rate=hours(10)),
                entry(LAST_DAY, 2, customer_rate=hours(10), invoice_id="i"),
                entry(LAST_DAY, 4, "Fix"),
                entry(LAST_DAY, 8, "OVH"),
            ]
        )
        (row,) = compute(tables, MARCH_IN_FULL)["unbilled_aging"]
        assert (row["bucket"], row["amount"], row["entry_count"], row["fixed_price_hours"]) == ("0-30", 10, 1, 4)
        assert row["oldest_date"] == LAST_DAY


class TestOrganization:
    def test_invoices_count_by_state_and_by_their_own_dates(self):
        def invoice(status: str, total: int, issued: date, paid: date | None = None) -> Row:
            return {
                "status": status,
                "total": hours(total),
                "issue_date": issued,
                "paid_date": paid,
                "customer_id": "c",
            }

        february = date(2026, 2, 27)
        invoices = [
            invoice("Draft", 1, MONDAY),
            invoice("Void", 2, MONDAY),
            invoice("Issued", 4, MONDAY),
            invoice("Sent", 8, MONDAY),
            invoice("Paid", 16, MONDAY, FRIDAY),
            invoice("Paid", 32, february, MONDAY),
            invoice("Sent", 64, date(2026, 4, 1)),
        ]
        (row,) = compute(raw(invoices=invoices), MARCH_IN_FULL)["organization_money"]
        assert (row["currency"], row["invoiced"], row["paid"], row["outstanding"]) == ("USD", 28, 48, 12)
        assert (row["revenue"], row["cost"], row["margin"], row["unbilled"]) == (0, 0, None, 0)

    def test_projects_are_at_risk_by_their_burn_at_each_months_end(self):
        settings = Settings(as_of=LAST_DAY, first_month=date(2026, 1, 1))
        tables = raw(
            projects=[project(tm_hour_limit=hours(20))],
            time_reports=[entry(date(2026, 1, 31), 10), entry(date(2026, 2, 28), 6), entry(MONDAY, 4)],
        )
        kpis = compute(tables, settings)["organization_kpis"]
        assert [(row["projects_at_risk"], row["projects_over_budget"]) for row in kpis] == [(0, 0), (1, 0), (0, 1)]
