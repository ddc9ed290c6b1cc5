"""The budgets that charts are about: a project's own, capped, with what stands beside them in words."""

from collections.abc import Sequence

import polars as pl

from ..metrics.budget_status import CLOSED
from .text import label, unit_of

_PROJECT_LENGTH, _CUSTOMER_LENGTH = 30, 20


def capped_budgets(budget_health: pl.DataFrame, projects: pl.DataFrame) -> pl.DataFrame:
    """The projects' budgets with a cap and a known use, worst first, with `project_name` and `is_open`."""
    named = projects.select(
        pl.col("id").alias("project_id"),
        pl.col("name").alias("project_name"),
        (~pl.col("status").is_in(CLOSED)).fill_null(True).alias("is_open"),
    )
    return (
        budget_health.filter(pl.col("level") == "project", pl.col("burn").is_not_null())
        .join(named, on="project_id", how="left")
        .with_columns(pl.col("is_open").fill_null(True))
        .sort("burn", "project_id", "scope", descending=[True, False, False])
    )


def described(budgets: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """With project, customer and unit, in words fit for a line."""
    names = customers.select(pl.col("id").alias("customer_id"), pl.col("name").alias("customer_name"))
    joined = budgets.join(names, on="customer_id", how="left", maintain_order="left")
    rows = joined.to_dicts()
    return joined.with_columns(
        words("project", [label(r["project_name"], r["project_id"], length=_PROJECT_LENGTH) for r in rows]),
        words("customer", [label(r["customer_name"], r["customer_id"], length=_CUSTOMER_LENGTH) for r in rows]),
        words("unit", [unit_of(r["scope"], r["currency"]) for r in rows]),
    )


def words(name: str, values: Sequence[str]) -> pl.Series:
    """A column of text, of that type without rows too."""
    return pl.Series(name, values, pl.String)
