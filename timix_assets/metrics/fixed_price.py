"""Fixed-price projects: how far they are, and what they have earned at that. docs/metrics.md, 4."""

import polars as pl

from timix_assets.contract.schema import AMOUNT
from timix_assets.settings.firm import MoneyPolicy

from . import budget_forecast, columns
from .amounts import amount, as_float, ratio, share
from .budget_policy import COMPLETED
from .budgets import CONTRACT, PROJECT, use_of_projects_by_period
from .columns import AS_OF, COST, COUNTED, CURRENCY_OF_PROJECT, derived, raw
from .entries import FIX
from .hierarchy import project_terms
from .params import RollupParams
from .rollup import Preview, Rollup, pre_aggregate, rollup

_PLAN = raw("projects", "fix_hour_limit", "status", "end_date")
ESTIMATE = COUNTED + columns.BILLING + columns.PROJECT + _PLAN
"""The columns that decide the hours that a project is expected to take."""

_EARNED = ESTIMATE + raw("projects", "contract_amount")


@pre_aggregate
def fixed_price_estimates(*, work_months: pl.LazyFrame, projects: pl.LazyFrame, params: RollupParams) -> pl.LazyFrame:
    """The Fix hours that each project is expected to take. Source: docs/metrics.md, 4.

    Returns:
        One row per project: project_id, planned_hours (the Fix cap), used_hours, is_completed; estimate and divisor, two
        decimals whose quotient is estimated_hours, exact where the quotient itself would not be.
    """
    used = (
        use_of_projects_by_period(work_months)
        .filter(pl.col("scope") == FIX)
        .group_by(pl.col("entity_id").alias("project_id"))
        .agg(pl.col("used", "window_used").sum().cast(AMOUNT), pl.col("first_date").min())
    )
    planned, hours, days = pl.col("planned_hours"), pl.col("used_hours"), pl.col("divisor")
    return (
        projects.select(
            pl.col("id").alias("project_id"),
            pl.when(pl.col("fix_hour_limit") > 0).then("fix_hour_limit").alias("planned_hours"),
            (pl.col("status") == COMPLETED).fill_null(False).alias("is_completed"),
            pl.col("start_date").alias("begin_date"),
            "end_date",
        )
        .join(used, on="project_id", how="left")
        .with_columns(pl.col("used", "window_used").fill_null(0))
        .with_columns(budget_forecast.pace(params))
        .with_columns(budget_forecast.projected(params).alias("projected"), pl.col("used").alias("used_hours"))
        .with_columns(
            pl.when(pl.col("projected").is_null()).then(1).otherwise("window_days").cast(AMOUNT).alias("divisor")
        )
        .with_columns(
            pl.when("is_completed")
            .then(hours * days)
            .when(planned.is_not_null())
            .then(pl.max_horizontal(planned * days, hours * days, "projected"))
            .alias("estimate")
        )
        .select("project_id", "planned_hours", "used_hours", "is_completed", "estimate", "divisor")
    )


def earned(contract_amount: pl.Expr, hours: pl.Expr) -> pl.Expr:
    """contract amount × hours ÷ estimated hours, rounded to 4 places; beside the columns estimate and divisor."""
    return share(contract_amount, hours * pl.col("divisor"), pl.col("estimate"))


FIXED_PRICE_PROGRESS = Rollup(
    "fixed_price_progress",
    group="money",
    key=("project_id",),
    description="How far is each fixed-price project, and what will be left of its price? One row per project with a contract "
    "amount, as of the as-of date, by hours worked against hours expected. Today's plan prices every month, as today's cap does: "
    "a figure for steering, not for closed books.",
    columns=(
        columns.text("project_id", "The project.", raw("projects", "id")),
        columns.text("customer_id", "The project's customer.", raw("projects", "customer_id")),
        columns.text("currency", "The project's currency.", CURRENCY_OF_PROJECT),
        columns.money("contract_amount", "The agreed price.", raw("projects", "contract_amount")),
        columns.hours("planned_hours", "The project's Fix cap; null without one.", raw("projects", "fix_hour_limit")),
        columns.hours("used_hours", "Fix hours to as-of.", derived("budget_health", "used")),
        columns.quotient(
            "estimated_hours",
            "The hours that it will take: the largest of planned, used and projected hours; of a Completed project, those used; "
            "null without a plan.",
            ESTIMATE,
            "hours",
        ),
        columns.ratio(
            "percent_complete",
            "Used ÷ estimated hours; 1 for a Completed project, null for one without Fix hours in the lake.",
            ESTIMATE,
        ),
        columns.money("earned_to_date", "Contract amount × percent complete, rounded to 4 places.", _EARNED),
        columns.money("cost_to_date", "Cost of the Fix hours to as-of.", derived("budget_health", "used")),
        columns.ratio(
            "earned_margin",
            "(Earned − cost) ÷ earned to date; null where more than 5 % (a setting) of the Fix hours have no known cost.",
            _EARNED + COST,
        ),
        columns.ratio(
            "expected_margin",
            "1 − cost ÷ (percent complete × contract amount): what will be left at the end at today's cost; null as above.",
            _EARNED + COST,
        ),
        columns.flag(
            "history_complete",
            "False when a month since the project's start was never read, so that hours and cost are missing; null without a "
            "start date.",
            derived("budget_health", "history_complete"),
        ),
        columns.as_of(),
    ),
    preview=Preview(
        sort=("expected_margin",),
        columns=(
            "customer_name",
            "project_name",
            "currency",
            "contract_amount",
            "percent_complete",
            "earned_to_date",
            "cost_to_date",
            "expected_margin",
        ),
    ),
)


@rollup(FIXED_PRICE_PROGRESS)
def fixed_price_progress(
    *,
    fixed_price_estimates: pl.LazyFrame,
    budget_health: pl.LazyFrame,
    work_months: pl.LazyFrame,
    projects: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """How far each fixed-price project is, and what will be left of its price. Source: docs/metrics.md, 4.

    Returns:
        One row per project with a contract amount; hours and money, Decimal(38, 10), ratios and estimated_hours, Float64.
    """
    contracts = budget_health.filter(pl.col("level") == PROJECT, pl.col("scope") == CONTRACT).select(
        "project_id",
        pl.col("cap").alias("contract_amount"),
        pl.col("used").alias("cost_to_date"),
        "history_complete",
    )
    terms = project_terms(projects=projects, customers=customers, organization=organization)
    used, price = pl.col("used_hours"), pl.col("contract_amount")
    estimate, cost = pl.col("estimate"), pl.col("cost_to_date")
    is_known = _cost_is_known(params.firm.money_policy)
    earned_to_date = pl.col("earned_to_date")
    return (
        contracts.join(fixed_price_estimates, on="project_id")
        .join(terms.select("project_id", "customer_id", pl.col("project_currency").alias("currency")), on="project_id")
        .join(_gaps(work_months), on="project_id", how="left")
        .with_columns(
            ratio(estimate, pl.col("divisor")).alias("estimated_hours"),
            ratio(used * pl.col("divisor"), estimate).alias("percent_complete"),
            earned(price, used).alias("earned_to_date"),
        )
        .with_columns(
            pl.when(is_known).then(ratio(earned_to_date - cost, earned_to_date)).alias("earned_margin"),
            pl.when(is_known)
            .then(1 - ratio(cost, price) / as_float(used * pl.col("divisor")) * as_float(estimate))
            .alias("expected_margin"),
            pl.lit(params.as_of).alias(AS_OF),
        )
        .with_columns(pl.when(used > 0).then("expected_margin").alias("expected_margin"))
    )


def _gaps(work_months: pl.LazyFrame) -> pl.LazyFrame:
    """project_id, fix_hours, fix_uncosted_hours: the Fix hours, and those without a known cost in the project's currency."""
    is_other = pl.col("currency").ne_missing(pl.col("project_currency"))
    return (
        work_months.filter("is_counted", pl.col("billing_type") == FIX)
        .group_by("project_id")
        .agg(
            pl.col("hours").sum().alias("fix_hours"),
            pl.when(is_other).then("hours").otherwise("uncosted_hours").sum().alias("fix_uncosted_hours"),
        )
    )


def _cost_is_known(policy: MoneyPolicy) -> pl.Expr:
    tolerated = pl.col("fix_hours") * amount(policy.uncosted_tolerance)
    return (pl.col("fix_uncosted_hours") <= tolerated).fill_null(True)
