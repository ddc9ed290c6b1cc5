"""What a managing partner asks first, from the tables of the lake as they are. For the command, and for the weekly message."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from timix_assets import environment
from timix_assets.as_of import age, last_day_of
from timix_assets.lake.tables import Lake
from timix_assets.metrics.amounts import sum_of_known
from timix_assets.metrics.budget_status import CLOSED, WORRYING
from timix_assets.metrics.organization import months_before_work

KPIS = "rollups/organization_kpis"
BUDGETS = "rollups/budget_health"
UNBILLED = "rollups/unbilled_aging"
ORGANIZATION = "timix/organization"
TABLES = (KPIS, BUDGETS, UNBILLED, ORGANIZATION, "timix/projects", "timix/customers")
"""What a summary reads; all must be there."""

MOST_PROJECTS = 15
"""Projects at risk that a summary names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Period:
    """Hours of a period and the two ratios of sums; None without capacity."""

    name: str
    total_hours: Decimal
    capacity_hours: Decimal
    billable_utilization: float | None
    total_utilization: float | None


@dataclass(frozen=True, slots=True)
class Project:
    """One budget at risk or over. exhausted: the day the cap was reached, or will be at the present rate."""

    project: str
    customer: str
    scope: str
    status: str
    burn: float
    exhausted: date | None
    outlook: str | None


@dataclass(frozen=True, slots=True)
class IdleMonths:
    """Months of the year to date, first and last, in which people had capacity and nobody had ever logged work.

    begins: the first month with work.
    """

    first: date
    last: date
    begins: date

    @property
    def sentence(self) -> str:
        idle = f"{self.first:%B %Y}" + (f" to {self.last:%B %Y}" if self.last > self.first else "")
        return (
            f"No work before {self.begins:%B %Y} is in the lake, so the capacity of {idle} lowers {self.last.year} to date; "
            f"if the firm began then, set {environment.START_MONTH.name} to {self.begins:%Y-%m} and refresh into a new lake."
        )


@dataclass(frozen=True, slots=True)
class CutHistory:
    """Running projects with a cap that began before `first`, the first loaded month: what they used earlier is missing."""

    projects: int
    first: date

    @property
    def sentence(self) -> str:
        who, whose = ("project", "its") if self.projects == 1 else ("projects", "their")
        return (
            f"{self.projects} running {who} with a cap began before the first loaded month ({self.first:%Y-%m}), so "
            f"{whose} burn may be higher: set {environment.START_MONTH.name} earlier."
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """as_of: the last day that the figures count, the earliest of the tables' own; today: when it is read.

    organization: its name, None when unknown. lake: where the tables are. unbilled: one row per currency and bucket, hours
    and amount. idle, cut: None when there are no such months or projects.
    """

    as_of: date
    today: date
    organization: str | None
    lake: str
    periods: list[Period]
    projects: list[Project]
    unbilled: pl.DataFrame
    idle: IdleMonths | None
    cut: CutHistory | None

    @property
    def name(self) -> str:
        """Whose figures they are."""
        return self.organization or "The firm"

    @property
    def age(self) -> str:
        """How old the figures are and what to do about it, as a sentence; empty for those of today."""
        said = age(self.as_of, self.today)
        return f"{said.capitalize()}." if said else ""


def summarize(lake: Lake, today: date) -> Summary:
    """The figures as they were computed. today: only to say how old they are.

    TableMissing when a table is not there; LakeError when a rollup does not say its day.
    """
    said = {table: last_day_of(lake, table) for table in (KPIS, BUDGETS, UNBILLED)}
    months = lake.scan(KPIS).sort("month").collect()
    through = said[KPIS] or today
    return Summary(
        as_of=min((day for day in said.values() if day), default=today),
        today=today,
        organization=lake.scan(ORGANIZATION).select(pl.col("name").first()).collect().item(),
        lake=lake.url,
        periods=_periods(months, through),
        projects=_projects(lake),
        unbilled=_unbilled(lake),
        idle=_idle(months, through),
        cut=_cut(lake, months),
    )


def _periods(months: pl.DataFrame, through: date) -> list[Period]:
    """The last whole month, and the year to the day that the months count through; its name says where it begins late."""
    year = months.filter(pl.col("month").dt.year() == through.year)
    begins = year["month"][0] if year.height else through.replace(month=1)
    last = months.filter(pl.col("month") < through.replace(day=1)).tail(1)
    return [
        *([_period(f"{last['month'][0]:%B %Y}", last)] if last.height else []),
        _period(f"{begins:%Y from %B}" if begins.month > 1 else f"{through.year} to date", year),
    ]


def _idle(months: pl.DataFrame, through: date) -> IdleMonths | None:
    idle = months_before_work(months.lazy()).filter(pl.col("month").dt.year() == through.year).collect()["month"]
    if idle.is_empty():
        return None
    return IdleMonths(idle[0], idle[-1], months.filter(pl.col("total_hours") > 0)["month"][0])


def _period(name: str, months: pl.DataFrame) -> Period:
    """Ratios of sums over the months, never a mean of their ratios."""
    total, billable, capacity = (
        Decimal(months[column].sum() or 0) for column in ("total_hours", "billable_hours", "capacity_hours")
    )
    return Period(
        name,
        total,
        capacity,
        float(billable / capacity) if capacity else None,
        float(total / capacity) if capacity else None,
    )


def _cut(lake: Lake, months: pl.DataFrame) -> CutHistory | None:
    budgets = budgets_of_running_projects(lake).filter(~pl.col("history_complete") & pl.col("cap").is_not_null())
    projects = budgets.select(pl.col("project_id").n_unique()).collect().item()
    return CutHistory(projects, months["month"][0]) if projects and months.height else None


def budgets_of_running_projects(lake: Lake) -> pl.LazyFrame:
    """budget_health of projects as a whole, with the names `project` and `customer`; null where the lake knows none."""
    projects = lake.scan("timix/projects").select(
        pl.col("id").alias("project_id"), pl.col("name").alias("project"), pl.col("status").alias("project_status")
    )
    customers = lake.scan("timix/customers").select(pl.col("id").alias("customer_id"), pl.col("name").alias("customer"))
    return (
        lake.scan(BUDGETS)
        .filter(pl.col("level") == "project")
        .join(projects, on="project_id", how="left")
        .join(customers, on="customer_id", how="left")
        .filter(~pl.col("project_status").is_in(CLOSED).fill_null(False))
    )


def _projects(lake: Lake) -> list[Project]:
    found = (
        budgets_of_running_projects(lake)
        .filter(pl.col("status").is_in(WORRYING))
        .sort("burn", "project_id", descending=[True, False])
        .collect()
    )
    return [
        Project(
            row["project"] or row["project_id"],
            row["customer"] or "",
            row["scope"],
            row["status"],
            row["burn"],
            row["exhaustion_date"],
            row["outlook"],
        )
        for row in found.iter_rows(named=True)
    ]


def _unbilled(lake: Lake) -> pl.DataFrame:
    return (
        lake.scan(UNBILLED)
        .filter(pl.col("hours") > 0)
        .group_by("currency", "bucket")
        .agg(pl.col("hours").sum(), sum_of_known("amount").alias("amount"), pl.col("oldest_date").min())
        .sort("currency", "oldest_date", descending=[False, True])
        .collect()
    )
