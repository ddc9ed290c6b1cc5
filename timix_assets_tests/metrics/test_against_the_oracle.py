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

from timix_assets.contract.endpoints import BY_NAME, ENTRY_STATUSES, WEEKDAYS
from timix_assets.metrics import FORMULAS, PRE_AGGREGATES, ROLLUPS, Rollup
from timix_assets.metrics.entries import first_counted_day
from timix_assets.metrics.inputs import evaluate, inputs_of
from timix_assets.metrics.params import RollupParams
from timix_assets.metrics.restatements import CLOSED_MONTHS, RESTATEMENTS
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.reports import budget_health
from timix_assets.sandbox.workspace import Workspace
from timix_assets.settings.firm import (
    AgingBuckets,
    BudgetPolicy,
    FirmConfig,
    MoneyPolicy,
    Targets,
    Timesheets,
    Week,
    WorkCalendar,
)

from .oracle import compute
from .oracle_arithmetic import months as months_between

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Change = Callable[[Tables], Tables]

D = Decimal

TODAY = date(2026, 11, 18)
LEAP_DAY = date(2028, 2, 29)
STORED_PLACES = D("1E-10")
RATIO_TOLERANCE = 1e-12
MAX_DIFFERENCES_SHOWN = 5

FOUR_LONG_DAYS = Week.of(*(*(D(10),) * 4, *(D(0),) * 3))
SUNDAY_TO_THURSDAY = Week.of(*(*(D(8),) * 4, D(0), D(0), D("7.3333333333")))
MAX_DECIMAL = D("9999999999999999999999999999.9999999999")
"""Of 38 digits, as the raw tables hold."""
EVERY_DAY = Week.of(*(D(6),) * 7)
NO_DAY = Week.of(*(D(0),) * 7)


COMPARED = [rollup for rollup in ROLLUPS if rollup.name != RESTATEMENTS.name]
"""Restatements compare the product with its own past."""


# --- the comparison ---------------------------------------------------------------------------------------------------


def assert_every_rollup_equals_the_oracles(tables: Tables, params: RollupParams) -> None:
    expected, actual = compute(tables, params), computed(tables, params)
    found = [line for rollup in COMPARED for line in differences(rollup, expected[rollup.name], actual[rollup.name])]
    assert not found, "\n" + "\n".join(found)


def computed(tables: Tables, params: RollupParams) -> dict[str, pl.DataFrame]:
    """The product's tables, wired as in a run: pre-aggregates first, every formula fed by the names of its parameters."""
    frames = {name: frame(name, rows) for name, rows in tables.items()}
    frames[CLOSED_MONTHS.name] = CLOSED_MONTHS.schema.to_frame().lazy()
    params = replace(params, first_entry=first_counted_day(frames["time_reports"], params.as_of, params.firm))
    for name, formula in {**PRE_AGGREGATES, **FORMULAS}.items():
        read = {table: frames[table] for table in inputs_of(formula)}
        frames[name] = evaluate(formula, read, params).lazy()
    return {name: frames[name].collect() for name in FORMULAS}


def frame(table: str, rows: list[Row]) -> pl.LazyFrame:
    """Records under the contract's schema, an entry in its month; a column that they lack is null."""
    schema = BY_NAME[table].schema
    if table == "time_reports":
        rows = [{**row, "month": row["date"].replace(day=1)} for row in rows]
    return pl.LazyFrame([pl.Series(name, [row.get(name) for row in rows], dtype) for name, dtype in schema.items()])


def differences(rollup: Rollup, expected: list[Row], frame: pl.DataFrame) -> list[str]:
    """A line for every row that only one side has and every cell that differs, by the row's key; the first few."""
    columns = frame.columns
    for row in expected[:1]:
        if set(row) != set(columns):
            return [f"{rollup.name} has the columns {sorted(columns)}, by the oracle {sorted(row)}"]
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
    if not lines and sorted(theirs, key=nulls_first) != [*ours]:
        lines = ["the rows are not sorted by key"]
    lines = [f"{rollup.name}: {line}" for line in lines]
    more = len(lines) - MAX_DIFFERENCES_SHOWN
    return lines if more <= 0 else [*lines[:MAX_DIFFERENCES_SHOWN], f"{rollup.name}: … and {more} more"]


def by_key(rollup: Rollup, rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[column] for column in rollup.key): row for row in rows}


def nulls_first(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((value is not None, value) for value in key)


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
def firm_of(people: int, months: int, seed: int, today: date = TODAY) -> tuple[Tables, RollupParams]:
    """A simulated firm's tables with its budget-health report, and the parameters of a run on its `today`."""
    firm = Firm.generate(people=people, months=months, seed=seed, today=today)
    report = budget_health(Workspace(firm, lambda: datetime(2026, 1, 1, tzinfo=UTC)))
    params = RollupParams(as_of=today, months=tuple(months_between(firm.first_day, today)))
    return {**firm.tables, "budget_health_report": report}, params


@pytest.mark.parametrize("seed", [1, 2])
def test_rollups_of_a_simulated_firm_equal_the_oracles(seed: int):
    assert_every_rollup_equals_the_oracles(*firm_of(12, 8, seed))


def test_rollups_of_a_leap_day_equal_the_oracles():
    assert_every_rollup_equals_the_oracles(*firm_of(6, 4, 3, LEAP_DAY))


@pytest.mark.long
@pytest.mark.parametrize("seed", [7, 11])
def test_rollups_of_the_full_firm_equal_the_oracles(seed: int):
    assert_every_rollup_equals_the_oracles(*firm_of(40, 24, seed))


def test_comparison_finds_wrong_missing_and_extra_rows():
    tables, params = firm_of(4, 1, 1)
    (rollup,) = (r for r in ROLLUPS if r.name == "organization_kpis")
    (row,) = compute(tables, params)[rollup.name]
    table = computed(tables, params)[rollup.name]
    assert differences(rollup, [row], table) == []
    assert "total_hours is" in differences(rollup, [{**row, "total_hours": row["total_hours"] + 1}], table)[0]
    assert "active_users is" in differences(rollup, [{**row, "active_users": None}], table)[0]
    other_month = {**row, "month": date(2020, 1, 1)}
    assert "oracle alone" in differences(rollup, [row, other_month], table)[0]
    assert "rollup alone" in differences(rollup, [], table)[0]
    assert "twice" in differences(rollup, [row], pl.concat([table, table]))[0]


# --- the same firm under other parameters -----------------------------------------------------------------------------

A_FIRM = (6, 4, 1)
"""People, months and seed of the firm that is varied."""


def ids(table: str, **where: Any) -> list[str]:
    return [row["id"] for row in firm_of(*A_FIRM)[0][table] if row.items() >= where.items()]


LEAVE = WorkCalendar(time_off_subtask_ids=frozenset(ids("subtasks", billing_type="OVH")[::2]))
LINES = WorkCalendar(
    users=dict(zip(ids("org_users")[1::4], (FOUR_LONG_DAYS, EVERY_DAY, NO_DAY), strict=False)),
    countries={"us": SUNDAY_TO_THURSDAY, "IL": FOUR_LONG_DAYS, "GB": NO_DAY},
)
APPROVED_ONLY = BudgetPolicy(counted_statuses=("Approved", "Invoiced"))
BOTH = LINES.model_copy(update={"time_off_subtask_ids": LEAVE.time_off_subtask_ids})

MONTHS = firm_of(*A_FIRM)[1].months

OTHER_PARAMS: dict[str, dict[str, Any]] = {
    "as of a Sunday in the past": {"as_of": date(2026, 8, 16)},
    "as of the last day of a month": {"as_of": date(2026, 9, 30)},
    "as of the first day of a month": {"as_of": date(2026, 10, 1)},
    "as of a day before the first month": {"as_of": date(2026, 1, 15)},
    "a first month later than the first entries": {"months": MONTHS[-2:]},
    "months before the first entry": {"months": (date(2026, 1, 1), date(2026, 3, 1), *MONTHS)},
    "a month that was never read": {"months": (*MONTHS[:1], *MONTHS[2:])},
    "an as-of month that was never read": {"months": MONTHS[:-1]},
    "leave": {"work_calendar": LEAVE},
    "leave that is not counted": {"work_calendar": LEAVE, "budget_policy": APPROVED_ONLY},
    "other roles that do not deliver": {
        "work_calendar": WorkCalendar(non_delivery_roles=frozenset({"Member", "Owner"}))
    },
    "every role delivers": {"work_calendar": WorkCalendar(non_delivery_roles=frozenset())},
    "weeks by user and by country": {"work_calendar": LINES},
    "a firm of four long days": {"work_calendar": WorkCalendar(default_week=FOUR_LONG_DAYS)},
    "a firm from Sunday to Thursday": {"work_calendar": WorkCalendar(default_week=SUNDAY_TO_THURSDAY)},
    "a default week without a day": {"work_calendar": WorkCalendar(default_week=NO_DAY)},
    "a break that does not come out even": {
        "work_calendar": WorkCalendar(daily_break_hours=D("0.33333"), break_threshold_hours=D("8.5"))
    },
    "no break": {"work_calendar": WorkCalendar(daily_break_hours=D(0))},
    "a default holiday profile": {
        "work_calendar": WorkCalendar(default_holiday_profile_id=ids("holiday_profiles", year=2026)[0])
    },
    "other thresholds": {"budget_policy": BudgetPolicy(warning=D("0.5"), critical=D("0.75"))},
    "another burn window": {
        "budget_policy": BudgetPolicy(burn_window_days=7, burn_minimum_days=3, exhaustion_horizon_years=1)
    },
    "no tolerance": {"budget_policy": BudgetPolicy(overrun_tolerance=D(0))},
    "approved entries only": {"budget_policy": APPROVED_ONLY},
    "one bucket of a day": {"aging_buckets": AgingBuckets(upper_days=(1,))},
    "many buckets": {"aging_buckets": AgingBuckets(upper_days=(7, 14, 45, 100))},
    "another target": {"targets": Targets(utilization=D("0.6667"))},
    "a margin that contracts are to leave": {"targets": Targets(contract_margin=D("0.35"))},
    "every hour must have a cost": {"money_policy": MoneyPolicy(uncosted_tolerance=D(0))},
    "a short lock-up window": {"money_policy": MoneyPolicy(lockup_window_days=28)},
    "a lock-up window that is too short": {"money_policy": MoneyPolicy(lockup_window_days=27)},
    "patience with timesheets": {"timesheets": Timesheets(grace_days=6, tolerance_hours=D("7.5"))},
    "no patience with timesheets": {"timesheets": Timesheets(grace_days=0, tolerance_hours=D(0))},
}


def changed_params(params: RollupParams, changes: dict[str, Any]) -> RollupParams:
    firm = {name: value for name, value in changes.items() if name in FirmConfig.model_fields}
    others = {name: value for name, value in changes.items() if name not in firm}
    return replace(params, firm=params.firm.model_copy(update=firm), **others)


# --- the same firm with other records ---------------------------------------------------------------------------------


def every(table: str, *columns: Row) -> Change:
    """Overwrites columns of a table's rows, with the given ones in turn."""

    def change(tables: Tables) -> Tables:
        return {**tables, table: [row | new for row, new in zip(tables[table], cycle(columns), strict=False)]}

    return change


def without(table: str) -> Change:
    return lambda tables: {**tables, table: []}


def entries_since(day: date) -> Change:
    return lambda tables: {**tables, "time_reports": [row for row in tables["time_reports"] if row["date"] >= day]}


def times(start: str | None, end: str | None) -> Row:
    days = ("monday", "tuesday", "wednesday", "thursday", "sunday")
    return {"work_schedule": {day: {"start": start, "end": end} for day in days}}


def paid_in_full(tables: Tables) -> Tables:
    return {**tables, "invoices": [row | {"status": "Sent", "amount_paid": row["total"]} for row in tables["invoices"]]}


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


def holidays_at_the_ends(tables: Tables) -> Tables:
    profiles = [
        {**p, "holidays": [*p["holidays"], *({"date": d, "name": "End"} for d in (date.min, date.max))]}
        for p in tables["holiday_profiles"]
    ]
    return {**tables, "holiday_profiles": profiles}


def caps_met(share: Decimal) -> Change:
    """Caps of which exactly that share is used."""

    def change(tables: Tables) -> Tables:
        rows = [row for row in compute(tables, firm_of(*A_FIRM)[1])["budget_health"] if row["used"]]
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
    "cost of most entries": [every("time_reports", {"cost_rate": None}, *({},) * 18)],
    "cost of entries in other currencies": [
        every("time_reports", {"cost_rate_currency": "ILS"}, {"cost_rate_currency": "USD"}, {"cost_rate_currency": None}),
        every("org_users", {"cost_rate_currency": "ILS"}, {"cost_rate_currency": None}),
    ],
    "customer rates of some entries only": [every("time_reports", {"customer_rate": None}, {"customer_rate": D(0)}, {})],
    "no customer rate at all": [every("time_reports", {"customer_rate": None})],
    "entries without parents": [every("time_reports", PARENTS)],
    "entries with some parents": [
        every("time_reports", {"customer_id": None}, {"project_id": None}, {"task_id": None}, PARENTS, {})
    ],
    "entries without a billing type": [every("time_reports", {"billing_type": None})],
    "unknown billing types": [every("time_reports", {"billing_type": "Retainer"}, {}, {}, {})],
    "unknown or missing billing types": [
        every("time_reports", {"billing_type": None}), every("subtasks", {"billing_type": None}, {"billing_type": "?"})
    ],
    "unknown statuses": [every("time_reports", {"status": "Pending"}, {"status": None}, {}, {}, {})],
    "invalid hours": [
        every("time_reports", {"hours": D(0)}, {"hours": D(-8)}, {"hours": D("24.0001")}, {"hours": D(24)},
              {"hours": D(10) ** 12}, {}, {}, {})
    ],
    "prices, caps and totals beyond the limits": [
        every("time_reports", {"customer_rate": D(10) ** 20}, {"cost_rate": -(D(10) ** 20)}, {"customer_rate": MAX_DECIMAL},
              {"customer_rate": D(10) ** 9, "cost_rate": D(10) ** 9}, {"cost_rate": D("1000000000.0000000001")}),
        every("projects", {"tm_hour_limit": D(10) ** 25, "contract_amount": MAX_DECIMAL}, {"amount_limit": D(10) ** 15}, {},
              {"amount_limit": D("1000000000000000.0000000001"), "fix_hour_limit": D(10) ** 6}),
        every("tasks", {"tm_hour_limit": MAX_DECIMAL, "ovh_hour_limit": D(10) ** 15}, {}),
        every("subtasks", {"hour_limit": MAX_DECIMAL}, {"hour_limit": D(10) ** 15}, {}),
        every("invoices", {"total": MAX_DECIMAL}, {"total": D(10) ** 15}, {"total": -MAX_DECIMAL}, {}),
        every("invoices", {"subtotal": MAX_DECIMAL, "tax_amount": -(D(10) ** 20), "amount_paid": MAX_DECIMAL},
              {"subtotal": None, "tax_amount": D(10) ** 15, "amount_paid": -(D(10) ** 20)}, {}),
        every("org_users", {"weekly_hours": MAX_DECIMAL, "work_schedule": None}, {"weekly_hours": D(168), "work_schedule": None},
              {"weekly_hours": D("168.1"), "work_schedule": None}),
        every("organization", {"budget_warning_threshold": MAX_DECIMAL, "budget_critical_threshold": D("1000.1")}),
    ],
    "thresholds as far as they go": [
        every("organization", {"budget_warning_threshold": D("999.9"), "budget_critical_threshold": D(1000)})
    ],
    "negative prices": [every("time_reports", {"customer_rate": D(-100)}, {"cost_rate": D(-50)}, {})],
    "dates at the ends of the calendar": [
        every("projects", {"start_date": date.min, "end_date": date.max}, {"start_date": date.max, "end_date": date.min},
              {"start_date": date.max}, {"end_date": date.min}),
        every("org_users", {"start_date": date.min, "end_date": date.max}, {"start_date": date.max}, {"end_date": date.min},
              {}),
        every("invoices", {"issue_date": date.max}, {"paid_date": date.min}, {"issue_date": date.min}, {},
              {"paid_date": date.max}, {"due_date": date.max}, {"due_date": date.min}),
        every("time_reports", {"date": date.max}, {"date": date.min}, {}, {}),
        holidays_at_the_ends,
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
    "no entries before the third month": [entries_since(date(2026, 10, 12))],
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
    "thresholds of the organization just above ratios": [
        every("organization", {"budget_warning_threshold": D("2.01"), "budget_critical_threshold": D("2.5")})
    ],
    "weeks that start on Sunday": [every("organization", {"first_day_of_week": 0})],
    "weeks that start on Saturday": [every("organization", {"first_day_of_week": 6})],
    "weeks without a first day": [every("organization", {"first_day_of_week": None})],
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
    "people who do not deliver": [
        every("org_users", {"role": "Viewer"}, {"role": None}, {"role": "Viewer", "start_date": None},
              {"role": "Viewer", "end_date": date(2026, 10, 8)}, {"role": "Viewer", "status": "Inactive"})
    ],
    "people without names": [
        every("org_users", {"name": None}, {"name": None, "email": None}, {}), every("customers", {"name": None}, {})
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
    "projects of all states": [
        every("projects", *({"status": s} for s in ("Completed", "Cancelled", "OnHold", None, "Active"))),
        every("projects", {"contract_amount": D(30_000)}, {"fix_hour_limit": None}, {}),
    ],
    "contracts that are nearly done": [every("projects", {"contract_amount": D(30_000), "fix_hour_limit": D("33.3333")})],
    "entries of unknown creation": [every("time_reports", {"created_at": None}, {})],
    "entries created near midnight": [
        every("time_reports", *({"created_at": datetime(2026, 10, 8, h, 59, tzinfo=UTC)} for h in (0, 12, 23)))
    ],
    "timesheets of all states": [every("time_reports", *({"status": s} for s in (*ENTRY_STATUSES, "Pending", None)))],
    "part payments": [
        every("invoices", {"status": "Sent"}, {"status": "Issued"}, {"status": "Paid"}),
        every("invoices", {"amount_paid": D("99.99")}, {"amount_paid": D(10) ** 7}, {"amount_paid": D(0)}, {"amount_paid": None}),
    ],
    "invoices paid in full that are not Paid": [paid_in_full],
    "invoices paid after as-of": [
        every("invoices", {"status": "Paid", "paid_date": date(2026, 11, 20)}, {"status": "Paid", "paid_date": TODAY}, {})
    ],
    "invoices without dates": [
        every("invoices", {"issue_date": None}, {"due_date": None}, {"issue_date": None, "due_date": None}, {"paid_date": None})
    ],
    "net amounts of all kinds": [
        every("invoices", {"subtotal": None}, {"subtotal": None, "tax_amount": None}, {"subtotal": D(1)}, {"subtotal": D(0)},
              {"subtotal": D(10) ** 7}, {})
    ],
    "invoices of all states": [
        every("invoices", *({"status": s} for s in ("Draft", "Issued", "Sent", "Paid", "Void", "Lost", None))),
        every("invoices", {"total": None}, {}, {"issue_date": None}, {"paid_date": None}),
    ],
    "invoices of unknown amounts": [every("invoices", {"total": None})],
    "entries on invoices here and there": [every("time_reports", {"invoice_id": None}, {"invoice_id": "i"}, {})],
}  # fmt: skip


def changed(tables: Tables, changes: list[Change]) -> Tables:
    return reduce(lambda so_far, change: change(so_far), changes, tables)


@pytest.mark.long
@pytest.mark.parametrize("name", OTHER_PARAMS)
def test_rollups_under_other_settings_equal_the_oracles(name: str):
    tables, params = firm_of(*A_FIRM)
    assert_every_rollup_equals_the_oracles(
        changed(tables, EVERY_SOURCE_OF_CAPACITY), changed_params(params, OTHER_PARAMS[name])
    )


@pytest.mark.long
@pytest.mark.parametrize("name", OTHER_RECORDS)
def test_rollups_of_other_records_equal_the_oracles(name: str):
    tables, params = firm_of(*A_FIRM)
    assert_every_rollup_equals_the_oracles(changed(tables, OTHER_RECORDS[name]), params)


@pytest.mark.long
@pytest.mark.long
@pytest.mark.parametrize("name", OTHER_RECORDS)
def test_other_records_and_settings_equal_the_oracles(name: str):
    tables, params = firm_of(*A_FIRM)
    unusual = {
        "as_of": date(2026, 10, 17),
        "work_calendar": LINES.model_copy(update={"time_off_subtask_ids": LEAVE.time_off_subtask_ids}),
    }
    changes = [*EVERY_SOURCE_OF_CAPACITY, *OTHER_RECORDS[name]]
    assert_every_rollup_equals_the_oracles(changed(tables, changes), changed_params(params, unusual))


# --- small firms of every kind ----------------------------------------------------------------------------------------


def mostly(usual: st.SearchStrategy[Any], otherwise: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual three times in four, so that the parts of a firm fit together often enough to count."""
    return st.sampled_from([usual, usual, usual, otherwise]).flatmap(lambda drawn: drawn)


WEEKS = st.sampled_from([WorkCalendar().default_week, FOUR_LONG_DAYS, SUNDAY_TO_THURSDAY, EVERY_DAY, NO_DAY])
TIMES = st.sampled_from(
    [None, "", "00:00", "06:00", "9:00", "09:00", "13:00", "13:00:20", "18:00", "22:30", "24:00", "24:01", "noon"]
)
HOURS = mostly(
    st.sampled_from([D(8), D("7.6"), D(1), D("0.1"), D("0.3333"), D(5)]),
    st.sampled_from([D(24), D("24.01"), D(0), D(-2)]),
)
RATES = st.sampled_from([None, D(0), D("0.01"), D("33.3333"), D(100), D(120)])
CAPS = st.sampled_from([None, D(0), D(-1), D("0.1"), D(8), D(20), D(100), D(1000)])
CURRENCIES = st.sampled_from([None, None, "USD", "USD", "EUR"])
COST_CURRENCIES = mostly(st.none(), CURRENCIES)
COUNTRIES = st.sampled_from([None, "US", "us", "IL"])
BILLING_TYPES = st.sampled_from(["TM", "TM", "TM", "Fix", "Fix", "OVH", None, "Retainer"])
STATUSES = st.sampled_from(
    [*("Draft", "Submitted", "Approved", "Approved", "Invoiced") * 2, "Rejected", "Pending", None]
)
DAYS = mostly(st.dates(date(2028, 1, 3), date(2028, 3, 3)), st.dates(date(2027, 11, 28), date(2028, 4, 10)))
SOME_DAYS = st.none() | DAYS
AS_OF = st.just(LEAP_DAY) | st.dates(date(2028, 1, 1), date(2028, 3, 31))
INSTANTS = st.none() | st.datetimes(datetime(2027, 12, 1), datetime(2028, 4, 10), timezones=st.just(UTC))
READABLE = tuple(months_between(date(2027, 12, 1), date(2028, 4, 1)))
MONTHS_READ = mostly(
    st.just(READABLE), st.sets(st.sampled_from(READABLE), min_size=1).map(lambda read: tuple(sorted(read)))
)
NAMES = st.sampled_from([None, "Kim", "Lee"])
AMOUNTS = st.sampled_from([None, None, D(0), D("99.99"), D(100), D(-20), D("1000.005")])


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
READABLE_SHIFTS = st.sampled_from(
    [{"start": "09:00", "end": end} for end in ("15:00", "15:01", "17:20", "18:00", "03:00")]
    + [{"start": "22:30", "end": "06:00"}]
)
SCHEDULES = (
    st.none()
    | st.dictionaries(st.sampled_from(WEEKDAYS), READABLE_SHIFTS, min_size=1)
    | st.dictionaries(st.sampled_from(WEEKDAYS), SHIFT)
)
HOLIDAYS = st.lists(
    st.fixed_dictionaries(
        {
            "date": st.sampled_from([date(2028, 1, 3), date(2028, 2, 2), LEAP_DAY, date(2027, 12, 31)]),
            "name": st.sampled_from(["Eve", "Day"]),
            "full_day_off": st.sampled_from([None, False, False, True]),
            "window_start": TIMES,
            "window_end": TIMES,
        }
    ),
    min_size=2,
    max_size=6,
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
            budget_warning_threshold=st.sampled_from([None, D(80), D("0.5"), D(2), D("2.5")]),
            budget_critical_threshold=st.sampled_from([None, D(100), D("1.2"), D("2.01")]),
        ),
        "org_users": some(
            "org_users",
            1,
            2,
            name=NAMES,
            email=st.sampled_from([None, "kim@firm.example"]),
            role=st.sampled_from([None, "Member", "Member", "Viewer"]),
            cost_rate_currency=COST_CURRENCIES,
            status=st.sampled_from([None, "Active", "Inactive"]),
            country_code=COUNTRIES,
            weekly_hours=st.sampled_from([None, D(40), D("36.5"), D(0), D(-1)]),
            work_schedule=SCHEDULES,
            holiday_profile_id=one_of("holiday_profiles"),
            start_date=mostly(st.none(), DAYS),
            end_date=mostly(st.none(), DAYS),
        ),
        "holiday_profiles": some(
            "holiday_profiles",
            1,
            3,
            country_code=COUNTRIES,
            year=mostly(st.just(2028), st.sampled_from([None, 2027])),
            is_active=mostly(st.just(True), st.sampled_from([None, False])),
            default_for_countries=st.none() | st.lists(COUNTRIES, max_size=2),
            holidays=mostly(HOLIDAYS, st.none()),
        ),
        "customers": some("customers", 0, 2, name=NAMES, currency=CURRENCIES),
        "projects": some(
            "projects",
            1,
            2,
            name=NAMES,
            status=st.sampled_from([None, "Active", "Active", "Completed", "Cancelled"]),
            customer_id=one_of("customers"),
            currency=CURRENCIES,
            start_date=SOME_DAYS,
            end_date=SOME_DAYS,
            amount_limit=CAPS,
            contract_amount=CAPS,
            **HOUR_CAPS,
        ),
        "tasks": some("tasks", 1, 2, name=NAMES, project_id=one_of("projects"), **HOUR_CAPS),
        "subtasks": some(
            "subtasks", 2, 3, name=NAMES, task_id=one_of("tasks"), billing_type=BILLING_TYPES, hour_limit=CAPS
        ),
        "time_reports": some(
            "time_reports",
            8,
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
            cost_rate_currency=COST_CURRENCIES,
            currency=CURRENCIES,
            invoice_id=one_of("invoices", 3),
            created_at=INSTANTS,
        ),
        "invoices": some(
            "invoices",
            1,
            4,
            customer_id=one_of("customers"),
            status=st.sampled_from(["Draft", "Issued", "Sent", "Sent", "Paid", "Paid", "Void", "Lost", None]),
            issue_date=SOME_DAYS,
            due_date=SOME_DAYS,
            paid_date=SOME_DAYS,
            currency=CURRENCIES,
            subtotal=AMOUNTS,
            tax_amount=AMOUNTS,
            total=AMOUNTS,
            amount_paid=AMOUNTS,
        ),
        "budget_health_report": st.sampled_from([[], [{"project_id": "projects 0", "status": "warning"}]]),
    }
)

PARAMS = st.builds(
    RollupParams,
    as_of=AS_OF,
    months=MONTHS_READ,
    firm=st.builds(
        FirmConfig,
        work_calendar=st.builds(
            WorkCalendar,
            default_week=WEEKS,
            daily_break_hours=st.sampled_from([D(0), D("0.33333"), D(1)]),
            break_threshold_hours=st.sampled_from([D(0), D("3.5"), D(6)]),
            users=st.dictionaries(listed("org_users"), WEEKS, max_size=1),
            countries=st.dictionaries(st.sampled_from(["US", "il"]), WEEKS, max_size=2),
            default_holiday_profile_id=one_of("holiday_profiles").map(lambda known: known or ""),
            time_off_subtask_ids=st.frozensets(listed("subtasks"), max_size=1),
            non_delivery_roles=st.sampled_from([WorkCalendar().non_delivery_roles, frozenset()]),
        ),
        budget_policy=st.builds(
            BudgetPolicy,
            warning=st.sampled_from([D("0.8"), D("0.5")]),
            counted_statuses=st.sampled_from([BudgetPolicy().counted_statuses, ("Approved",)]),
            burn_window_days=st.sampled_from([20, 4]),
            burn_minimum_days=st.sampled_from([5, 1]),
            exhaustion_horizon_years=st.sampled_from([5, 1]),
            overrun_tolerance=st.sampled_from([D("0.1"), D(0)]),
        ),
        targets=st.builds(
            Targets,
            utilization=st.sampled_from([D("0.75"), D(1)]),
            contract_margin=st.sampled_from([None, D(0), D("0.35")]),
        ),
        aging_buckets=st.builds(AgingBuckets, upper_days=st.sampled_from([(30, 60, 90), (1,), (7, 14)])),
        money_policy=st.builds(
            MoneyPolicy,
            uncosted_tolerance=st.sampled_from([D("0.05"), D(0), D("0.5")]),
            lockup_window_days=st.sampled_from([90, 30, 20]),
        ),
        timesheets=st.builds(
            Timesheets, grace_days=st.sampled_from([1, 0, 10]), tolerance_hours=st.sampled_from([D(1), D(0), D(30)])
        ),
    ),
)

any_small_firm = given(FIRMS, PARAMS)


@pytest.mark.long
@any_small_firm
@settings(max_examples=20, deadline=None)
def test_rollups_of_any_small_firm_equal_the_oracles(tables: Tables, params: RollupParams):
    assert_every_rollup_equals_the_oracles(tables, params)


@pytest.mark.long
@any_small_firm
@settings(max_examples=200, deadline=None)
def test_every_rollup_of_many_small_firms_equals_the_oracles(tables: Tables, params: RollupParams):
    assert_every_rollup_equals_the_oracles(tables, params)
