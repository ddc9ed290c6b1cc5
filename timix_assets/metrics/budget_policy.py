"""The status of a budget: its values, which of them need attention, and the burn from which it is at risk or over."""

from decimal import Decimal

import polars as pl

from timix_assets.contract.endpoints import PROJECT_STATUSES
from timix_assets.settings.firm import FirmConfig

from .amounts import amount
from .budgets import CONTRACT

NO_BUDGET, ON_TRACK, AT_RISK, OVER_BUDGET = "no_budget", "on_track", "at_risk", "over_budget"
"""Values of `budget_health.status` and `project_budget_status`."""

WORST_FIRST = (OVER_BUDGET, AT_RISK, ON_TRACK, NO_BUDGET)

NEEDS_ATTENTION = (OVER_BUDGET, AT_RISK)

_ACTIVE, _ON_HOLD, COMPLETED, CANCELLED = PROJECT_STATUSES
CLOSED = (COMPLETED, CANCELLED)
"""Statuses of the projects whose budgets no longer matter. A project of an unknown status is open."""

LABELS = {
    NO_BUDGET: "without a budget",
    ON_TRACK: "on track",
    AT_RISK: "at risk",
    OVER_BUDGET: "over budget",
}

SCOPES = {
    "TM": "time and materials",
    "Fix": "fixed price",
    "OVH": "overhead",
    "amount": "amount",
    "contract": "contract amount",
}
"""What the scopes of a project's budgets are called."""

_MAX_RATIO = 2


def thresholds(organization: pl.LazyFrame, firm: FirmConfig) -> pl.LazyFrame:
    """The burn from which a budget is at risk (warning) or over (critical). Source: docs/metrics.md, 3.

    Returns:
        One row: warning, critical, contract_warning, as ratios (Decimal): the organization's, else the policy's; of a contract,
        1 less the margin that the firm aims at, where it does. A figure of the organization above 2 is a percentage.
    """
    policy, contract_margin = firm.budget_policy, firm.targets.contract_margin

    def given(column: str, configured: Decimal) -> pl.Expr:
        value = pl.col(column).first()
        as_ratio = pl.when(value > _MAX_RATIO).then(value * amount(Decimal("0.01"))).otherwise(value)
        return as_ratio.fill_null(amount(configured))

    warning = given("budget_warning_threshold", policy.warning)
    return organization.select(
        warning.alias("warning"),
        given("budget_critical_threshold", policy.critical).alias("critical"),
        (warning if contract_margin is None else amount(1 - contract_margin)).alias("contract_warning"),
    )


def warning() -> pl.Expr:
    """The warning threshold of a budget, beside its scope and the columns of `thresholds`."""
    return pl.when(pl.col("scope") == CONTRACT).then("contract_warning").otherwise("warning")
