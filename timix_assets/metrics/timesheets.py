"""Timesheet compliance: is a week's time in, submitted and approved? docs/metrics.md, 2."""

import polars as pl

from . import columns
from .amounts import amount, ratio
from .columns import AS_OF, COUNTED, derived, raw
from .params import RollupParams
from .rollup import Preview, Rollup, rollup
from .utilization import is_partial, with_week_start

NOT_DUE, MISSING, UNSUBMITTED, AWAITING_APPROVAL, COMPLETE = (
    "not_due",
    "missing",
    "unsubmitted",
    "awaiting_approval",
    "complete",
)
"""Values of `timesheet_compliance.status`; the first that holds."""

_ENTRIES = raw("time_reports", "hours", "status", "date", "subtask_id")
_CAPACITY = derived("capacity_daily", "date", "capacity_hours")
_STATUS_HOURS = ("draft_hours", "submitted_hours", "approved_hours", "rejected_hours")

TIMESHEET_COMPLIANCE = Rollup(
    "timesheet_compliance",
    group="utilization",
    key=("user_id", "week_start"),
    description="Who has not logged, submitted or got approved the hours of a week? One row per person and week that began by "
    "as-of. Hours are compared with the capacity of the whole week, so hours logged on another day of it are not missing, and "
    "holidays and leave accuse nobody.",
    columns=(
        columns.text("user_id", "The person.", derived("capacity_daily", "user_id") + raw("time_reports", "user_id")),
        columns.date(
            "week_start",
            "First day of the week; weeks start on the organization's first day.",
            _CAPACITY + raw("organization", "first_day_of_week"),
        ),
        columns.hours("expected_hours", "Capacity of the week's loaded days to as-of.", _CAPACITY),
        columns.hours("logged_hours", "Counted hours of the week to as-of, without time off.", COUNTED),
        columns.hours("missing_hours", "Expected − logged hours of the week, at least 0.", COUNTED + _CAPACITY),
        columns.count("empty_days", "Days to as-of with capacity and without a counted entry.", COUNTED + _CAPACITY),
        columns.hours("draft_hours", "Hours that are Draft, whatever statuses count.", _ENTRIES),
        columns.hours("submitted_hours", "Hours that are Submitted.", _ENTRIES),
        columns.hours("approved_hours", "Hours that are Approved or Invoiced.", _ENTRIES),
        columns.hours("rejected_hours", "Hours that are Rejected; they are in no other figure.", _ENTRIES),
        columns.date("oldest_open_date", "The earliest date of Draft, Submitted or Rejected hours.", _ENTRIES),
        columns.quotient(
            "entry_lag_days",
            "Days from the work to its entry, weighted by hours; null when no time of entry is known.",
            COUNTED + raw("time_reports", "created_at"),
            "days",
        ),
        columns.text(
            "status",
            f"The first that holds: {NOT_DUE} (until one day after the end of the week), {MISSING} (more than 1 hour is "
            f"missing), {UNSUBMITTED} (Draft or Rejected hours), {AWAITING_APPROVAL} (Submitted hours), {COMPLETE}. The grace "
            "day and the hour are settings.",
            _ENTRIES + COUNTED + _CAPACITY,
        ),
        columns.flag(
            "is_partial",
            "True when a day of the week comes after as-of or is in no loaded month.",
            _CAPACITY,
        ),
        columns.as_of(),
    ),
    preview=Preview(
        sort=("is_partial", "-week_start", "-missing_hours"),
        columns=(
            "user_name",
            "week_start",
            "status",
            "expected_hours",
            "logged_hours",
            "missing_hours",
            "empty_days",
            "draft_hours",
            "submitted_hours",
        ),
    ),
)


@rollup(TIMESHEET_COMPLIANCE)
def timesheet_compliance(
    *, capacity_daily: pl.LazyFrame, work_days: pl.LazyFrame, organization: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """Who has not logged, submitted or got approved the hours of a week. Source: docs/metrics.md, 2.

    Returns:
        One row per user and week that began by as-of, with capacity days or entries; hours, Decimal(38, 10).
    """
    sums = ("logged_hours", *_STATUS_HOURS, "lag", "lag_hours")
    until_as_of, logged = pl.col("date") <= params.as_of, pl.col("logged_hours") > 0
    worked = work_days.filter(logged).select("user_id", "date", pl.lit(True).alias("is_worked"))
    is_empty = until_as_of & (pl.col("capacity_hours") > 0) & pl.col("is_worked").is_null()
    capacity = (
        with_week_start(capacity_daily, organization)
        .join(worked, on=["user_id", "date"], how="left")
        .group_by("user_id", "week_start")
        .agg(
            pl.when(until_as_of).then("capacity_hours").otherwise(amount(0)).sum().alias("expected_hours"),
            is_empty.sum().cast(pl.Int64).alias("empty_days"),
        )
    )
    open_hours = pl.sum_horizontal(pl.col("draft_hours", "submitted_hours", "rejected_hours"))
    work = (
        with_week_start(work_days, organization)
        .select(
            "user_id",
            "week_start",
            "date",
            "logged_hours",
            "lag",
            "lag_hours",
            *(pl.col(name.replace("_hours", "_status_hours")).alias(name) for name in _STATUS_HOURS),
        )
        .group_by("user_id", "week_start")
        .agg(pl.col(sums).sum(), pl.when(open_hours > 0).then("date").min().alias("oldest_open_date"))
    )
    # Draft hours alone make no row, where they do not count; those of a row are all there.
    makes_a_row = pl.col("expected_hours").is_not_null() | logged | (pl.col("rejected_hours") > 0)
    last_day = pl.col("week_start").dt.offset_by("6d")
    return (
        capacity.join(work, on=["user_id", "week_start"], how="full", coalesce=True)
        .filter(pl.col("week_start") <= params.as_of, makes_a_row)
        .with_columns(pl.col("expected_hours", *sums).fill_null(amount(0)), pl.col("empty_days").fill_null(0))
        .with_columns(
            pl.max_horizontal(pl.col("expected_hours") - pl.col("logged_hours"), amount(0)).alias("missing_hours"),
            ratio(pl.col("lag"), pl.col("lag_hours")).alias("entry_lag_days"),
            is_partial(pl.col("week_start"), last_day, params).alias("is_partial"),
            pl.lit(params.as_of).alias(AS_OF),
        )
        .with_columns(_status(last_day, params).alias("status"))
    )


def _status(last_day: pl.Expr, params: RollupParams) -> pl.Expr:
    policy = params.firm.timesheets
    return (
        pl.when((pl.lit(params.as_of) - last_day).dt.total_days() <= policy.grace_days)
        .then(pl.lit(NOT_DUE))
        .when(pl.col("missing_hours") > amount(policy.tolerance_hours))
        .then(pl.lit(MISSING))
        .when((pl.col("draft_hours") > 0) | (pl.col("rejected_hours") > 0))
        .then(pl.lit(UNSUBMITTED))
        .when(pl.col("submitted_hours") > 0)
        .then(pl.lit(AWAITING_APPROVAL))
        .otherwise(pl.lit(COMPLETE))
    )
