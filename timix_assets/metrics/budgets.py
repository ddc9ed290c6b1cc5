"""Which budgets there are, and what each used by month. docs/metrics.md, 3."""

import polars as pl

from timix_assets.contract.endpoints import BILLING_TYPES

from . import columns
from .amounts import EXACT
from .columns import BILLING, COUNTED, CURRENCY, raw
from .entries import FIX, OVERHEAD, TM
from .hierarchy import Hierarchy

PROJECT, TASK, SUBTASK = "project", "task", "subtask"
AMOUNT_SCOPE, CONTRACT, HOURS = "amount", "contract", "hours"
MONEY_SCOPES = (AMOUNT_SCOPE, CONTRACT)
_HOUR_CAPS = {TM: "tm_hour_limit", FIX: "fix_hour_limit", OVERHEAD: "ovh_hour_limit"}

BUDGET = ["level", "entity_id", "scope"]
"""What identifies a budget: entity_id is the id of the project, task or subtask that the level names."""

USED = COUNTED + BILLING + columns.PROJECT + raw("time_reports", "customer_rate", "cost_rate") + CURRENCY
"""The columns that decide what a budget used."""


def unit_of(scope: str, currency: str | None) -> str:
    """The unit of a budget: h, or its currency."""
    return (currency or "") if scope in MONEY_SCOPES else "h"


def list_budgets(hierarchy: Hierarchy) -> pl.LazyFrame:
    """Every budget. A cap of 0, less or null is no cap: null.

    Returns:
        level, entity_id, scope, cap; project_id, task_id, subtask_id; start_date, end_date, customer_id and
        project_currency of the project.
    """
    none = pl.lit(None, pl.String)
    projects, tasks = hierarchy.projects, hierarchy.tasks
    of_projects = [
        _caps(projects, PROJECT, scope, column, project_id=pl.col("id"), task_id=none, subtask_id=none)
        for scope, column in {**_HOUR_CAPS, AMOUNT_SCOPE: "amount_limit", CONTRACT: "contract_amount"}.items()
    ]
    of_tasks = [
        _caps(tasks, TASK, scope, column, project_id=pl.col("project_id"), task_id=pl.col("id"), subtask_id=none)
        for scope, column in _HOUR_CAPS.items()
    ]
    parents = tasks.select(pl.col("id").alias("task_id"), "project_id")
    of_subtasks = _caps(
        hierarchy.subtasks.join(parents, on="task_id", how="left"),
        SUBTASK,
        HOURS,
        "hour_limit",
        project_id=pl.col("project_id"),
        task_id=pl.col("task_id"),
        subtask_id=pl.col("id"),
    )
    always = (pl.col("level") == PROJECT) & pl.col("scope").is_in(BILLING_TYPES)
    dates = projects.select(pl.col("id").alias("project_id"), "start_date", "end_date")
    return (
        pl.concat([*of_projects, *of_tasks, of_subtasks])
        .filter(always | pl.col("cap").is_not_null())
        .join(dates, on="project_id", how="left")
        .join(hierarchy.terms.drop("currency"), on="project_id", how="left")
    )


def _caps(
    entities: pl.LazyFrame,
    level: str,
    scope: str,
    column: str,
    *,
    project_id: pl.Expr,
    task_id: pl.Expr,
    subtask_id: pl.Expr,
) -> pl.LazyFrame:
    return entities.select(
        pl.lit(level).alias("level"),
        pl.col("id").alias("entity_id"),
        pl.lit(scope).alias("scope"),
        project_id.alias("project_id"),
        task_id.alias("task_id"),
        subtask_id.alias("subtask_id"),
        pl.when(pl.col(column) > 0).then(column).alias("cap"),
    )


def use_by_period(work: pl.LazyFrame) -> pl.LazyFrame:
    """What each budget used per period, and of that in the burn window: level, entity_id, scope, period; used and
    window_used (exact); to_price and priced, counts of entries; first_date. Time off counts here.
    """
    of_tasks = _uses_of(_in_scopes(work), TASK, pl.col("billing_type"), measure="hours", priced="entries")
    # Hours of an unknown billing type are in no other scope.
    of_subtasks = _uses_of(work.filter("is_counted"), SUBTASK, pl.lit(HOURS), measure="hours", priced="entries")
    return pl.concat([use_of_projects_by_period(work), of_tasks, of_subtasks])


def use_of_projects_by_period(work: pl.LazyFrame) -> pl.LazyFrame:
    """`_use` of the projects' own budgets; money only in the project's currency."""
    counted = _in_scopes(work)
    by_type = pl.col("billing_type")
    own_money = counted.filter(pl.col("currency").eq_missing(pl.col("project_currency")))
    of_tm, of_fix = own_money.filter(by_type == TM), own_money.filter(by_type == FIX)
    return pl.concat(
        [
            _uses_of(counted, PROJECT, by_type, measure="hours", priced="entries"),
            _uses_of(of_tm, PROJECT, pl.lit(AMOUNT_SCOPE), measure="amount", priced="rated"),
            _uses_of(of_fix, PROJECT, pl.lit(CONTRACT), measure="cost", priced="costed"),
        ]
    )


def _in_scopes(work: pl.LazyFrame) -> pl.LazyFrame:
    return work.filter(pl.col("is_counted"), pl.col("billing_type").is_in(BILLING_TYPES))


def _uses_of(work: pl.LazyFrame, level: str, scope: pl.Expr, *, measure: str, priced: str) -> pl.LazyFrame:
    entity_id, use = pl.col(f"{level}_id").alias("entity_id"), pl.col(measure)
    return (
        work.filter(entity_id.is_not_null())
        .group_by(entity_id, scope.alias("scope"), "period")
        .agg(
            use.sum().cast(EXACT).alias("used"),
            pl.when("in_burn_window").then(use).sum().cast(EXACT).alias("window_used"),
            pl.col("entries").sum().alias("to_price"),
            pl.col(priced).sum().alias("priced"),
            pl.col("first_date").min(),
        )
        .with_columns(pl.lit(level).alias("level"))
        .select(*BUDGET, "period", "used", "window_used", "to_price", "priced", "first_date")
    )


def through_period(column: str) -> pl.Expr:
    """Running sum over the periods of a budget."""
    return pl.col(column).cum_sum().over(BUDGET, order_by="period")
