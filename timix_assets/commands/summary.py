"""`timix-assets summary`: what a managing partner asks first, from the tables of the lake as they are."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl
from rich.console import Console
from rich.table import Table

from timix_assets.lake.tables import Lake

MOST_PROJECTS = 15


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
class Summary:
    """as_of: the last day that the figures count. unbilled: one row per currency and bucket, hours and amount."""

    as_of: date
    periods: list[Period]
    projects: list[Project]
    unbilled: pl.DataFrame


def summarize(lake: Lake, as_of: date) -> Summary:
    """TableMissing when a rollup was never computed."""
    months = lake.scan("rollups/organization_kpis").filter(pl.col("month") <= as_of).sort("month").collect()
    this_month = as_of.replace(day=1)
    last = months.filter(pl.col("month") < this_month).tail(1)
    return Summary(
        as_of,
        [
            *([_period(f"{last['month'][0]:%B %Y}", last)] if last.height else []),
            _period(f"{as_of.year} to date", months.filter(pl.col("month").dt.year() == as_of.year)),
        ],
        _projects(lake),
        _unbilled(lake),
    )


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


def _projects(lake: Lake) -> list[Project]:
    names = lake.scan("timix/projects").select(
        pl.col("id").alias("project_id"), pl.col("name").alias("project"), "status"
    )
    customers = lake.scan("timix/customers").select(pl.col("id").alias("customer_id"), pl.col("name").alias("customer"))
    found = (
        lake.scan("rollups/budget_health")
        .filter((pl.col("level") == "project") & pl.col("status").is_in(["at_risk", "over_budget"]))
        .join(names.rename({"status": "project_status"}), on="project_id", how="left")
        .filter(pl.col("project_status").is_in(["Active", "OnHold"]).fill_null(True))
        .join(customers, on="customer_id", how="left")
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
        lake.scan("rollups/unbilled_aging")
        .group_by("currency", "bucket")
        .agg(pl.col("hours").sum(), pl.col("amount").sum(), pl.col("oldest_date").min())
        .filter(pl.col("hours") > 0)
        .sort("currency", "oldest_date", descending=[False, True])
        .collect()
    )


def show(summary: Summary, console: Console) -> None:
    console.print(f"\n[bold]The firm as of {summary.as_of:%d %B %Y}[/]\n", highlight=False)
    utilization = Table(header_style="bold", pad_edge=False)
    for heading in ("utilization", "billable", "total", "hours", "capacity"):
        utilization.add_column(heading, justify="left" if heading == "utilization" else "right", no_wrap=True)
    for period in summary.periods:
        utilization.add_row(
            period.name,
            _percent(period.billable_utilization),
            _percent(period.total_utilization),
            f"{period.total_hours:,.0f}",
            f"{period.capacity_hours:,.0f}",
        )
    console.print(utilization)

    budgets = Table(header_style="bold", pad_edge=False)
    for heading in ("running projects at risk or over", "customer", "budget", "status", "burn", "cap reached"):
        budgets.add_column(heading, justify="right" if heading == "burn" else "left", no_wrap=True, overflow="ellipsis")
    for project in summary.projects[:MOST_PROJECTS]:
        colour = "red" if project.status == "over_budget" else "yellow"
        budgets.add_row(
            project.project,
            project.customer,
            project.scope,
            f"[{colour}]{project.status.replace('_', ' ')}[/]",
            _percent(project.burn),
            f"{project.exhausted:%Y-%m-%d}" if project.exhausted else "",
        )
    console.print(budgets)
    if len(summary.projects) > MOST_PROJECTS:
        console.print(f"… and {len(summary.projects) - MOST_PROJECTS} more in rollups/budget_health", highlight=False)

    unbilled = Table(header_style="bold", pad_edge=False)
    for heading in ("unbilled, days old", "currency", "hours", "amount"):
        unbilled.add_column(heading, justify="right" if heading in ("hours", "amount") else "left", no_wrap=True)
    for row in summary.unbilled.iter_rows(named=True):
        amount = "unknown" if row["amount"] is None else f"{row['amount']:,.2f}"
        unbilled.add_row(row["bucket"], row["currency"], f"{row['hours']:,.2f}", amount)
    console.print(unbilled)


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1%}"
