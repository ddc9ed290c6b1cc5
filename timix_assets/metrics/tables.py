"""Every rollup table, declared once: its key, its columns with type, unit and meaning, and the columns they come from.

Frames are shaped, docs and lineage are made from this file. Lineage is plain tuples (`timix/<table>` or
`rollups/<table>`, column).
"""

from dataclasses import dataclass, replace

import polars as pl

from .amounts import AMOUNT
from .budget_status import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET

AS_OF = "as_of"
"""The column that says, in the table itself, by which day it was computed."""

Source = tuple[str, str]
"""(asset, column), for example ("timix/time_reports", "hours")."""

HOURS, MONEY, RATIO, DATE = "hours", "money, in the row's currency", "ratio, 0.84 means 84 %", "calendar date"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a rollup. unit: in words, None where there is none. lineage: the columns that decide its value."""

    name: str
    dtype: pl.DataType
    description: str
    lineage: tuple[Source, ...]
    unit: str | None = None

    def __post_init__(self) -> None:
        # Declared in named groups, which overlap.
        object.__setattr__(self, "lineage", tuple(dict.fromkeys(self.lineage)))


@dataclass(frozen=True, slots=True)
class Rollup:
    """One derived table, `rollups/<name>`. key: the columns that identify a row; rows are sorted by them."""

    name: str
    key: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pl.Schema:
        return pl.Schema({c.name: c.dtype for c in self.columns})

    def column(self, name: str) -> Column:
        """The declared column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def shaped(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Exactly the declared columns, types and order, sorted by key: the same rows give the same table."""
        return frame.select(pl.col(c.name).cast(c.dtype) for c in self.columns).sort(self.key)


def _time(*columns: str) -> tuple[Source, ...]:
    return tuple(("timix/time_reports", c) for c in columns)


def _of(asset: str, *columns: str) -> tuple[Source, ...]:
    return tuple((asset, c) for c in columns)


def _text(name: str, description: str, *lineage: Source) -> Column:
    return Column(name, pl.String(), description, lineage)


def _hours(name: str, description: str, *lineage: Source) -> Column:
    return Column(name, AMOUNT, description, lineage, HOURS)


def _money(name: str, description: str, *lineage: Source) -> Column:
    return Column(name, AMOUNT, description, lineage, MONEY)


def _ratio(name: str, description: str, *lineage: Source) -> Column:
    return Column(name, pl.Float64(), description, lineage, RATIO)


def _date(name: str, description: str, *lineage: Source) -> Column:
    return Column(name, pl.Date(), description, lineage, DATE)


def _count(name: str, description: str, *lineage: Source) -> Column:
    return Column(name, pl.Int64(), description, lineage, "count")


def _flag(name: str, description: str, *lineage: Source) -> Column:
    return Column(name, pl.Boolean(), description, lineage)


def _as_of() -> Column:
    """For tables from which a person is told how things stand. No column decides it; entries are what it bounds."""
    return _date(AS_OF, "The last day that the row's figures count, the same on every row.", *_time("date"))


SCHEDULE = _of("timix/org_users", "work_schedule", "weekly_hours", "country_code")
EMPLOYMENT = _of("timix/org_users", "start_date", "end_date", "status") + _time("date", "status", "hours")
HOLIDAYS = _of(
    "timix/holiday_profiles", "holidays", "year", "country_code", "default_for_countries", "is_active"
) + _of("timix/org_users", "holiday_profile_id", "country_code")
COUNTED = _time("hours", "status", "date")
BILLING = _time("billing_type") + _of("timix/subtasks", "billing_type")
PROJECT = _time("project_id", "subtask_id") + _of("timix/subtasks", "task_id") + _of("timix/tasks", "project_id")
CUSTOMER = _time("customer_id", "project_id") + _of("timix/projects", "customer_id")
CURRENCY = (
    _time("currency")
    + _of("timix/projects", "currency")
    + _of("timix/customers", "currency")
    + _of("timix/organization", "currency")
)
REVENUE = COUNTED + BILLING + _time("customer_rate")
COST = COUNTED + _time("cost_rate")
FIRST_DAY = _of("timix/organization", "first_day_of_week")
THRESHOLDS = _of("timix/organization", "budget_warning_threshold", "budget_critical_threshold")
OPEN = _time("hours", "status", "invoice_id", "date") + BILLING


CAPACITY_DAILY = Rollup(
    "capacity_daily",
    ("user_id", "date"),
    "How many hours each person was there for: one row per user and employed day of the loaded range, days of zero "
    "capacity "
    "included. Scheduled hours, less holidays, less time off. Hours that do not come out even are rounded to 4 places.",
    (
        _text("user_id", "The user.", ("timix/org_users", "id")),
        _date("date", "The day.", *EMPLOYMENT),
        _date("month", "First day of the date's month.", *EMPLOYMENT),
        _hours("scheduled_hours", "Hours that the user's week gives the day, after the daily break.", *SCHEDULE),
        _hours("holiday_hours", "Scheduled hours that a holiday takes.", *HOLIDAYS, *SCHEDULE),
        _hours(
            "time_off_hours",
            "Hours logged on subtasks configured as time off, at most what the holiday left.",
            *COUNTED,
            *_time("subtask_id"),
            *HOLIDAYS,
            *SCHEDULE,
        ),
        _hours("gross_capacity_hours", "Scheduled hours before holidays and time off.", *SCHEDULE),
        _hours(
            "capacity_hours",
            "Scheduled hours less holiday and time off, never below 0.",
            *SCHEDULE,
            *HOLIDAYS,
            *COUNTED,
            *_time("subtask_id"),
        ),
        _text(
            "capacity_source",
            "Where the week comes from, the first that is there: api_schedule, api_weekly_hours, calendar_user, "
            "calendar_country, default.",
            *SCHEDULE,
        ),
        _text("holiday_name", "The holiday; null where none takes hours.", *HOLIDAYS, *SCHEDULE),
    ),
)

_DAILY_HOURS = (
    _hours(
        "logged_hours",
        "Counted hours: every billing type, statuses Draft to Invoiced (a setting), no time off.",
        *COUNTED,
        *_time("subtask_id"),
    ),
    _hours("billable_hours", "Logged hours of billing type TM or Fix.", *COUNTED, *BILLING),
    _hours("overhead_hours", "Logged hours of billing type OVH.", *COUNTED, *BILLING),
    _hours("approved_hours", "Logged hours that are Approved or Invoiced, of every billing type.", *COUNTED),
)

UTILIZATION_DAILY = Rollup(
    "utilization_daily",
    ("user_id", "date"),
    "Hours logged against capacity, one row per user and day up to the as-of date: every employed day, and every "
    "day with "
    "counted hours. Hours on a day not employed stand against a capacity of 0. Time off is in no hours here.",
    (
        _text("user_id", "The user.", *_of("rollups/capacity_daily", "user_id"), *_time("user_id")),
        _date("date", "The day.", *_of("rollups/capacity_daily", "date"), *_time("date")),
        _date("month", "First day of the date's month.", *_of("rollups/capacity_daily", "date"), *_time("date")),
        _hours(
            "capacity_hours", "Capacity of the day; 0 when not employed.", ("rollups/capacity_daily", "capacity_hours")
        ),
        *_DAILY_HOURS,
        _hours(
            "overtime_hours",
            "Logged hours above the day's capacity.",
            *COUNTED,
            ("rollups/capacity_daily", "capacity_hours"),
        ),
        _hours(
            "bench_hours",
            "The day's capacity above logged hours.",
            *COUNTED,
            ("rollups/capacity_daily", "capacity_hours"),
        ),
    ),
)


def _daily(*columns: str) -> tuple[Source, ...]:
    return _of("rollups/utilization_daily", *columns)


def _utilization(period: Column, name: str, description: str) -> Rollup:
    """The weekly and the monthly table have the same columns but for the period."""
    summed = tuple(
        replace(
            c,
            description=f"Sum of the days to as-of: {c.description[0].lower()}{c.description[1:]}",
            lineage=_daily(c.name),
        )
        for c in UTILIZATION_DAILY.columns
        if c.unit == HOURS
    )
    full = _hours(
        "capacity_full_hours",
        "Capacity of all loaded days of the period, also those after as-of.",
        ("rollups/capacity_daily", "capacity_hours"),
    )
    return Rollup(
        name,
        ("user_id", period.name),
        description,
        (
            _text("user_id", "The user.", *_daily("user_id"), ("rollups/capacity_daily", "user_id")),
            period,
            summed[0],
            full,
            *summed[1:],
            _ratio(
                "billable_utilization",
                "Billable hours ÷ capacity; never clipped, null at zero capacity.",
                *_daily("billable_hours", "capacity_hours"),
            ),
            _ratio(
                "total_utilization",
                "Logged hours ÷ capacity; never clipped, null at zero capacity.",
                *_daily("logged_hours", "capacity_hours"),
            ),
            _ratio("billable_share", "Billable hours ÷ logged hours.", *_daily("billable_hours", "logged_hours")),
            _hours(
                "target_gap_hours",
                "Target (0.75, a setting) × capacity − billable hours; positive means short of the target.",
                *_daily("billable_hours", "capacity_hours"),
            ),
            _flag(
                "is_partial",
                "True when the period ends after as-of or begins before the first loaded day.",
                *period.lineage,
            ),
            _flag(
                "worked_at_zero_capacity",
                "True when hours were logged and capacity is 0; the ratios are null then.",
                *_daily("logged_hours", "capacity_hours"),
            ),
        ),
    )


_PERIOD_DAYS = (*_daily("date"), ("rollups/capacity_daily", "date"))

UTILIZATION_WEEKLY = _utilization(
    _date(
        "week_start", "First day of the week; weeks start on the organization's first day.", *_PERIOD_DAYS, *FIRST_DAY
    ),
    "utilization_weekly",
    "Utilization per user and week, for weeks begun by as-of. Weeks that straddle months are whole. Ratios are "
    "ratios of sums.",
)

UTILIZATION_MONTHLY = _utilization(
    _date("month", "First day of the month.", *_PERIOD_DAYS),
    "utilization_monthly",
    "Utilization per user and month, for months begun by as-of. Ratios are ratios of sums, never means of ratios.",
)

CAPS = (
    *_of("timix/projects", "tm_hour_limit", "fix_hour_limit", "ovh_hour_limit", "amount_limit", "contract_amount"),
    *_of("timix/tasks", "tm_hour_limit", "fix_hour_limit", "ovh_hour_limit"),
    *_of("timix/subtasks", "hour_limit"),
)
USED = (*COUNTED, *BILLING, *PROJECT, *_time("customer_rate", "cost_rate"), *CURRENCY)
DATES = _of("timix/projects", "start_date", "end_date")

BUDGET_HEALTH = Rollup(
    "budget_health",
    ("level", "project_id", "task_id", "subtask_id", "scope"),
    "One row per budget, as of today's caps: hour caps TM, Fix and OVH and money caps on projects, hour caps on "
    "tasks and subtasks. "
    "A cap of null or 0 is no cap. Add up one level only, the project's. Working days are the default week's; "
    "holidays are not taken off.",
    (
        _text("level", "project, task or subtask.", *CAPS),
        _text("project_id", "The project.", ("timix/projects", "id"), ("timix/tasks", "project_id")),
        _text("task_id", "The task; null on project rows.", ("timix/tasks", "id"), ("timix/subtasks", "task_id")),
        _text("subtask_id", "The subtask; null on project and task rows.", ("timix/subtasks", "id")),
        _text("customer_id", "The project's customer.", ("timix/projects", "customer_id")),
        _text(
            "scope",
            "What the cap limits: TM, Fix or OVH hours; amount (value of TM hours); contract (cost of Fix hours); "
            "hours (of a subtask).",
            *CAPS,
        ),
        Column("cap", AMOUNT, "The cap; null when there is none.", CAPS, "hours, or money in the row's currency"),
        Column(
            "used",
            AMOUNT,
            "Used to as-of: counted hours of the scope (time off included), or their value or cost in the "
            "project's currency. "
            "Null on contract when the key's role hides cost.",
            USED,
            "hours, or money in the row's currency",
        ),
        Column(
            "remaining", AMOUNT, "Cap − used; negative when over.", CAPS + USED, "hours, or money in the row's currency"
        ),
        _ratio("burn", "Used ÷ cap.", *CAPS, *USED),
        _text(
            "status",
            f"{NO_BUDGET}, {ON_TRACK}, {AT_RISK} (burn from the warning threshold on) or {OVER_BUDGET} (from the critical "
            "one on).",
            *CAPS,
            *USED,
            *THRESHOLDS,
        ),
        _text(
            "project_budget_status",
            "The worst status of the project's own rows, on every row of the project.",
            *CAPS,
            *USED,
            *THRESHOLDS,
        ),
        _ratio("elapsed", "Working days passed ÷ working days planned, 0 to 1; null without both dates.", *DATES),
        Column(
            "burn_rate",
            pl.Float64(),
            "Use per working day over the last 20 working days, or since the first entry when that is younger; "
            "null under 5.",
            USED,
            "hours or money per working day",
        ),
        _date(
            "exhaustion_date",
            "The working day on which the cap is used up at this rate; when it is reached already, the day on "
            "which it was.",
            *CAPS,
            *USED,
        ),
        Column(
            "projected_final",
            pl.Float64(),
            "Used + burn rate × working days left until the project's end date.",
            USED + DATES,
            "hours, or money in the row's currency",
        ),
        _text(
            "outlook",
            "overrun_expected when over, heading over, or burning faster than time passes; else in_control; null "
            "when nothing can be said.",
            *CAPS,
            *USED,
            *DATES,
        ),
        _text("currency", "Currency of a money scope, the project's; null on hour scopes.", *CURRENCY[1:]),
        _flag(
            "history_complete",
            "True when the project did not start before the first loaded month; null without a start date.",
            ("timix/projects", "start_date"),
        ),
        _text("api_status", "Timix's own word on the project.", ("timix/budget_health_report", "status")),
        _as_of(),
    ),
)

BUDGET_BURN = Rollup(
    "budget_burn",
    ("project_id", "scope", "month"),
    "How each budget of a project was used up: one row per loaded month to as-of, 0 where nothing was used, "
    "against today's cap.",
    (
        _text("project_id", "The project.", ("rollups/budget_health", "project_id")),
        _text("scope", "TM, Fix, OVH, amount or contract.", ("rollups/budget_health", "scope")),
        _date("month", "First day of the month.", *_time("date")),
        Column("used", AMOUNT, "Used in the month, to as-of.", USED, "hours, or money in the project's currency"),
        Column(
            "cumulative_used",
            AMOUNT,
            "Used through the end of the month, to as-of.",
            USED,
            "hours, or money in the project's currency",
        ),
        Column(
            "cap",
            AMOUNT,
            "Today's cap; null when there is none.",
            (("rollups/budget_health", "cap"),),
            "hours, or money in the project's currency",
        ),
        _ratio("burn", "Cumulative use ÷ cap.", *USED, ("rollups/budget_health", "cap")),
    ),
)

PROJECT_PROFITABILITY = Rollup(
    "project_profitability",
    ("project_id", "month", "currency"),
    "Revenue, cost and margin per project, month and currency; currencies never mix. Revenue is TM hours × "
    "customer rate; a fixed "
    "price is tracked as contract against cost. A key whose role may not see cost gives null cost and margin.",
    (
        _text("project_id", "The project; null for hours whose project is not known.", *PROJECT),
        _text(
            "customer_id",
            "The project's customer; of an unknown project, the one that all its entries name.",
            *CUSTOMER,
        ),
        _date("month", "First day of the month.", *_time("date")),
        _text("currency", "The entries' currency, else the project's, the customer's, the organization's.", *CURRENCY),
        _hours("logged_hours", "Counted hours to as-of, without time off.", *COUNTED),
        _hours("billable_hours", "Logged hours of billing type TM or Fix.", *COUNTED, *BILLING),
        _hours(
            "unrated_hours",
            "TM hours without a customer rate: they earn nothing here. A rate of 0 is a rate.",
            *REVENUE,
        ),
        _money("revenue", "TM hours × customer rate; null when there are TM hours and none has a rate.", *REVENUE),
        _money("cost", "Logged hours × cost rate; null when no entry shows a cost rate.", *COST),
        _ratio("margin", "(Revenue − cost) ÷ revenue; null without revenue.", *REVENUE, *_time("cost_rate")),
        Column(
            "effective_rate",
            pl.Float64(),
            "Revenue ÷ logged hours.",
            REVENUE,
            "money per hour, in the row's currency",
        ),
        _money(
            "contract_amount",
            "The project's agreed price, on rows in the project's currency; null when it is none or 0.",
            *_of("timix/projects", "contract_amount", "currency"),
        ),
        _money(
            "contract_cost_to_date",
            "Cost of the Fix hours through the end of the row's month.",
            *COST,
            *BILLING,
            ("timix/projects", "contract_amount"),
        ),
        _money(
            "contract_remaining",
            "Contract amount − contract cost to date.",
            *COST,
            *BILLING,
            ("timix/projects", "contract_amount"),
        ),
    ),
)

UNBILLED_AGING = Rollup(
    "unbilled_aging",
    ("customer_id", "project_id", "bucket", "currency"),
    "Approved TM work that no invoice bills yet, by age on the as-of date. Work waiting for approval and approved "
    "fixed-price work "
    "stand beside it and are never in the total. Entries dated after as-of are in the bucket `future`.",
    (
        _text("customer_id", "The customer.", *CUSTOMER),
        _text("project_id", "The project.", *PROJECT),
        _text("bucket", "Age in days: future, 0-30, 31-60, 61-90, 91+ (a setting).", *_time("date")),
        _text("currency", "The entries' currency, else the project's, the customer's, the organization's.", *CURRENCY),
        _hours("hours", "Unbilled hours: Approved, TM, no invoice.", *OPEN),
        _money(
            "amount",
            "Unbilled hours × customer rate; null when there are such hours and none has a rate.",
            *OPEN,
            *_time("customer_rate"),
        ),
        _count("entry_count", "Number of unbilled entries.", *OPEN),
        _date("oldest_date", "Date of the oldest unbilled entry; null when there is none.", *OPEN),
        _hours("unapproved_hours", "TM hours that are Draft or Submitted, without an invoice.", *OPEN),
        _hours("fixed_price_hours", "Approved Fix hours without an invoice.", *OPEN),
        _as_of(),
    ),
)

ORGANIZATION_KPIS = Rollup(
    "organization_kpis",
    ("month",),
    "The firm's month at a glance: hours, utilization, who and what was active, and how many project budgets were "
    "at risk or over "
    "by the end of the month (the running month: as-of).",
    (
        _date("month", "First day of the month.", *_daily("month"), ("rollups/budget_burn", "month")),
        _hours("total_hours", "Logged hours to as-of.", *_daily("logged_hours")),
        _hours("billable_hours", "Logged hours of billing type TM or Fix.", *_daily("billable_hours")),
        _hours("capacity_hours", "Capacity to as-of.", *_daily("capacity_hours")),
        _ratio(
            "billable_utilization",
            "Billable hours ÷ capacity, of all users together.",
            *_daily("billable_hours", "capacity_hours"),
        ),
        _ratio(
            "total_utilization",
            "Logged hours ÷ capacity, of all users together.",
            *_daily("logged_hours", "capacity_hours"),
        ),
        _count("active_users", "Users with at least one counted entry.", *_daily("user_id", "logged_hours")),
        _count("active_projects", "Projects with at least one counted entry.", *PROJECT, *COUNTED),
        _count("active_customers", "Customers with at least one counted entry.", *CUSTOMER, *COUNTED),
        _count(
            "projects_at_risk",
            "Projects whose worst budget had reached the warning threshold, and none the critical one.",
            *_of("rollups/budget_burn", "cumulative_used", "cap"),
            *THRESHOLDS,
        ),
        _count(
            "projects_over_budget",
            "Projects with a budget that had reached the critical threshold.",
            *_of("rollups/budget_burn", "cumulative_used", "cap"),
            *THRESHOLDS,
        ),
        _as_of(),
    ),
)

_INVOICES = _of("timix/invoices", "total", "status")

ORGANIZATION_MONEY = Rollup(
    "organization_money",
    ("month", "currency"),
    "The firm's money per month and currency: earned, spent, invoiced, paid, outstanding and unbilled. Currencies "
    "never mix.",
    (
        _date("month", "First day of the month.", *_time("date"), *_of("timix/invoices", "issue_date", "paid_date")),
        _text("currency", "ISO 4217 currency of the row's money.", *CURRENCY, ("timix/invoices", "currency")),
        _money("revenue", "TM hours × customer rate, to as-of.", *REVENUE),
        _money("cost", "Logged hours × cost rate, to as-of; null when no entry shows a cost rate.", *COST),
        _ratio("margin", "(Revenue − cost) ÷ revenue; null without revenue.", *REVENUE, *_time("cost_rate")),
        _money(
            "invoiced",
            "Total with tax of invoices Issued, Sent or Paid, by issue date.",
            *_INVOICES,
            ("timix/invoices", "issue_date"),
        ),
        _money("paid", "Total with tax of invoices Paid, by paid date.", *_INVOICES, ("timix/invoices", "paid_date")),
        _money(
            "outstanding",
            "Total with tax of invoices Issued or Sent, by issue date.",
            *_INVOICES,
            ("timix/invoices", "issue_date"),
        ),
        _money(
            "unbilled",
            "Approved TM work that no invoice bills yet, by entry date, within the loaded range.",
            *OPEN,
            *_time("customer_rate"),
        ),
    ),
)

ROLLUPS: tuple[Rollup, ...] = (
    CAPACITY_DAILY,
    UTILIZATION_DAILY,
    UTILIZATION_WEEKLY,
    UTILIZATION_MONTHLY,
    BUDGET_HEALTH,
    BUDGET_BURN,
    PROJECT_PROFITABILITY,
    UNBILLED_AGING,
    ORGANIZATION_KPIS,
    ORGANIZATION_MONEY,
)

BY_NAME = {rollup.name: rollup for rollup in ROLLUPS}
