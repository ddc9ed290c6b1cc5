"""Money, per currency: what projects earn and cost, and what is not billed yet. docs/metrics.md, 4 and 5."""

import polars as pl

from .amounts import ratio, total_worth
from .entries import BILLABLE, FIX, OPEN_APPROVED, OPEN_UNAPPROVED, TM, project_terms
from .settings import Settings
from .tables import AS_OF, PROJECT_PROFITABILITY, UNBILLED_AGING


def counted_work(work_months: pl.LazyFrame) -> pl.LazyFrame:
    """Work that earns and costs: counted, and no time off."""
    return work_months.filter("is_counted", ~pl.col("is_time_off"))


def unbilled_work(work_months: pl.LazyFrame) -> pl.LazyFrame:
    """Work that waits to be billed or approved, time off left out."""
    return work_months.filter(pl.col("open_state").is_not_null(), ~pl.col("is_time_off"))


def is_unbilled() -> pl.Expr:
    """Approved TM work without an invoice."""
    return (pl.col("open_state") == OPEN_APPROVED) & (pl.col("billing_type") == TM)


def summed(column: str, condition: pl.Expr) -> pl.Expr:
    """Sum of a column over the rows of a group that meet the condition."""
    return pl.when(condition).then(column).otherwise(0).sum()


def total_revenue() -> pl.Expr:
    """Σ hours × customer rate of TM entries; null when there are some and none has a rate."""
    is_tm = pl.col("billing_type") == TM
    return _total("amount", "rated", is_tm)


def total_cost() -> pl.Expr:
    """Σ hours × cost rate; null when there are entries and none has a cost rate."""
    return _total("cost", "costed", pl.lit(True))


def total_unbilled() -> pl.Expr:
    """Σ hours × customer rate of unbilled entries; null when there are some and none has a rate."""
    return _total("amount", "rated", is_unbilled())


def margin() -> pl.Expr:
    """(revenue − cost) ÷ revenue; null when revenue is 0 or either is unknown."""
    return ratio(pl.col("revenue") - pl.col("cost"), pl.col("revenue"))


def _total(worth: str, priced: str, condition: pl.Expr) -> pl.Expr:
    return total_worth(
        summed(worth, condition), to_price=summed("entries", condition), priced=summed(priced, condition)
    )


def project_profitability(
    *, work_months: pl.LazyFrame, projects: pl.LazyFrame, customers: pl.LazyFrame, organization: pl.LazyFrame
) -> pl.LazyFrame:
    """One row per project, month and currency with counted hours to as-of.

    work_months: `entries.work_months`. Source: docs/metrics.md, 4.
    """
    group = ["project_id", "period", "currency"]
    is_fix = pl.col("billing_type") == FIX
    is_billable = pl.col("billing_type").is_in(BILLABLE)
    is_tm = pl.col("billing_type") == TM
    months = (
        counted_work(work_months)
        .group_by(group)
        .agg(
            pl.col("hours").sum().alias("logged_hours"),
            summed("hours", is_billable).alias("billable_hours"),
            summed("unrated_hours", is_tm).alias("unrated_hours"),
            total_revenue().alias("revenue"),
            total_cost().alias("cost"),
            summed("cost", is_fix).alias("fix_cost"),
            summed("entries", is_fix).alias("fix_entries"),
            summed("costed", is_fix).alias("fix_costed"),
            pl.col("customer_id").min().alias("named_customer"),
            pl.col("customer_id").drop_nulls().n_unique().alias("named_customers"),
        )
    )
    to_date = total_worth(_to_date("fix_cost"), to_price=_to_date("fix_entries"), priced=_to_date("fix_costed"))
    terms = project_terms(projects=projects, customers=customers, organization=organization)
    contracts = terms.join(
        projects.select(pl.col("id").alias("project_id"), "contract_amount"), on="project_id"
    ).select("project_id", pl.col("customer_id").alias("project_customer"), "project_currency", "contract_amount")
    has_contract = (pl.col("contract_amount") > 0) & pl.col("currency").eq_missing(pl.col("project_currency"))
    only_named = pl.when(pl.col("named_customers") == 1).then("named_customer")
    return PROJECT_PROFITABILITY.shaped(
        months.with_columns(to_date.alias("fix_cost_to_date"))
        .join(contracts, on="project_id", how="left")
        .with_columns(
            pl.col("period").alias("month"),
            pl.coalesce("project_customer", only_named).alias("customer_id"),
            margin().alias("margin"),
            ratio(pl.col("revenue"), pl.col("logged_hours")).alias("effective_rate"),
            pl.when(has_contract).then("contract_amount").alias("contract_amount"),
            pl.when(has_contract).then("fix_cost_to_date").alias("contract_cost_to_date"),
        )
        .with_columns((pl.col("contract_amount") - pl.col("contract_cost_to_date")).alias("contract_remaining"))
    )


def unbilled_aging(*, work_months: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """One row per customer, project, bucket and currency with unbilled, unapproved or fixed-price hours open.

    work_months: `entries.work_months`. Source: docs/metrics.md, 5.
    """
    state, billing_type = pl.col("open_state"), pl.col("billing_type")
    is_unapproved = (state == OPEN_UNAPPROVED) & (billing_type == TM)
    is_fixed_price = (state == OPEN_APPROVED) & (billing_type == FIX)
    return UNBILLED_AGING.shaped(
        unbilled_work(work_months)
        .filter(is_unbilled() | is_unapproved | is_fixed_price)
        .group_by("customer_id", "project_id", "bucket", "currency")
        .agg(
            summed("hours", is_unbilled()).alias("hours"),
            total_unbilled().alias("amount"),
            summed("entries", is_unbilled()).alias("entry_count"),
            pl.when(is_unbilled()).then("first_date").min().alias("oldest_date"),
            summed("hours", is_unapproved).alias("unapproved_hours"),
            summed("hours", is_fixed_price).alias("fixed_price_hours"),
        )
        .with_columns(pl.lit(settings.as_of).alias(AS_OF))
    )


def _to_date(column: str) -> pl.Expr:
    """Running sum over the months of a project and currency."""
    return pl.col(column).cum_sum().over("project_id", "currency", order_by="period")
