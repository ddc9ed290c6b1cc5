"""Every rollup equals the oracle's: two independent readings of the same written formulas, over the same records."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, reduce
from itertools import cycle
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.assets.reckoning import evaluate, tables_read_by
from timix_assets.contract.endpoints import BY_NAME, WEEKDAYS
from timix_assets.metrics.formulas import FORMULAS, PREPARED
from timix_assets.metrics.settings import (
    DEFAULT_WEEK,
    AgingBuckets,
    BudgetPolicy,
    Settings,
    Targets,
    Week,
    WorkCalendar,
)
from timix_assets.metrics.tables import ROLLUPS, Rollup
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.reports import budget_health
from timix_assets.sandbox.workspace import Workspace

from .oracle import compute

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Change = Callable[[Tables], Tables]

D = Decimal

TODAY = date(2026, 11, 18)
STORED_PLACES = D("1E-10")
RATIO_TOLERANCE = 1e-12
MOST_DIFFERENCES_SHOWN = 5

FOUR_LONG_DAYS: Week = (*(D(10),) * 4, *(D(0),) * 3)
SUNDAY_TO_THURSDAY: Week = (*(D(8),) * 4, D(0), D(0), D("7.3333333333"))
EVERY_DAY: Week = (D(6),) * 7
NO_DAY: Week = (D(0),) * 7


# --- the comparison ---------------------------------------------------------------------------------------------------


def assert_every_rollup_equals_the_oracles(tables: Tables, settings: Settings) -> None:
    expected, actual = compute(tables, settings), computed(tables, settings)
    found = [line for rollup in ROLLUPS for line in differences(rollup, expected[rollup.name], actual[rollup.name])]
    assert not found, "\n" + "\n".join(found)


def computed(tables: Tables, settings: Settings) -> dict[str, pl.DataFrame]:
    """The product's tables, wired as in a run: grains first, every formula fed by the names of its parameters."""
    frames = {name: frame(name, rows) for name, rows in tables.items()}
    for name, formula in {**PREPARED, **FORMULAS}.items():
        read = {table: frames[table] for table in tables_read_by(formula)}
        frames[name] = evaluate(formula, read, settings).lazy()
    return {name: frames[name].collect() for name in FORMULAS}


def frame(table: str, rows: list[Row]) -> pl.LazyFrame:
    """Records under the contract's schema, an entry in its month; a column that they lack is null."""
    schema = BY_NAME[table].schema
    if table == "time_reports":
        rows = [{**row, "month": row["date"].replace(day=1)} for row in rows]
    return pl.LazyFrame([pl.Series(name, [row.get(name) for row in rows], dtype) for name, dtype in schema.items()])


def differences(rollup: Rollup, expected: list[Row], frame: pl.DataFrame) -> list[str]:
    """A line for every row that only one side has and every cell that differs, by the row's key; the first few."""
    columns = [column.name for column in rollup.columns]
    if frame.columns != columns or any(list(row) != columns for row in expected[:1]):
        return [f"{rollup.name} has the columns {frame.columns}, not {columns}"]
    actual = frame.to_dicts()
    theirs, ours = by_key(rollup, expected), by_key(rollup, actual)
    lines = [f"the oracle alone has {shown(rollup, row)}" for key, row in theirs.items() if key not in ours]
    lines += [f"the rollup alone has {shown(rollup, row)}" for key, row in ours.items() if key not in theirs]
    lines += [
        f"{dict(zip(rollup.key, key, strict=True))}: {column} is {row[column]}, by the oracle {theirs[key][column]}"
        for key, row in ours.items()
        if key in theirs
        for column in columns
        if not same(row[column], theirs[key][column])
    ]
    if not lines and len(expected) != len(actual):
        lines = [f"{len(actual)} rows, by the oracle {len(expected)}: a key is there twice"]
    if not lines and [*theirs] != [*ours]:
        lines = ["the rows are not sorted by key"]
    lines = [f"{rollup.name}: {line}" for line in lines]
    more = len(lines) - MOST_DIFFERENCES_SHOWN
    return lines if more <= 0 else [*lines[:MOST_DIFFERENCES_SHOWN], f"{rollup.name}: … and {more} more"]


def by_key(rollup: Rollup, rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[column] for column in rollup.key): row for row in rows}


def shown(rollup: Rollup, row: Row) -> str:
    """Key first, then what is not null."""
    return str({c: row[c] for c in rollup.key} | {c: v for c, v in row.items() if v is not None})


def same(ours: Any, theirs: Any) -> bool:
    """Decimals equal in the ten places that tables hold, ratios within 1e-12, everything else exactly; null is not 0."""
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(ours, float):
        return math.isclose(ours, theirs, rel_tol=RATIO_TOLERANCE, abs_tol=RATIO_TOLERANCE)
    if isinstance(ours, Decimal):
        return bool(ours == theirs.quantize(STORED_PLACES, ROUND_HALF_UP))
    return bool(ours == theirs)


# --- the sandbox's firm -----------------------------------------------------------------------------------------------


@cache
def firm_of(people: int, months: int, seed: int, today: date = TODAY) -> tuple[Tables, Settings]:
    """A simulated firm's tables with its budget-health report, and the settings of a run on its `today`."""
    firm = Firm.generate(people=people, months=months, seed=seed, today=today)
    report = budget_health(Workspace(firm, lambda: datetime(2026, 1, 1, tzinfo=UTC)))
    return {**firm.tables, "budget_health_report": report}, Settings(as_of=today, first_month=firm.first_day)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_rollup_of_a_simulated_firm_equals_the_oracles(seed: int):
    assert_every_rollup_equals_the_oracles(*firm_of(12, 8, seed))


@pytest.mark.long
@pytest.mark.parametrize("seed", [7, 11])
def test_every_rollup_of_the_full_firm_equals_the_oracles(seed: int):
    assert_every_rollup_equals_the_oracles(*firm_of(40, 24, seed))


def test_the_comparison_sees_a_wrong_cell_a_missing_row_and_a_row_too_many():
    tables, settings = firm_of(4, 1, 1)
    (rollup,) = (r for r in ROLLUPS if r.name == "organization_kpis")
    (row,) = compute(tables, settings)[rollup.name]
    table = computed(tables, settings)[rollup.name]
    assert differences(rollup, [row], table) == []
    assert "total_hours is" in differences(rollup, [{**row, "total_hours": row["total_hours"] + 1}], table)[0]
    assert "active_users is" in differences(rollup, [{**row, "active_users": None}], table)[0]
    other_month = {**row, "month": date(2020, 1, 1)}
    assert "oracle alone" in differences(rollup, [row, other_month], table)[0]
    assert "rollup alone" in differences(rollup, [], table)[0]
    assert "twice" in differences(rollup, [row], pl.concat([table, table]))[0]


# --- the same firm under other settings -------------------------------------------------------------------------------

A_FIRM = (6, 4, 1)
"""People, months and seed of the firm that is varied."""


def ids(table: str, **where: Any) -> list[str]:
    return [row["id"] for row in firm_of(*A_FIRM)[0][table] if row.items() >= where.items()]


LEAVE = WorkCalendar(time_off_subtask_ids=frozenset(ids("subtasks", billing_type="OVH")[::2]))
LINES = WorkCalendar(
    users=dict(zip(ids("org_users")[1::4], (FOUR_LONG_DAYS, EVERY_DAY, NO_DAY), strict=False)),
    countries={"us": SUNDAY_TO_THURSDAY, "IL": FOUR_LONG_DAYS, "GB": NO_DAY},
)

OTHER_SETTINGS: dict[str, dict[str, Any]] = {
    "as of a Sunday in the past": {"as_of": date(2026, 8, 16)},
    "as of the last day of a month": {"as_of": date(2026, 9, 30)},
    "as of the first day of a month": {"as_of": date(2026, 10, 1)},
    "a first month later than the projects' starts": {"first_month": date(2026, 7, 1)},
    "leave": {"calendar": LEAVE},
    "weeks by user and by country": {"calendar": LINES},
    "a firm of four long days": {"calendar": WorkCalendar(default_week=FOUR_LONG_DAYS)},
    "a firm from Sunday to Thursday": {"calendar": WorkCalendar(default_week=SUNDAY_TO_THURSDAY)},
    "a default week without a day": {"calendar": WorkCalendar(default_week=NO_DAY)},
    "a break that does not come out even": {
        "calendar": WorkCalendar(daily_break_hours=D("0.33333"), break_threshold_hours=D("8.5"))
    },
    "no break": {"calendar": WorkCalendar(daily_break_hours=D(0))},
    "a default holiday profile": {
        "calendar": WorkCalendar(default_holiday_profile_id=ids("holiday_profiles", year=2026)[0])
    },
    "other thresholds": {"budgets": BudgetPolicy(warning=D("0.5"), critical=D("0.75"))},
    "another burn window": {
        "budgets": BudgetPolicy(burn_window_days=7, burn_minimum_days=3, exhaustion_horizon_years=1)
    },
    "no tolerance": {"budgets": BudgetPolicy(overrun_tolerance=D(0))},
    "approved entries only": {"budgets": BudgetPolicy(counted_statuses=("Approved", "Invoiced"))},
    "one bucket of a day": {"aging": AgingBuckets((0,))},
    "many buckets": {"aging": AgingBuckets((7, 14, 45, 100))},
    "another target": {"targets": Targets(D("0.6667"))},
}


# --- the same firm with other records ---------------------------------------------------------------------------------


def every(table: str, *columns: Row) -> Change:
    """Overwrites columns of a table's rows, with the given ones in turn."""

    def change(tables: Tables) -> Tables:
        return {**tables, table: [row | new for row, new in zip(tables[table], cycle(columns), strict=False)]}

    return change


def without(table: str) -> Change:
    return lambda tables: {**tables, table: []}


def times(start: str | None, end: str | None) -> Row:
    days = ("monday", "tuesday", "wednesday", "thursday", "sunday")
    return {"work_schedule": {day: {"start": start, "end": end} for day in days}}


def holidays(**columns: Any) -> Change:
    """Overwrites columns of every holiday."""

    def change(tables: Tables) -> Tables:
        profiles = [
            {**p, "holidays": [{**holiday, **columns} for holiday in p["holidays"]]} for p in tables["holiday_profiles"]
        ]
        return {**tables, "holiday_profiles": profiles}

    return change


def holidays_twice(tables: Tables) -> Tables:
    """A second holiday on every day: as large as the first, or half a day, or all of it."""
    second = cycle([{"name": "Other"}, {"name": "Half", "full_day_off": False}, {"name": "Full", "full_day_off": True}])
    windows = {"window_start": None, "window_end": None}
    profiles = [
        {**p, "holidays": [h for first in p["holidays"] for h in (first, first | windows | next(second))]}
        for p in tables["holiday_profiles"]
    ]
    return {**tables, "holiday_profiles": profiles}


def profiles_of_the_same_country(tables: Tables) -> Tables:
    """Beside every profile, others for its country and year with fewer holidays and ids before and after its own."""
    profiles = [
        {**p, "id": f"{before}{p['id']}", "holidays": p["holidays"][::every_other], "default_for_countries": default}
        for p in tables["holiday_profiles"]
        for before, every_other, default in (
            ("", 1, None),
            ("a", 2, None),
            ("z", 3, [p["country_code"]]),
            ("x", 4, ["FR"]),
        )
    ]
    return {**tables, "holiday_profiles": profiles}


def caps_met(share: Decimal) -> Change:
    """Caps of which exactly that share is used."""

    def change(tables: Tables) -> Tables:
        rows = [row for row in computed(tables, firm_of(*A_FIRM)[1])["budget_health"].to_dicts() if row["used"]]
        used = {(row["project_id"], row["scope"]): row["used"] / share for row in rows if row["level"] == "project"}
        limits = {
            "tm_hour_limit": "TM",
            "fix_hour_limit": "Fix",
            "ovh_hour_limit": "OVH",
            "contract_amount": "contract",
        }
        projects = [
            p | {limit: used.get((p["id"], scope), p[limit]) for limit, scope in limits.items()}
            for p in tables["projects"]
        ]
        return {**tables, "projects": projects}

    return change


EVERY_SOURCE_OF_CAPACITY = [
    every("org_users", {}, {"work_schedule": None}, {"work_schedule": None, "weekly_hours": None}),
    every("holiday_profiles", {"is_active": None}),
]
PARENTS = {"task_id": None, "project_id": None, "customer_id": None}
HIDDEN_COST = {"cost_rate": None, "cost_rate_currency": None}

OTHER_RECORDS: dict[str, list[Change]] = {
    "a Member's key": [
        every("me", {"role": "Member"}), every("time_reports", {"cost_rate": None}), every("org_users", HIDDEN_COST)
    ],
    "a Member's key that sees cost all the same": [every("me", {"role": "Member"})],
    "cost of some entries only": [every("time_reports", {"cost_rate": None}, {}, {})],
    "customer rates of some entries only": [every("time_reports", {"customer_rate": None}, {"customer_rate": D(0)}, {})],
    "no customer rate at all": [every("time_reports", {"customer_rate": None})],
    "entries without parents": [every("time_reports", PARENTS)],
    "entries with some parents": [
        every("time_reports", {"customer_id": None}, {"project_id": None}, {"task_id": None}, PARENTS, {})
    ],
    "entries without a billing type": [every("time_reports", {"billing_type": None})],
    "billing types that nobody knows": [every("time_reports", {"billing_type": "Retainer"}, {}, {}, {})],
    "nobody knows any billing type": [
        every("time_reports", {"billing_type": None}), every("subtasks", {"billing_type": None}, {"billing_type": "?"})
    ],
    "statuses that nobody knows": [every("time_reports", {"status": "Pending"}, {"status": None}, {}, {}, {})],
    "absurd hours": [
        every("time_reports", {"hours": D(0)}, {"hours": D(-8)}, {"hours": D("24.0001")}, {"hours": D(24)},
              {"hours": D(10) ** 12}, {}, {}, {})
    ],
    "hours and rates of many places": [
        every("time_reports", {"hours": D("0.33333"), "customer_rate": D("99.99999"), "cost_rate": D("33.33333")}, {})
    ],
    "several currencies": [
        every("time_reports", {"currency": "EUR"}, {"currency": None}, {}, {"currency": "GBP"}),
        every("projects", {"currency": None}, {"currency": "EUR"}, {}),
        every("customers", {"currency": None}, {"currency": "GBP"}),
        every("invoices", {"currency": None}, {}, {"currency": "EUR"}),
    ],
    "no currency anywhere": [
        *(every(t, {"currency": None}) for t in ("time_reports", "projects", "customers", "invoices", "organization"))
    ],
    "structure that is not listed": [without("projects")],
    "no tasks": [without("tasks"), every("time_reports", PARENTS)],
    "no subtasks": [without("subtasks"), every("time_reports", PARENTS)],
    "no customers": [without("customers")],
    "no users": [without("org_users")],
    "no holidays": [without("holiday_profiles")],
    "no entries": [without("time_reports")],
    "no invoices": [without("invoices")],
    "no organization": [without("organization")],
    "no report": [without("budget_health_report")],
    "nothing at all": [without(table) for table in firm_of(4, 1, 1)[0]],
    "projects without dates": [
        every("projects", {"start_date": None}, {"end_date": None}, {"start_date": None, "end_date": None}, {})
    ],
    "projects that end before they start": [
        every("projects", {"start_date": date(2026, 6, 1), "end_date": date(2026, 5, 1)}, {})
    ],
    "projects that start on a weekend": [
        every("projects", {"start_date": date(2026, 11, 14), "end_date": date(2026, 11, 15)})
    ],
    "caps of nothing and less": [
        every("projects", {"tm_hour_limit": D(0), "fix_hour_limit": D(-5), "amount_limit": D(-1)}, {}),
        every("projects", {}, {"contract_amount": D(-1)}, {"contract_amount": D(0), "ovh_hour_limit": None}),
    ],
    "caps that are exactly used up": [caps_met(D(1))],
    "caps that are used to exactly the warning": [caps_met(D("0.8"))],
    "caps that burn exactly as far ahead of time as is tolerated": [
        every("projects", {"start_date": date(2026, 11, 10), "end_date": date(2026, 11, 23)}), caps_met(D("0.8"))
    ],
    "projects that end on as-of": [every("projects", {"end_date": TODAY})],
    "entries that name other customers than their projects": [
        every("time_reports", {"customer_id": "cus-001"}, {"customer_id": "?"}, {"customer_id": None}),
        every("projects", {"customer_id": None}, {}),
    ],
    "tiny and huge caps": [
        every("projects", {"tm_hour_limit": D("0.1"), "amount_limit": D("0.01"), "contract_amount": D(1)},
              {"tm_hour_limit": D(10) ** 9, "amount_limit": D(10) ** 12, "contract_amount": D(10) ** 12},
              {"tm_hour_limit": D(300), "fix_hour_limit": D(300), "contract_amount": D(40_000)}),
        every("tasks", {"tm_hour_limit": D(30)}, {"fix_hour_limit": D(60), "ovh_hour_limit": D(9)}),
        every("subtasks", {"hour_limit": D(25)}, {"hour_limit": None}),
    ],
    "thresholds of the organization as ratios": [
        every("organization", {"budget_warning_threshold": D("0.5"), "budget_critical_threshold": D(2)})
    ],
    "one threshold of the organization": [
        every("organization", {"budget_warning_threshold": None, "budget_critical_threshold": D("50.5")})
    ],
    "weeks that start on Sunday": [every("organization", {"first_day_of_week": 0})],
    "weeks that start on Saturday": [every("organization", {"first_day_of_week": 6})],
    "weeks that start on nobody knows which day": [every("organization", {"first_day_of_week": None})],
    "weekly hours instead of schedules": [
        every("org_users", {"work_schedule": None}),
        every("org_users", {"weekly_hours": D(0)}, {"weekly_hours": D("33.3333")}, {"weekly_hours": None},
              {"weekly_hours": D(-1)}),
    ],
    "schedules of all kinds": [
        every("org_users", times("09:00", "18:00"), times("22:00", "06:00"), times("9:00", "12:20"), times(None, "18:00"),
              times("nine", "18:00"), times("25:00", "26:00"), times("00:00", "24:00"), times("08:00", "08:00"),
              {"work_schedule": {}}, times("", ""), times("09:00:30", "15:00:31.5"))
    ],
    "employment with gaps in what is known": [
        every("org_users", {"start_date": None, "end_date": None, "status": "Inactive"},
              {"start_date": date(2026, 9, 9), "end_date": date(2026, 9, 8)}, {"end_date": date(2026, 9, 9)},
              {"status": "Inactive", "end_date": date(2027, 1, 1)}, {"status": None, "end_date": None},
              {"start_date": date(2027, 1, 1), "end_date": None})
    ],
    "countries in other letters": [
        every("org_users", {"holiday_profile_id": None, "country_code": "us"}, {"holiday_profile_id": None})
    ],
    "no country": [every("org_users", {"holiday_profile_id": None, "country_code": None})],
    "holiday profiles without a year": [every("holiday_profiles", {"year": None})],
    "holiday profiles out of use": [every("holiday_profiles", {"is_active": False}, {"is_active": None})],
    "holidays that do not say how long": [holidays(full_day_off=None, window_start="13:00", window_end="15:00")],
    "several profiles of a country": [
        every("org_users", {"holiday_profile_id": None}), profiles_of_the_same_country
    ],
    "two holidays on a day": [holidays_twice],
    "half-day holidays": [holidays(full_day_off=False, window_start=None, window_end=None)],
    "holidays of an afternoon": [holidays(full_day_off=False, window_start="13:00", window_end="18:00")],
    "holidays of a night": [holidays(full_day_off=False, window_start="16:00", window_end="02:00")],
    "holidays from midnight to midnight": [holidays(full_day_off=False, window_start="00:00", window_end="00:00")],
    "holidays with times that cannot be read": [holidays(full_day_off=False, window_start="noon", window_end="18:00")],
    "invoices of all states": [
        every("invoices", *({"status": s} for s in ("Draft", "Issued", "Sent", "Paid", "Void", "Lost", None))),
        every("invoices", {"total": None}, {}, {"issue_date": None}, {"paid_date": None}),
    ],
    "invoices of unknown amounts": [every("invoices", {"total": None})],
    "entries on invoices here and there": [every("time_reports", {"invoice_id": None}, {"invoice_id": "i"}, {})],
}  # fmt: skip


def changed(tables: Tables, changes: list[Change]) -> Tables:
    return reduce(lambda so_far, change: change(so_far), changes, tables)


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_other_settings_mean_the_same_to_both(name: str):
    tables, settings = firm_of(*A_FIRM)
    assert_every_rollup_equals_the_oracles(
        changed(tables, EVERY_SOURCE_OF_CAPACITY), replace(settings, **OTHER_SETTINGS[name])
    )


@pytest.mark.parametrize("name", OTHER_RECORDS)
def test_other_records_mean_the_same_to_both(name: str):
    tables, settings = firm_of(*A_FIRM)
    assert_every_rollup_equals_the_oracles(changed(tables, OTHER_RECORDS[name]), settings)


@pytest.mark.long
@pytest.mark.parametrize("name", OTHER_RECORDS)
def test_other_records_under_other_settings_mean_the_same_to_both(name: str):
    tables, settings = firm_of(*A_FIRM)
    unusual = {"as_of": date(2026, 10, 17), "calendar": replace(LINES, time_off_subtask_ids=LEAVE.time_off_subtask_ids)}
    changes = [*EVERY_SOURCE_OF_CAPACITY, *OTHER_RECORDS[name]]
    assert_every_rollup_equals_the_oracles(changed(tables, changes), replace(settings, **unusual))


# --- small firms of every kind ----------------------------------------------------------------------------------------

WEEKS = st.sampled_from([DEFAULT_WEEK, FOUR_LONG_DAYS, SUNDAY_TO_THURSDAY, EVERY_DAY, NO_DAY])
TIMES = st.sampled_from(
    [None, "", "00:00", "06:00", "9:00", "09:00", "13:00", "13:00:20", "18:00", "22:30", "24:00", "24:01", "noon"]
)
HOURS = st.sampled_from([D(8), D("7.6"), D(1), D("0.1"), D("0.3333"), D(5), D(24), D("24.01"), D(0), D(-2)])
RATES = st.sampled_from([None, D(0), D("0.01"), D("33.3333"), D(100), D(120)])
CAPS = st.sampled_from([None, D(0), D(-1), D("0.1"), D(8), D(20), D(100), D(1000)])
CURRENCIES = st.sampled_from([None, "USD", "EUR"])
COUNTRIES = st.sampled_from([None, "US", "us", "IL"])
BILLING_TYPES = st.sampled_from(["TM", "TM", "TM", "Fix", "Fix", "OVH", None, "Retainer"])
STATUSES = st.sampled_from(
    [*("Draft", "Submitted", "Approved", "Approved", "Invoiced") * 2, "Rejected", "Pending", None]
)
DAYS = st.dates(date(2025, 11, 28), date(2026, 4, 10))
SOME_DAYS = st.none() | DAYS
AS_OF = st.dates(date(2026, 1, 1), date(2026, 3, 31))


def some(table: str, least: int, most: int, **columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    """So many rows with ids `<table> 0`, `<table> 1`, …"""
    rows = st.lists(st.fixed_dictionaries(columns), min_size=least, max_size=most)
    return rows.map(lambda drawn: [{"id": f"{table} {n}"} | row for n, row in enumerate(drawn)])


def one_of(table: str, many: int = 2) -> st.SearchStrategy[str | None]:
    """An id of the table, which need not be listed, or none."""
    return st.sampled_from([None, *(f"{table} {n}" for n in range(many)), *(f"{table} {n}" for n in range(many))])


def listed(table: str, many: int = 2) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{table} {n}" for n in range(many)])


SHIFT = st.none() | st.fixed_dictionaries({"start": TIMES, "end": TIMES})
NINE_TO = st.sampled_from(["15:00", "15:01", "17:20", "18:00", "03:00"]).map(lambda end: {"start": "09:00", "end": end})
SCHEDULES = (
    st.none()
    | st.dictionaries(st.sampled_from(WEEKDAYS), NINE_TO, min_size=1)
    | st.dictionaries(st.sampled_from(WEEKDAYS), SHIFT)
)
HOLIDAYS = st.lists(
    st.fixed_dictionaries(
        {
            "date": st.sampled_from([date(2026, 1, 1), date(2026, 1, 5), date(2026, 2, 4), date(2025, 12, 31)]),
            "name": st.sampled_from(["Eve", "Day"]),
            "full_day_off": st.sampled_from([None, False, False, True]),
            "window_start": TIMES,
            "window_end": TIMES,
        }
    ),
    max_size=4,
)
HOUR_CAPS = {"tm_hour_limit": CAPS, "fix_hour_limit": CAPS, "ovh_hour_limit": CAPS}

FIRMS = st.fixed_dictionaries(
    {
        "me": st.just([{"user_id": "org_users 0", "role": "Member"}]),
        "organization": some(
            "organization",
            0,
            1,
            currency=CURRENCIES,
            first_day_of_week=st.sampled_from([None, 0, 1, 6]),
            budget_warning_threshold=st.sampled_from([None, D(80), D("0.5")]),
            budget_critical_threshold=st.sampled_from([None, D(100), D("1.2")]),
        ),
        "org_users": some(
            "org_users",
            0,
            2,
            status=st.sampled_from([None, "Active", "Inactive"]),
            country_code=COUNTRIES,
            weekly_hours=st.sampled_from([None, D(0), D(40), D("36.5"), D(-1)]),
            work_schedule=SCHEDULES,
            holiday_profile_id=one_of("holiday_profiles"),
            start_date=SOME_DAYS,
            end_date=SOME_DAYS,
        ),
        "holiday_profiles": some(
            "holiday_profiles",
            0,
            3,
            country_code=COUNTRIES,
            year=st.sampled_from([None, 2025, 2026, 2026]),
            is_active=st.sampled_from([None, True, False]),
            default_for_countries=st.none() | st.lists(COUNTRIES, max_size=2),
            holidays=st.none() | HOLIDAYS,
        ),
        "customers": some("customers", 0, 2, currency=CURRENCIES),
        "projects": some(
            "projects",
            1,
            2,
            customer_id=one_of("customers"),
            currency=CURRENCIES,
            start_date=SOME_DAYS,
            end_date=SOME_DAYS,
            amount_limit=CAPS,
            contract_amount=CAPS,
            **HOUR_CAPS,
        ),
        "tasks": some("tasks", 1, 2, project_id=one_of("projects"), **HOUR_CAPS),
        "subtasks": some("subtasks", 2, 3, task_id=one_of("tasks"), billing_type=BILLING_TYPES, hour_limit=CAPS),
        "time_reports": some(
            "time_reports",
            5,
            20,
            user_id=listed("org_users"),
            subtask_id=listed("subtasks", 3),
            task_id=one_of("tasks"),
            project_id=one_of("projects"),
            customer_id=one_of("customers"),
            date=DAYS,
            hours=HOURS,
            billing_type=BILLING_TYPES,
            status=STATUSES,
            customer_rate=RATES,
            cost_rate=RATES,
            currency=CURRENCIES,
            invoice_id=st.sampled_from([None, None, "invoices 0"]),
        ),
        "invoices": some(
            "invoices",
            0,
            3,
            customer_id=one_of("customers"),
            status=st.sampled_from(["Draft", "Issued", "Sent", "Paid", "Void", None]),
            issue_date=SOME_DAYS,
            paid_date=SOME_DAYS,
            currency=CURRENCIES,
            total=st.sampled_from([None, D(0), D("99.99"), D(100)]),
        ),
        "budget_health_report": st.sampled_from([[], [{"project_id": "projects 0", "status": "warning"}]]),
    }
)

SETTINGS = st.builds(
    Settings,
    as_of=AS_OF,
    first_month=st.sampled_from([date(2025, 12, 1), date(2026, 1, 1)]),
    calendar=st.builds(
        WorkCalendar,
        default_week=WEEKS,
        daily_break_hours=st.sampled_from([D(0), D("0.33333"), D(1)]),
        break_threshold_hours=st.sampled_from([D(0), D("3.5"), D(6)]),
        users=st.dictionaries(listed("org_users"), WEEKS, max_size=1),
        countries=st.dictionaries(st.sampled_from(["US", "il"]), WEEKS, max_size=2),
        default_holiday_profile_id=one_of("holiday_profiles"),
        time_off_subtask_ids=st.frozensets(listed("subtasks"), max_size=1),
    ),
    budgets=st.builds(
        BudgetPolicy,
        warning=st.sampled_from([D("0.8"), D("0.5")]),
        counted_statuses=st.sampled_from([BudgetPolicy().counted_statuses, ("Approved",)]),
        burn_window_days=st.sampled_from([20, 4]),
        burn_minimum_days=st.sampled_from([5, 1]),
        exhaustion_horizon_years=st.sampled_from([5, 1]),
        overrun_tolerance=st.sampled_from([D("0.1"), D(0)]),
    ),
    targets=st.builds(Targets, st.sampled_from([D("0.75"), D(1)])),
    aging=st.builds(AgingBuckets, st.sampled_from([(30, 60, 90), (0,), (7, 14)])),
)

any_small_firm = given(FIRMS, SETTINGS)


@any_small_firm
@settings(max_examples=20, deadline=None)
def test_every_rollup_of_any_small_firm_equals_the_oracles(tables: Tables, settings: Settings):
    assert_every_rollup_equals_the_oracles(tables, settings)


@pytest.mark.long
@any_small_firm
@settings(max_examples=200, deadline=None)
def test_every_rollup_of_many_small_firms_equals_the_oracles(tables: Tables, settings: Settings):
    assert_every_rollup_equals_the_oracles(tables, settings)
