"""Time entries as the formulas read them: which ones count, and their prices.

The raw entries are read twice, once for each of two small pre-aggregates from which every rollup starts: `work_days`
(user x date) and `person_months` (user x node of the hierarchy x month), of which `work_months` is the sum. Entries are grouped
as they were sent, and what follows from their ids, status and date is looked up or computed for the groups: millions of entries
pass through one hash table and little else.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from timix_assets.contract.endpoints import BILLING_TYPES, ENTRY_STATUSES
from timix_assets.settings.firm import AgingBuckets, FirmConfig

from . import working_days
from .amounts import amount, as_integer, from_integer, from_price, price
from .hierarchy import Hierarchy
from .lookup import lookup
from .params import RollupParams
from .rollup import pre_aggregate

TM, FIX, OVERHEAD = BILLING_TYPES
BILLABLE = (TM, FIX)
DRAFT, SUBMITTED, APPROVED, INVOICED, REJECTED = ENTRY_STATUSES
MAX_HOURS_PER_ENTRY = 24

OPEN_APPROVED, OPEN_UNAPPROVED = "approved", "unapproved"
FUTURE = "future"

_EPOCH = date(1970, 1, 1).toordinal()

_NODE = ("subtask_id", "task_id", "project_id", "customer_id", "billing_type", "currency")


def has_invalid_hours() -> pl.Expr:
    """Whether an entry has hours that no day holds: 0 or less, above 24, or none.

    Such entries stay in the raw table and are in no rollup.
    """
    hours = pl.col("hours")
    return ((hours <= 0) | (hours > MAX_HOURS_PER_ENTRY)).fill_null(True)


def is_counted(params: RollupParams) -> pl.Expr:
    """Whether an entry counts: a counted status, valid hours, dated in a loaded month and not after as-of."""
    return _has_counted_status(params.firm) & ~has_invalid_hours() & params.is_loaded_to_as_of(pl.col("date"))


def _has_counted_status(firm: FirmConfig) -> pl.Expr:
    return pl.col("status").is_in(firm.budget_policy.counted_statuses).fill_null(False)


def first_counted_day(time_reports: pl.LazyFrame, as_of: date, firm: FirmConfig) -> date | None:
    """The date of the firm's first counted entry up to as-of, leave included; None without any."""
    counted = time_reports.filter(_has_counted_status(firm), ~has_invalid_hours(), pl.col("date") <= as_of)
    first: date | None = counted.select(pl.col("date").min()).collect(engine="streaming").item()
    return first


def is_approved() -> pl.Expr:
    """Approved and Invoiced entries; money and hours of both are called approved."""
    return pl.col("status").is_in((APPROVED, INVOICED)).fill_null(False)


def is_time_off(params: RollupParams) -> pl.Expr:
    """Entries on subtasks that the firm configured as leave."""
    subtasks = pl.Series(sorted(params.firm.work_calendar.time_off_subtask_ids), dtype=pl.String)
    return pl.col("subtask_id").is_in(subtasks.implode())


def first_day_of_burn_window(params: RollupParams) -> pl.Expr:
    """The 20th working day back from as-of, as-of counted (the 20 is a setting)."""
    weekdays = working_days.working_weekdays(params.firm.work_calendar)
    last = working_days.number(pl.lit(params.as_of), weekdays)
    return working_days.day_with(last - (params.firm.budget_policy.burn_window_days - 1), weekdays)


def bucket_labels(aging: AgingBuckets) -> tuple[str, ...]:
    """future, 0-30, 31-60, 61-90, 91+."""
    return (FUTURE, *bucket_ranges(0, aging))


def bucket_ranges(first: int, aging: AgingBuckets) -> tuple[str, ...]:
    """The labels of the ranges of days from `first` on: 0-30, 31-60, 61-90, 91+."""
    lower = (first, *(upper + 1 for upper in aging.upper_days))
    closed = (f"{low}-{high}" for low, high in zip(lower, aging.upper_days, strict=False))
    return (*closed, f"{lower[-1]}+")


def _bucket(params: RollupParams) -> pl.Expr:
    """One of `bucket_labels`: the age on the as-of date of open work, all of one bucket; null for other work."""
    number = pl.when(pl.col("open_state").is_not_null()).then(_number_of(_is_older(pl.col("first_date"), params)))
    labels = dict(enumerate(bucket_labels(params.firm.aging_buckets)))
    return number.replace_strict(labels, return_dtype=pl.String)


def _is_older(day: pl.Expr, params: RollupParams) -> list[pl.Expr]:
    """For each bucket but the oldest, whether a date is older than it."""
    age = params.as_of.toordinal() - _EPOCH - day.cast(pl.Int32)
    return [age > last for last in (-1, *params.firm.aging_buckets.upper_days)]


def _number_of(conditions: Iterable[pl.Expr]) -> pl.Expr:
    """How many of them are met."""
    return pl.sum_horizontal(condition.cast(pl.Int8) for condition in conditions)


def _stretch(params: RollupParams) -> pl.Expr:
    """A number that two dates of a month share only if the figures tell them apart nowhere: as-of, buckets and windows.

    Each condition holds up to some date and never after it, so an equal number of them are the same ones.
    """
    day = pl.col("date")
    windows = [day < first_day_of_burn_window(params), day < params.lockup_window[0]]
    return _number_of([*_is_older(day, params), *windows])


@pre_aggregate
def work_days(*, time_reports: pl.LazyFrame, subtasks: pl.LazyFrame, params: RollupParams) -> pl.LazyFrame:
    """Counted hours per user and date. Source: docs/metrics.md, 0.

    Entries that do not count are in the columns of their status alone.

    Returns:
        user_id, date. Of counted entries: logged_hours, billable_hours, overhead_hours, approved_hours,
        approved_billable_hours (without time off) and time_off_hours. By status, whatever counts, without time off:
        draft_status_hours, submitted_status_hours, approved_status_hours (Approved, Invoiced), rejected_status_hours.
        lag_hours, those counted hours whose time of creation is known; lag, Σ of them × the days from their date to it. All
        Decimal. Unsorted.
    """
    status, billing_type = pl.col("status"), pl.col("billing_type")
    days = time_reports.filter(
        _has_counted_status(params.firm) | status.is_in(ENTRY_STATUSES).fill_null(False),
        ~has_invalid_hours(),
        params.is_loaded_to_as_of(pl.col("date")),
    )
    # Nearly all entries have a billing type; looking up every one would cost as much as everything else.
    typed = days.filter(billing_type.is_not_null())
    types = subtasks.select(pl.col("id").alias("subtask_id"), "billing_type")
    untyped = days.filter(billing_type.is_null()).drop("billing_type").join(types, "subtask_id", "left")
    counted, work = _has_counted_status(params.firm), ~is_time_off(params)
    lag_days = (pl.col("created_at").dt.date() - pl.col("date")).dt.total_days().clip(lower_bound=0)
    has_lag = counted & work & pl.col("created_at").is_not_null()

    def hours(condition: pl.Expr, name: str) -> pl.Expr:
        return pl.when(condition).then(as_integer(pl.col("hours"))).otherwise(0).alias(name)

    return (
        pl.concat([typed, untyped], how="diagonal")
        .select(
            "user_id",
            "date",
            hours(counted & work, "logged_hours"),
            hours(counted & work & billing_type.is_in(BILLABLE), "billable_hours"),
            hours(counted & work & (billing_type == OVERHEAD), "overhead_hours"),
            hours(counted & work & is_approved(), "approved_hours"),
            hours(counted & work & is_approved() & billing_type.is_in(BILLABLE), "approved_billable_hours"),
            hours(counted & ~work, "time_off_hours"),
            hours(work & (status == DRAFT), "draft_status_hours"),
            hours(work & (status == SUBMITTED), "submitted_status_hours"),
            hours(work & is_approved(), "approved_status_hours"),
            hours(work & (status == REJECTED), "rejected_status_hours"),
            hours(has_lag, "lag_hours"),
            pl.when(has_lag).then(as_integer(pl.col("hours")).cast(pl.Int128) * lag_days).otherwise(0).alias("lag"),
        )
        .group_by("user_id", "date")
        .agg(from_integer(pl.all().sum()))
    )


@pre_aggregate
def person_months(
    *,
    time_reports: pl.LazyFrame,
    subtasks: pl.LazyFrame,
    tasks: pl.LazyFrame,
    projects: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    org_users: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """Entries that count or wait to be billed, per user, node of the hierarchy, month and state. Source: docs/metrics.md, 0.

    Returns:
        user_id.
        invoice_id: the invoice that names the work; null without one.
        subtask_id, task_id, project_id, customer_id, billing_type, currency: an entry's own, else those of its parents.
        project_currency: the currency of the project's own money.
        is_time_off: leave.
        period: first day of the month.
        is_counted: in the figures to as-of.
        is_approved: Approved or Invoiced.
        in_burn_window: dated in the last working days, which set the burn rate.
        in_lockup_window: dated in the days that lock-up compares with.
        open_state: `approved` or `unapproved` by its status, to be billed unless an invoice does; null for any other.
        bucket: age of open work, one of `bucket_labels`.
        hours; unrated_hours, without a customer rate; uncosted_hours, without a known cost: Decimal(38, 10).
        amount (hours x customer rate), cost (hours x cost rate, in the entry's currency): Decimal(38, 20).
        entries, rated, costed: how many entries, how many with a customer rate, with a known cost.
        first_date: the earliest date in the group.
    """
    hierarchy = Hierarchy(
        subtasks=subtasks, tasks=tasks, projects=projects, customers=customers, organization=organization
    )
    key = ("user_id", *_NODE, "cost_rate_currency", "invoice_id", "status", pl.col("month").alias("period"))
    groups = _summed(time_reports.filter(~has_invalid_hours()), [*key, _stretch(params).alias("stretch")])
    states = (
        groups.with_columns(*_state(params))
        .filter(pl.col("is_counted") | pl.col("open_state").is_not_null())
        .with_columns(_bucket(params).alias("bucket"))
        .drop("status", "stretch")
    )
    # Users and parents are looked up after grouping: for fewer rows than there are entries.
    work = hierarchy.complete(with_cost_currency(states, org_users))
    known = with_known_cost(work).drop("cost_rate_currency", "cost_currency")
    return known.with_columns(is_time_off(params).alias("is_time_off"))


@pre_aggregate
def work_months(*, person_months: pl.LazyFrame) -> pl.LazyFrame:
    """`person_months` of all people and invoices together: fewer rows, from which most rollups start."""
    sums = ("hours", "unrated_hours", "uncosted_hours", "amount", "cost", "entries", "rated", "costed")
    return (
        person_months.drop("user_id", "invoice_id")
        .group_by(pl.exclude(*sums, "first_date"))
        .agg(pl.col(sums).sum(), pl.col("first_date").min())
    )


def counted_by_date(
    time_reports: pl.LazyFrame, hierarchy: Hierarchy, org_users: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """`work_months` of counted entries with dates as periods, without the columns of open work and of lock-up."""
    entries = with_cost_currency(time_reports.filter(is_counted(params)), org_users)
    days = _summed(entries, [*_NODE, "cost_currency", pl.col("date").alias("period")])
    return with_known_cost(hierarchy.complete(days)).with_columns(
        pl.lit(True).alias("is_counted"),
        (pl.col("period") >= first_day_of_burn_window(params)).alias("in_burn_window"),
    )


def with_cost_currency(time_reports: pl.LazyFrame, org_users: pl.LazyFrame) -> pl.LazyFrame:
    """Entries with cost_currency: the entry's own, else the user's; null means the entry's currency."""
    of_users = org_users.select("id", _currency("cost_rate_currency").alias("currency"))
    own = _currency("cost_rate_currency")
    return time_reports.with_columns(pl.coalesce(own, lookup("user_id", of_users, "currency")).alias("cost_currency"))


def _cost_in_another_currency() -> pl.Expr:
    return pl.col("cost_currency").is_not_null() & pl.col("cost_currency").ne_missing(_currency("currency"))


def _currency(column: str) -> pl.Expr:
    """A currency code in capitals; null where it is blank."""
    code = pl.col(column).str.strip_chars().str.to_uppercase()
    return pl.when(code != "").then(code)


def with_known_cost(work: pl.LazyFrame) -> pl.LazyFrame:
    """Grouped work whose cost is known: what is in another currency than the entries counts as unknown."""
    is_foreign = _cost_in_another_currency() & (pl.col("costed") > 0)
    return work.with_columns(
        pl.when(is_foreign).then("hours").otherwise("uncosted_hours").alias("uncosted_hours"),
        pl.when(is_foreign).then(None).otherwise("cost").alias("cost"),
        pl.when(is_foreign).then(0).otherwise("costed").alias("costed"),
    )


def hours_with_foreign_cost(
    time_reports: pl.LazyFrame, hierarchy: Hierarchy, org_users: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """Counted hours, without time off, whose cost is in another currency than the entry.

    Returns:
        One row per project_id, currency and cost_currency; hours.
    """
    costed = time_reports.filter(is_counted(params), ~is_time_off(params), pl.col("cost_rate").is_not_null())
    # In most firms hardly any entry is left before the hierarchy is joined in.
    candidates = with_cost_currency(costed, org_users).filter(_cost_in_another_currency())
    work = candidates.group_by(*_NODE, "cost_currency").agg(pl.col("hours").sum())
    return (
        hierarchy.complete(work)
        .filter(_cost_in_another_currency())
        .group_by("project_id", "currency", "cost_currency")
        .agg(pl.col("hours").sum())
    )


def _summed(entries: pl.LazyFrame, key: Sequence[str | pl.Expr]) -> pl.LazyFrame:
    """Entries grouped by `key`, with the sums of `person_months`; where a cost is known, it is in the entries' currency."""
    sums = (
        entries.select(
            *key,
            pl.col("customer_rate").is_not_null().alias("is_rated"),
            pl.col("cost_rate").is_not_null().alias("is_costed"),
            pl.col("date").alias("first_date"),
            as_integer(pl.col("hours")).alias("hours"),
            price(pl.col("hours"), pl.col("customer_rate")).alias("amount"),
            price(pl.col("hours"), pl.col("cost_rate")).alias("cost"),
        )
        .group_by(pl.exclude("first_date", "hours", "amount", "cost"))
        .agg(
            from_integer(pl.col("hours").sum()),
            from_price(pl.col("amount", "cost").sum()),
            pl.len().cast(pl.Int64).alias("entries"),
            pl.col("first_date").min(),
        )
    )
    return sums.with_columns(
        pl.when("is_rated").then(amount(0)).otherwise("hours").alias("unrated_hours"),
        pl.when("is_rated").then("entries").otherwise(0).alias("rated"),
        pl.when("is_costed").then(amount(0)).otherwise("hours").alias("uncosted_hours"),
        pl.when("is_costed").then("entries").otherwise(0).alias("costed"),
    ).drop("is_rated", "is_costed")


def _state(params: RollupParams) -> tuple[pl.Expr, ...]:
    """Of a group of one status and stretch, so that its first date speaks for all: what `person_months` says of it."""
    status, day = pl.col("status"), pl.col("first_date")
    open_state = (
        pl.when(status == APPROVED)
        .then(pl.lit(OPEN_APPROVED))
        .when(status.is_in((DRAFT, SUBMITTED)))
        .then(pl.lit(OPEN_UNAPPROVED))
    )
    return (
        (_has_counted_status(params.firm) & params.is_loaded_to_as_of(day)).alias("is_counted"),
        is_approved().alias("is_approved"),
        open_state.alias("open_state"),
        (day >= first_day_of_burn_window(params)).alias("in_burn_window"),
        day.is_between(*params.lockup_window).alias("in_lockup_window"),
    )
