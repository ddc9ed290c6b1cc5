"""What projects earn and cost, month by month and currency by currency. docs/metrics.md, 4."""

import polars as pl

from . import columns, earnings
from .amounts import amount, ratio, sum_or_null_if_unpriced
from .columns import BILLING, COST, CURRENCY, CUSTOMER, PROJECT, REVENUE, raw
from .earnings import COLUMNS, CURRENCY_OF_ENTRIES, MARGIN, counted_work, summed
from .entries import FIX
from .fixed_price import ESTIMATE, earned
from .hierarchy import project_terms
from .params import RollupParams
from .rollup import Preview, Rollup, rollup

_CONTRACT = COST + BILLING + raw("projects", "contract_amount")
_EARNED = ESTIMATE + raw("projects", "contract_amount", "currency")
_NULL_MARGIN = "null without revenue, and where more than 5 % (a setting) of the hours have no known cost"

PROJECT_PROFITABILITY = Rollup(
    "project_profitability",
    group="money",
    key=("project_id", "month", "currency"),
    description="What does each project earn and cost? One row per project, month and currency with counted hours; currencies "
    "are never added up. Revenue is TM hours × customer rate; what a fixed price has earned stands beside it. Lead with "
    "tm_margin for rates and with earned_margin for projects that have a fixed price: margin sets TM revenue against all cost, "
    "as Timix's report does, and is right for pure TM projects only. Cost and margins are null for an API key whose role hides "
    "cost.",
    columns=(
        columns.text("project_id", "The project; null for hours whose project is unknown.", PROJECT),
        columns.text(
            "customer_id",
            "The project's customer; of an unknown project, the one customer that all its entries name, else null.",
            CUSTOMER,
        ),
        columns.date("month", "First day of the month.", raw("time_reports", "date")),
        columns.text("currency", CURRENCY_OF_ENTRIES, CURRENCY),
        COLUMNS["logged_hours"],
        COLUMNS["billable_hours"],
        COLUMNS["tm_hours"],
        COLUMNS["unrated_hours"],
        COLUMNS["uncosted_hours"],
        columns.hours(
            "unearned_hours",
            "Fix hours that earn nothing here: the project has no contract amount or no plan, or its currency is another.",
            _EARNED,
        ),
        COLUMNS["revenue"],
        COLUMNS["approved_revenue"],
        COLUMNS["cost"],
        COLUMNS["tm_cost"],
        columns.money("fix_cost", "Cost of the Fix hours.", COST + BILLING),
        columns.money("overhead_cost", "Cost of the OVH hours.", COST + BILLING),
        columns.ratio("margin", f"(Revenue − cost) ÷ revenue; {_NULL_MARGIN}.", MARGIN),
        columns.ratio(
            "tm_margin", f"(Revenue − TM cost) ÷ revenue; {_NULL_MARGIN} (of the TM hours).", MARGIN + BILLING
        ),
        columns.quotient(
            "effective_rate",
            "Revenue ÷ logged hours: what an average hour earns, hours without revenue included.",
            REVENUE,
            "money per hour, in the row's currency",
        ),
        columns.quotient(
            "average_rate",
            "Revenue ÷ the TM hours that have a rate.",
            REVENUE,
            "money per hour, in the row's currency",
        ),
        columns.money(
            "contract_amount",
            "The agreed price of fixed-price work, on rows in the project's currency; null when there is none or 0.",
            raw("projects", "contract_amount", "currency"),
        ),
        columns.money(
            "contract_cost_to_date",
            "Cost of the Fix hours from the first loaded month through the end of the row's month.",
            _CONTRACT,
        ),
        columns.money("contract_remaining", "Contract amount − contract cost to date.", _CONTRACT),
        columns.money(
            "fixed_earned",
            "Contract amount × the row's Fix hours ÷ the project's estimated hours (fixed_price_progress), rounded to 4 places; "
            "0 without Fix hours, null where they are unearned. Today's plan prices every month.",
            _EARNED,
        ),
        columns.money("earned_revenue", "Revenue + fixed earned; null if either is.", REVENUE + _EARNED),
        columns.ratio(
            "earned_margin",
            f"(Earned revenue − cost) ÷ earned revenue; {_NULL_MARGIN}, or earn nothing here.",
            MARGIN + _EARNED,
        ),
    ),
    preview=Preview(
        sort=("-month", "margin"),
        columns=(
            "customer_name",
            "project_name",
            "month",
            "currency",
            "logged_hours",
            "revenue",
            "cost",
            "margin",
            "earned_revenue",
            "earned_margin",
        ),
    ),
)


@rollup(PROJECT_PROFITABILITY)
def project_profitability(
    *,
    work_months: pl.LazyFrame,
    fixed_price_estimates: pl.LazyFrame,
    projects: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """What projects earn and cost. Source: docs/metrics.md, 4.

    Returns:
        One row per project, month and currency with counted hours to as-of; hours and money, Decimal(38, 10), ratios and
        rates, Float64.
    """
    is_fix = pl.col("billing_type") == FIX
    months = (
        counted_work(work_months)
        .group_by("project_id", "period", "currency")
        .agg(
            *earnings.sums().values(),
            summed("cost", is_fix).alias("exact_fix_cost"),
            summed("entries", is_fix).alias("fix_entries"),
            summed("costed", is_fix).alias("fix_costed"),
            pl.col("customer_id").min().alias("named_customer"),
            pl.col("customer_id").drop_nulls().n_unique().alias("named_customers"),
        )
    )
    to_date = sum_or_null_if_unpriced(
        _to_date("exact_fix_cost"), to_price=_to_date("fix_entries"), priced=_to_date("fix_costed")
    )
    terms = project_terms(projects=projects, customers=customers, organization=organization)
    contracts = terms.join(
        projects.select(pl.col("id").alias("project_id"), "contract_amount"), on="project_id"
    ).select("project_id", pl.col("customer_id").alias("project_customer"), "project_currency", "contract_amount")
    has_contract = (pl.col("contract_amount") > 0) & pl.col("currency").eq_missing(pl.col("project_currency"))
    only_named = pl.when(pl.col("named_customers") == 1).then("named_customer")
    return (
        months.with_columns(to_date.alias("fix_cost_to_date"))
        .join(contracts, on="project_id", how="left")
        .join(fixed_price_estimates, on="project_id", how="left")
        .with_columns(
            pl.col("period").alias("month"),
            pl.coalesce("project_customer", only_named).alias("customer_id"),
            pl.when(has_contract).then("contract_amount").alias("contract_amount"),
            pl.when(has_contract).then("fix_cost_to_date").alias("contract_cost_to_date"),
        )
        .with_columns(
            (pl.col("contract_amount") - pl.col("contract_cost_to_date")).alias("contract_remaining"),
            pl.when(pl.col("fix_hours") == 0)
            .then(amount(0))
            .otherwise(earned(pl.col("contract_amount"), pl.col("fix_hours")))
            .alias("fixed_earned"),
        )
        .with_columns(
            pl.when(pl.col("fixed_earned").is_null()).then("fix_hours").otherwise(amount(0)).alias("unearned_hours")
        )
        .with_columns(margins(params))
    )


def margins(params: RollupParams) -> tuple[pl.Expr, ...]:
    """earned_revenue, the margins and rates, beside the sums, fixed_earned and unearned_hours."""
    policy = params.firm.money_policy
    uncosted = ("uncosted_hours", "logged_hours")
    earned_revenue = pl.col("revenue") + pl.col("fixed_earned")
    return (
        earned_revenue.alias("earned_revenue"),
        earnings.margin(pl.col("revenue"), "cost", policy, uncosted).alias("margin"),
        earnings.tm_margin(policy).alias("tm_margin"),
        earnings.margin(earned_revenue, "cost", policy, uncosted, ("unearned_hours", "logged_hours")).alias(
            "earned_margin"
        ),
        ratio(pl.col("revenue"), pl.col("logged_hours")).alias("effective_rate"),
        earnings.average_rate().alias("average_rate"),
    )


def _to_date(column: str) -> pl.Expr:
    """Running sum over the months of a project and currency."""
    return pl.col(column).cum_sum().over("project_id", "currency", order_by="period")
