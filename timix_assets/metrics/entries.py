"""Time entries as the formulas read them: which ones count, where they belong, what they are worth.

The raw entries are read twice, once for each of two small grains from which every rollup starts:
`work_days` (user x date) and `work_months` (place in the structure x month). Ids are grouped before their parents are
joined in, so that millions of entries pass through one hash table and nothing else.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from . import working_days
from .amounts import amount, as_integer, from_integer, worth
from .settings import AgingBuckets, Settings

TM, FIX, OVERHEAD = "TM", "Fix", "OVH"
BILLABLE = (TM, FIX)
BILLING_TYPES = (TM, FIX, OVERHEAD)
APPROVED = ("Approved", "Invoiced")
MOST_HOURS_A_DAY = 24

OPEN_APPROVED, OPEN_UNAPPROVED = "approved", "unapproved"
FUTURE = "future"

_PLACE = ("subtask_id", "task_id", "project_id", "customer_id", "billing_type", "currency")
_STATE = ("is_counted", "in_burn_window", "open_state", "bucket")


def is_absurd() -> pl.Expr:
    """No day holds such an entry: hours of 0 or less, above 24, or none. Kept in the raw table, out of every rollup."""
    hours = pl.col("hours")
    return ((hours <= 0) | (hours > MOST_HOURS_A_DAY)).fill_null(True)


def is_counted(settings: Settings) -> pl.Expr:
    """Entries that the figures count: a counted status, sane hours, dated from the first loaded month to as-of."""
    return (
        pl.col("status").is_in(settings.budgets.counted_statuses).fill_null(False)
        & ~is_absurd()
        & pl.col("date").is_between(settings.first_month, settings.as_of)
    )


def is_time_off(settings: Settings) -> pl.Expr:
    """Entries on subtasks that the firm configured as leave."""
    subtasks = pl.Series(sorted(settings.calendar.time_off_subtask_ids), dtype=pl.String)
    return pl.col("subtask_id").is_in(subtasks.implode())


def first_day_of_burn_window(settings: Settings) -> pl.Expr:
    """The 20th working day back from as-of, as-of counted (the 20 is a setting)."""
    weekdays = working_days.working_weekdays(settings.calendar)
    last = working_days.number(pl.lit(settings.as_of), weekdays)
    return working_days.day_with(last - (settings.budgets.burn_window_days - 1), weekdays)


def bucket_labels(aging: AgingBuckets) -> tuple[str, ...]:
    """future, 0-30, 31-60, 61-90, 91+."""
    lower = (0, *(upper + 1 for upper in aging.upper_days))
    closed = (f"{first}-{last}" for first, last in zip(lower, aging.upper_days, strict=False))
    return (FUTURE, *closed, f"{lower[-1]}+")


def _bucket_number(as_of: date, aging: AgingBuckets) -> pl.Expr:
    """The place in `bucket_labels` of an entry's age, which is as-of less its date, in days."""
    age = (pl.lit(as_of) - pl.col("date")).dt.total_days()
    return pl.sum_horizontal((age > last).cast(pl.Int8) for last in (-1, *aging.upper_days))


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What entries hang on, from their subtasks up to the organization: the raw tables of these names."""

    subtasks: pl.LazyFrame
    tasks: pl.LazyFrame
    projects: pl.LazyFrame
    customers: pl.LazyFrame
    organization: pl.LazyFrame

    @property
    def terms(self) -> pl.LazyFrame:
        """`project_terms` of its projects."""
        return project_terms(projects=self.projects, customers=self.customers, organization=self.organization)


def work_days(*, time_reports: pl.LazyFrame, subtasks: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """Counted hours per user and date: user_id, date, logged_hours, billable_hours, overhead_hours, approved_hours,
    time_off_hours. Time off is in time_off_hours only.
    """
    counted = time_reports.filter(is_counted(settings))
    # Nearly all entries say their billing type; to look up every one of them would cost as much as all the rest.
    said = counted.filter(pl.col("billing_type").is_not_null())
    types = subtasks.select(pl.col("id").alias("subtask_id"), "billing_type")
    unsaid = counted.filter(pl.col("billing_type").is_null()).drop("billing_type").join(types, "subtask_id", "left")
    billing_type = pl.col("billing_type")
    work = ~is_time_off(settings)

    def hours(condition: pl.Expr, name: str) -> pl.Expr:
        return pl.when(condition).then(as_integer(pl.col("hours"))).otherwise(0).alias(name)

    return (
        pl.concat([said, unsaid], how="diagonal")
        .select(
            "user_id",
            "date",
            hours(work, "logged_hours"),
            hours(work & billing_type.is_in(BILLABLE), "billable_hours"),
            hours(work & (billing_type == OVERHEAD), "overhead_hours"),
            hours(work & pl.col("status").is_in(APPROVED), "approved_hours"),
            hours(~work, "time_off_hours"),
        )
        .group_by("user_id", "date")
        .agg(from_integer(pl.all().sum()))
    )


def project_terms(*, projects: pl.LazyFrame, customers: pl.LazyFrame, organization: pl.LazyFrame) -> pl.LazyFrame:
    """Each project's customer and currency: project_id, customer_id, currency (its own, may be null), project_currency
    (its own, else its customer's, else the organization's).
    """
    own = projects.select(pl.col("id").alias("project_id"), "customer_id", "currency")
    filled = with_customer_currency(
        own.with_columns(pl.col("currency").alias("own_currency")), customers=customers, organization=organization
    )
    return filled.select(
        "project_id",
        "customer_id",
        pl.col("own_currency").alias("currency"),
        pl.col("currency").alias("project_currency"),
    )


def with_customer_currency(frame: pl.LazyFrame, *, customers: pl.LazyFrame, organization: pl.LazyFrame) -> pl.LazyFrame:
    """Where `currency` is missing: the customer's, else the organization's."""
    return (
        frame.join(_currencies(customers), on="customer_id", how="left")
        .join(_organization_currency(organization), how="cross")
        .with_columns(pl.coalesce("currency", "customer_currency", "organization_currency").alias("currency"))
        .drop("customer_currency", "organization_currency")
    )


def work_months(
    *,
    time_reports: pl.LazyFrame,
    subtasks: pl.LazyFrame,
    tasks: pl.LazyFrame,
    projects: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    settings: Settings,
) -> pl.LazyFrame:
    """Entries that count or wait to be billed, per place, month and state, parents and currency filled in.

    subtask_id, task_id, project_id, customer_id, billing_type, currency: an entry's own, else its parents'.
    project_currency: the currency of the project's own money. is_time_off: leave. period: first day of the month.
    is_counted: in the figures to as-of. in_burn_window: dated in the last working days that set the burn rate.
    open_state: `approved` or `unapproved` without an invoice, null when it cannot be billed any more. bucket: its age.
    hours, unrated_hours (no customer rate), amount (hours x customer rate), cost (hours x cost rate): Decimal.
    entries, rated, costed: how many entries, with a customer rate, with a cost rate. first_date: the earliest
    date in the group.
    """
    structure = Structure(
        subtasks=subtasks, tasks=tasks, projects=projects, customers=customers, organization=organization
    )
    return work_by(pl.col("date").dt.month_start(), time_reports, structure, settings)


def work_by(period: pl.Expr, time_reports: pl.LazyFrame, structure: Structure, settings: Settings) -> pl.LazyFrame:
    """`work_months` with another period: an expression over an entry that gives a date."""
    own = _grouped(time_reports, period, settings)
    parents = (
        own.join(
            structure.subtasks.select(
                pl.col("id").alias("subtask_id"),
                pl.col("task_id").alias("parent_task"),
                pl.col("billing_type").alias("subtask_billing_type"),
            ),
            on="subtask_id",
            how="left",
        )
        .with_columns(
            pl.coalesce("task_id", "parent_task").alias("task_id"),
            pl.coalesce("billing_type", "subtask_billing_type").alias("billing_type"),
        )
        .join(
            structure.tasks.select(pl.col("id").alias("task_id"), pl.col("project_id").alias("parent_project")),
            on="task_id",
            how="left",
        )
        .with_columns(pl.coalesce("project_id", "parent_project").alias("project_id"))
        .join(structure.terms, on="project_id", how="left", suffix="_of_project")
        .with_columns(
            pl.coalesce("customer_id", "customer_id_of_project").alias("customer_id"),
            pl.coalesce("currency", "currency_of_project").alias("currency"),
            is_time_off(settings).alias("is_time_off"),
        )
        .drop("parent_task", "subtask_billing_type", "parent_project", "customer_id_of_project", "currency_of_project")
    )
    return with_customer_currency(parents, customers=structure.customers, organization=structure.organization)


def _grouped(time_reports: pl.LazyFrame, period: pl.Expr, settings: Settings) -> pl.LazyFrame:
    """One row per place as sent, period and state, with the sums that the formulas need."""
    status = pl.col("status")
    sane_and_unbilled = ~is_absurd() & pl.col("invoice_id").is_null()
    open_state = (
        pl.when(sane_and_unbilled & (status == "Approved"))
        .then(pl.lit(OPEN_APPROVED))
        .when(sane_and_unbilled & status.is_in(("Draft", "Submitted")))
        .then(pl.lit(OPEN_UNAPPROVED))
    )
    return (
        time_reports.with_columns(is_counted(settings).alias("is_counted"), open_state.alias("open_state"))
        .filter(pl.col("is_counted") | pl.col("open_state").is_not_null())
        .select(
            *_PLACE,
            period.alias("period"),
            "date",
            "is_counted",
            (pl.col("date") >= first_day_of_burn_window(settings)).alias("in_burn_window"),
            "open_state",
            pl.when(pl.col("open_state").is_not_null())
            .then(_bucket_number(settings.as_of, settings.aging))
            .alias("bucket"),
            pl.col("customer_rate").is_not_null().alias("is_rated"),
            pl.col("cost_rate").is_not_null().alias("is_costed"),
            as_integer(pl.col("hours")).alias("hours"),
            worth(pl.col("hours"), pl.col("customer_rate")).alias("amount"),
            worth(pl.col("hours"), pl.col("cost_rate")).alias("cost"),
        )
        .group_by(*_PLACE, "period", *_STATE, "is_rated", "is_costed")
        .agg(
            from_integer(pl.col("hours").sum()),
            pl.col("amount", "cost").sum(),
            pl.len().cast(pl.Int64).alias("entries"),
            pl.col("date").min().alias("first_date"),
        )
        .with_columns(
            pl.when("is_rated").then(amount(0)).otherwise("hours").alias("unrated_hours"),
            pl.when("is_rated").then("entries").otherwise(0).alias("rated"),
            pl.when("is_costed").then("entries").otherwise(0).alias("costed"),
        )
        .drop("is_rated", "is_costed")
        .with_columns(
            pl.col("bucket").replace_strict(dict(enumerate(bucket_labels(settings.aging))), return_dtype=pl.String),
        )
    )


def _currencies(customers: pl.LazyFrame) -> pl.LazyFrame:
    return customers.select(pl.col("id").alias("customer_id"), pl.col("currency").alias("customer_currency"))


def _organization_currency(organization: pl.LazyFrame) -> pl.LazyFrame:
    """One row, also when the organization is not there."""
    return organization.select(pl.col("currency").first().alias("organization_currency"))
