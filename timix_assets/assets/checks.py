"""Checks that read the lake: each says in one line what must hold, and shows the rows for which it does not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    MetadataValue,
    multi_asset_check,
)

from timix_assets.assets import latest_month, reconciliation
from timix_assets.assets.held import MOST_SHOWN, Held
from timix_assets.assets.reckoning import TIME_REPORTS, Reckoning
from timix_assets.failures import plainly
from timix_assets.lake.errors import TableMissing
from timix_assets.lake.io_manager import LakeResource
from timix_assets.lake.months import Months
from timix_assets.lake.preview import preview
from timix_assets.lake.tables import Lake
from timix_assets.metrics.entries import is_absurd, is_counted, is_time_off
from timix_assets.metrics.organization import months_before_work

Rule = Callable[[Lake, Reckoning], Held]


@dataclass(frozen=True, slots=True)
class Check:
    """A rule on one asset. reads: the other assets that must be there first. blocking: rollups on it would be wrong."""

    asset: str
    name: str
    description: str
    rule: Rule
    reads: tuple[str, ...] = ()
    blocking: bool = False

    @property
    def spec(self) -> AssetCheckSpec:
        return AssetCheckSpec(
            self.name,
            asset=AssetKey(self.asset.split("/")),
            description=self.description,
            blocking=self.blocking,
            additional_deps=[AssetKey(other.split("/")) for other in self.reads],
        )

    def result(self, held: Held) -> AssetCheckResult:
        offending = held.offending.height
        severity = AssetCheckSeverity.ERROR if self.blocking else AssetCheckSeverity.WARN
        shown = {"offending": MetadataValue.md(preview(held.offending.head(MOST_SHOWN)))} if offending else {}
        return AssetCheckResult(
            asset_key=AssetKey(self.asset.split("/")),
            check_name=self.name,
            passed=not offending,
            severity=severity,
            description=held.told,
            metadata={
                "offending_rows": MetadataValue.int(offending),
                **{name: MetadataValue.text(value) for name, value in (held.figures or {}).items()},
                **shown,
            },
        )


def keys_unique(table: str, key: Sequence[str]) -> Rule:
    def rule(lake: Lake, _: Reckoning) -> Held:
        counted = lake.scan(table).group_by(key).agg(pl.len().alias("rows")).filter(pl.col("rows") > 1)
        return Held(
            counted.sort(key).collect(),
            f"[key of {table} stands|keys of {table} stand] in it more than once; read the months of these rows again.",
        )

    return rule


def no_orphans(child: str, parent_id: str, parent: str) -> Rule:
    def rule(lake: Lake, _: Reckoning) -> Held:
        parents = lake.scan(parent).select(pl.col("id").alias(parent_id))
        orphans = (
            lake.scan(child)
            .filter(pl.col(parent_id).is_not_null())
            .join(parents, on=parent_id, how="anti")
            .group_by(parent_id)
            .agg(pl.len().alias("rows"))
            .sort("rows", parent_id, descending=[True, False])
        )
        return Held(
            orphans.collect(),
            f"[value of {parent_id} in {child} is|values of {parent_id} in {child} are] not in {parent}: deleted there, or not "
            "visible to the key.",
        )

    return rule


def hours_sane(lake: Lake, _: Reckoning) -> Held:
    absurd = lake.scan(TIME_REPORTS).filter(is_absurd()).select("id", "user_id", "date", "hours", "status")
    return Held(
        absurd.sort("date", "id").collect(),
        "[entry has|entries have] 0 hours or less, or more than 24; rollups leave [it|them] out.",
    )


def no_month_missing(lake: Lake, reckoning: Reckoning) -> Held:
    settings = reckoning.settings
    wanted = set(Months(settings.first_month, max(settings.first_month, settings.as_of.replace(day=1))))
    missing = sorted(wanted - lake.memory.months_known(TIME_REPORTS))
    return Held(
        pl.DataFrame({"month": missing}, {"month": pl.Date}),
        "[month since the first was never read and counts|months since the first were never read and count] as empty; "
        "materialize timix/time_reports for [it|them].",
    )


def nothing_lost(lake: Lake, reckoning: Reckoning) -> Held:
    """The hours of the daily rollup against those of the raw table, user by user."""
    settings = reckoning.settings
    work = is_counted(settings) & ~is_time_off(settings)
    raw = lake.scan(TIME_REPORTS).filter(work).group_by("user_id").agg(pl.col("hours").sum().alias("raw_hours"))
    daily = lake.scan("rollups/utilization_daily").group_by("user_id").agg(pl.col("logged_hours").sum())
    both = raw.join(daily, on="user_id", how="full", coalesce=True).with_columns(
        pl.col("raw_hours", "logged_hours").fill_null(0)
    )
    users = both.sort("user_id").collect()
    totals = {"raw hours": str(users["raw_hours"].sum()), "rollup hours": str(users["logged_hours"].sum())}
    return Held(
        users.filter(pl.col("raw_hours") != pl.col("logged_hours")),
        "[user has|users have] other hours in utilization_daily than in the raw entries; compute that table again.",
        totals,
    )


def capacity_known(lake: Lake, reckoning: Reckoning) -> Held:
    as_of = reckoning.settings.as_of
    employed = (
        lake.scan("timix/org_users")
        .filter(pl.col("status") == "Active")
        .filter((pl.col("start_date") <= as_of).fill_null(True) & (pl.col("end_date") >= as_of).fill_null(True))
        .select(pl.col("id").alias("user_id"), "name")
    )
    capacity = lake.scan("rollups/capacity_daily").filter(pl.col("date") == as_of)
    sources = dict(capacity.group_by("capacity_source").len().sort("capacity_source").collect().iter_rows())
    known = capacity.filter(pl.col("capacity_source") != "default")
    return Held(
        employed.join(known, on="user_id", how="anti").sort("user_id").collect(),
        "active [user has|users have] no hours of [its|their] own, so that the default week stands in; enter hours in "
        "Timix, or a line in the work calendar.",
        {"users by source of capacity": ", ".join(f"{source}: {users}" for source, users in sources.items())},
    )


def begins_with_work(lake: Lake, _: Reckoning) -> Held:
    return Held(
        months_before_work(lake.scan("rollups/organization_kpis")).collect(),
        "[month has capacity and lies|months have capacity and lie] before the first logged work, so that [it lowers|they lower] "
        "the utilization of every longer period; where the firm began later, set TIMIX_START_MONTH to its first month and "
        "refresh into a new lake.",
    )


def history_complete(lake: Lake, _: Reckoning) -> Held:
    cut = (
        lake.scan("rollups/budget_health")
        .filter((pl.col("level") == "project") & ~pl.col("history_complete") & pl.col("cap").is_not_null())
        .select("project_id")
        .unique()
        .join(
            lake.scan("timix/projects").select(pl.col("id").alias("project_id"), "name", "start_date"), on="project_id"
        )
    )
    return Held(
        cut.sort("start_date", "project_id").collect(),
        "capped [project|projects] began before the first loaded month, so that [its|their] use may be too low; where Timix has "
        "earlier entries, set TIMIX_START_MONTH earlier.",
    )


def _checks() -> Iterator[Check]:
    """Keys are looked for here only where months can share one: an entry that moved; every other write is refused by the lake."""
    yield Check(
        TIME_REPORTS,
        "keys_unique",
        "Each id stands in the table once.",
        keys_unique(TIME_REPORTS, ["id"]),
        blocking=True,
    )
    yield Check(TIME_REPORTS, "hours_sane", "Every entry has more than 0 and at most 24 hours.", hours_sane)
    yield Check(TIME_REPORTS, "no_month_missing", "Every month since the first has been read.", no_month_missing)
    for child, parent_id, parent in (
        ("time_reports", "subtask_id", "subtasks"),
        ("subtasks", "task_id", "tasks"),
        ("tasks", "project_id", "projects"),
        ("projects", "customer_id", "customers"),
    ):
        yield Check(
            f"timix/{child}",
            "no_orphans",
            f"Every {parent_id} is a row of timix/{parent}.",
            no_orphans(f"timix/{child}", parent_id, f"timix/{parent}"),
            reads=(f"timix/{parent}",),
        )
    yield Check(
        "rollups/capacity_daily",
        "capacity_known",
        "The hours of every active user are known: from Timix, or from a line of the work calendar.",
        capacity_known,
        reads=("timix/org_users",),
    )
    yield Check(
        "rollups/utilization_daily",
        "nothing_lost",
        "The logged hours of every user are those of the raw entries that count: nothing lost in between, nothing doubled.",
        nothing_lost,
        reads=(TIME_REPORTS,),
        blocking=True,
    )
    yield Check(
        "rollups/organization_kpis",
        "begins_with_work",
        "No month of capacity lies before the first logged work.",
        begins_with_work,
    )
    yield Check(
        "rollups/budget_health",
        "history_complete",
        "Every capped project began within the loaded months.",
        history_complete,
        reads=("timix/projects",),
    )
    yield Check(
        "rollups/budget_health",
        "agrees_with_timix",
        "Our status of each project's budget is the one that Timix reports.",
        reconciliation.budget_statuses,
        reads=("timix/budget_health_report", "timix/projects"),
    )
    yield Check(
        "rollups/project_profitability",
        "agrees_with_timix",
        f"Our revenue of each project and month is Timix's, to {reconciliation.TOLERANCE} of its currency.",
        reconciliation.revenue,
        reads=("timix/revenue_report",),
    )
    yield Check(
        "rollups/unbilled_aging",
        "agrees_with_timix",
        f"Our unbilled total of each currency is Timix's, to {reconciliation.TOLERANCE} of it.",
        reconciliation.unbilled,
        reads=("timix/unbilled_time_report", "timix/projects"),
    )


def _together(checks: Sequence[Check]) -> AssetChecksDefinition:
    """The checks of one asset in one step. Blocking ones have a step of their own: what they block must not wait for others."""
    first = checks[0]

    @multi_asset_check(
        name=f"{first.asset.replace('/', '__')}__{'blocking' if first.blocking else 'checks'}",
        specs=[check.spec for check in checks],
        can_subset=True,
    )
    def look(
        context: AssetCheckExecutionContext, lake: LakeResource, reckoning: Reckoning
    ) -> Iterator[AssetCheckResult]:
        selected = {key.name for key in context.selected_asset_check_keys}
        with plainly():
            for check in checks:
                if check.name in selected:
                    yield _looked(check, lake.lake, reckoning)

    return look


def _looked(check: Check, lake: Lake, reckoning: Reckoning) -> AssetCheckResult:
    """A table that was never read cannot be compared with: no pass, and no reason to stop the run."""
    try:
        return check.result(check.rule(lake, reckoning))
    except TableMissing as missing:
        return AssetCheckResult(
            asset_key=AssetKey(check.asset.split("/")),
            check_name=check.name,
            passed=False,
            severity=AssetCheckSeverity.WARN,
            description=f"Not checked: {missing}",
        )


def _steps() -> Iterator[AssetChecksDefinition]:
    steps: dict[tuple[str, bool], list[Check]] = {}
    for check in _checks():
        steps.setdefault((check.asset, check.blocking), []).append(check)
    return map(_together, steps.values())


CHECKS = [*_steps(), *latest_month.CHECKS]
