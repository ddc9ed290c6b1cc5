"""Utilization: hours logged against capacity, per day, week and month; ratios of sums. docs/metrics.md, 2."""

import polars as pl

from .amounts import amount, ratio
from .settings import Settings
from .tables import UTILIZATION_DAILY, UTILIZATION_MONTHLY, UTILIZATION_WEEKLY, Rollup

_MONDAY = 1
_WORK = ("logged_hours", "billable_hours", "overhead_hours", "approved_hours")
_SUMMED = ("capacity_hours", *_WORK, "overtime_hours", "bench_hours")


def utilization_daily(*, capacity_daily: pl.LazyFrame, work_days: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """One row per user and day to as-of with a capacity row or counted hours; hours, Decimal.

    work_days: `entries.work_days`. Source: docs/metrics.md, 2.
    """
    capacity = capacity_daily.filter(pl.col("date") <= settings.as_of).select("user_id", "date", "capacity_hours")
    work = work_days.filter(pl.col("logged_hours") > 0).select("user_id", "date", *_WORK)
    above = pl.col("logged_hours") - pl.col("capacity_hours")
    return UTILIZATION_DAILY.shaped(
        capacity.join(work, on=["user_id", "date"], how="full", coalesce=True)
        .with_columns(pl.col("capacity_hours", *_WORK).fill_null(amount(0)))
        .with_columns(
            pl.col("date").dt.month_start().alias("month"),
            pl.max_horizontal(above, amount(0)).alias("overtime_hours"),
            pl.max_horizontal(amount(0) - above, amount(0)).alias("bench_hours"),
        )
    )


def utilization_weekly(
    *, utilization_daily: pl.LazyFrame, capacity_daily: pl.LazyFrame, organization: pl.LazyFrame, settings: Settings
) -> pl.LazyFrame:
    """One row per user and week begun by as-of. Weeks start on the organization's first day, else on Monday."""
    first_day = organization.select(pl.col("first_day_of_week").first().fill_null(_MONDAY).alias("first_day"))
    # Sunday is 0 in the API and 7 in Polars.
    days_since_start = (pl.col("date").dt.weekday().cast(pl.Int64) - pl.col("first_day")) % 7
    week_start = (pl.col("date").cast(pl.Int32) - days_since_start).cast(pl.Int32).cast(pl.Date)

    def by_week(days: pl.LazyFrame) -> pl.LazyFrame:
        return days.join(first_day, how="cross").with_columns(week_start.alias("week_start"))

    last_day = pl.col("week_start").dt.offset_by("6d")
    return _summed(UTILIZATION_WEEKLY, by_week(utilization_daily), by_week(capacity_daily), last_day, settings)


def utilization_monthly(
    *, utilization_daily: pl.LazyFrame, capacity_daily: pl.LazyFrame, settings: Settings
) -> pl.LazyFrame:
    """One row per user and month begun by as-of."""
    return _summed(UTILIZATION_MONTHLY, utilization_daily, capacity_daily, pl.col("month").dt.month_end(), settings)


def _summed(
    table: Rollup, days: pl.LazyFrame, capacity_days: pl.LazyFrame, last_day: pl.Expr, settings: Settings
) -> pl.LazyFrame:
    """Days added up per user and period. last_day: of the period."""
    user, period = table.key
    worked = days.group_by(user, period).agg(pl.col(_SUMMED).sum())
    loaded = capacity_days.group_by(user, period).agg(pl.col("capacity_hours").sum().alias("capacity_full_hours"))
    capacity, logged, billable = pl.col("capacity_hours"), pl.col("logged_hours"), pl.col("billable_hours")
    return table.shaped(
        worked.join(loaded, on=[user, period], how="full", coalesce=True)
        .filter(pl.col(period) <= settings.as_of)
        .with_columns(pl.col(*_SUMMED, "capacity_full_hours").fill_null(amount(0)))
        .with_columns(
            ratio(billable, capacity).alias("billable_utilization"),
            ratio(logged, capacity).alias("total_utilization"),
            ratio(billable, logged).alias("billable_share"),
            (capacity * amount(settings.targets.utilization) - billable).alias("target_gap_hours"),
            ((last_day > settings.as_of) | (pl.col(period) < settings.first_month)).alias("is_partial"),
            ((capacity == 0) & (logged > 0)).alias("worked_at_zero_capacity"),
        )
    )
