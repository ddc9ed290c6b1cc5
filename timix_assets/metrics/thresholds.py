"""From which burn on a budget is at risk or over: the organization's word, else the firm's setting."""

from decimal import Decimal

import polars as pl

from .amounts import amount
from .settings import BudgetPolicy

_HIGHEST_RATIO = 2


def thresholds(organization: pl.LazyFrame, policy: BudgetPolicy) -> pl.LazyFrame:
    """One row: warning, critical, as ratios (Decimal). Above 2 the organization's figure is a percentage."""

    def given(column: str, configured: Decimal) -> pl.Expr:
        value = pl.col(column).first()
        as_ratio = pl.when(value > _HIGHEST_RATIO).then(value * amount(Decimal("0.01"))).otherwise(value)
        return as_ratio.fill_null(amount(configured))

    return organization.select(
        given("budget_warning_threshold", policy.warning).alias("warning"),
        given("budget_critical_threshold", policy.critical).alias("critical"),
    )
