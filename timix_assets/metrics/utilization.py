"""Utilization: hours logged against capacity, per day, week and month; ratios of sums. docs/metrics.md, 2."""

from dataclasses import replace

import polars as pl

from timix_assets.contract.schema import AMOUNT

from . import columns
from .amounts import amount, ratio
from .columns import BILLING, COUNTED, derived, raw
from .params import RollupParams
from .rollup import Column, Preview, Rollup, rollup

_MONDAY = 1
_WORK = ("logged_hours", "billable_hours", "overhead_hours", "approved_hours", "approved_billable_hours")

_LOGGED = COUNTED + raw("time_reports", "subtask_id")
_CAPACITY = derived("capacity_daily", "capacity_hours")
_DAY = derived("capacity_daily", "date") + raw("time_reports", "date")

UTILIZATION_DAILY = Rollup(
    "utilization_daily",
    group="utilization",
    key=("user_id", "date"),
    description="Hours logged against capacity, one row per person and day up to as-of: every day of employment, and every day "
    "with counted hours. Hours on a day outside employment have a capacity of 0. Time off is not included.",
    columns=(
        columns.text("user_id", "The person.", derived("capacity_daily", "user_id") + raw("time_reports", "user_id")),
        columns.date("date", "The day.", _DAY),
        columns.date("month", "First day of the date's month.", _DAY),
        columns.hours("capacity_hours", "Capacity of the day; 0 outside employment.", _CAPACITY),
        columns.hours(
            "logged_hours",
            "Counted hours of every billing type, without time off. Which statuses count is a setting; by default all but "
            "Rejected.",
            _LOGGED,
        ),
        columns.hours("billable_hours", "Logged hours of billing type TM or Fix.", COUNTED + BILLING),
        columns.hours("overhead_hours", "Logged hours of billing type OVH.", COUNTED + BILLING),
        columns.hours("approved_hours", "Logged hours that are Approved or Invoiced, of every billing type.", COUNTED),
        columns.hours("approved_billable_hours", "Billable hours that are Approved or Invoiced.", COUNTED + BILLING),
        columns.hours("overtime_hours", "Logged hours above the day's capacity.", COUNTED + _CAPACITY),
        columns.hours(
            "bench_hours",
            "The day's capacity without logged hours: idle time, or time not entered yet.",
            COUNTED + _CAPACITY,
        ),
    ),
    preview=Preview(
        sort=("-date", "-bench_hours"),
        columns=(
            "user_name",
            "date",
            "capacity_hours",
            "logged_hours",
            "billable_hours",
            "overhead_hours",
            "bench_hours",
        ),
    ),
)

_SUMMED = tuple(column.name for column in UTILIZATION_DAILY.columns if column.unit == columns.HOURS)
"""Summed per week and month."""


@rollup(UTILIZATION_DAILY)
def utilization_daily(*, capacity_daily: pl.LazyFrame, work_days: pl.LazyFrame, params: RollupParams) -> pl.LazyFrame:
    """Hours logged against capacity, per person and day. Source: docs/metrics.md, 2.

    Returns:
        One row per user and day to as-of that has a capacity row or counted hours; hours, Decimal(38, 10).
    """
    capacity = capacity_daily.filter(pl.col("date") <= params.as_of).select("user_id", "date", "capacity_hours")
    work = work_days.filter(pl.col("logged_hours") > 0).select("user_id", "date", *_WORK)
    above = pl.col("logged_hours") - pl.col("capacity_hours")
    return (
        capacity.join(work, on=["user_id", "date"], how="full", coalesce=True)
        .with_columns(pl.col("capacity_hours", *_WORK).fill_null(amount(0)))
        .with_columns(
            pl.col("date").dt.month_start().alias("month"),
            pl.max_horizontal(above, amount(0)).alias("overtime_hours"),
            pl.max_horizontal(amount(0) - above, amount(0)).alias("bench_hours"),
        )
    )


def _per_period(period: Column, name: str, description: str, *more: Column) -> Rollup:
    """The weekly and the monthly table have the same columns, except for the period."""
    capacity, *work = (
        replace(
            column,
            description=f"Sum of the days to as-of: {column.description[0].lower()}{column.description[1:]}",
            lineage=derived("utilization_daily", column.name),
        )
        for column in UTILIZATION_DAILY.columns
        if column.name in _SUMMED
    )
    billable, logged = (
        derived("utilization_daily", f"{kind}_hours", "capacity_hours") for kind in ("billable", "logged")
    )
    return Rollup(
        name,
        group="utilization",
        key=("user_id", period.name),
        description=description,
        columns=(
            columns.text(
                "user_id", "The person.", derived("utilization_daily", "user_id") + derived("capacity_daily", "user_id")
            ),
            period,
            capacity,
            columns.hours(
                "capacity_full_hours",
                "Capacity of all loaded days of the period, including those after as-of.",
                _CAPACITY,
            ),
            *work,
            columns.ratio(
                "billable_utilization",
                "Billable hours ÷ capacity, the headline figure. Can exceed 1; null without capacity.",
                billable,
            ),
            columns.ratio("total_utilization", "Logged hours ÷ capacity. Can exceed 1; null without capacity.", logged),
            columns.ratio(
                "billable_share",
                "Billable hours ÷ logged hours: how much of the work can be charged, whatever the capacity.",
                derived("utilization_daily", "billable_hours", "logged_hours"),
            ),
            columns.hours(
                "target_gap_hours",
                "Target (0.75, a setting) × capacity − billable hours; positive means short of the target.",
                billable,
            ),
            columns.flag(
                "is_partial",
                "True when a day of the period comes after as-of or is in no loaded month. Do not compare it with whole "
                "periods.",
                period.lineage,
            ),
            columns.flag(
                "worked_at_zero_capacity",
                "True when hours were logged without any capacity, e.g. on holidays; the utilizations are null then.",
                logged,
            ),
            *more,
        ),
        preview=Preview(
            sort=("is_partial", f"-{period.name}", "-target_gap_hours"),
            columns=(
                "user_name",
                period.name,
                "capacity_hours",
                "logged_hours",
                "billable_hours",
                "billable_utilization",
                "target_gap_hours",
                "is_partial",
            ),
        ),
    )


_PERIOD = derived("utilization_daily", "date") + derived("capacity_daily", "date")

_NEEDED = derived("utilization_daily", "billable_hours") + _CAPACITY + _PERIOD

UTILIZATION_WEEKLY = _per_period(
    columns.date(
        "week_start",
        "First day of the week; weeks start on the organization's first day.",
        _PERIOD + raw("organization", "first_day_of_week"),
    ),
    "utilization_weekly",
    "Utilization per person and week, for weeks that began on or before as-of. A week across two months is one row. "
    "Ratios are ratios of sums.",
)

UTILIZATION_MONTHLY = _per_period(
    columns.date("month", "First day of the month.", _PERIOD),
    "utilization_monthly",
    "Utilization per person and month, for months that began on or before as-of. "
    "Ratios are ratios of sums, never means of ratios.",
    columns.hours(
        "needed_hours",
        "Billable hours that are still needed to reach the target (0.75, a setting) of the whole month's capacity, at least 0; "
        "null except in the current month while days are left.",
        _NEEDED,
    ),
    columns.ratio(
        "needed_utilization",
        "Needed hours ÷ the capacity that is left after as-of: the utilization that the rest of the month takes. Above 1 the "
        "target is out of reach.",
        _NEEDED,
    ),
    columns.quotient(
        "needed_hours_per_day",
        "Needed hours ÷ the person's days with capacity after as-of.",
        _NEEDED,
        "hours per day",
    ),
)


@rollup(UTILIZATION_WEEKLY)
def utilization_weekly(
    *, utilization_daily: pl.LazyFrame, capacity_daily: pl.LazyFrame, organization: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """Utilization per person and week. Source: docs/metrics.md, 2.

    Returns:
        One row per user and week that began on or before as-of; hours, Decimal(38, 10), ratios, Float64. Weeks start on
        the organization's first day, else on Monday.
    """
    days, capacity_days = (with_week_start(table, organization) for table in (utilization_daily, capacity_daily))
    last_day = pl.col("week_start").dt.offset_by("6d")
    return _summed("week_start", days, capacity_days, last_day, params)


def with_week_start(days: pl.LazyFrame, organization: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with a date, and `week_start`; weeks start on the organization's first day, else on Monday."""
    first_day = organization.select(pl.col("first_day_of_week").first()).collect().item()
    # Sunday is 0 in the API and 7 in Polars.
    days_since_start = (pl.col("date").dt.weekday() - (_MONDAY if first_day is None else first_day)) % 7
    week_start = pl.col("date").cast(pl.Int32) - days_since_start
    return days.with_columns(week_start.cast(pl.Int32).cast(pl.Date).alias("week_start"))


@rollup(UTILIZATION_MONTHLY)
def utilization_monthly(
    *, utilization_daily: pl.LazyFrame, capacity_daily: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """Utilization per person and month. Source: docs/metrics.md, 2.

    Returns:
        One row per user and month that began on or before as-of; hours, Decimal(38, 10), ratios, Float64.
    """
    months = _summed("month", utilization_daily, capacity_daily, pl.col("month").dt.month_end(), params)
    days_left = (
        capacity_daily.filter(pl.col("date") > params.as_of, pl.col("capacity_hours") > 0)
        .group_by("user_id", "month")
        .agg(pl.len().cast(AMOUNT).alias("days_left"))
    )
    return (
        months.join(days_left, on=["user_id", "month"], how="left")
        .with_columns(needed(params))
        .with_columns(ratio(pl.col("needed_hours"), pl.col("days_left")).alias("needed_hours_per_day"))
    )


def needed(params: RollupParams) -> tuple[pl.Expr, ...]:
    """needed_hours and needed_utilization of a month, from its sums; null but in the current month while days are left."""
    month_end = pl.col("month").dt.month_end()
    is_running = (pl.col("month") <= params.as_of) & (month_end > params.as_of)
    target = amount(params.firm.targets.utilization)
    hours = pl.max_horizontal(pl.col("capacity_full_hours") * target - pl.col("billable_hours"), amount(0))
    capacity_left = pl.col("capacity_full_hours") - pl.col("capacity_hours")
    return (
        pl.when(is_running).then(hours).alias("needed_hours"),
        pl.when(is_running).then(ratio(hours, capacity_left)).alias("needed_utilization"),
    )


def is_partial(first_day: pl.Expr, last_day: pl.Expr, params: RollupParams) -> pl.Expr:
    """Whether a day of a week or month comes after as-of or is in no loaded month."""
    # A period touches two months at most.
    return ~(params.is_loaded_to_as_of(first_day) & params.is_loaded_to_as_of(last_day))


def _summed(
    period: str, days: pl.LazyFrame, capacity_days: pl.LazyFrame, last_day: pl.Expr, params: RollupParams
) -> pl.LazyFrame:
    """Sums of the days per user and period. last_day: of the period."""
    worked = days.group_by("user_id", period).agg(pl.col(_SUMMED).sum())
    loaded = capacity_days.group_by("user_id", period).agg(pl.col("capacity_hours").sum().alias("capacity_full_hours"))
    capacity, logged, billable = pl.col("capacity_hours"), pl.col("logged_hours"), pl.col("billable_hours")
    return (
        worked.join(loaded, on=["user_id", period], how="full", coalesce=True)
        .filter(pl.col(period) <= params.as_of)
        .with_columns(pl.col(*_SUMMED, "capacity_full_hours").fill_null(amount(0)))
        .with_columns(
            ratio(billable, capacity).alias("billable_utilization"),
            ratio(logged, capacity).alias("total_utilization"),
            ratio(billable, logged).alias("billable_share"),
            (capacity * amount(params.firm.targets.utilization) - billable).alias("target_gap_hours"),
            is_partial(pl.col(period), last_day, params).alias("is_partial"),
            ((capacity == 0) & (logged > 0)).alias("worked_at_zero_capacity"),
        )
    )
