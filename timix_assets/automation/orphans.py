"""Runs whose process is gone end by themselves, so that no queue, backfill or schedule waits for them."""

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from timix_assets.lake.errors import TurnTimeout
from timix_assets.lake.io_manager import LakeResource, end_orphans, runs_holding

LOOK_EVERY_SECONDS = 30


@sensor(
    name="orphaned_runs",
    minimum_interval_seconds=LOOK_EVERY_SECONDS,
    # It asks Timix for nothing, and a queue that is blocked after a power cut must not wait for somebody to switch this on.
    default_status=DefaultSensorStatus.RUNNING,
    description="Ends runs that are recorded as running on the lake although no process holds it: they were killed, or the "
    "machine lost power. Dagster then starts a killed run once more, and a backfill goes on. It asks Timix for nothing.",
)
def orphaned_runs(context: SensorEvaluationContext, lake: LakeResource) -> SkipReason:
    turn = lake.turn
    if not runs_holding(context.instance, turn):
        return SkipReason("No run is recorded as running on the lake.")
    try:
        turn.take("the sensor orphaned_runs", timeout_seconds=0, notify=context.log.debug)
    except TurnTimeout:
        return SkipReason("The run that is recorded as running on the lake is alive: it holds the lake.")
    try:
        ended = end_orphans(context.instance, turn)
    finally:
        turn.release()
    return SkipReason(f"Ended {len(ended)} runs whose process is gone: {', '.join(ended) or 'they had just ended'}.")
