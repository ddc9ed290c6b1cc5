"""Runs that are recorded as running although their process is gone."""

from pathlib import Path

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from timix_assets.dagster_internals import IN_PROGRESS_RUN_STATUSES
from timix_assets.lake.lease import Holder
from timix_assets.lake.liveness import claim_process_lock, dead_processes, remove_lock
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.tags import PROCESS, workspace_tags
from timix_assets.text.printable import printable


def claim_run(instance: DagsterInstance, run_id: str, state_folder: Path, names: Namespace = PROJECT) -> None:
    """Records that the run is of the workspace, and that this process executes it, so that the run can be ended when the
    process is killed.

    A process that executes one step of many is not recorded: the run goes on without it.
    """
    # As recorded now: a step of another workspace may have claimed the run too.
    run = instance.get_run_by_id(run_id)
    tags = workspace_tags(names, run.tags if run else None)
    steps = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_WORKER_STARTING, limit=1).records
    if not steps:
        tags[PROCESS] = process_tag(run_id, claim_process_lock(state_folder))
    instance.add_run_tags(run_id, tags)


def process_tag(run_id: str, process: str) -> str:
    """The value of the tag `timix/worker`."""
    return f"{run_id} {process}"


def end_orphaned_runs(instance: DagsterInstance, state_folder: Path, renewing: DagsterRun | None = None) -> list[str]:
    """Ends the runs that are recorded as running although their process is gone.

    They are recorded as failed, so Dagster may retry them; a run that somebody terminated before is recorded as canceled, so
    that Dagster does not.

    Args:
        renewing: A run of another machine that renews the lease of the lake. It lives, whatever its process lock says: on a
            network drive, locks may not reach another machine.

    Returns:
        The ids of the runs that were ended.
    """
    dead = dead_processes(state_folder)
    if renewing is not None:
        dead = [name for name in dead if process_tag(renewing.run_id, name) != renewing.tags.get(PROCESS)]
    # Processes first, runs after: a run that succeeded is recorded so before its process ends.
    running = instance.get_runs(RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)) if dead else []
    orphaned = [run for run in running if run.tags.get(PROCESS) in {process_tag(run.run_id, name) for name in dead}]
    for run in orphaned:
        was_terminated = run.status is DagsterRunStatus.CANCELING
        why = "It was terminated, and its process was killed." if was_terminated else "Its process was killed."
        _end(instance, run, why)
    for name in dead:
        remove_lock(state_folder, name)
    return [run.run_id for run in orphaned]


def find_unfinished(instance: DagsterInstance, run_id: str) -> DagsterRun | None:
    """A run that the lease of the lake names; None if it has ended, or another instance records it."""
    run = instance.get_run_by_id(run_id) if run_id else None
    return run if run is not None and run.status in IN_PROGRESS_RUN_STATUSES else None


def end_silent_run(instance: DagsterInstance, holder: Holder) -> list[str]:
    """Ends the run that held the lease of the lake and stopped renewing it: its machine is gone, or cannot reach the lake.

    Returns:
        The ids of the runs that were ended.
    """
    run = find_unfinished(instance, holder.run_id)
    if run is None:
        return []
    why = f"Its machine, {printable(holder.machine)}, did not renew the lease of the lake for {holder.lifetime_seconds:g} s."
    _end(instance, run, why)
    return [run.run_id]


def end_followed_runs(instance: DagsterInstance, holder: Holder) -> list[str]:
    """Ends the runs from which the lease was taken over. Who did so may record its runs in another instance.

    Returns:
        The ids of the runs that were ended.
    """
    runs = [run for run_id in holder.followed if (run := find_unfinished(instance, run_id))]
    for run in runs:
        _end(instance, run, "Its machine did not renew the lease of the lake, and another run took it over.")
    return [run.run_id for run in runs]


def _end(instance: DagsterInstance, run: DagsterRun, why: str) -> None:
    """As failed, so that Dagster may retry it, or as canceled if somebody terminated it."""
    if run.status is DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, why)
        return
    # Dagster stores the event first and the status after it. Its daemon looks at an event once and retries only a run that is
    # recorded as failed: reading between the two, it would never retry this one. Dagster+ stores both at once.
    if not instance.event_log_storage.handles_run_events_in_store_event:
        failed = DagsterEvent(DagsterEventType.RUN_FAILURE.value, run.job_name, message=why)
        instance.run_storage.handle_run_event(run.run_id, failed)
    instance.report_run_failed(run, why)
