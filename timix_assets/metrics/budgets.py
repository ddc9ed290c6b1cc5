"""Budget health: how far each cap is used, how fast, and when it will be reached. docs/metrics.md, 3.

Use is added up by month first. Days matter in one place only, the day on which a cap was reached; for that the entries
of the month in question are read again, of those budgets alone.
"""

import polars as pl

from . import working_days
from .amounts import AMOUNT, EXACT, amount, as_float, ratio, total_worth
from .budget_status import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET, WORST_FIRST
from .entries import BILLING_TYPES, FIX, OVERHEAD, TM, Structure, first_day_of_burn_window, work_by
from .settings import Settings
from .tables import AS_OF, BUDGET_BURN, BUDGET_HEALTH
from .thresholds import thresholds

PROJECT, TASK, SUBTASK = "project", "task", "subtask"
AMOUNT_SCOPE, CONTRACT, HOURS = "amount", "contract", "hours"
_MONEY_SCOPES = (AMOUNT_SCOPE, CONTRACT)
_HOUR_CAPS = {TM: "tm_hour_limit", FIX: "fix_hour_limit", OVERHEAD: "ovh_hour_limit"}

BUDGET = ["level", "place_id", "scope"]
"""What identifies a budget: place_id is the id of the project, task or subtask that the level names."""


def budget_health(
    *,
    work_months: pl.LazyFrame,
    time_reports: pl.LazyFrame,
    subtasks: pl.LazyFrame,
    tasks: pl.LazyFrame,
    projects: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    budget_health_report: pl.LazyFrame,
    settings: Settings,
) -> pl.LazyFrame:
    """One row per budget, as of as_of. work_months: `entries.work_months`. Source: docs/metrics.md, 3."""
    structure = Structure(
        subtasks=subtasks, tasks=tasks, projects=projects, customers=customers, organization=organization
    )
    budgets = _budgets(structure)
    # The streaming engine does not find common subplans by itself: without the caches each use is computed anew.
    by_month = _use(work_months).cache()
    used = budgets.join(_totals(by_month), on=BUDGET, how="left").with_columns(_used_so_far()).cache()
    reached = _reached_on(used, by_month, work_months, time_reports, structure, settings)
    api = budget_health_report.group_by("project_id").agg(pl.col("status").first().alias("api_status"))
    judged = (
        used.join(reached, on=BUDGET, how="left")
        .join(thresholds(organization, settings.budgets), how="cross")
        .with_columns(
            (pl.col("cap") - pl.col("used")).alias("remaining"),
            ratio(pl.col("used"), pl.col("cap")).alias("burn"),
            _status().alias("status"),
        )
        .with_columns(*_pace(settings))
        .with_columns(_forecast(settings))
        .with_columns(_outlook(settings).alias("outlook"))
    )
    return BUDGET_HEALTH.shaped(
        judged.join(_project_status(judged), on="project_id", how="left")
        .join(api, on="project_id", how="left")
        .with_columns(
            pl.when(pl.col("scope").is_in(_MONEY_SCOPES)).then("project_currency").alias("currency"),
            (pl.col("start_date") >= settings.first_month).alias("history_complete"),
            pl.lit(settings.as_of).alias(AS_OF),
        )
    )


def budget_burn(*, work_months: pl.LazyFrame, budget_health: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """One row per budget of a project and loaded month to as-of. Source: docs/metrics.md, 3."""
    months = pl.LazyFrame({"period": pl.date_range(settings.first_month, settings.as_of, "1mo", eager=True)})
    of_projects = (
        budget_health.filter(pl.col("level") == PROJECT)
        .select("level", "project_id", pl.col("project_id").alias("place_id"), "scope", "cap")
        .join(months, how="cross")
        .join(_use_of_projects(work_months), on=[*BUDGET, "period"], how="left")
        .with_columns(pl.col("used", "to_price", "priced").fill_null(0))
    )

    return BUDGET_BURN.shaped(
        of_projects.with_columns(
            pl.col("period").alias("month"),
            total_worth(pl.col("used"), to_price=pl.col("to_price"), priced=pl.col("priced")).alias("used"),
            total_worth(_to_date("used"), to_price=_to_date("to_price"), priced=_to_date("priced")).alias(
                "cumulative_used"
            ),
        ).with_columns(ratio(pl.col("cumulative_used"), pl.col("cap")).alias("burn"))
    )


def _budgets(structure: Structure) -> pl.LazyFrame:
    """Every budget with its place, cap and the project's dates and currency. A cap of 0 or null is none: null."""
    nowhere = pl.lit(None, pl.String)
    projects, tasks = structure.projects, structure.tasks
    of_projects = [
        _caps(projects, PROJECT, scope, column, project_id=pl.col("id"), task_id=nowhere, subtask_id=nowhere)
        for scope, column in {**_HOUR_CAPS, AMOUNT_SCOPE: "amount_limit", CONTRACT: "contract_amount"}.items()
    ]
    of_tasks = [
        _caps(tasks, TASK, scope, column, project_id=pl.col("project_id"), task_id=pl.col("id"), subtask_id=nowhere)
        for scope, column in _HOUR_CAPS.items()
    ]
    parents = tasks.select(pl.col("id").alias("task_id"), "project_id")
    of_subtasks = _caps(
        structure.subtasks.join(parents, on="task_id", how="left"),
        SUBTASK,
        HOURS,
        "hour_limit",
        project_id=pl.col("project_id"),
        task_id=pl.col("task_id"),
        subtask_id=pl.col("id"),
    )
    always = (pl.col("level") == PROJECT) & pl.col("scope").is_in(BILLING_TYPES)
    dates = projects.select(pl.col("id").alias("project_id"), "start_date", "end_date")
    return (
        pl.concat([*of_projects, *of_tasks, of_subtasks])
        .filter(always | pl.col("cap").is_not_null())
        .join(dates, on="project_id", how="left")
        .join(structure.terms.drop("currency"), on="project_id", how="left")
    )


def _caps(
    places: pl.LazyFrame,
    level: str,
    scope: str,
    column: str,
    *,
    project_id: pl.Expr,
    task_id: pl.Expr,
    subtask_id: pl.Expr,
) -> pl.LazyFrame:
    return places.select(
        pl.lit(level).alias("level"),
        pl.col("id").alias("place_id"),
        pl.lit(scope).alias("scope"),
        project_id.alias("project_id"),
        task_id.alias("task_id"),
        subtask_id.alias("subtask_id"),
        pl.when(pl.col(column) > 0).then(column).alias("cap"),
    )


def _use(work: pl.LazyFrame) -> pl.LazyFrame:
    """What each budget used per period, and of that in the burn window: level, place_id, scope, period; used and
    window_used (exact); to_price and priced, counts of entries; first_date. Time off counts here.
    """
    counted = _in_scopes(work)
    by_type = pl.col("billing_type")
    of_tasks = _uses_of(counted, TASK, by_type, measure="hours", priced="entries")
    of_subtasks = _uses_of(counted, SUBTASK, pl.lit(HOURS), measure="hours", priced="entries")
    return pl.concat([_use_of_projects(work), of_tasks, of_subtasks])


def _use_of_projects(work: pl.LazyFrame) -> pl.LazyFrame:
    """`_use` of the projects' own budgets; money only in the project's currency."""
    counted = _in_scopes(work)
    by_type = pl.col("billing_type")
    own_money = counted.filter(pl.col("currency").eq_missing(pl.col("project_currency")))
    of_tm, of_fix = own_money.filter(by_type == TM), own_money.filter(by_type == FIX)
    return pl.concat(
        [
            _uses_of(counted, PROJECT, by_type, measure="hours", priced="entries"),
            _uses_of(of_tm, PROJECT, pl.lit(AMOUNT_SCOPE), measure="amount", priced="rated"),
            _uses_of(of_fix, PROJECT, pl.lit(CONTRACT), measure="cost", priced="costed"),
        ]
    )


def _in_scopes(work: pl.LazyFrame) -> pl.LazyFrame:
    return work.filter(pl.col("is_counted"), pl.col("billing_type").is_in(BILLING_TYPES))


def _uses_of(work: pl.LazyFrame, level: str, scope: pl.Expr, *, measure: str, priced: str) -> pl.LazyFrame:
    use = pl.col(measure).cast(EXACT)
    return (
        work.group_by(
            pl.lit(level).alias("level"), pl.col(f"{level}_id").alias("place_id"), scope.alias("scope"), "period"
        )
        .agg(
            use.sum().alias("used"),
            pl.when("in_burn_window").then(use).otherwise(0).sum().alias("window_used"),
            pl.col("entries").sum().alias("to_price"),
            pl.col(priced).sum().alias("priced"),
            pl.col("first_date").min(),
        )
        .filter(pl.col("place_id").is_not_null())
    )


def _to_date(column: str) -> pl.Expr:
    """Running sum over the periods of a budget."""
    return pl.col(column).cum_sum().over(BUDGET, order_by="period")


def _totals(by_month: pl.LazyFrame) -> pl.LazyFrame:
    return by_month.group_by(BUDGET).agg(
        pl.col("used", "window_used", "to_price", "priced").sum(), pl.col("first_date").min()
    )


def _used_so_far() -> list[pl.Expr]:
    """used and window_used as AMOUNT: 0 without entries, null when there are some and no price of them is known."""
    to_price, priced = pl.col("to_price").fill_null(0), pl.col("priced").fill_null(0)
    return [
        total_worth(pl.col(column).fill_null(0), to_price=to_price, priced=priced).alias(column)
        for column in ("used", "window_used")
    ]


def _status() -> pl.Expr:
    used, cap = pl.col("used"), pl.col("cap")
    return (
        pl.when(cap.is_null())
        .then(pl.lit(NO_BUDGET))
        .when(used >= cap * pl.col("critical"))
        .then(pl.lit(OVER_BUDGET))
        .when(used >= cap * pl.col("warning"))
        .then(pl.lit(AT_RISK))
        .when(used.is_not_null())
        .then(pl.lit(ON_TRACK))
    )


def _pace(settings: Settings) -> tuple[pl.Expr, ...]:
    """days_passed and days_planned of the project; window_days that the burn rate is spread over; days_left.

    window_days is null where a burn rate cannot be said: no entries, or the first one too young.
    """
    weekdays = working_days.working_weekdays(settings.calendar)
    as_of = pl.lit(settings.as_of)
    start, end, first = pl.col("start_date"), pl.col("end_date"), pl.col("first_date")
    since_first = working_days.between(first, as_of, weekdays)
    is_young = first > first_day_of_burn_window(settings)
    spread = pl.when(is_young).then(since_first).when(first.is_not_null()).then(settings.budgets.burn_window_days)
    return (
        working_days.between(start, as_of, weekdays).alias("days_passed"),
        working_days.between(start, end, weekdays).alias("days_planned"),
        working_days.between(as_of.dt.offset_by("1d"), end, weekdays).alias("days_left"),
        pl.when((spread >= settings.budgets.burn_minimum_days) & pl.col("used").is_not_null())
        .then(spread)
        .alias("window_days"),
    )


def _forecast(settings: Settings) -> list[pl.Expr]:
    """elapsed, burn_rate, exhaustion_date, projected_final."""
    end = pl.col("end_date")
    burn_rate = ratio(pl.col("window_used"), pl.col("window_days"))
    has_ended = end <= settings.as_of
    passed = pl.min_horizontal("days_passed", "days_planned")
    return [
        pl.when(pl.col("start_date").is_not_null() & end.is_not_null())
        .then(ratio(passed, pl.col("days_planned")))
        .alias("elapsed"),
        burn_rate.alias("burn_rate"),
        pl.when(pl.col("used") >= pl.col("cap"))
        .then("reached_on")
        .otherwise(_runs_out_on(settings))
        .alias("exhaustion_date"),
        pl.when(has_ended)
        .then(as_float(pl.col("used")))
        .when(end.is_not_null())
        .then(ratio(_projected(), pl.col("window_days")))
        .alias("projected_final"),
    ]


def _projected() -> pl.Expr:
    """The final use × window_days: used + burn rate × days left, before the division."""
    return pl.col("used") * pl.col("window_days") + pl.col("window_used") * pl.col("days_left")


def _runs_out_on(settings: Settings) -> pl.Expr:
    """The ceil(remaining ÷ burn rate)-th working day after as-of, in whole numbers so that nothing is a day off."""
    weekdays = working_days.working_weekdays(settings.calendar)
    horizon = settings.budgets.exhaustion_horizon_years
    as_of = pl.lit(settings.as_of)
    remaining = pl.col("remaining").to_physical() * pl.col("window_days").cast(pl.Int128)
    window_used = pl.col("window_used").to_physical()
    days = pl.when(window_used > 0).then((remaining + window_used - 1) // window_used)
    days_worth_saying = pl.when(days <= horizon * 366).then(days).cast(pl.Int64)
    day = working_days.day_with(working_days.number(as_of, weekdays) + days_worth_saying, weekdays)
    return pl.when(day <= as_of.dt.offset_by(f"{horizon}y")).then(day)


def _outlook(settings: Settings) -> pl.Expr:
    """Compared as exact products, for 0.8 > 0.7 + 0.1 is true of binary floats."""
    used, cap = pl.col("used"), pl.col("cap")
    window_days, days_planned = pl.col("window_days"), pl.col("days_planned")
    policy = settings.budgets
    projected_beyond = pl.col("end_date").gt(settings.as_of) & (_projected() > cap * window_days)
    passed = pl.min_horizontal("days_passed", "days_planned").cast(AMOUNT)
    allowed = passed + days_planned * amount(policy.overrun_tolerance)
    ahead_of_time = (
        pl.col("elapsed").is_not_null()
        & (pl.col("days_passed") >= policy.burn_minimum_days)
        & (used * days_planned > cap * allowed)
    )
    overrun = (used > cap) | projected_beyond.fill_null(False) | ahead_of_time.fill_null(False)
    nothing_to_say = pl.col("projected_final").is_null() & pl.col("elapsed").is_null()
    return (
        pl.when(cap.is_null() | used.is_null() | nothing_to_say)
        .then(None)
        .when(overrun)
        .then(pl.lit("overrun_expected"))
        .otherwise(pl.lit("in_control"))
    )


def _project_status(judged: pl.LazyFrame) -> pl.LazyFrame:
    """project_id, project_budget_status: the worst status of the project's own rows, unknown ones passed over."""
    rank = pl.col("status").replace_strict({s: n for n, s in enumerate(WORST_FIRST)}, return_dtype=pl.Int64)
    return (
        judged.filter(pl.col("level") == PROJECT)
        .group_by("project_id")
        .agg(rank.min().alias("rank"))
        .select(
            "project_id",
            pl.col("rank")
            .replace_strict(dict(enumerate(WORST_FIRST)), return_dtype=pl.String)
            .alias("project_budget_status"),
        )
    )


def _reached_on(
    used: pl.LazyFrame,
    by_month: pl.LazyFrame,
    work_months: pl.LazyFrame,
    time_reports: pl.LazyFrame,
    structure: Structure,
    settings: Settings,
) -> pl.LazyFrame:
    """level, place_id, scope, reached_on: of used-up budgets, the first date on which cumulative use reached the cap."""
    crossings = _months_of_crossing(used, by_month).cache()
    places = _places_to_read(crossings, work_months)
    entries = time_reports.join(places, left_on=["subtask_id", "month"], right_on=["subtask_id", "period"], how="semi")
    days = work_by(pl.col("date"), entries, structure, settings)
    return (
        _use(days.cache())
        .with_columns(pl.col("period").dt.month_start().alias("month"))
        .join(crossings, left_on=[*BUDGET, "month"], right_on=[*BUDGET, "period"])
        .with_columns((pl.col("used_before") + _to_date("used")).alias("cumulative"))
        .filter(pl.col("cumulative") >= pl.col("cap").cast(EXACT))
        .group_by(BUDGET)
        .agg(pl.col("period").min().alias("reached_on"))
    )


def _months_of_crossing(used: pl.LazyFrame, by_month: pl.LazyFrame) -> pl.LazyFrame:
    """level, place_id, scope, period, cap, used_before: the month in which a used-up budget first reached its cap."""
    used_up = used.filter(pl.col("used") >= pl.col("cap")).select(*BUDGET, "cap")
    through = _to_date("used")
    return (
        by_month.join(used_up, on=BUDGET)
        .with_columns((through - pl.col("used")).alias("used_before"), through.alias("used_through"))
        .filter(pl.col("used_through") >= pl.col("cap").cast(EXACT))
        .group_by(BUDGET)
        .agg(pl.col("period", "cap", "used_before").sort_by("period").first())
    )


def _places_to_read(crossings: pl.LazyFrame, work_months: pl.LazyFrame) -> pl.LazyFrame:
    """subtask_id, period: where the entries of those months are."""

    def of(level: str) -> pl.LazyFrame:
        column = f"{level}_id"
        months = crossings.filter(pl.col("level") == level).select(pl.col("place_id").alias(column), "period")
        return work_months.join(months, on=[column, "period"], how="semi").select("subtask_id", "period")

    return pl.concat([of(level) for level in (PROJECT, TASK, SUBTASK)]).unique()
