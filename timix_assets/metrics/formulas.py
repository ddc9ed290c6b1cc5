"""Every formula by the name of the table that it makes. Parameters are named after the tables that a formula reads."""

from collections.abc import Callable, Mapping

import polars as pl

from .budgets import budget_burn, budget_health
from .capacity import capacity_daily
from .entries import work_days, work_months
from .money import project_profitability, unbilled_aging
from .organization import organization_kpis, organization_money
from .utilization import utilization_daily, utilization_monthly, utilization_weekly

Formula = Callable[..., pl.LazyFrame]

PREPARED: Mapping[str, Formula] = {f.__name__: f for f in (work_days, work_months)}
"""Read the raw entries once a run; no table of the lake. Collect both with the streaming engine before the rollups."""

FORMULAS: Mapping[str, Formula] = {
    f.__name__: f
    for f in (
        capacity_daily,
        utilization_daily,
        utilization_weekly,
        utilization_monthly,
        budget_health,
        budget_burn,
        project_profitability,
        unbilled_aging,
        organization_kpis,
        organization_money,
    )
}
"""The ten rollups, each after those that it reads."""
