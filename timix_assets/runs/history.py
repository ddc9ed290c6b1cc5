"""Deletes old runs: their record, events, event log file and compute logs.

Only our own runs are deleted; the instance may be shared. A run that holds the latest state of an asset, a partition or a
check is kept, however old it is: Dagster stores that state nowhere else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, RunRecord, RunsFilter
from sqlalchemy import Column, Connection, func, select, text

from timix_assets.dagster_internals import (
    BULK_ACTION_TERMINAL_STATUSES,
    AssetCheckExecutionsTable,
    BulkActionsFilter,
    BulkActionStatus,
    SqlEventLogStorage,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.ours import is_only_ours

_UNFINISHED_BACKFILLS = [status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES]


@dataclass(frozen=True, slots=True)
class DeletedRuns:
    """deleted: ids of runs. kept: how many old runs were kept, since they hold a latest state."""

    deleted: list[str]
    kept: int


def delete_old_runs(
    instance: DagsterInstance, *, now: datetime, retention: timedelta, location: str, names: Namespace = PROJECT
) -> DeletedRuns:
    """Deletes our old runs that hold no latest state, and the empty event logs of runs deleted before, e.g. in the UI.

    If the process is killed, the next call continues.

    Args:
        now: the time (aware).
        retention: how long ended runs are kept; never one that is queued or running.
        location: our code location; runs of others are kept.
        names: of the workspace; runs of others, and runs that others need, are kept.
    """
    ended_before = now - retention
    records = instance.get_run_records(RunsFilter(created_before=ended_before))
    ours = (
        record
        for record in records
        if record.dagster_run.is_finished and is_only_ours(record.dagster_run, location, names)
    )
    old = [record.dagster_run.run_id for record in ours if _ended_at(record) < ended_before]
    keepers = _keepers(instance)
    deleted = [run_id for run_id in old if run_id not in keepers]
    for run_id in deleted:
        _delete(instance, run_id)
    _delete_orphaned_logs(instance)
    return DeletedRuns(deleted, len(old) - len(deleted))


def reusable_bytes(instance: DagsterInstance) -> int:
    """Free space inside the index of all events, which new events fill before its file grows; 0 if not SQLite."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return 0
    with storage.index_connection() as connection:
        pages, size = (connection.execute(text(f"PRAGMA {of}")).scalar_one() for of in ("freelist_count", "page_size"))
    return int(pages) * int(size)


def _ended_at(record: RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _keepers(instance: DagsterInstance) -> set[str]:
    """Runs with the latest event of each type, of each asset and (asset, partition); with the latest evaluation of each
    check by its outcome; and the runs of backfills that are under way, which count them.
    """
    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    of_partition = (events.asset_key, events.partition, events.dagster_event_type)
    of_outcome = (checks.asset_key, checks.check_name, checks.partition, checks.execution_status)
    with _event_log(instance).index_connection() as connection:
        keepers = _latest(connection, events.run_id, events.id, of_partition)
        keepers |= _latest(connection, checks.run_id, checks.id, of_outcome)
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=_UNFINISHED_BACKFILLS)):
        keepers |= set(instance.get_run_ids(RunsFilter.for_backfill(backfill.backfill_id)))
    return keepers


def _latest(connection: Connection, run: Column[str], row: Column[int], of: tuple[Column[str], ...]) -> set[str]:
    asset = of[0]
    latest = select(func.max(row)).where(asset.is_not(None)).group_by(*of)
    return set(connection.execute(select(run).where(row.in_(latest)).distinct()).scalars())


def _delete(instance: DagsterInstance, run_id: str) -> None:
    """Deletes one run; its record last, so that an interrupted deletion is continued."""
    with _event_log(instance).index_connection() as connection:
        # Dagster does not delete these.
        connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id == run_id))
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.event_log_storage.delete_events(run_id)
    instance.delete_run(run_id)


def _delete_orphaned_logs(instance: DagsterInstance) -> None:
    """Dagster empties the event file of a deleted run but keeps the file at its size.

    A file that still has events may be another team's.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return
    # In this order: a run is recorded before its first event.
    logs = storage.get_all_run_ids()
    recorded = set(instance.run_storage.get_run_ids())
    for run_id in set(logs) - recorded:
        if storage.get_records_for_run(run_id, limit=1).records:
            continue
        log = Path(storage.path_for_shard(run_id))
        for file in (log, log.with_name(f"{log.name}-wal"), log.with_name(f"{log.name}-shm")):
            file.unlink(missing_ok=True)


def _event_log(instance: DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise TypeError(
            f"{type(storage).__name__} is not an event log in a database, so nothing can be deleted from it."
        )
    return storage
