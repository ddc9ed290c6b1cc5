"""The executive summary, for `timix-assets summary` and the weekly message.

Money first, then who has not logged, then utilization, budgets at risk and unbilled work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from timix_assets.contract.schema import AMOUNT
from timix_assets.lake.tables import Lake
from timix_assets.metrics.amounts import amount, ratio, sum_of_known
from timix_assets.metrics.budget_policy import CLOSED, NEEDS_ATTENTION
from timix_assets.metrics.timesheets import MISSING, NOT_DUE, UNSUBMITTED
from timix_assets.reporting.as_of import as_of_date_of, staleness_note
from timix_assets.reporting.rollup_tables import NEED_INVOICES, NO_INVOICES, has_invoices, scan_rollup
from timix_assets.text.figures import UNKNOWN, day_name, number, percent
from timix_assets.text.wording import count_noun

KPIS = "rollups/organization_kpis"
BUDGETS = "rollups/budget_health"
UNBILLED = "rollups/unbilled_aging"
MONEY = "rollups/organization_money"
CAPITAL = "rollups/working_capital"
TIMESHEETS = "rollups/timesheet_compliance"
UNBILLED_REPORT = "timix/unbilled_time_report"
ORGANIZATION = "timix/organization"
ROLLUPS = (KPIS, BUDGETS, UNBILLED, MONEY, CAPITAL, TIMESHEETS)
TABLES = (*ROLLUPS, ORGANIZATION, "timix/projects")
"""The tables that a summary reads; all must exist, but for those of NEED_INVOICES in a lake without invoices."""

MAX_PROJECTS = 15
"""Projects at risk that are listed; the others are counted."""

ROUNDING = Decimal("0.01")
"""A difference to Timix's own figures that rounding may explain."""

MAX_PEOPLE = 10
"""People who have not logged that are listed; the others are counted."""


@dataclass(frozen=True, slots=True)
class Money:
    """The money of one currency. A figure is None where it is unknown; lockup_days also in a short lake.

    Args:
        revenue: Of the last full month, as the next ones: time and materials.
        margin: Of the revenue, a ratio.
        earned: Revenue and what fixed prices earned.
        earned_margin: Of what was earned, a ratio.
        unbilled, outstanding, overdue: As of the as-of date.
    """

    currency: str | None
    revenue: Decimal | None
    margin: float | None
    earned: Decimal | None
    earned_margin: float | None
    invoiced: Decimal | None
    paid: Decimal | None
    unbilled: Decimal | None
    outstanding: Decimal | None
    overdue: Decimal | None
    lockup_days: float | None


MONEY_FIGURES = (
    ("revenue", "Revenue", "time and materials: hours × customer rate"),
    ("margin", "Margin of revenue", "revenue less all cost, ÷ revenue"),
    ("earned", "Earned", "revenue and what fixed-price work earned"),
    ("earned_margin", "Margin of earned", "earned less all cost, ÷ earned"),
    ("invoiced", "Invoiced", "invoices by issue date, tax included"),
    ("paid", "Paid", "invoices by payment date, tax included"),
    ("unbilled", "Unbilled", "approved work on no invoice yet"),
    ("outstanding", "Outstanding", "invoiced and not paid"),
    ("overdue", "Overdue", "of that, past its due date"),
    ("lockup_days", "Lock-up", "days from work to cash"),
)
"""The figures of Money that people read: name, heading, and what it is in a few words."""

OF_THE_MONTH = 6
"""The first so many are of the last full month; the others are as of the as-of date."""


def money_figure(money: Money, name: str) -> str:
    """One of MONEY_FIGURES as it is shown; `unknown` where it is null."""
    value = getattr(money, name)
    if value is None:
        return UNKNOWN
    if name == "lockup_days":
        return count_noun(round(value), "day")
    return percent(value) if isinstance(value, float) else number(value)


@dataclass(frozen=True, slots=True)
class LateTime:
    """Time of the last week that is due and not in: people with missing hours, most first, and who has not submitted.

    Args:
        week: First day of that week; None when no week is due.
        missing: Names and hours.
        unsubmitted: Names of people who have Draft or Rejected hours, and none missing.
        not_due: First day of the latest week that has ended and is not due; None when there is none.
    """

    week: date | None
    missing: list[tuple[str, Decimal]]
    unsubmitted: list[str]
    not_due: date | None = None

    @property
    def not_due_message(self) -> str:
        """Why the last week is not here; empty if it is."""
        return f"The week of {day_name(self.not_due)} is not due yet." if self.not_due else ""


@dataclass(frozen=True, slots=True)
class Period:
    """Hours of a period and its utilization as ratios of sums; None without capacity.

    Args:
        target: The billable utilization that the firm aims at, as it was when the table was computed.
        before: The billable utilization of the month before, for a month.
        year_before: The billable utilization of the same months a year earlier; None unless all were read.
    """

    name: str
    total_hours: Decimal
    capacity_hours: Decimal
    billable_utilization: float | None
    total_utilization: float | None
    target: float | None = None
    before: float | None = None
    year_before: float | None = None

    @property
    def to_target(self) -> int | None:
        """Percentage points above the target, of the figures as they are shown."""
        return points_between(self.target, self.billable_utilization)

    @property
    def to_year_before(self) -> int | None:
        """Percentage points above the year before, likewise."""
        return points_between(self.year_before, self.billable_utilization)

    @property
    def to_before(self) -> int | None:
        """Percentage points above the month before, likewise."""
        return points_between(self.before, self.billable_utilization)


def points_between(before: float | None, now: float | None) -> int | None:
    """Percentage points from one ratio to another, each rounded as it is shown; None if either is unknown."""
    return None if before is None or now is None else round(now * 100) - round(before * 100)


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget of a running project. status None: hidden from the key's role. burn: a ratio.

    exhaustion_date: when the cap was reached, or will be at the current rate.
    """

    project_id: str
    scope: str
    project: str
    customer: str
    status: str | None
    used: Decimal | None
    cap: Decimal | None
    currency: str | None
    exhaustion_date: date | None
    burn: float | None = None

    @property
    def is_used_up(self) -> bool:
        """Whether the cap is reached, so that the exhaustion date is in the past."""
        return self.used is not None and self.cap is not None and self.used >= self.cap


@dataclass(frozen=True, slots=True)
class LateStart:
    """Projects began before the first loaded month: their earlier work is missing in every figure that is not of a month.

    Args:
        projects: How many projects.
        capped: How many of them are running with a cap.
        first_month: The first loaded month.
        unbilled: Timix's own total of unbilled work, of each currency in which it is larger than ours.
    """

    projects: int
    capped: int
    first_month: date
    unbilled: list[tuple[str | None, Decimal]]

    @property
    def budgets_message(self) -> str:
        """Empty where no running project with a cap is cut."""
        projects, their = ("project", "its") if self.capped == 1 else ("projects", "their")
        return (
            f"{self.capped} running {projects} with a cap began before the first loaded month "
            f"({self.first_month:%Y-%m}), so {their} burn may be higher. {_EARLIER}"
            if self.capped
            else ""
        )

    @property
    def unbilled_message(self) -> str:
        """Empty where Timix has no more unbilled work than the lake."""
        theirs = ", ".join(
            f"{amount:,.2f} {currency or 'of an unknown currency'}" for currency, amount in self.unbilled
        )
        earlier = f" and {count_noun(self.projects, 'project')} began earlier" if self.projects else ""
        return (
            f"The lake begins with {self.first_month:%Y-%m}{earlier}, so older unbilled work may be missing here: Timix "
            f"reports {theirs} in all. {_EARLIER}"
            if theirs
            else ""
        )


_EARLIER = "Set TIMIX_START_MONTH to an earlier month."


@dataclass(frozen=True, slots=True)
class Summary:
    """The executive summary.

    Args:
        as_of: The last day that the figures include, the earliest of the tables' dates.
        today: The day on which it is read.
        organization: Its name; None when unknown.
        lake: Where the tables are.
        periods: The last full month, then the year to date.
        projects: Budgets at risk or over budget, highest burn first.
        unbilled: One row per currency and age bucket; hours and amount.
        late_start: None when no project is affected.
        money: One for each currency with money in the last full month, or owed.
        late_time: Who has not logged.
        has_invoices: Whether invoices were ever read; without them, no money and no unbilled work is known.
    """

    as_of: date
    today: date
    organization: str | None
    lake: str
    periods: list[Period]
    projects: list[Budget]
    unbilled: pl.DataFrame
    late_start: LateStart | None
    money: list[Money]
    late_time: LateTime
    has_invoices: bool = True

    @property
    def name(self) -> str:
        """The organization's name, or a neutral one."""
        return self.organization or "The firm"

    @property
    def age(self) -> str:
        """How old the figures are and what to do about it; empty for figures of today."""
        note = staleness_note(self.as_of, self.today)
        return f"{note.capitalize()}." if note else ""

    @property
    def missing(self) -> str:
        """What is missing because no invoices were read; empty if they were."""
        return "" if self.has_invoices else NO_INVOICES


def summarize(lake: Lake, today: date) -> Summary:
    """Reads the summary from the tables as they are.

    Args:
        today: Only to say how old the figures are.

    Raises:
        TableMissing: One of TABLES does not exist, and not for lack of invoices.
        OutdatedRollup: An earlier version computed one of them, also where others are refreshed.
    """
    for table in ROLLUPS:
        scan_rollup(lake, table)
    dates = {table: as_of_date_of(lake, table) for table in (KPIS, BUDGETS, UNBILLED, CAPITAL, TIMESHEETS)}
    months = lake.scan(KPIS).sort("month").collect()
    through = dates[KPIS] or today
    return Summary(
        as_of=min((day for day in dates.values() if day), default=today),
        today=today,
        organization=lake.scan(ORGANIZATION).select(pl.col("name").first()).collect().item(),
        lake=lake.url,
        periods=_periods(months, through),
        projects=[budget for budget in read_budgets(lake) if budget.status in NEEDS_ATTENTION],
        unbilled=_unbilled(lake),
        late_start=_late_start(lake, months),
        money=_money(lake, months, through),
        late_time=_late_time(lake),
        has_invoices=has_invoices(lake),
    )


def tables_needed(lake: Lake) -> list[str]:
    """Those of TABLES that a summary of this lake cannot do without."""
    return [table for table in TABLES if table not in NEED_INVOICES or has_invoices(lake)]


def _periods(months: pl.DataFrame, through: date) -> list[Period]:
    """The last full month, and the year up to `through`; the name says if the year starts after January."""
    year = months.filter(pl.col("month").dt.year() == through.year)
    begins = year["month"][0] if year.height else through.replace(month=1)
    last = months.filter(pl.col("month") < through.replace(day=1)).tail(1)
    of_last = [_period(f"{last['month'][0]:%B %Y}", last, months, with_before=True)] if last.height else []
    return [
        *of_last,
        _period(f"{begins:%Y from %B}" if begins.month > 1 else f"{through.year} to date", year, months),
    ]


def _period(name: str, of: pl.DataFrame, months: pl.DataFrame, *, with_before: bool = False) -> Period:
    """Ratios of sums over the months, never a mean of their ratios. months: all that were loaded, to compare with."""
    total, capacity = (Decimal(of[column].sum() or 0) for column in ("total_hours", "capacity_hours"))
    return Period(
        name,
        total,
        capacity,
        _billable_utilization(of),
        float(total / capacity) if capacity else None,
        # The target is not a column: its gap is target × capacity − billable hours.
        _ratio_of_sums(of, pl.col("target_gap_hours") + pl.col("billable_hours")),
        _earlier(of, months, "1mo") if with_before else None,
        _earlier(of, months, "1y"),
    )


def _earlier(of: pl.DataFrame, months: pl.DataFrame, by: str) -> float | None:
    """Billable utilization of the months that came so much earlier; None unless all are there."""
    earlier = of.select(pl.col("month").dt.offset_by(f"-{by}")).join(months, on="month", how="inner")
    return _billable_utilization(earlier) if earlier.height == of.height else None


def _billable_utilization(months: pl.DataFrame) -> float | None:
    return _ratio_of_sums(months, pl.col("billable_hours"))


def _ratio_of_sums(months: pl.DataFrame, hours: pl.Expr) -> float | None:
    both: float | None = months.select(ratio(hours.sum(), pl.col("capacity_hours").sum())).item()
    return both


def _late_start(lake: Lake, months: pl.DataFrame) -> LateStart | None:
    cut = lake.scan(BUDGETS).filter(pl.col("level") == "project", ~pl.col("history_complete"))
    projects = cut.select(pl.col("project_id").n_unique()).collect().item()
    capped = budgets_of_running_projects(lake).filter(~pl.col("history_complete"), pl.col("cap").is_not_null())
    ours = scan_rollup(lake, UNBILLED).group_by("currency").agg(sum_of_known("amount").fill_null(0).alias("ours"))
    theirs = (
        _unbilled_report(lake)
        .join(ours, on="currency", how="left", nulls_equal=True)
        .filter(pl.col("total_amount") > pl.col("ours").fill_null(0) + amount(ROUNDING))
        .sort("currency")
    )
    unbilled = list(theirs.select("currency", "total_amount").collect().iter_rows()) if has_invoices(lake) else []
    if months.is_empty() or not (projects or unbilled):
        return None
    count = capped.select(pl.col("project_id").n_unique()).collect().item()
    return LateStart(projects, count, months["month"][0], unbilled)


def _unbilled_report(lake: Lake) -> pl.LazyFrame:
    """Timix's own totals; no rows where the key may not read them."""
    if lake.exists(UNBILLED_REPORT):
        return lake.scan(UNBILLED_REPORT)
    return pl.LazyFrame(schema={"currency": pl.String, "total_amount": AMOUNT})


def _money(lake: Lake, months: pl.DataFrame, through: date) -> list[Money]:
    flows, balances = ("revenue", "earned_revenue", "invoiced", "paid"), ("unbilled", "outstanding", "overdue")
    margins = ("margin", "earned_margin")
    last = months.filter(pl.col("month") < through.replace(day=1)).tail(1).select("month")
    of_month = (
        scan_rollup(lake, MONEY)
        .join(last.lazy(), on="month", how="semi")
        .select("currency", *flows, *margins, there=pl.lit(True))
    )
    owed = scan_rollup(lake, CAPITAL).select("currency", *balances, "lockup_days", is_owed=pl.lit(True))
    # A currency that one side lacks has 0 there; null is what is unknown.
    both = (
        of_month.join(owed, on="currency", how="full", coalesce=True, nulls_equal=True)
        .with_columns(
            *(pl.when("there").then(name).otherwise(0).alias(name) for name in flows),
            *(pl.when("is_owed").then(name).otherwise(0).alias(name) for name in balances),
        )
        .collect()
    )
    return [
        Money(
            currency=row["currency"],
            revenue=row["revenue"],
            margin=row["margin"],
            earned=row["earned_revenue"],
            earned_margin=row["earned_margin"],
            invoiced=row["invoiced"],
            paid=row["paid"],
            unbilled=row["unbilled"],
            outstanding=row["outstanding"],
            overdue=row["overdue"],
            lockup_days=row["lockup_days"],
        )
        for row in both.sort("currency").iter_rows(named=True)
    ]


def _late_time(lake: Lake) -> LateTime:
    weeks = lake.scan(TIMESHEETS)
    due = weeks.filter(pl.col("status") != NOT_DUE)
    has_ended = pl.col("week_start").dt.offset_by("6d") < pl.col("as_of")
    not_due = weeks.filter(pl.col("status") == NOT_DUE, has_ended).select(pl.col("week_start").max()).collect().item()
    week = due.filter(pl.col("week_start") == pl.col("week_start").max()).collect()
    if week.is_empty():
        return LateTime(None, [], [], not_due)
    missing = week.filter(pl.col("status") == MISSING).sort("missing_hours", "user_id", descending=[True, False])
    unsubmitted = week.filter(pl.col("status") == UNSUBMITTED).sort("user_name", "user_id")
    return LateTime(
        week["week_start"][0],
        [(_name(row), row["missing_hours"]) for row in missing.iter_rows(named=True)],
        [_name(row) for row in unsubmitted.iter_rows(named=True)],
        not_due,
    )


def _name(row: Mapping[str, Any]) -> str:
    return str(row["user_name"] or row["user_id"])


def budgets_of_running_projects(lake: Lake) -> pl.LazyFrame:
    """Project-level rows of budget_health, without those of closed projects.

    Raises:
        OutdatedRollup: An earlier version computed the table.
    """
    projects = lake.scan("timix/projects").select(
        pl.col("id").alias("project_id"), pl.col("status").alias("project_status")
    )
    return (
        scan_rollup(lake, BUDGETS, ["project_name", "customer_name"])
        .filter(pl.col("level") == "project")
        .join(projects, on="project_id", how="left")
        .filter(~pl.col("project_status").is_in(CLOSED).fill_null(False))
    )


def read_budgets(lake: Lake) -> list[Budget]:
    """Reads the project-level budgets of running projects, highest burn first.

    Raises:
        TableMissing: `rollups/budget_health` or `timix/projects` does not exist.
        OutdatedRollup: An earlier version computed the table.
    """
    budgets = (
        budgets_of_running_projects(lake)
        .sort("burn", "project_id", "scope", descending=[True, False, False], nulls_last=True)
        .collect()
    )
    return [
        Budget(
            project_id=row["project_id"],
            scope=row["scope"],
            project=row["project_name"] or row["project_id"],
            customer=row["customer_name"] or row["customer_id"] or "",
            status=row["status"],
            used=row["used"],
            cap=row["cap"],
            currency=row["currency"],
            exhaustion_date=row["exhaustion_date"],
            burn=row["burn"],
        )
        for row in budgets.iter_rows(named=True)
    ]


def _unbilled(lake: Lake) -> pl.DataFrame:
    return (
        scan_rollup(lake, UNBILLED)
        .filter(pl.col("hours") > 0)
        .group_by("currency", "bucket")
        .agg(pl.col("hours").sum(), sum_of_known("amount").alias("amount"), pl.col("oldest_date").min())
        .sort("currency", "oldest_date", descending=[False, True])
        .collect()
    )
