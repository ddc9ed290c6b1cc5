"""The firm's month at a glance: the figures of the dashboard. docs/metrics.md, 6."""

import polars as pl

from . import columns
from .amounts import amount, ratio
from .budget_policy import CLOSED, thresholds, warning
from .columns import AS_OF, COUNTED, THRESHOLDS, derived, raw
from .earnings import counted_work
from .params import RollupParams
from .rollup import Preview, Rollup, rollup
from .utilization import needed

_BUDGETS = derived("budget_burn", "cumulative_used", "cap") + THRESHOLDS + raw("projects", "status")
_NEEDED = derived("utilization_daily", "billable_hours", "capacity_hours") + derived("capacity_daily", "capacity_hours")

ORGANIZATION_KPIS = Rollup(
    "organization_kpis",
    group="organization",
    key=("month",),
    description="The firm's month at a glance: hours, utilization, active people, projects and customers, and how many projects "
    "were at risk or over budget at the end of the month (the current month: as-of). One row per loaded month to as-of, "
    "including months without work.",
    columns=(
        columns.date(
            "month", "First day of the month.", derived("utilization_daily", "month") + derived("budget_burn", "month")
        ),
        columns.hours("total_hours", "Logged hours to as-of.", derived("utilization_daily", "logged_hours")),
        columns.hours(
            "billable_hours", "Logged hours of billing type TM or Fix.", derived("utilization_daily", "billable_hours")
        ),
        columns.hours(
            "approved_billable_hours",
            "Billable hours that are Approved or Invoiced.",
            derived("utilization_daily", "approved_billable_hours"),
        ),
        columns.hours("capacity_hours", "Capacity to as-of.", derived("utilization_daily", "capacity_hours")),
        columns.hours(
            "capacity_full_hours",
            "Capacity of all days of the month, including those after as-of.",
            derived("capacity_daily", "capacity_hours"),
        ),
        columns.ratio(
            "billable_utilization",
            "Billable hours ÷ capacity, of all people together.",
            derived("utilization_daily", "billable_hours", "capacity_hours"),
        ),
        columns.ratio(
            "total_utilization",
            "Logged hours ÷ capacity, of all people together.",
            derived("utilization_daily", "logged_hours", "capacity_hours"),
        ),
        columns.hours(
            "target_gap_hours",
            "Target (0.75, a setting) × capacity − billable hours; positive means short of the target.",
            derived("utilization_daily", "billable_hours", "capacity_hours"),
        ),
        columns.hours(
            "needed_hours",
            "Billable hours still needed to reach the target of the whole month's capacity, at least 0; null except in the "
            "current month while days are left.",
            _NEEDED,
        ),
        columns.ratio(
            "needed_utilization",
            "Needed hours ÷ the capacity that is left after as-of. Above 1 the target is out of reach.",
            _NEEDED,
        ),
        columns.count(
            "active_users",
            "People with at least one counted entry in the month.",
            derived("utilization_daily", "user_id", "logged_hours"),
        ),
        columns.count(
            "active_projects", "Projects with at least one counted entry in the month.", columns.PROJECT + COUNTED
        ),
        columns.count(
            "active_customers", "Customers with at least one counted entry in the month.", columns.CUSTOMER + COUNTED
        ),
        columns.count(
            "projects_at_risk",
            "Projects whose worst budget had reached the warning threshold, but not the critical one, by the end of the month, "
            "against today's caps. A Completed or Cancelled project counts up to the month of its last counted entry.",
            _BUDGETS,
        ),
        columns.count(
            "projects_over_budget",
            "Projects with a budget that had reached the critical threshold by the end of the month, against today's caps; "
            "closed projects as above.",
            _BUDGETS,
        ),
        columns.as_of(),
    ),
    preview=Preview(
        sort=("-month",),
        columns=(
            "month",
            "total_hours",
            "billable_hours",
            "capacity_hours",
            "billable_utilization",
            "target_gap_hours",
            "active_users",
            "projects_at_risk",
            "projects_over_budget",
        ),
    ),
)


@rollup(ORGANIZATION_KPIS)
def organization_kpis(
    *,
    utilization_daily: pl.LazyFrame,
    capacity_daily: pl.LazyFrame,
    budget_burn: pl.LazyFrame,
    work_months: pl.LazyFrame,
    projects: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """The firm by month: hours, utilization, activity, projects at risk. Source: docs/metrics.md, 6.

    Returns:
        One row per loaded month to as-of, months without work included; hours, Decimal(38, 10), ratios, Float64.
    """
    months = pl.LazyFrame({"month": params.loaded_months}, {"month": pl.Date})
    hours = utilization_daily.group_by("month").agg(
        pl.col("logged_hours").sum().alias("total_hours"),
        pl.col("billable_hours", "approved_billable_hours", "capacity_hours").sum(),
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
    full = capacity_daily.group_by("month").agg(pl.col("capacity_hours").sum().alias("capacity_full_hours"))
    budgets = _budgets_by_month(budget_burn, work_months, projects, organization, params)
    sums = ("total_hours", "billable_hours", "approved_billable_hours", "capacity_hours", "capacity_full_hours")
    counts = ("active_users", "active_projects", "active_customers", "projects_at_risk", "projects_over_budget")
    capacity = pl.col("capacity_hours")
    return (
        months.join(hours, on="month", how="left")
        .join(full, on="month", how="left")
        .join(active, on="month", how="left")
        .join(budgets, on="month", how="left")
        .with_columns(
            pl.col(sums).fill_null(amount(0)),
            pl.col(counts).fill_null(0),
        )
        .with_columns(
            ratio(pl.col("billable_hours"), capacity).alias("billable_utilization"),
            ratio(pl.col("total_hours"), capacity).alias("total_utilization"),
            (capacity * amount(params.firm.targets.utilization) - pl.col("billable_hours")).alias("target_gap_hours"),
            *needed(params),
            pl.lit(params.as_of).alias(AS_OF),
        )
    )


def _budgets_by_month(
    budget_burn: pl.LazyFrame,
    work_months: pl.LazyFrame,
    projects: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """month, projects_at_risk, projects_over_budget: each project by the worst of its budgets at the month's end.

    A closed project is in no month after that of its last counted entry, and in none without any.
    """
    used, cap = pl.col("cumulative_used"), pl.col("cap")
    last = work_months.filter("is_counted").group_by("project_id").agg(pl.col("period").max().alias("last_month"))
    closed = projects.filter(pl.col("status").is_in(CLOSED)).select(
        pl.col("id").alias("project_id"), pl.lit(True).alias("is_closed")
    )
    return (
        budget_burn.join(closed, on="project_id", how="left")
        .join(last, on="project_id", how="left")
        .filter(pl.col("is_closed").is_null() | (pl.col("month") <= pl.col("last_month")).fill_null(False))
        .join(thresholds(organization, params.firm), how="cross")
        .group_by("month", "project_id")
        .agg(
            (used >= cap * pl.col("critical")).any().alias("over"),
            (used >= cap * warning()).any().alias("warned"),
        )
        .group_by("month")
        .agg(
            (pl.col("warned") & ~pl.col("over")).sum().alias("projects_at_risk"),
            pl.col("over").sum().alias("projects_over_budget"),
        )
    )
