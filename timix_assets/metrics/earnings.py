"""What work earns and costs: the sums and margins that several tables share. docs/metrics.md, 4."""

from decimal import Decimal

import polars as pl

from timix_assets.settings.firm import MoneyPolicy

from .amounts import amount, ratio, sum_or_null_if_unpriced
from .columns import BILLING, COST, COUNTED, REVENUE, hours, money
from .entries import BILLABLE, FIX, OVERHEAD, TM
from .rollup import Column

_IS_TM = pl.col("billing_type") == TM
_IS_FIX = pl.col("billing_type") == FIX
_IS_OVERHEAD = pl.col("billing_type") == OVERHEAD

MARGIN = REVENUE + COST
CURRENCY_OF_ENTRIES = "The entries' currency, else the project's, the customer's, the organization's."


def counted_work(work_months: pl.LazyFrame) -> pl.LazyFrame:
    """Work that earns and costs: counted, without time off."""
    return work_months.filter("is_counted", ~pl.col("is_time_off"))


def summed(column: str, condition: pl.Expr) -> pl.Expr:
    """Sum of a column over the rows of a group that meet the condition."""
    return pl.when(condition).then(column).otherwise(0).sum()


def total_of(prices: str, priced: str, condition: pl.Expr) -> pl.Expr:
    """Sum of prices over such rows of a group; null when there are such entries and none has a price."""
    return sum_or_null_if_unpriced(
        summed(prices, condition), to_price=summed("entries", condition), priced=summed(priced, condition)
    )


def total_revenue() -> pl.Expr:
    """Σ hours × customer rate of TM entries; null when there are some and none has a rate."""
    return total_of("amount", "rated", _IS_TM)


def sums() -> dict[str, pl.Expr]:
    """The sums of a group of counted work, by the column that holds each.

    Besides the columns of the tables: tm_uncosted_hours, the TM hours without a known cost.
    """
    everything = pl.lit(True)
    named = {
        "logged_hours": pl.col("hours").sum(),
        "billable_hours": summed("hours", pl.col("billing_type").is_in(BILLABLE)),
        "tm_hours": summed("hours", _IS_TM),
        "fix_hours": summed("hours", _IS_FIX),
        "unrated_hours": summed("unrated_hours", _IS_TM),
        "uncosted_hours": pl.col("uncosted_hours").sum(),
        "tm_uncosted_hours": summed("uncosted_hours", _IS_TM),
        "revenue": total_revenue(),
        "approved_revenue": total_of("amount", "rated", _IS_TM & pl.col("is_approved")),
        "cost": total_of("cost", "costed", everything),
        "tm_cost": total_of("cost", "costed", _IS_TM),
        "fix_cost": total_of("cost", "costed", _IS_FIX),
        "overhead_cost": total_of("cost", "costed", _IS_OVERHEAD),
    }
    return {name: total.alias(name) for name, total in named.items()}


def margin(revenue: pl.Expr, cost: str, policy: MoneyPolicy, *gaps: tuple[str, str]) -> pl.Expr:
    """(revenue − cost) ÷ revenue; null where too many hours are missing in it, for then it would flatter.

    gaps: pairs of columns, hours that are missing and the hours that they are a part of; more than the firm tolerates
    (`uncosted_tolerance`) make the margin null.
    """
    is_known = pl.all_horizontal(_within(missing, whole, policy.uncosted_tolerance) for missing, whole in gaps)
    return pl.when(is_known).then(ratio(revenue - pl.col(cost), revenue))


def _within(missing: str, whole: str, tolerance: Decimal) -> pl.Expr:
    return pl.col(missing) <= pl.col(whole) * amount(tolerance)


def tm_margin(policy: MoneyPolicy) -> pl.Expr:
    """The margin of TM work alone."""
    return margin(pl.col("revenue"), "tm_cost", policy, ("tm_uncosted_hours", "tm_hours"))


def average_rate() -> pl.Expr:
    """Revenue ÷ the TM hours that have a rate."""
    return ratio(pl.col("revenue"), pl.col("tm_hours") - pl.col("unrated_hours"))


_HOURS = (
    hours("logged_hours", "Counted hours to as-of, without time off.", COUNTED),
    hours("billable_hours", "Logged hours of billing type TM or Fix.", COUNTED + BILLING),
    hours("tm_hours", "Logged hours of billing type TM.", COUNTED + BILLING),
    hours("unrated_hours", "TM hours without a customer rate: they earn nothing here. A rate of 0 is a rate.", REVENUE),
    hours(
        "uncosted_hours",
        "Logged hours without a known cost, also those whose cost is in another currency than the entry.",
        COST,
    ),
)

_MONEY = (
    money(
        "revenue",
        "TM hours × customer rate; Fix and OVH hours earn 0. Null when there are TM hours and none has a rate.",
        REVENUE,
    ),
    money("approved_revenue", "Revenue of the entries that are Approved or Invoiced.", REVENUE),
    money("cost", "Logged hours × cost rate, overhead included; null when no entry has a known cost.", COST),
    money("tm_cost", "Cost of the TM hours.", COST + BILLING),
)

COLUMNS: dict[str, Column] = {column.name: column for column in (*_HOURS, *_MONEY)}
"""The declarations of the sums that several tables have."""
