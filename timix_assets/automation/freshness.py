"""How old a table may be before the UI calls it stale: the one place that says so, for all of them."""

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetSpec,
    DagsterInstance,
    DefaultSensorStatus,
    EventLogRecord,
    FreshnessPolicy,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from timix_assets.assets.latest_month import KEPT_BY_MONTH, LATEST_MONTH_READ, STALE_AFTER, local_time, look
from timix_assets.failures import plainly
from timix_assets.lake.io_manager import LakeResource

LOOK_EVERY_SECONDS = 300

DAILY = FreshnessPolicy.time_window(fail_window=STALE_AFTER)
"""Of a table as a whole: it fails when nothing at all was read. Any month makes a table kept by month fresh in this sense,
so the check `latest_month_read` looks at the running month of those, in every run and by the sensor below."""

TABLES = ("timix", "rollups")

SAID = (AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED)


def with_freshness(spec: AssetSpec) -> AssetSpec:
    """The spec with its policy, when it is a table."""
    return spec.replace_attributes(freshness_policy=DAILY) if spec.key.path[0] in TABLES else spec


@sensor(
    name="latest_month_freshness",
    minimum_interval_seconds=LOOK_EVERY_SECONDS,
    default_status=DefaultSensorStatus.STOPPED,
    description="Looks at when the running month of each table kept by month was last read, and lets its check "
    "latest_month_read fail once that is too long ago: also when nothing runs, or only older months are read. It reports only "
    "what the check does not say already, starts no run and asks Timix for nothing.",
)
def latest_month_freshness(context: SensorEvaluationContext, lake: LakeResource) -> SensorResult:
    now = local_time()
    with plainly():
        looked = [look(context.instance, lake.lake, table, now) for table in KEPT_BY_MONTH]
    stale = ", ".join(result.asset_key.to_user_string() for result in looked if result.asset_key and not result.passed)
    return SensorResult(
        skip_reason=f"The running month {now:%Y-%m} is stale in {stale}." if stale else "The running month is fresh.",
        asset_events=unsaid(context.instance, looked),
    )


def unsaid(instance: DagsterInstance, looked: list[AssetCheckResult]) -> list[AssetCheckEvaluation]:
    """Those results that the UI does not show, as evaluations of the newest materialization, for it hides others."""
    found = []
    for result in looked:
        table = result.asset_key
        assert table is not None, "every result names its table"
        newest = next(iter(instance.fetch_materializations(table, limit=1).records), None)
        if not _is_shown(instance, AssetCheckKey(table, LATEST_MONTH_READ), result, newest):
            found.append(
                AssetCheckEvaluation(
                    asset_key=table,
                    check_name=LATEST_MONTH_READ,
                    passed=result.passed,
                    metadata=result.metadata,
                    severity=result.severity,
                    description=result.description,
                    target_materialization_data=_target(newest) if newest else None,
                )
            )
    return found


def _is_shown(
    instance: DagsterInstance, check: AssetCheckKey, result: AssetCheckResult, newest: EventLogRecord | None
) -> bool:
    last = instance.get_latest_asset_check_evaluation_record(check)
    # One that is planned but not done is the promise of a run that may have been killed.
    if last is None or last.evaluation is None or last.status not in SAID:
        return False
    target = last.evaluation.target_materialization_data
    is_of_newest = newest is None or last.run_id == newest.run_id or (target and target.storage_id == newest.storage_id)
    same = (last.evaluation.passed, last.evaluation.description) == (result.passed, result.description)
    return bool(is_of_newest) and same


def _target(record: EventLogRecord) -> AssetCheckEvaluationTargetMaterializationData:
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
    )
