"""Runs whose process is gone end by themselves, so that no queue, backfill or schedule waits for them."""

from pathlib import Path

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from timix_assets.lake.io_manager import LakeResource, end_orphans
from timix_assets.wording import counted

LOOK_EVERY_SECONDS = 30


@sensor(
    name="orphaned_runs",
    minimum_interval_seconds=LOOK_EVERY_SECONDS,
    # It asks Timix for nothing, and a queue that is blocked after a power cut must not wait for somebody to switch this on.
    default_status=DefaultSensorStatus.RUNNING,
    description="Ends runs that are recorded as running although their process on this machine is gone: they were killed, or "
    "the machine lost power. Dagster then starts a killed run once more, unless somebody terminated it before or the command "
    "line had started it, and a backfill goes on. It asks Timix for nothing.",
)
def orphaned_runs(context: SensorEvaluationContext, lake: LakeResource) -> SkipReason:
    ended = end_orphans(context.instance, Path(lake.state_folder))
    if ended:
        return SkipReason(f"Ended {counted(len(ended), 'run')} whose process was killed: {', '.join(ended)}.")
    return SkipReason("No run is recorded as running whose process is gone.")
