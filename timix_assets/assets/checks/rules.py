"""The rules of the asset checks: each reads the lake and returns the rows that break it."""

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from timix_assets.assets.checks.outcome import RuleOutcome
from timix_assets.assets.rollup_context import TIME_REPORTS, RollupContext
from timix_assets.contract.endpoints import BILLING_TYPES, BY_NAME, ENTRY_STATUSES
from timix_assets.lake.key_hashes import suspected_duplicates
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.metrics.capacity import profile_of_each_year
from timix_assets.metrics.entries import has_invalid_hours, hours_with_foreign_cost, is_counted, is_time_off
from timix_assets.metrics.hierarchy import Hierarchy
from timix_assets.metrics.invoices import PAID
from timix_assets.metrics.limits import LIMITED, beyond_limits, complete, max_value, within_limits
from timix_assets.settings.firm import WorkCalendar
from timix_assets.text.figures import number
from timix_assets.text.wording import count_noun

Rule = Callable[[Lake, RollupContext], RuleOutcome]

HIERARCHY = ("subtasks", "tasks", "projects", "customers", "organization")
"""The raw tables above a time entry."""

MAX_NAMED = 3

FIRST_MONTH_OF_NEXT_CALENDAR = 11
"""Until then nobody has entered next year's holidays, and a warning would only be noise."""

_LABEL_COLUMNS = {
    "time_reports": ("user_id", "date"),
    "projects": ("name",),
    "tasks": ("name",),
    "subtasks": ("name",),
}
"""Columns that tell a person which row it is, beside its key."""


def keys_unique(table: str, key: Sequence[str]) -> Rule:
    def rule(lake: Lake, _: RollupContext) -> RuleOutcome:
        suspects = suspected_duplicates(lake.scan(table).select(key), key)
        counts = suspects.group_by(key).agg(pl.len().alias("rows")).filter(pl.col("rows") > 1)
        return RuleOutcome(
            counts.sort(key).collect(), "duplicate key", f"in {table}; read the months of these rows again."
        )

    return rule


def no_orphans(child: str, parent_id: str, parent: str) -> Rule:
    def rule(lake: Lake, _: RollupContext) -> RuleOutcome:
        parents = lake.scan(parent).select(pl.col("id").alias(parent_id))
        orphans = (
            lake.scan(child)
            .filter(pl.col(parent_id).is_not_null())
            .group_by(parent_id)
            .agg(pl.len().alias("rows"))
            .join(parents, on=parent_id, how="anti")
            .sort("rows", parent_id, descending=[True, False])
        )
        return RuleOutcome(
            orphans.collect(engine="streaming"),
            f"{parent_id} value",
            f"of {child} without a row in {parent}: deleted in Timix, or not visible to this API key.",
        )

    return rule


def hours_in_range(lake: Lake, _: RollupContext) -> RuleOutcome:
    invalid = lake.scan(TIME_REPORTS).filter(has_invalid_hours()).select("id", "user_id", "date", "hours", "status")
    return RuleOutcome(
        invalid.sort("date", "id").collect(engine="streaming"),
        "time entry",
        "with 0 hours or less, or more than 24; rollups leave them out. Correct them in Timix.",
        plural="time entries",
    )


def values_within_limits(table: str) -> Rule:
    def rule(lake: Lake, context: RollupContext) -> RuleOutcome:
        money = context.firm.money_policy
        key = BY_NAME[table].key
        shown = dict.fromkeys([*key, *_LABEL_COLUMNS.get(table, ()), *LIMITED[table]])
        rows = complete(table, lake.scan(f"timix/{table}"))
        beyond = rows.filter(beyond_limits(table, money)).select(*shown)
        return RuleOutcome(
            beyond.sort(key).collect(engine="streaming"),
            "row",
            "with a value above the limit, which rollups treat as unknown; correct it in Timix, or raise the limit in "
            "money_policy.",
            {f"maximum {kind}": f"{max_value(kind, money):,}" for kind in LIMITED[table].values()},
        )

    return rule


def most_words_known(lake: Lake, _: RollupContext) -> RuleOutcome:
    """Holds unless more than half of the entries have an unknown billing type, or an unknown status, or none."""
    # Few distinct words, millions of entries: only the words are joined.
    words = (
        lake.scan(TIME_REPORTS)
        .filter(~has_invalid_hours())
        .group_by("billing_type", "status", pl.when(pl.col("billing_type").is_null()).then("subtask_id").alias("id"))
        .agg(pl.len().alias("entries"))
        .join(lake.scan("timix/subtasks").select("id", of_subtask="billing_type"), on="id", how="left")
        .with_columns(pl.coalesce("billing_type", "of_subtask").alias("billing_type"))
        .collect(engine="streaming")
    )
    total = words["entries"].sum()
    unknown = {
        column: words.filter(~pl.col(column).is_in(known).fill_null(False))
        .group_by(pl.lit(column).alias("column"), pl.col(column).fill_null("none").alias("word"))
        .agg(pl.col("entries").sum())
        .sort("entries", "word", descending=[True, False])
        for column, known in (("billing_type", BILLING_TYPES), ("status", ENTRY_STATUSES))
    }
    most = {column: rows for column, rows in unknown.items() if 2 * rows["entries"].sum() > total}
    found = "; ".join(
        f"{column} {_words(rows)}, {rows['entries'].sum():,} of {total:,} entries" for column, rows in most.items()
    )
    return RuleOutcome(
        pl.concat([rows.clear() for rows in unknown.values()] + list(most.values())),
        "unknown word",
        f"in most time entries: {found}. The words differ, not the work, so utilization and money are too low; translate them "
        "with CASE in TIMIX_OVERRIDES (columns of time_reports).",
        {
            **{f"unknown {column}": _words(rows) for column, rows in unknown.items() if rows.height},
            "time entries": f"{total:,}",
        },
    )


def _words(rows: pl.DataFrame) -> str:
    return ", ".join(f"{word} ({entries:,})" for word, entries in rows.select("word", "entries").iter_rows())


def cost_in_entry_currency(lake: Lake, context: RollupContext) -> RuleOutcome:
    def table(name: str) -> pl.LazyFrame:
        return within_limits(name, lake.scan(f"timix/{name}"), context.firm.money_policy)

    hierarchy = Hierarchy(**{name: table(name) for name in HIERARCHY})
    pair = ("currency", "cost_currency")
    projects = (
        hours_with_foreign_cost(table("time_reports"), hierarchy, table("org_users"), context.params)
        .sort("project_id", *pair)
        .collect(engine="streaming")
    )
    totals = projects.group_by(pair).agg(pl.col("hours").sum()).sort("hours", *pair, descending=[True, False, False])
    named = {f"{own} work at a cost in {cost}": f"{number(sum)} h" for own, cost, sum in totals.iter_rows()}
    first = ", ".join(f"{hours} of {work}" for work, hours in list(named.items())[:MAX_NAMED])
    more = f" and {len(named) - MAX_NAMED} more pairs" if len(named) > MAX_NAMED else ""
    return RuleOutcome(
        projects,
        "project and currency",
        f"with cost in another currency than the entries, which counts as unknown: {first}{more}. Enter cost rates in the "
        "entry's currency; if Timix converts them without saying so, set `cost_rate_currency: currency` for time_reports in "
        "TIMIX_OVERRIDES.",
        named,
        plural="projects and currencies",
    )


def paid_date_known(lake: Lake, _: RollupContext) -> RuleOutcome:
    undated = lake.scan("timix/invoices").filter(pl.col("status") == PAID, pl.col("paid_date").is_null())
    return RuleOutcome(
        undated.select("id", "number", "customer_id", "issue_date", "total", "currency").sort("id").collect(),
        "Paid invoice",
        "without a paid date, so no month of organization_money counts it as paid; enter the date in Timix.",
    )


def holidays_known(lake: Lake, context: RollupContext) -> RuleOutcome:
    as_of, calendar = context.settings.as_of_date(), context.firm.work_calendar
    years = [as_of.year, *([as_of.year + 1] if as_of.month >= FIRST_MONTH_OF_NEXT_CALENDAR else [])]
    people = _working_people(lake, as_of, calendar)
    profiles = profile_of_each_year(people, lake.scan("timix/holiday_profiles"), calendar, years)
    missing = (
        profiles.filter(pl.col("profile_id").is_null())
        .join(
            people.select("holiday_profile_id", user_id="id", country_code=pl.col("country_code").str.to_uppercase()),
            "user_id",
        )
        .group_by("country_code", "year")
        .agg(
            pl.len().alias("people"),
            pl.col("holiday_profile_id").drop_nulls().unique().sort().str.join(", ").alias("holiday_profile_ids"),
        )
        .sort("year", "country_code")
        .collect()
    )
    named = ", ".join(
        f"{row['country_code'] or 'no country'} {row['year']} ({count_noun(row['people'], 'person', 'people')})"
        for row in missing.iter_rows(named=True)
    )
    return RuleOutcome(
        missing,
        "holiday calendar",
        f"missing: {named}. So no holiday of these years lowers these people's capacity; add an active holiday profile of the "
        "country and year in Timix, or set default_holiday_profile_id in the work calendar.",
    )


def _working_people(lake: Lake, as_of: date, calendar: WorkCalendar) -> pl.LazyFrame:
    """The active users who are employed on as-of, but for roles that deliver nothing."""
    return lake.scan("timix/org_users").filter(
        pl.col("status") == "Active",
        (pl.col("start_date") <= as_of).fill_null(True),
        (pl.col("end_date") >= as_of).fill_null(True),
        ~pl.col("role").is_in(calendar.non_delivery_roles).fill_null(False),
    )


def no_missing_months(lake: Lake, context: RollupContext) -> RuleOutcome:
    params = context.params
    first = params.first_day.replace(day=1)
    missing = (
        sorted(set(Months(first, params.as_of.replace(day=1))) - set(params.months)) if params.loaded_months else []
    )
    return RuleOutcome(
        pl.DataFrame({"month": missing}, {"month": pl.Date}),
        "month",
        f"since {first:%Y-%m} never read, which rollups leave out; materialize {TIME_REPORTS} for them.",
    )


def hours_match_raw(lake: Lake, context: RollupContext) -> RuleOutcome:
    """The hours of the daily rollup against those of the raw table, user by user."""
    params = context.params
    work = is_counted(params) & ~is_time_off(params)
    raw = lake.scan(TIME_REPORTS).filter(work).group_by("user_id").agg(pl.col("hours").sum().alias("raw_hours"))
    daily = lake.scan("rollups/utilization_daily").group_by("user_id").agg(pl.col("logged_hours").sum())
    both = raw.join(daily, on="user_id", how="full", coalesce=True).with_columns(
        pl.col("raw_hours", "logged_hours").fill_null(0)
    )
    users = both.sort("user_id").collect()
    return RuleOutcome(
        users.filter(pl.col("raw_hours") != pl.col("logged_hours")),
        "user",
        "with other hours in utilization_daily than in the raw entries; materialize rollups/utilization_daily again.",
        {"raw hours": str(users["raw_hours"].sum()), "rollup hours": str(users["logged_hours"].sum())},
    )


def capacity_configured(lake: Lake, context: RollupContext) -> RuleOutcome:
    as_of = context.params.as_of
    employed = _working_people(lake, as_of, context.firm.work_calendar).select("name", user_id="id")
    capacity = lake.scan("rollups/capacity_daily").filter(pl.col("date") == as_of)
    sources = dict(capacity.group_by("capacity_source").len().sort("capacity_source").collect().iter_rows())
    configured = capacity.filter(pl.col("capacity_source") != "default")
    return RuleOutcome(
        employed.join(configured, on="user_id", how="anti").sort("user_id").collect(),
        "active user",
        "without working hours, so the default week is used; set the hours in Timix or in the work calendar.",
        {"users by source of capacity": ", ".join(f"{source}: {users}" for source, users in sources.items())},
    )


def history_complete(lake: Lake, _: RollupContext) -> RuleOutcome:
    truncated = (
        lake.scan("rollups/budget_health")
        .filter((pl.col("level") == "project") & ~pl.col("history_complete") & pl.col("cap").is_not_null())
        .select("project_id")
        .unique()
        .join(
            lake.scan("timix/projects").select(pl.col("id").alias("project_id"), "name", "start_date"), on="project_id"
        )
    )
    return RuleOutcome(
        truncated.sort("start_date", "project_id").collect(),
        "capped project",
        "of which not every month since the start was read, so their budget use may be too low; if Timix has earlier entries, "
        "read those months too (`timix-assets refresh --from`, TIMIX_START_MONTH).",
    )


def closed_months_unchanged(lake: Lake, _: RollupContext) -> RuleOutcome:
    restated = lake.scan("rollups/restatements").filter("is_restated").sort("month", "project_id", "user_id")
    return RuleOutcome(
        restated.collect(),
        "row",
        "of closed months differ from when the month was closed: entries, rates or your settings have changed; "
        "docs/metrics.md, 7, says what to do.",
    )
