"""Budget burn: how each budget of a project was used up, month by month. docs/metrics.md, 3."""

import polars as pl

from . import columns
from .amounts import ratio, sum_or_null_if_unpriced
from .budgets import BUDGET, PROJECT, USED, through_period, use_of_projects_by_period
from .columns import derived, raw
from .params import RollupParams
from .rollup import Preview, Rollup, rollup

BUDGET_BURN = Rollup(
    "budget_burn",
    group="budgets",
    key=("project_id", "scope", "month"),
    description="How each budget of a project was used up: one row per project, scope and loaded month to as-of, with 0 where "
    "nothing was used, against today's cap.",
    columns=(
        columns.text("project_id", "The project.", derived("budget_health", "project_id")),
        columns.text("scope", "TM, Fix, OVH, amount or contract.", derived("budget_health", "scope")),
        columns.date("month", "First day of the month.", raw("time_reports", "date")),
        columns.hours_or_money("used", "Used in the month, to as-of.", USED),
        columns.hours_or_money(
            "cumulative_used",
            "Used from the first loaded month through the end of this one (the current month: as-of).",
            USED,
        ),
        columns.hours_or_money(
            "cap", "Today's cap, null when there is none: Timix keeps no earlier caps.", derived("budget_health", "cap")
        ),
        columns.ratio("burn", "Cumulative use ÷ cap.", USED + derived("budget_health", "cap")),
    ),
    preview=Preview(
        sort=("-month", "-burn"), columns=("project_name", "scope", "month", "used", "cumulative_used", "cap", "burn")
    ),
)


@rollup(BUDGET_BURN)
def budget_burn(*, work_months: pl.LazyFrame, budget_health: pl.LazyFrame, params: RollupParams) -> pl.LazyFrame:
    """Use of each project budget by month. Source: docs/metrics.md, 3.

    Returns:
        One row per budget of a project and loaded month to as-of; hours and money, Decimal(38, 10), burn, Float64.
    """
    months = pl.LazyFrame({"period": params.loaded_months}, {"period": pl.Date})
    of_projects = (
        budget_health.filter(pl.col("level") == PROJECT)
        .select("level", "project_id", pl.col("project_id").alias("entity_id"), "scope", "cap")
        .join(months, how="cross")
        .join(use_of_projects_by_period(work_months), on=[*BUDGET, "period"], how="left")
        .with_columns(pl.col("used", "to_price", "priced").fill_null(0))
    )

    return of_projects.with_columns(
        pl.col("period").alias("month"),
        sum_or_null_if_unpriced(pl.col("used"), to_price=pl.col("to_price"), priced=pl.col("priced")).alias("used"),
        sum_or_null_if_unpriced(
            through_period("used"), to_price=through_period("to_price"), priced=through_period("priced")
        ).alias("cumulative_used"),
    ).with_columns(ratio(pl.col("cumulative_used"), pl.col("cap")).alias("burn"))
