"""Which checks there are on which assets, and how Dagster runs them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetKey,
    MetadataValue,
    multi_asset_check,
)

from timix_assets.assets.checks import current_month, reconciliation, rules
from timix_assets.assets.checks.outcome import MAX_SHOWN, RuleOutcome, check_result
from timix_assets.assets.preview import preview
from timix_assets.assets.rollup_context import TIME_REPORTS, RollupContext
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.interrupts import interrupts_deferred
from timix_assets.lake.errors import TableMissing
from timix_assets.metrics.limits import LIMITED
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.text.printable import printable


@dataclass(frozen=True, slots=True)
class Check:
    """A rule on one asset.

    Args:
        asset: the table, e.g. `timix/time_reports`.
        reads: other tables that must be written first.
        blocking: whether downstream rollups would be wrong when the rule is broken, so that they are not computed.
        is_error: whether a broken rule is an error though it blocks nothing; else it is a warning.
    """

    asset: str
    name: str
    description: str
    rule: rules.Rule
    reads: tuple[str, ...] = ()
    blocking: bool = False
    is_error: bool = False

    def spec(self, names: Namespace) -> AssetCheckSpec:
        return AssetCheckSpec(
            self.name,
            asset=names.key(self.asset),
            description=self.description,
            blocking=self.blocking,
            additional_deps=[names.key(other) for other in self.reads],
        )

    def result(self, outcome: RuleOutcome, key: AssetKey) -> AssetCheckResult:
        count = outcome.violations.height
        shown = {"violations": MetadataValue.md(preview(outcome.violations.head(MAX_SHOWN)))} if count else {}
        return check_result(
            key,
            self.name,
            passed=not count,
            is_error=self.blocking or self.is_error,
            lines=[outcome.message] if outcome.message else [],
            metadata={
                "violation_count": MetadataValue.int(count),
                **{name: MetadataValue.text(printable(value)) for name, value in outcome.figures.items()},
                **shown,
            },
        )


def _checks() -> Iterator[Check]:
    # The lake refuses a duplicate key within what one read replaces: a month, or a whole table.
    for endpoint in (each for each in ENDPOINTS if each.has_moving_rows):
        table = f"timix/{endpoint.name}"
        yield Check(
            table,
            "keys_unique",
            f"Each {', '.join(endpoint.key)} occurs once.",
            rules.keys_unique(table, endpoint.key),
            blocking=True,
        )
    yield Check(
        TIME_REPORTS, "hours_in_range", "Every time entry has more than 0 and at most 24 hours.", rules.hours_in_range
    )
    for table in LIMITED:
        yield Check(
            f"timix/{table}",
            "values_within_limits",
            f"No value of {', '.join(LIMITED[table])} is above its limit.",
            rules.values_within_limits(table),
        )
    yield Check(
        TIME_REPORTS,
        "no_missing_months",
        "Every month since the first loaded month has been read.",
        rules.no_missing_months,
    )
    yield Check(
        TIME_REPORTS,
        "most_words_known",
        "Most entries with valid hours have a billing type, their own or their subtask's, and a status that Timix documents.",
        rules.most_words_known,
        reads=("timix/subtasks",),
        is_error=True,
    )
    yield Check(
        TIME_REPORTS,
        "cost_in_entry_currency",
        "The cost of every counted hour is in the entry's currency.",
        rules.cost_in_entry_currency,
        reads=tuple(f"timix/{table}" for table in (*rules.HIERARCHY, "org_users")),
    )
    yield Check(
        "timix/invoices", "paid_date_known", "Every Paid invoice has the date of its payment.", rules.paid_date_known
    )
    yield Check(
        "timix/holiday_profiles",
        "holidays_known",
        "Everybody who works has a holiday calendar for this year, and from November on for the next.",
        rules.holidays_known,
        reads=("timix/org_users",),
    )
    for child, parent_id, parent in (
        ("time_reports", "subtask_id", "subtasks"),
        ("subtasks", "task_id", "tasks"),
        ("tasks", "project_id", "projects"),
        ("projects", "customer_id", "customers"),
    ):
        yield Check(
            f"timix/{child}",
            "no_orphans",
            f"Every {parent_id} has a row in timix/{parent}.",
            rules.no_orphans(f"timix/{child}", parent_id, f"timix/{parent}"),
            reads=(f"timix/{parent}",),
        )
    yield Check(
        "rollups/capacity_daily",
        "capacity_configured",
        "Every active user has working hours, in Timix or in the work calendar.",
        rules.capacity_configured,
        reads=("timix/org_users",),
    )
    yield Check(
        "rollups/utilization_daily",
        "hours_match_raw",
        "The logged hours of every user equal those of the raw entries that count.",
        rules.hours_match_raw,
        reads=(TIME_REPORTS,),
        blocking=True,
    )
    yield Check(
        "rollups/budget_health",
        "history_complete",
        "Every month since the start of each capped project was read.",
        rules.history_complete,
        reads=("timix/projects",),
    )
    yield Check(
        "rollups/budget_health",
        "agrees_with_timix",
        "The budget status of each project equals Timix's report.",
        reconciliation.budget_statuses,
        reads=("timix/budget_health_report", "timix/projects"),
    )
    yield Check(
        "rollups/project_profitability",
        "agrees_with_timix",
        f"The revenue of each project and month equals Timix's report, within {reconciliation.TOLERANCE}.",
        reconciliation.revenue,
        reads=("timix/revenue_report",),
    )
    yield Check(
        "rollups/unbilled_aging",
        "agrees_with_timix",
        "The unbilled total of each currency equals Timix's report, with or without what is on Draft invoices, within "
        f"{reconciliation.TOLERANCE}.",
        reconciliation.unbilled,
        reads=("timix/unbilled_time_report", "timix/projects"),
    )
    yield Check(
        "rollups/receivables_aging",
        "agrees_with_timix",
        "What each customer owes equals Timix's report, of invoices issued in the months that every refresh reads, within "
        f"{reconciliation.TOLERANCE}.",
        reconciliation.receivables,
        reads=("timix/customer_billing_report", "timix/invoices", "timix/customers", "timix/organization"),
    )

    yield Check(
        "rollups/restatements",
        "closed_months_unchanged",
        "Hours, revenue and cost of every closed month are those of the day on which it was closed.",
        rules.closed_months_unchanged,
    )


def _check_definition(checks: Sequence[Check], names: Namespace) -> AssetChecksDefinition:
    """Checks of one asset as one step.

    Blocking checks are a separate step, so that downstream assets wait only for them; so are checks that read other tables,
    because Dagster skips a step when one of these cannot be read.
    """
    first = checks[0]
    kind = "blocking" if first.blocking else first.name if first.reads else "checks"

    @multi_asset_check(
        name=f"{names.key(first.asset).to_python_identifier()}__{kind}",
        specs=[check.spec(names) for check in checks],
        can_subset=True,
    )
    @names.bound
    def evaluate_checks(
        context: AssetCheckExecutionContext, lake: LakeResource, rollup_context: RollupContext
    ) -> Iterator[AssetCheckResult]:
        selected = {key.name for key in context.selected_asset_check_keys}
        with as_dagster_failure():
            for check in checks:
                if check.name in selected:
                    yield _evaluate(check, lake, rollup_context)

    return evaluate_checks


def _evaluate(check: Check, lake: LakeResource, context: RollupContext) -> AssetCheckResult:
    """A rule on a table that was never read warns: it neither passes nor stops the run."""
    key = lake.names.key(check.asset)
    try:
        with interrupts_deferred():
            return check.result(check.rule(lake.store, context), key)
    except TableMissing as missing:
        return check_result(key, check.name, passed=False, lines=[f"Not checked: {missing}"])


def check_definitions(names: Namespace = PROJECT) -> list[AssetChecksDefinition]:
    """Every check, in steps."""
    steps: dict[tuple[str, bool, tuple[str, ...]], list[Check]] = {}
    for check in _checks():
        steps.setdefault((check.asset, check.blocking, check.reads), []).append(check)
    return [*(_check_definition(step, names) for step in steps.values()), *current_month.check_definitions(names)]
