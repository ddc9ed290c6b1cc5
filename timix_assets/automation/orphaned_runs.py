"""The sensor that ends runs whose process is gone, so that no queue, backfill or schedule waits for them."""

import socket
from functools import partial
from pathlib import Path

from dagster import (
    DagsterInstance,
    DagsterRun,
    DefaultSensorStatus,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from timix_assets.lake.lease import Lease, Observation, now, observe
from timix_assets.lake.storage import describe_storage_error
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.resources import LakeResource
from timix_assets.runs.orphaned import end_followed_runs, end_orphaned_runs, end_silent_run, find_unfinished
from timix_assets.runs.tags import workspace_tags
from timix_assets.text.wording import count_noun

TICK_INTERVAL_SECONDS = 30

_SEEN: dict[str, Observation | None] = {}
"""The lease of each lake at the last tick of this process. Not in the cursor: another machine may read that, by another clock."""


def _end_orphaned_runs(context: SensorEvaluationContext, lake: LakeResource) -> SkipReason:
    said: list[str] = []
    renewing = None
    store = lake.store_for_a_tick()
    if store is not None:
        try:
            renewing, silent = _watch_lease(context.instance, lake.store.url, store)
            if silent:
                said.append(_ended(silent, "whose machine did not renew the lease of the lake"))
        except (BaseError, OSError) as error:
            said.append(
                f"Cannot read or write the lease of the lake {lake.store.url} ({describe_storage_error(error)}); the next tick "
                "tries again."
            )
    killed = end_orphaned_runs(context.instance, Path(lake.state_folder), renewing)
    if killed:
        said.append(_ended(killed, "whose process was killed"))
    return SkipReason(" ".join(said) or "No orphaned runs.")


def _watch_lease(instance: DagsterInstance, url: str, store: ObjectStore) -> tuple[DagsterRun | None, list[str]]:
    """The run of another machine that renews the lease, and the ids of the runs that were ended because theirs lapsed."""
    seen = _SEEN[url] = observe(store, _SEEN.get(url), now)
    if seen is None:
        return None, []
    ended = end_followed_runs(instance, seen.holder)
    run = find_unfinished(instance, seen.holder.run_id) if not seen.holder.is_released else None
    if run is None:
        return None, ended
    if now() < seen.lapses_at():
        return (run if seen.holder.machine != socket.gethostname() else None), ended
    return None, ended + (Lease(store, url).release_silent(seen, partial(end_silent_run, instance)) or [])


def _ended(runs: list[str], why: str) -> str:
    return f"Ended {count_noun(len(runs), 'run')} {why}: {', '.join(runs)}."


def orphaned_runs_sensor(names: Namespace = PROJECT) -> SensorDefinition:
    """The sensor of a workspace."""
    return sensor(
        name=names.named("orphaned_runs"),
        minimum_interval_seconds=TICK_INTERVAL_SECONDS,
        # On by default: a queue that is blocked after a power cut must not wait for a person, and it makes no requests.
        default_status=DefaultSensorStatus.RUNNING,
        description="Ends runs that are recorded as running although their process on this machine was killed or the machine "
        "lost power; for a lake in an object store also those of a machine that renews the lease no more. Dagster then retries "
        "the run once, unless somebody terminated it or the command line started it. Makes no requests to Timix.",
        tags=workspace_tags(names),
    )(names.supplied(_end_orphaned_runs))
