"""What Dagster has recorded of failed runs: which of ours failed, whether they are retried, and why they failed."""

from datetime import UTC, datetime
from typing import cast

from dagster import (
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRecord,
    RunsFilter,
)

from timix_assets.alerts.failed_runs import Retry, RunFailure
from timix_assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTO_RETRY_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
    RunFailureReason,
)
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.failure_messages import error_message
from timix_assets.runs.ours import is_ours, selected_assets
from timix_assets.runs.tags import JOB, WORKSPACE


def failed_since(
    instance: DagsterInstance, time: datetime, location: str, names: Namespace = PROJECT
) -> list[RunRecord]:
    """The workspace's runs that failed after a time (aware). location: the name of our code location."""
    # Tagging a run updates it: the time that it failed decides.
    updated = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=time))
    return [record for record in updated if failed_at(record) > time and is_ours(record.dagster_run, location, names)]


def failed_at(record: RunRecord) -> datetime:
    """When a failed run ended (aware)."""
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def retry_of(instance: DagsterInstance, run: DagsterRun) -> Retry:
    """Whether Dagster retries a failed run. Its tag does not say enough: it is set after the failure, and promises too much."""
    if run.tags.get(WILL_RETRY_TAG) == "false":
        return Retry.NEVER
    if AUTO_RETRY_RUN_ID_TAG in run.tags:
        return Retry.STARTED
    # A run of a script has no origin that Dagster could retry it from.
    return Retry.EXPECTED if instance.run_retries_enabled and run.remote_job_origin else Retry.NEVER


def has_succeeded(
    instance: DagsterInstance,
    job: str,
    after: datetime,
    before: datetime,
    location: str,
    names: Namespace = PROJECT,
) -> bool:
    """Whether a run of the workspace's job succeeded between two moments (aware)."""
    successes = RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS], updated_after=after)
    records = instance.get_run_records(successes)
    ends = (record.end_time for record in records if is_ours(record.dagster_run, location, names))
    return any(after.timestamp() < end < before.timestamp() for end in ends if end)


def failure_of(instance: DagsterInstance, run: DagsterRun, names: Namespace = PROJECT) -> RunFailure:
    """Why a run failed: the errors of its steps; of a terminated run also its own error, and only that if no step failed.

    The messages are as recorded: they may hold a key. In a run that others have a part in, steps of others are left out.
    """
    steps = _events(instance, run, DagsterEventType.STEP_FAILURE)
    # Of a whole job that nobody tagged, which somebody added to our code location, all steps count.
    if JOB not in run.tags and (names.name or WORKSPACE in run.tags or selected_assets(run)):
        of_others = _steps_of_others(instance, run, names)
        steps = [e for e in steps if _root(e) not in of_others]
    causes = [(_root(e).replace("__", "/"), error_message(e.step_failure_data.error)) for e in steps]
    was_terminated = run.tags.get(RUN_FAILURE_REASON_TAG) != RunFailureReason.STEP_FAILURE.value
    for event in _events(instance, run, DagsterEventType.RUN_FAILURE)[-1:]:
        if was_terminated and (own := _error_of_run(event)) not in dict(causes).values():
            causes.append(("the run", own))
    return RunFailure(run.job_name, _months(run), causes, was_terminated)


def _steps_of_others(instance: DagsterInstance, run: DagsterRun, names: Namespace) -> set[str]:
    """The steps that compute or check assets, but none of the workspace."""
    assets: dict[str, set[AssetKey]] = {}
    for event in _events(instance, run, DagsterEventType.ASSET_MATERIALIZATION_PLANNED):
        assets.setdefault(_root(event), set()).add(event.asset_materialization_planned_data.asset_key)
    for event in _events(instance, run, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED):
        assets.setdefault(_root(event), set()).add(event.asset_check_planned_data.asset_key)
    return {step for step, keys in assets.items() if not any(names.owns(key) for key in keys)}


def _root(event: DagsterEvent) -> str:
    """The step; of one inside a graph, the graph."""
    return (event.step_key or "").partition(".")[0]


def _error_of_run(event: DagsterEvent) -> str:
    # A run that another process declared failed, because its own was killed, has a message and no data.
    error = event.job_failure_data.error if event.event_specific_data else None
    return error_message(error) if error else event.message or error_message(None)


def _events(instance: DagsterInstance, run: DagsterRun, kind: DagsterEventType) -> list[DagsterEvent]:
    records = instance.get_records_for_run(run.run_id, of_type=kind).records
    return [cast(DagsterEvent, record.event_log_entry.dagster_event) for record in records]


def _months(run: DagsterRun) -> str:
    first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first and last:
        return first[:7] if first == last else f"{first[:7]} to {last[:7]}"
    return run.tags.get(PARTITION_NAME_TAG, "")[:7]
