"""Freshness: when a table counts as stale, and the sensor that reports a stale current month."""

from collections.abc import Container, Iterable

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetKey,
    AssetSpec,
    DagsterInstance,
    DefaultSensorStatus,
    EventLogRecord,
    FreshnessPolicy,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from timix_assets.assets.checks.current_month import (
    CURRENT_MONTH_READ,
    MONTHLY_TABLES,
    STALE_AFTER,
    evaluate_current_month,
    local_time,
)
from timix_assets.dagster_internals import (
    AssetCheckEvaluationTargetMaterializationData,
    AssetCheckExecutionRecordStatus,
)
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.tags import workspace_tags
from timix_assets.settings import Settings

TICK_INTERVAL_SECONDS = 300

DAILY = FreshnessPolicy.time_window(fail_window=STALE_AFTER)
"""Of a whole table. Any month makes a monthly table fresh in this sense, so those have the check `current_month_read` too."""

TABLES = ("timix/", "rollups/")

FINISHED_STATUSES = (AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED)


def with_freshness(spec: AssetSpec, names: Namespace = PROJECT) -> AssetSpec:
    """The spec, with a freshness policy if it is of a table."""
    return spec.replace_attributes(freshness_policy=DAILY) if names.table(spec.key).startswith(TABLES) else spec


def _report_current_month(
    context: SensorEvaluationContext, lake: LakeResource, settings: Settings, tables: Iterable[str]
) -> SensorResult:
    now = local_time(settings)
    with as_dagster_failure():
        results = [
            evaluate_current_month(context.instance, lake.store, lake.names.key(table), now, lake.names)
            for table in tables
        ]
    stale = ", ".join(result.asset_key.to_user_string() for result in results if result.asset_key and not result.passed)
    return SensorResult(
        skip_reason=f"The current month {now:%Y-%m} is stale in {stale}." if stale else "The current month is fresh.",
        asset_events=unreported(context.instance, results),
    )


def current_month_sensor(names: Namespace = PROJECT, own: Container[AssetKey] | None = None) -> SensorDefinition:
    """The sensor of a workspace.

    Args:
        names: Of the workspace.
        own: Its assets; None for all.
    """
    tables = [table for table in MONTHLY_TABLES if own is None or names.key(table) in own]

    def report(context: SensorEvaluationContext, lake: LakeResource, settings: ResourceParam[Settings]) -> SensorResult:
        return _report_current_month(context, lake, settings, tables)

    return sensor(
        name=names.named("current_month_freshness"),
        minimum_interval_seconds=TICK_INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.STOPPED,
        description="Evaluates the check current_month_read of every monthly table, also when no run reads them. Reports only "
        "results that have changed. Starts no runs and makes no requests to Timix.",
        tags=workspace_tags(names),
    )(names.supplied(report))


def unreported(instance: DagsterInstance, results: list[AssetCheckResult]) -> list[AssetCheckEvaluation]:
    """The results that the UI does not show yet, as evaluations of the newest materialization: the UI hides others."""
    found = []
    for result in results:
        table = result.asset_key
        assert table is not None, "every result names its table"
        newest = next(iter(instance.fetch_materializations(table, limit=1).records), None)
        if not _is_reported(instance, AssetCheckKey(table, CURRENT_MONTH_READ), result, newest):
            found.append(
                AssetCheckEvaluation(
                    asset_key=table,
                    check_name=CURRENT_MONTH_READ,
                    passed=result.passed,
                    metadata=result.metadata,
                    severity=result.severity,
                    description=result.description,
                    target_materialization_data=_target(newest) if newest else None,
                )
            )
    return found


def _is_reported(
    instance: DagsterInstance, check: AssetCheckKey, result: AssetCheckResult, newest: EventLogRecord | None
) -> bool:
    last = instance.get_latest_asset_check_evaluation_record(check)
    # A planned evaluation may be of a run that was killed.
    if last is None or last.evaluation is None or last.status not in FINISHED_STATUSES:
        return False
    target = last.evaluation.target_materialization_data
    is_of_newest = newest is None or last.run_id == newest.run_id or (target and target.storage_id == newest.storage_id)
    same = (last.evaluation.passed, last.evaluation.description) == (result.passed, result.description)
    return bool(is_of_newest) and same


def _target(record: EventLogRecord) -> AssetCheckEvaluationTargetMaterializationData:
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
    )
