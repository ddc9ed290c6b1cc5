"""The rollups: pure functions from tables to tables. No Dagster, no I/O, no clock.

**The names of a formula's parameters choose its inputs.** A formula is a function that takes one `pl.LazyFrame` for each
table that it reads: a parameter named after a raw table (`time_reports`), another rollup (`capacity_daily`) or a
pre-aggregate (`work_days`) receives that table, and `params` receives the as-of date, the loaded months and the firm's
decisions. So a formula's signature is its lineage: the asset that computes it gets these tables as its dependencies.

Where things are:

- `rollup.py` what a rollup declares (key, group, description, columns, preview), and the decorator `@rollup` that registers it;
- `inputs.py` how a formula is computed from its inputs;
- `columns.py` the kinds of columns, and the raw columns that many columns come from;
- `capacity.py`, `utilization.py`, `timesheets.py`, `budget_health.py`, `budget_burn.py`, `fixed_price.py`,
  `project_profitability.py`, `person_economics.py`, `unbilled.py`, `receivables.py`, `organization.py`, `organization_money.py`,
  `restatements.py` the rollups: each declaration is above its formula;
- `lockup.py` the past of `working_capital`, for its chart;
- `names.py` the names that stand beside the ids of every rollup;
- `entries.py` which time entries count, and the pre-aggregates; `hierarchy.py` the parents of an entry;
- `lookup.py` values of small tables beside the rows of large ones;
- `earnings.py`, `invoices.py`, `budgets.py`, `budget_policy.py`, `working_days.py`, `amounts.py`, `limits.py`,
  `params.py` what the formulas share.

docs/metrics.md explains every figure to the people who read it.
"""

# Each module registers its rollups; in this order every formula comes after those that it reads.
from . import (  # noqa: I001
    capacity,
    utilization,
    timesheets,
    budget_health,
    budget_burn,
    fixed_price,
    project_profitability,
    person_economics,
    unbilled,
    receivables,
    lockup,
    organization,
    organization_money,
    restatements,
)
from .rollup import BY_NAME, FORMULAS, PRE_AGGREGATES, Column, Formula, Preview, Rollup

ROLLUPS: tuple[Rollup, ...] = tuple(BY_NAME.values())

__all__ = [
    "BY_NAME",
    "FORMULAS",
    "PRE_AGGREGATES",
    "ROLLUPS",
    "Column",
    "Formula",
    "Preview",
    "Rollup",
    "budget_burn",
    "budget_health",
    "capacity",
    "fixed_price",
    "lockup",
    "organization",
    "organization_money",
    "person_economics",
    "project_profitability",
    "receivables",
    "restatements",
    "timesheets",
    "unbilled",
    "utilization",
]
