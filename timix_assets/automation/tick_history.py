"""The recorded ticks of our sensors and schedules."""

from collections.abc import Container
from datetime import UTC, datetime

from dagster import DagsterInstance

from timix_assets.alerts.failing_ticks import Automation, FailedTick
from timix_assets.dagster_internals import InstigatorState, InstigatorTick, InstigatorType, TickStatus
from timix_assets.runs.failure_messages import error_message
from timix_assets.runs.ours import location_name

SUCCESSFUL = (TickStatus.SUCCESS, TickStatus.SKIPPED)

MAX_FAILED_TICKS = 200
"""Failed ticks of one sensor that are read at a time: over three hours at one a minute."""


def automations(instance: DagsterInstance, location: str, own: Container[str] | None = None) -> list[Automation]:
    """Our sensors and schedules that are on.

    Args:
        instance: It keeps the state also of sensors that are no longer defined.
        location: The name of our code location.
        own: Their names; None for all of the location.
    """
    return [
        _automation(instance, state)
        for state in _states(instance, location)
        if state.is_running and (own is None or state.instigator_name in own)
    ]


def purge_skipped_ticks(instance: DagsterInstance, sensor: str, location: str, before: datetime) -> None:
    """Deletes the skipped ticks of one of our sensors from the time before."""
    for state in _states(instance, location):
        if state.instigator_type is InstigatorType.SENSOR and state.instigator_name == sensor:
            instance.purge_ticks(
                state.instigator_origin_id, state.selector_id, before.timestamp(), [TickStatus.SKIPPED]
            )


def _states(instance: DagsterInstance, location: str) -> list[InstigatorState]:
    if instance.schedule_storage is None:
        return []
    return [
        state
        for state in instance.all_instigator_state()
        if location_name(state.origin.repository_origin.code_location_origin) == location
    ]


def _automation(instance: DagsterInstance, state: InstigatorState) -> Automation:
    latest_good = _ticks(instance, state, SUCCESSFUL, limit=1)
    last_good = latest_good[0].timestamp if latest_good else None
    failed = _ticks(instance, state, (TickStatus.FAILURE,), after=last_good, limit=MAX_FAILED_TICKS)
    return Automation(
        name=state.instigator_name,
        is_schedule=state.instigator_type is InstigatorType.SCHEDULE,
        last_success=_time(last_good) if last_good else None,
        failed=[FailedTick(_time(tick.timestamp), error_message(tick.error)) for tick in failed],
    )


def _ticks(
    instance: DagsterInstance,
    state: InstigatorState,
    statuses: tuple[TickStatus, ...],
    *,
    limit: int,
    after: float | None = None,
) -> list[InstigatorTick]:
    """Newest first."""
    return list(
        instance.get_ticks(
            state.instigator_origin_id, state.selector_id, statuses=list(statuses), limit=limit, after=after
        )
    )


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
