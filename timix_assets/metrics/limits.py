"""Limits of the raw values that the formulas use: a larger value counts as unknown, and a check lists its row.

The raw tables keep every value as sent, up to 28 digits before the decimal point. One mistyped price of that size would make
every sum that includes it overflow. The limits are chosen so that no formula can overflow:

- money is summed as Decimal(38, 20), exact below 10^18: 10^7 entries x 24 h x 10^9 an hour are 2.4 x 10^17;
- caps are multiplied by working days (3 x 10^6 from year 1 to 9999) and ratios (at most 1000), as Decimal(38, 10), which
  holds less than 10^28: 10^15 x 3 x 10^6 x 10^3 are 3 x 10^24.
"""

from collections.abc import Mapping
from decimal import Decimal

import polars as pl

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.settings.firm import MoneyPolicy

from .amounts import amount

MAX_WEEKLY_HOURS = Decimal(7 * 24)
MAX_THRESHOLD = Decimal(1000)
"""Of a budget, in per cent."""

RATE, AMOUNT, WEEKLY_HOURS, THRESHOLD = "rate", "amount", "weekly hours", "threshold"

LIMITED: Mapping[str, Mapping[str, str]] = {
    "time_reports": {"customer_rate": RATE, "cost_rate": RATE},
    "projects": {
        "tm_hour_limit": AMOUNT,
        "fix_hour_limit": AMOUNT,
        "ovh_hour_limit": AMOUNT,
        "amount_limit": AMOUNT,
        "contract_amount": AMOUNT,
    },
    "tasks": {"tm_hour_limit": AMOUNT, "fix_hour_limit": AMOUNT, "ovh_hour_limit": AMOUNT},
    "subtasks": {"hour_limit": AMOUNT},
    "invoices": {"subtotal": AMOUNT, "tax_amount": AMOUNT, "total": AMOUNT, "amount_paid": AMOUNT},
    "revenue_report": {"revenue": AMOUNT},
    "customer_billing_report": {"outstanding_amount": AMOUNT},
    "unbilled_time_report": {"total_hours": AMOUNT, "total_amount": AMOUNT},
    "org_users": {"weekly_hours": WEEKLY_HOURS},
    "organization": {"budget_warning_threshold": THRESHOLD, "budget_critical_threshold": THRESHOLD},
}
"""Raw table -> column -> what limits it."""


def max_value(kind: str, money: MoneyPolicy) -> Decimal:
    """The largest value of that kind, with either sign, that the formulas use."""
    return {
        RATE: money.max_rate,
        AMOUNT: money.max_amount,
        WEEKLY_HOURS: MAX_WEEKLY_HOURS,
        THRESHOLD: MAX_THRESHOLD,
    }[kind]


def complete(table: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    """A raw table with every column of the contract: null in those that it lacks.

    A table that an earlier version wrote lacks newer columns until it is read again.
    """
    if table not in BY_NAME:
        return rows
    stored = rows.collect_schema()
    lacking = {name: dtype for name, dtype in BY_NAME[table].schema.items() if name not in stored}
    return rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in lacking.items())


def within_limits(table: str, rows: pl.LazyFrame, money: MoneyPolicy) -> pl.LazyFrame:
    """The rows of a table, `complete`, with null for each value that is beyond its limit."""
    return complete(table, rows).with_columns(
        pl.when(~_is_beyond(column, kind, money)).then(column).alias(column)
        for column, kind in LIMITED.get(table, {}).items()
    )


def beyond_limits(table: str, money: MoneyPolicy) -> pl.Expr:
    """Whether a row of the table has a value that the formulas do not use."""
    return pl.any_horizontal(
        _is_beyond(column, kind, money).fill_null(False) for column, kind in LIMITED[table].items()
    )


def _is_beyond(column: str, kind: str, money: MoneyPolicy) -> pl.Expr:
    return pl.col(column).abs() > amount(max_value(kind, money))
