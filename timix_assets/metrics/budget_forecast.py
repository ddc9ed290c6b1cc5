"""How fast a budget is used, when it runs out and where it ends. docs/metrics.md, 3."""

import polars as pl

from timix_assets.contract.schema import AMOUNT

from . import working_days
from .amounts import amount, as_float, ratio
from .entries import first_day_of_burn_window
from .params import RollupParams


def pace(params: RollupParams) -> tuple[pl.Expr, ...]:
    """days_passed and days_planned of the project; window_days that the burn rate is spread over; days_left.

    Beside the columns begin_date and end_date of the project, first_date and used of the budget.
    window_days is null where the burn rate is unknown: no entries, or a first entry too recent.
    """
    weekdays = working_days.working_weekdays(params.firm.work_calendar)
    as_of = pl.lit(params.as_of)
    start, end, first = pl.col("begin_date"), pl.col("end_date"), pl.col("first_date")
    since_first = working_days.between(first, as_of, weekdays)
    is_young = first > first_day_of_burn_window(params)
    spread = (
        pl.when(is_young).then(since_first).when(first.is_not_null()).then(params.firm.budget_policy.burn_window_days)
    )
    return (
        working_days.between(start, as_of, weekdays).alias("days_passed"),
        working_days.between(start, end, weekdays).alias("days_planned"),
        working_days.between(as_of.dt.offset_by("1d"), end, weekdays).alias("days_left"),
        pl.when((spread >= params.firm.budget_policy.burn_minimum_days) & pl.col("used").is_not_null())
        .then(spread)
        .alias("window_days"),
    )


def forecast(params: RollupParams) -> list[pl.Expr]:
    """elapsed, burn_rate, exhaustion_date, projected_final."""
    end = pl.col("end_date")
    burn_rate = ratio(pl.col("window_used"), pl.col("window_days"))
    passed = pl.min_horizontal("days_passed", "days_planned")
    return [
        pl.when(pl.col("begin_date").is_not_null() & end.is_not_null())
        .then(ratio(passed, pl.col("days_planned")))
        .alias("elapsed"),
        burn_rate.alias("burn_rate"),
        pl.when(pl.col("used") >= pl.col("cap"))
        .then("reached_on")
        .otherwise(_runs_out_on(params))
        .alias("exhaustion_date"),
        pl.when(end <= params.as_of)
        .then(as_float(pl.col("used")))
        .otherwise(ratio(projected(params), pl.col("window_days")))
        .alias("projected_final"),
    ]


def projected(params: RollupParams) -> pl.Expr:
    """The final use × window_days of a running project: used + burn rate × days left, before the division; else null."""
    final = pl.col("used") * pl.col("window_days") + pl.col("window_used") * pl.col("days_left")
    return pl.when(pl.col("end_date") > params.as_of).then(final)


def _runs_out_on(params: RollupParams) -> pl.Expr:
    """The ceil(remaining ÷ burn rate)-th working day after as-of, in whole numbers so that nothing is a day off."""
    weekdays = working_days.working_weekdays(params.firm.work_calendar)
    horizon = params.firm.budget_policy.exhaustion_horizon_years
    as_of = pl.lit(params.as_of)
    remaining = pl.col("remaining").to_physical() * pl.col("window_days").cast(pl.Int128)
    window_used = pl.col("window_used").to_physical()
    days = pl.when(window_used > 0).then((remaining + window_used - 1) // window_used)
    days_within_horizon = pl.when(days <= horizon * 366).then(days).cast(pl.Int64)
    day = working_days.day_with(working_days.number(as_of, weekdays) + days_within_horizon, weekdays)
    return pl.when(day <= as_of.dt.offset_by(f"{horizon}y")).then(day)


def outlook(params: RollupParams) -> pl.Expr:
    """Compared as exact products, for 0.8 > 0.7 + 0.1 is true of binary floats."""
    used, cap = pl.col("used"), pl.col("cap")
    window_days, days_planned = pl.col("window_days"), pl.col("days_planned")
    policy = params.firm.budget_policy
    projected_beyond = projected(params) > cap * window_days
    passed = pl.min_horizontal("days_passed", "days_planned").cast(AMOUNT)
    allowed = passed + days_planned * amount(policy.overrun_tolerance)
    ahead_of_time = (
        pl.col("elapsed").is_not_null()
        & (pl.col("days_passed") >= policy.burn_minimum_days)
        & (used * days_planned > cap * allowed)
    )
    overrun = (used > cap) | projected_beyond.fill_null(False) | ahead_of_time.fill_null(False)
    is_unknown = pl.col("projected_final").is_null() & pl.col("elapsed").is_null()
    return (
        pl.when(cap.is_null() | used.is_null())
        .then(None)
        .when(overrun)
        .then(pl.lit("overrun_expected"))
        .when(~is_unknown)
        .then(pl.lit("in_control"))
    )
