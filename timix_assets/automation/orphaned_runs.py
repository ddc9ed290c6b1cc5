"""The sensor that ends runs whose process is gone, so that no queue, backfill or schedule waits for them."""

from pathlib import Path

from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SkipReason, sensor

from timix_assets.namespace import PROJECT, Namespace
from timix_assets.resources import LakeResource
from timix_assets.runs.orphaned import end_orphaned_runs
from timix_assets.runs.tags import workspace_tags
from timix_assets.text.wording import count_noun

TICK_INTERVAL_SECONDS = 30


def _end_orphaned_runs(context: SensorEvaluationContext, lake: LakeResource) -> SkipReason:
    ended = end_orphaned_runs(context.instance, Path(lake.state_folder))
    if ended:
        return SkipReason(f"Ended {count_noun(len(ended), 'run')} whose process was killed: {', '.join(ended)}.")
    return SkipReason("No orphaned runs.")


def orphaned_runs_sensor(names: Namespace = PROJECT) -> SensorDefinition:
    """The sensor of a workspace."""
    return sensor(
        name=names.named("orphaned_runs"),
        minimum_interval_seconds=TICK_INTERVAL_SECONDS,
        # On by default: a queue that is blocked after a power cut must not wait for a person, and it makes no requests.
        default_status=DefaultSensorStatus.RUNNING,
        description="Ends runs that are recorded as running although their process on this machine was killed or the machine "
        "lost power. Dagster then retries the run once, unless somebody terminated it or the command line started it. Makes no "
        "requests to Timix.",
        tags=workspace_tags(names),
    )(names.bound(_end_orphaned_runs))
