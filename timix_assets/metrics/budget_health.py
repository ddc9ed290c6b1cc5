"""Budget health: how far each cap is used, how fast, and when it will be reached. docs/metrics.md, 3.

Use is summed by month first. Days matter in one place only, the day on which a cap was reached; for that the entries of the
month in question are read again, of those budgets alone.
"""

import polars as pl

from . import budget_forecast, columns
from .amounts import EXACT, ratio, sum_or_null_if_unpriced
from .budget_policy import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET, WORST_FIRST, thresholds, warning
from .budgets import BUDGET, MONEY_SCOPES, PROJECT, SUBTASK, TASK, USED, list_budgets, through_period, use_by_period
from .columns import AS_OF, COUNTED, CURRENCY_OF_PROJECT, HOURS_OR_MONEY, THRESHOLDS, raw
from .entries import counted_by_date
from .hierarchy import Hierarchy
from .params import RollupParams
from .rollup import Preview, Rollup, rollup

_CAPS = (
    raw("projects", "tm_hour_limit", "fix_hour_limit", "ovh_hour_limit", "amount_limit", "contract_amount")
    + raw("tasks", "tm_hour_limit", "fix_hour_limit", "ovh_hour_limit")
    + raw("subtasks", "hour_limit")
)
_DATES = raw("projects", "start_date", "end_date")
_STATUS = _CAPS + USED + THRESHOLDS

BUDGET_HEALTH = Rollup(
    "budget_health",
    group="budgets",
    key=("level", "project_id", "task_id", "subtask_id", "scope"),
    description="One row per budget, as of the as-of date: hour caps (TM, Fix, OVH) and money caps on projects, hour caps on "
    "tasks and subtasks. A cap of null or 0 is no cap: Timix keeps 0 for unlimited. Add up the rows of one level only: the same "
    "hour is in all three. Working days are those of the default week (Monday to Friday); holidays are not taken off.",
    columns=(
        columns.text("level", "project, task or subtask.", _CAPS),
        columns.text("project_id", "The project.", raw("projects", "id") + raw("tasks", "project_id")),
        columns.text("task_id", "The task; null on project rows.", raw("tasks", "id") + raw("subtasks", "task_id")),
        columns.text("subtask_id", "The subtask; null on project and task rows.", raw("subtasks", "id")),
        columns.text("customer_id", "The project's customer.", raw("projects", "customer_id")),
        columns.text(
            "scope",
            "What the cap limits: TM, Fix or OVH hours; amount (value of TM hours); contract (cost of Fix hours against the "
            "agreed price); hours (of a subtask). A project always has its three hour scopes; everything else has a row only "
            "with a cap.",
            _CAPS,
        ),
        columns.hours_or_money("cap", "Today's cap; null when there is none.", _CAPS),
        columns.hours_or_money(
            "used",
            "Used to as-of: counted hours of the scope, time off included; for amount, hours × customer rate of TM; for "
            "contract, hours × cost rate of Fix; money only of entries in the project's currency. Null on contract when the "
            "API key's role hides cost.",
            USED,
        ),
        columns.hours_or_money("remaining", "Cap − used; negative when over.", _CAPS + USED),
        columns.ratio("burn", "Used ÷ cap.", _CAPS + USED),
        columns.text(
            "status",
            f"{NO_BUDGET}, {ON_TRACK}, {AT_RISK} (burn at or above the warning threshold, 0.80) or {OVER_BUDGET} (at or above "
            "the critical one, 1.00). The thresholds are the organization's where Timix gives them, else settings; a contract "
            "may have a warning of its own, 1 − targets.contract_margin.",
            _STATUS,
        ),
        columns.text(
            "project_budget_status",
            "The worst status of the project's own rows, repeated on every row of the project.",
            _STATUS,
        ),
        columns.ratio(
            "elapsed",
            "Working days from the start to as-of ÷ working days from start to end, 0 to 1. Without a start date the project "
            "begins with its first counted entry; null without an end date.",
            _DATES + COUNTED,
        ),
        columns.quotient(
            "burn_rate",
            "Use per working day over the last 20 working days, as-of included; of a younger budget, since its first entry; "
            "null under 5 working days (20 and 5 are settings).",
            USED,
            "hours or money per working day",
        ),
        columns.date(
            "exhaustion_date",
            "The working day on which the remaining budget is used up at that rate; null beyond 5 years (a setting). When the "
            "cap is already reached: the first day on which it was.",
            _CAPS + USED,
        ),
        columns.quotient(
            "projected_final",
            "Used + burn rate × working days left until the project's end date; after that date, the same as used.",
            USED + _DATES,
            HOURS_OR_MONEY,
        ),
        columns.text(
            "outlook",
            "overrun_expected when used or projected use is above the cap, or when burn is more than 0.10 (a setting) ahead of "
            "elapsed and at least 5 working days have passed; else in_control. Null without a cap; within it also with neither "
            "elapsed nor a projection.",
            _CAPS + USED + _DATES,
        ),
        columns.text("currency", "The project's currency on money scopes; null on hour scopes.", CURRENCY_OF_PROJECT),
        columns.flag(
            "history_complete",
            "False when a month from the project's start to as-of was never read, so that use is missing; null without a start "
            "date.",
            raw("projects", "start_date"),
        ),
        columns.text(
            "api_status",
            "Timix's own status of the project. A check lists where it differs from ours.",
            raw("budget_health_report", "status"),
        ),
        columns.as_of(),
    ),
    preview=Preview(
        sort=("-burn", "-cap"),
        columns=(
            "customer_name",
            "project_name",
            "task_name",
            "subtask_name",
            "scope",
            "used",
            "cap",
            "currency",
            "burn",
            "status",
            "outlook",
        ),
    ),
)


@rollup(BUDGET_HEALTH)
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
    org_users: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """How far each budget is used, how fast, and when it runs out. Source: docs/metrics.md, 3.

    Returns:
        One row per budget, as of the as-of date; hours and money, Decimal(38, 10), ratios and rates, Float64.
    """
    hierarchy = Hierarchy(
        subtasks=subtasks, tasks=tasks, projects=projects, customers=customers, organization=organization
    )
    budgets = list_budgets(hierarchy)
    # The streaming engine does not find common subplans by itself: without the caches each use is computed again.
    by_month = use_by_period(work_months).cache()
    used = (
        budgets.join(_totals(by_month), on=BUDGET, how="left")
        .join(_first_entries(work_months), on="project_id", how="left")
        .with_columns(pl.coalesce("start_date", "first_entry").alias("begin_date"), *_used_so_far())
        .cache()
    )
    crossings = _months_of_crossing(used, by_month).cache()
    nodes = _nodes_to_read(crossings, work_months)
    entries = time_reports.join(nodes, left_on=["subtask_id", "month"], right_on=["subtask_id", "period"], how="semi")
    days = counted_by_date(entries, hierarchy, org_users, params)
    reached = _reached_on(crossings, days)
    api = budget_health_report.group_by("project_id").agg(pl.col("status").first().alias("api_status"))
    judged = (
        used.join(reached, on=BUDGET, how="left")
        .join(thresholds(organization, params.firm), how="cross")
        .with_columns(
            (pl.col("cap") - pl.col("used")).alias("remaining"),
            ratio(pl.col("used"), pl.col("cap")).alias("burn"),
            _status().alias("status"),
        )
        .with_columns(*budget_forecast.pace(params))
        .with_columns(budget_forecast.forecast(params))
        .with_columns(budget_forecast.outlook(params).alias("outlook"))
    )
    return (
        judged.join(_project_status(judged), on="project_id", how="left")
        .join(api, on="project_id", how="left")
        .with_columns(
            pl.when(pl.col("scope").is_in(MONEY_SCOPES)).then("project_currency").alias("currency"),
            (pl.col("start_date") >= params.complete_since).alias("history_complete"),
            pl.lit(params.as_of).alias(AS_OF),
        )
    )


def _totals(by_month: pl.LazyFrame) -> pl.LazyFrame:
    return by_month.group_by(BUDGET).agg(
        pl.col("used", "window_used", "to_price", "priced").sum(), pl.col("first_date").min()
    )


def _used_so_far() -> list[pl.Expr]:
    """used and window_used as AMOUNT: 0 without entries, null when there are some and no price of them is known."""
    to_price, priced = pl.col("to_price").fill_null(0), pl.col("priced").fill_null(0)
    return [
        sum_or_null_if_unpriced(pl.col(column).fill_null(0), to_price=to_price, priced=priced).alias(column)
        for column in ("used", "window_used")
    ]


def _status() -> pl.Expr:
    used, cap = pl.col("used"), pl.col("cap")
    return (
        pl.when(cap.is_null())
        .then(pl.lit(NO_BUDGET))
        .when(used >= cap * pl.col("critical"))
        .then(pl.lit(OVER_BUDGET))
        .when(used >= cap * warning())
        .then(pl.lit(AT_RISK))
        .when(used.is_not_null())
        .then(pl.lit(ON_TRACK))
    )


def _project_status(judged: pl.LazyFrame) -> pl.LazyFrame:
    """project_id, project_budget_status: the worst status of the project's own rows, without unknown ones."""
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


def _first_entries(work_months: pl.LazyFrame) -> pl.LazyFrame:
    """project_id, first_entry: the date of each project's first counted entry."""
    return work_months.filter("is_counted").group_by("project_id").agg(pl.col("first_date").min().alias("first_entry"))


def _reached_on(crossings: pl.LazyFrame, days: pl.LazyFrame) -> pl.LazyFrame:
    """level, entity_id, scope, reached_on: of used-up budgets, the first date on which cumulative use reached the cap.

    days: the work of the months of crossing, by date.
    """
    return (
        use_by_period(days.cache())
        .with_columns(pl.col("period").dt.month_start().alias("month"))
        .join(crossings, left_on=[*BUDGET, "month"], right_on=[*BUDGET, "period"])
        .with_columns((pl.col("used_before") + through_period("used")).alias("cumulative"))
        .filter(pl.col("cumulative") >= pl.col("cap").cast(EXACT))
        .group_by(BUDGET)
        .agg(pl.col("period").min().alias("reached_on"))
    )


def _months_of_crossing(used: pl.LazyFrame, by_month: pl.LazyFrame) -> pl.LazyFrame:
    """level, entity_id, scope, period, cap, used_before: the month in which a used-up budget first reached its cap."""
    used_up = used.filter(pl.col("used") >= pl.col("cap")).select(*BUDGET, "cap")
    through = through_period("used")
    return (
        by_month.join(used_up, on=BUDGET)
        .with_columns((through - pl.col("used")).alias("used_before"), through.alias("used_through"))
        .filter(pl.col("used_through") >= pl.col("cap").cast(EXACT))
        .group_by(BUDGET)
        .agg(pl.col("period", "cap", "used_before").sort_by("period").first())
    )


def _nodes_to_read(crossings: pl.LazyFrame, work_months: pl.LazyFrame) -> pl.LazyFrame:
    """subtask_id, period: which entries make up those months."""

    def of(level: str) -> pl.LazyFrame:
        column = f"{level}_id"
        months = crossings.filter(pl.col("level") == level).select(pl.col("entity_id").alias(column), "period")
        return work_months.join(months, on=[column, "period"], how="semi").select("subtask_id", "period")

    return pl.concat([of(level) for level in (PROJECT, TASK, SUBTASK)]).unique()
