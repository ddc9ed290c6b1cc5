"""Capacity: how many hours each person was available, day by day. Formulas and edge cases: docs/metrics.md, 1."""

import math
from collections.abc import Iterable, Mapping

import polars as pl

from timix_assets.contract.endpoints import ACTIVE_STATUSES, WEEKDAYS
from timix_assets.contract.schema import AMOUNT
from timix_assets.settings.firm import Week, WorkCalendar

from . import columns, working_days
from .amounts import amount, prorate, round_hours
from .columns import COUNTED, raw
from .params import RollupParams
from .rollup import Preview, Rollup, rollup

_, _INACTIVE = ACTIVE_STATUSES

_SECOND = 10_000
"""Times of day are whole ten-thousandths of a second: then a day of 6.6667 hours ends exactly."""
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
_START_WITHOUT_CLOCK = 9 * _HOUR


_SCHEDULE = raw("org_users", "work_schedule", "weekly_hours", "country_code")
_EMPLOYMENT = raw("org_users", "start_date", "end_date", "status", "role") + COUNTED
_HOLIDAYS = raw("holiday_profiles", "holidays", "year", "country_code", "default_for_countries", "is_active") + raw(
    "org_users", "holiday_profile_id", "country_code"
)
_TIME_OFF = COUNTED + raw("time_reports", "subtask_id")

CAPACITY_DAILY = Rollup(
    "capacity_daily",
    group="utilization",
    key=("user_id", "date"),
    description="Available hours of each person: one row per person and day of employment in the loaded months, weekends "
    "included. Scheduled hours less holidays less time off. Hours are rounded to 4 places.",
    columns=(
        columns.text("user_id", "The person.", raw("org_users", "id")),
        columns.date("date", "The day.", _EMPLOYMENT),
        columns.date("month", "First day of the date's month.", _EMPLOYMENT),
        columns.hours(
            "scheduled_hours",
            "Hours of the day in the person's working week. A work schedule counts from start to end, less the break: 1 hour on "
            "days longer than 6 hours (both are settings).",
            _SCHEDULE,
        ),
        columns.hours(
            "holiday_hours", "Scheduled hours × the part of the day that is a holiday.", _HOLIDAYS + _SCHEDULE
        ),
        columns.hours(
            "time_off_hours",
            "Hours logged on subtasks configured as time off, at most what the holiday leaves.",
            _TIME_OFF + _HOLIDAYS + _SCHEDULE,
        ),
        columns.hours("gross_capacity_hours", "Scheduled hours before holidays and time off.", _SCHEDULE),
        columns.hours(
            "capacity_hours",
            "Scheduled hours less holiday and time off, never below 0: the denominator of every utilization.",
            _SCHEDULE + _HOLIDAYS + _TIME_OFF,
        ),
        columns.text(
            "capacity_source",
            "Where the working week comes from, the first that is available: api_schedule (the person's work schedule), "
            "api_weekly_hours (weekly hours spread over the working days), calendar_user, calendar_country (the configured "
            "calendar), default (the configured default week).",
            _SCHEDULE,
        ),
        columns.text("holiday_name", "The holiday; null where it takes no hours.", _HOLIDAYS + _SCHEDULE),
    ),
    preview=Preview(
        sort=("-date", "-capacity_hours"),
        columns=(
            "user_name",
            "date",
            "scheduled_hours",
            "holiday_hours",
            "time_off_hours",
            "capacity_hours",
            "holiday_name",
        ),
    ),
)


@rollup(CAPACITY_DAILY)
def capacity_daily(
    *, org_users: pl.LazyFrame, holiday_profiles: pl.LazyFrame, work_days: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """Available hours per person and day. Source: docs/metrics.md, 1.

    Returns:
        One row per user and employed day of the loaded months, days without capacity included; hours, Decimal(38, 10).
    """
    weeks = _weeks(org_users, params.firm.work_calendar)
    holidays = _holidays(org_users, holiday_profiles, weeks, params)
    time_off = work_days.filter(pl.col("time_off_hours") > 0).select("user_id", "date", "time_off_hours")
    left = pl.col("scheduled_hours") - pl.col("holiday_hours")
    return (
        _employed_days(org_users, weeks, work_days, params)
        .join(holidays, on=["user_id", "date"], how="left")
        .join(time_off, on=["user_id", "date"], how="left")
        .with_columns(pl.col("holiday_hours", "time_off_hours").fill_null(amount(0)))
        .with_columns(pl.min_horizontal("time_off_hours", left).alias("time_off_hours"))
        .with_columns(
            pl.col("date").dt.month_start().alias("month"),
            pl.col("scheduled_hours").alias("gross_capacity_hours"),
            (left - pl.col("time_off_hours")).alias("capacity_hours"),
        )
    )


def _employed_days(
    org_users: pl.LazyFrame, weeks: pl.LazyFrame, work_days: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """user_id, date, scheduled_hours, capacity_source for each day of employment in the loaded range."""
    last_loaded = pl.lit(params.last_day)
    work = (
        work_days.filter(pl.col("logged_hours") > 0)
        .group_by("user_id")
        .agg(pl.col("date").min().alias("first_work"), pl.col("date").max().alias("last_work"))
    )
    # An inactive user without an end date left after the last counted entry; without entries the date is unknown.
    has_left = (pl.col("status") == _INACTIVE).fill_null(False) & pl.col("end_date").is_null()
    no_delivery = pl.col("role").is_in(params.firm.work_calendar.non_delivery_roles).fill_null(False)
    end = (
        pl.when(no_delivery & pl.col("last_work").is_not_null())
        .then(pl.min_horizontal("end_date", "last_work"))
        .when(no_delivery | has_left)
        .then("last_work")
        .otherwise(pl.coalesce("end_date", last_loaded))
    )
    employed = (
        org_users.select(pl.col("id").alias("user_id"), "role", "status", "start_date", "end_date")
        .join(work, on="user_id", how="left")
        .select(
            "user_id",
            pl.max_horizontal(pl.coalesce("start_date", "first_work"), pl.lit(params.first_day)).alias("first"),
            pl.when(end.is_not_null()).then(pl.min_horizontal(end, last_loaded)).alias("last"),
        )
        .filter(pl.col("first") <= pl.col("last"))
    )
    # Each weekday walks the range in steps of a week: its hours come along without a join on every day.
    first = pl.col("first").cast(pl.Int32)
    until_weekday = (pl.col("weekday") - pl.col("first").dt.weekday()) % 7
    days = pl.int_ranges(first + until_weekday, pl.col("last").cast(pl.Int32) + 1, 7, dtype=pl.Int32)
    return (
        weeks.join(employed, on="user_id")
        .select("user_id", "scheduled_hours", "capacity_source", days.alias("date"))
        .explode("date", empty_as_null=False)
        .with_columns(pl.col("date").cast(pl.Date))
        .filter(params.is_loaded(pl.col("date")))
    )


def _weeks(org_users: pl.LazyFrame, calendar: WorkCalendar) -> pl.LazyFrame:
    """Seven rows per user: user_id, weekday (1 = Monday), scheduled_hours, capacity_source, starts_at, ends_at.

    starts_at and ends_at count from midnight in ticks (see _SECOND); a day without clock times starts at 09:00.
    """
    by_clock = pl.col("has_schedule")
    by_weekly_hours = pl.col("weekly_hours") >= 0
    return (
        _weekdays_as_sent(org_users)
        .join(_calendar_lines(calendar.users, "user_id", "user"), on=["user_id", "weekday"], how="left")
        .join(
            _calendar_lines(calendar.countries, "country_code", "country"), on=["country_code", "weekday"], how="left"
        )
        .join(_calendar_lines({"": calendar.default_week}, "any", "default").drop("any"), on="weekday", how="left")
        .with_columns(_clock_hours(calendar).alias("clock_hours"), _spread_weekly_hours().alias("spread_hours"))
        .with_columns(
            pl.when(by_clock)
            .then(pl.lit("api_schedule"))
            .when(by_weekly_hours)
            .then(pl.lit("api_weekly_hours"))
            .when(pl.col("user_hours").is_not_null())
            .then(pl.lit("calendar_user"))
            .when(pl.col("country_hours").is_not_null())
            .then(pl.lit("calendar_country"))
            .otherwise(pl.lit("default"))
            .alias("capacity_source"),
            pl.when(by_clock)
            .then("clock_hours")
            .when(by_weekly_hours)
            .then("spread_hours")
            .otherwise(pl.coalesce("user_hours", "country_hours", "default_hours"))
            .alias("scheduled_hours"),
        )
        .with_columns(
            pl.when(by_clock).then("start").otherwise(_START_WITHOUT_CLOCK).alias("starts_at"),
            pl.when(by_clock)
            .then("end")
            .otherwise(_START_WITHOUT_CLOCK + (pl.col("scheduled_hours") * _HOUR).cast(pl.Int64))
            .alias("ends_at"),
        )
        .select("user_id", "weekday", "scheduled_hours", "capacity_source", "starts_at", "ends_at")
    )


def _weekdays_as_sent(org_users: pl.LazyFrame) -> pl.LazyFrame:
    """Seven rows per user: user_id, country_code, weekly_hours, weekday, start and end in ticks, has_schedule.

    A schedule without any day, or with a time that cannot be parsed, counts as missing: days sent under other names than ours
    must not become a capacity of 0. `capacity_source` shows it. Overnight days end past 24:00.
    """

    def times(edge: str) -> pl.Expr:
        return pl.concat_list(pl.col("work_schedule").struct.field(day).struct.field(edge) for day in WEEKDAYS)

    start, end = pl.col("start"), pl.col("end")
    given = pl.col("start_text").is_not_null() | pl.col("end_text").is_not_null()
    unreadable = given & (start.is_null() | end.is_null())
    return (
        org_users.select(
            pl.col("id").alias("user_id"),
            pl.col("country_code").str.to_uppercase(),
            "weekly_hours",
            pl.lit(list(range(1, 8)), pl.List(pl.Int8)).alias("weekday"),
            times("start").alias("start_text"),
            times("end").alias("end_text"),
        )
        .explode("weekday", "start_text", "end_text")
        .with_columns(_ticks(pl.col("start_text")).alias("start"), _ticks(pl.col("end_text")).alias("end"))
        .with_columns(_end_after(start, end).alias("end"))
        .with_columns((given.any() & ~unreadable.any()).over("user_id").alias("has_schedule"))
    )


def _ticks(time: pl.Expr) -> pl.Expr:
    """`09:30` or `09:30:15` in ticks from midnight; null when it is not a time of day."""
    parts = time.str.extract_groups(r"^\s*(\d{1,2}):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?\s*$")
    hour, minute, second = (parts.struct.field(str(n)).cast(pl.Int64) for n in (1, 2, 3))
    ticks = hour * _HOUR + minute * 60 * _SECOND + second.fill_null(0) * _SECOND
    return pl.when(ticks <= _DAY).then(ticks)


def _end_after(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """An end before the start is on the next day."""
    return pl.when(end < start).then(end + _DAY).otherwise(end)


def _clock_hours(calendar: WorkCalendar) -> pl.Expr:
    """Hours between start and end, less the break on days longer than the threshold; 0 on a day off."""
    span = (pl.col("end") - pl.col("start")).fill_null(0)
    has_break = span > math.floor(calendar.break_threshold_hours * _HOUR)
    after_break = (span - round(calendar.daily_break_hours * _HOUR)).clip(lower_bound=0)
    return prorate(amount(1), pl.when(has_break).then(after_break).otherwise(span), pl.lit(_HOUR))


def _spread_weekly_hours() -> pl.Expr:
    """Weekly hours over the working days of the user's calendar line, else the country's, else Monday to Friday."""

    def works(line: str) -> pl.Expr:
        hours = pl.col(f"{line}_hours")
        return pl.when((hours > 0).any().over("user_id")).then(hours > 0)

    monday_to_friday = pl.col("weekday") <= len(working_days.MONDAY_TO_FRIDAY)
    is_working_day = pl.coalesce(works("user"), works("country"), monday_to_friday)
    working = is_working_day.sum().over("user_id")
    return prorate(pl.col("weekly_hours"), is_working_day.cast(pl.Int64), working)


def _calendar_lines(weeks: Mapping[str, Week], key: str, line: str) -> pl.LazyFrame:
    """Configured weeks as rows: `key`, weekday, `<line>_hours`."""
    rows = [
        (name, weekday, f"{round_hours(hours):f}")
        for name, week in weeks.items()
        for weekday, hours in enumerate(week.hours, start=1)
    ]
    # By digits, as a constant is.
    digits = pl.LazyFrame(rows, {key: pl.String, "weekday": pl.Int8, f"{line}_hours": pl.String}, orient="row")
    return digits.with_columns(pl.col(f"{line}_hours").cast(AMOUNT))


def _holidays(
    org_users: pl.LazyFrame, holiday_profiles: pl.LazyFrame, weeks: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """user_id, date, holiday_hours, holiday_name: the largest holiday of each user's day, where it takes hours."""
    part, whole = pl.col("part"), pl.col("whole")
    fraction = part.cast(pl.Float64) / whole.cast(pl.Float64)
    return (
        profile_of_each_year(org_users, holiday_profiles, params.firm.work_calendar, _years(params))
        .join(_dated(holiday_profiles), on=["profile_id", "year"])
        .join(weeks, left_on=["user_id", pl.col("date").dt.weekday()], right_on=["user_id", "weekday"])
        .with_columns(_time_off_the_day())
        .with_columns(prorate(pl.col("scheduled_hours"), part, whole).alias("holiday_hours"))
        .filter(pl.col("holiday_hours") > 0)
        .group_by("user_id", "date")
        .agg(
            pl.col("holiday_hours", "name").sort_by([fraction, "position"], descending=[True, False]).first(),
        )
        .rename({"name": "holiday_name"})
    )


def _time_off_the_day() -> tuple[pl.Expr, pl.Expr]:
    """part / whole: the fraction of the day that a holiday takes, as two integers."""
    window_start = _ticks(pl.col("window_start"))
    window_end = _end_after(window_start, _ticks(pl.col("window_end")))
    full = pl.col("full_day_off").fill_null(True)
    # A window from midnight to midnight, or with a time that cannot be parsed, counts as missing.
    window = (window_end > window_start).fill_null(False)
    overlap = pl.min_horizontal(window_end, pl.col("ends_at")) - pl.max_horizontal(window_start, pl.col("starts_at"))
    return (
        pl.when(full).then(1).when(window).then(overlap.clip(lower_bound=0)).otherwise(1).alias("part"),
        pl.when(full).then(1).when(window).then(pl.col("ends_at") - pl.col("starts_at")).otherwise(2).alias("whole"),
    )


def _years(params: RollupParams) -> range:
    return range(params.first_day.year, params.as_of.year + 1)


def profile_of_each_year(
    org_users: pl.LazyFrame, holiday_profiles: pl.LazyFrame, calendar: WorkCalendar, years: Iterable[int]
) -> pl.LazyFrame:
    """user_id, year, profile_id: the user's own profile in its year, else the country's, else the configured one, else null."""
    profiles = holiday_profiles.select(
        pl.col("id").alias("profile_id"),
        _year().alias("year"),
        pl.col("country_code").str.to_uppercase(),
        "default_for_countries",
        pl.col("is_active").fill_null(True),
    )
    active = profiles.filter("is_active")
    of_defaults = active.explode("default_for_countries").with_columns(
        pl.col("default_for_countries").str.to_uppercase().alias("country_code")
    )

    def by_country(candidates: pl.LazyFrame, name: str) -> pl.LazyFrame:
        return candidates.group_by("country_code", "year").agg(pl.col("profile_id").min().alias(name))

    own = active.select(pl.col("profile_id").alias("holiday_profile_id"), "year", pl.col("profile_id").alias("own"))
    default = active.filter(pl.col("profile_id") == calendar.default_holiday_profile_id)
    return (
        org_users.select(pl.col("id").alias("user_id"), "holiday_profile_id", pl.col("country_code").str.to_uppercase())
        .join(pl.LazyFrame({"year": list(years)}, {"year": pl.Int64}), how="cross")
        .join(own, on=["holiday_profile_id", "year"], how="left")
        .join(by_country(of_defaults, "named"), on=["country_code", "year"], how="left")
        .join(by_country(active, "located"), on=["country_code", "year"], how="left")
        .join(default.select("year", pl.col("profile_id").alias("default")), on="year", how="left")
        .select("user_id", "year", pl.coalesce("own", "named", "located", "default").alias("profile_id"))
    )


def _dated(holiday_profiles: pl.LazyFrame) -> pl.LazyFrame:
    """The holidays of each profile within its year, in the order in which it lists them."""
    return (
        holiday_profiles.select(
            pl.col("id").alias("profile_id"),
            _year().alias("year"),
            "holidays",
            pl.int_ranges(pl.col("holidays").list.len()).alias("position"),
        )
        .explode("holidays", "position")
        .unnest("holidays")
        .filter(pl.col("date").dt.year() == pl.col("year"))
    )


def _year() -> pl.Expr:
    """A profile's year, else that of its earliest holiday."""
    earliest = pl.col("holidays").list.eval(pl.element().struct.field("date")).list.min()
    return pl.coalesce("year", earliest.dt.year().cast(pl.Int64))
