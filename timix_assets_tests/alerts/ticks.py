"""Ticks of a sensor or schedule in Dagster's storage, as its daemon records them."""

from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from timix_assets.runs.ours import LOCATION


class Ticks:
    """A sensor or schedule of a code location, and its ticks as the daemon records them."""

    def __init__(
        self,
        instance: DagsterInstance,
        name: str = "timix_changes",
        location: str = LOCATION,
        kind: InstigatorType = InstigatorType.SENSOR,
        status: InstigatorStatus = InstigatorStatus.RUNNING,
    ) -> None:
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
        self.instance = instance
        cron = ScheduleInstigatorData("0 * * * *") if kind is InstigatorType.SCHEDULE else None
        self.state = InstigatorState(RemoteInstigatorOrigin(repository, name), kind, status, cron)
        instance.add_instigator_state(self.state)

    def switch_off(self) -> None:
        self.instance.update_instigator_state(self.state.with_status(InstigatorStatus.STOPPED))

    def add(
        self,
        status: TickStatus,
        ago: timedelta,
        why: str = "The key was refused; make a new one.",
        error: SerializableErrorInfo | None = None,
    ) -> None:
        """error: of a failed tick; one that says `why` when left out."""
        cause = SerializableErrorInfo(f"dagster._core.definitions.events.Failure: {why}\n", [], "Failure")
        error = error or SerializableErrorInfo("Error in sensor", [], "SensorExecutionError", cause=cause)
        self.instance.create_tick(
            TickData(
                instigator_origin_id=self.state.instigator_origin_id,
                instigator_name=self.state.name,
                instigator_type=self.state.instigator_type,
                status=status,
                timestamp=(datetime.now(UTC) - ago).timestamp(),
                selector_id=self.state.selector_id,
                error=error if status is TickStatus.FAILURE else None,
            )
        )

    def statuses(self) -> list[str]:
        """Those of the ticks that are kept, sorted."""
        kept = self.instance.get_ticks(self.state.instigator_origin_id, self.state.selector_id)
        return sorted(tick.status.value for tick in kept)
