"""The firm as a whole, by month: figures of the dashboard, and money per currency. docs/metrics.md, 6."""

from collections.abc import Mapping

import polars as pl

from .amounts import amount, ratio, sum_of_known
from .entries import with_customer_currency
from .money import counted_work, is_unbilled, margin, total_cost, total_revenue, total_unbilled, unbilled_work
from .settings import Settings
from .tables import AS_OF, ORGANIZATION_KPIS, ORGANIZATION_MONEY
from .thresholds import thresholds

Parts = Mapping[tuple[str, ...], pl.LazyFrame]
"""Frames of month, currency and the columns that the key names."""


def organization_kpis(
    *,
    utilization_daily: pl.LazyFrame,
    budget_burn: pl.LazyFrame,
    work_months: pl.LazyFrame,
    organization: pl.LazyFrame,
    settings: Settings,
) -> pl.LazyFrame:
    """One row per loaded month to as-of, an empty one too. Source: docs/metrics.md, 6."""
    months = pl.LazyFrame({"month": pl.date_range(settings.first_month, settings.as_of, "1mo", eager=True)})
    hours = utilization_daily.group_by("month").agg(
        pl.col("logged_hours").sum().alias("total_hours"),
        pl.col("billable_hours", "capacity_hours").sum(),
        pl.col("user_id").filter(pl.col("logged_hours") > 0).n_unique().alias("active_users"),
    )
    active = (
        counted_work(work_months)
        .group_by(pl.col("period").alias("month"))
        .agg(
            pl.col("project_id").drop_nulls().n_unique().alias("active_projects"),
            pl.col("customer_id").drop_nulls().n_unique().alias("active_customers"),
        )
    )
    budgets = _budgets_by_month(budget_burn, organization, settings)
    counts = ("active_users", "active_projects", "active_customers", "projects_at_risk", "projects_over_budget")
    capacity = pl.col("capacity_hours")
    return ORGANIZATION_KPIS.shaped(
        months.join(hours, on="month", how="left")
        .join(active, on="month", how="left")
        .join(budgets, on="month", how="left")
        .with_columns(
            pl.col("total_hours", "billable_hours", "capacity_hours").fill_null(amount(0)),
            pl.col(counts).fill_null(0),
        )
        .with_columns(
            ratio(pl.col("billable_hours"), capacity).alias("billable_utilization"),
            ratio(pl.col("total_hours"), capacity).alias("total_utilization"),
            pl.lit(settings.as_of).alias(AS_OF),
        )
    )


def months_before_work(organization_kpis: pl.LazyFrame) -> pl.LazyFrame:
    """month, capacity_hours: the months with capacity before the first in which work was logged, in order.

    No rows where nobody ever logged any.
    """
    first = pl.col("month").filter(pl.col("total_hours") > 0).min()
    idle = organization_kpis.filter(pl.col("month") < first, pl.col("capacity_hours") > 0)
    return idle.select("month", "capacity_hours").sort("month")


def _budgets_by_month(budget_burn: pl.LazyFrame, organization: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """month, projects_at_risk, projects_over_budget: each project by the worst of its budgets at the month's end."""
    used, cap = pl.col("cumulative_used"), pl.col("cap")
    return (
        budget_burn.join(thresholds(organization, settings.budgets), how="cross")
        .group_by("month", "project_id")
        .agg(
            (used >= cap * pl.col("critical")).any().alias("over"),
            (used >= cap * pl.col("warning")).any().alias("warned"),
        )
        .group_by("month")
        .agg(
            (pl.col("warned") & ~pl.col("over")).sum().alias("projects_at_risk"),
            pl.col("over").sum().alias("projects_over_budget"),
        )
    )


def organization_money(
    *,
    work_months: pl.LazyFrame,
    invoices: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    settings: Settings,
) -> pl.LazyFrame:
    """One row per month and currency with work, invoices or unbilled work. Source: docs/metrics.md, 6."""
    earned = (
        counted_work(work_months)
        .group_by(pl.col("period").alias("month"), "currency")
        .agg(total_revenue().alias("revenue"), total_cost().alias("cost"))
    )
    last_loaded = pl.lit(settings.as_of).dt.month_end()
    unbilled = (
        unbilled_work(work_months)
        .filter(is_unbilled(), pl.col("period").is_between(settings.first_month, last_loaded))
        .group_by(pl.col("period").alias("month"), "currency")
        .agg(total_unbilled().alias("unbilled"))
    )
    billed = with_customer_currency(invoices, customers=customers, organization=organization)
    parts: Parts = {
        ("revenue", "cost"): earned,
        ("invoiced",): _invoiced(billed, "invoiced", ("Issued", "Sent", "Paid"), "issue_date", settings),
        ("paid",): _invoiced(billed, "paid", ("Paid",), "paid_date", settings),
        ("outstanding",): _invoiced(billed, "outstanding", ("Issued", "Sent"), "issue_date", settings),
        ("unbilled",): unbilled,
    }
    return ORGANIZATION_MONEY.shaped(_side_by_side(parts).with_columns(margin().alias("margin")))


def _invoiced(
    invoices: pl.LazyFrame, name: str, statuses: tuple[str, ...], dated: str, settings: Settings
) -> pl.LazyFrame:
    """month, currency, `name`: totals of the invoices in those states, by that date, within the range to as-of."""
    return (
        invoices.filter(
            pl.col("status").is_in(statuses), pl.col(dated).is_between(settings.first_month, settings.as_of)
        )
        .group_by(pl.col(dated).dt.month_start().alias("month"), "currency")
        .agg(sum_of_known("total").alias(name))
    )


def _side_by_side(parts: Parts) -> pl.LazyFrame:
    """The parts joined on month and currency: 0 where a part has no row, null where its row says null."""
    group = ["month", "currency"]
    joined = pl.concat([part.select(group) for part in parts.values()]).unique()
    for columns, part in parts.items():
        there = f"there_is_{columns[0]}"
        joined = joined.join(
            part.with_columns(pl.lit(True).alias(there)), on=group, how="left", nulls_equal=True
        ).with_columns(pl.when(there).then(c).otherwise(amount(0)).alias(c) for c in columns)
    return joined
