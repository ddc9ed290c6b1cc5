"""What a managing partner asks first, from the tables of the lake as they are. For the command, and for the weekly message."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from timix_assets.lake.tables import Lake

RUNNING = ("Active", "OnHold")
"""Status of the projects whose budgets still matter; one that we do not know counts too."""


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
        .filter(pl.col("project_status").is_in(RUNNING).fill_null(True))
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
