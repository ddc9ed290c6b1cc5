"""Which recorded runs may go, and how they go: the record, its events, its event log's file and its output.

A run that holds what the UI shows as the present state of an asset, of one of its partitions or of a check stays, however
old it is: Dagster keeps that state nowhere else.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, RunRecord, RunsFilter
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter, BulkActionStatus
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from sqlalchemy import Column, Connection, func, select, text

_UNFINISHED_BACKFILLS = [status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One run of the instance. ended_at: None while it is queued or running."""

    run_id: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cleared:
    """What clearing did. deleted: ids of runs; kept: how many were old enough, but hold the present state of something."""

    deleted: list[str]
    kept: int


def old_runs(runs: Iterable[Recorded], now: datetime, retention: timedelta) -> list[str]:
    """The runs that ended longer ago than the retention. One that is queued or running is never old."""
    return [run.run_id for run in runs if run.ended_at is not None and now - run.ended_at > retention]


def deletable(old: Iterable[str], keepers: Collection[str]) -> list[str]:
    """Those of the old runs without which the UI shows the same state."""
    return [run_id for run_id in old if run_id not in keepers]


def clear(instance: DagsterInstance, *, now: datetime, retention: timedelta) -> Cleared:
    """Deletes the runs that `old_runs` and `deletable` name, and event logs whose run was deleted before, as in the UI.

    When it is killed, the next call does the rest.
    """
    old = old_runs(_recorded(instance, now - retention), now, retention)
    deleted = deletable(old, _keepers(instance))
    for run_id in deleted:
        _delete(instance, run_id)
    _delete_orphaned_logs(instance)
    return Cleared(deleted, len(old) - len(deleted))


def reusable_bytes(instance: DagsterInstance) -> int:
    """Room inside the index of all events that new events fill before its file grows; 0 where that is no SQLite file."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return 0
    with storage.index_connection() as connection:
        pages, size = (connection.execute(text(f"PRAGMA {of}")).scalar_one() for of in ("freelist_count", "page_size"))
    return int(pages) * int(size)


def _recorded(instance: DagsterInstance, created_before: datetime) -> list[Recorded]:
    records = instance.get_run_records(RunsFilter(created_before=created_before))
    return [Recorded(record.dagster_run.run_id, _ended_at(record)) for record in records]


def _ended_at(record: RunRecord) -> datetime | None:
    if not record.dagster_run.is_finished:
        return None
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _keepers(instance: DagsterInstance) -> set[str]:
    """Runs with the latest event of each type, of each asset and (asset, partition); with the latest evaluation of each
    check by its outcome; and the runs of backfills that are under way, which count them.
    """
    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    of_partition = (events.asset_key, events.partition, events.dagster_event_type)
    of_outcome = (checks.asset_key, checks.check_name, checks.partition, checks.execution_status)
    with _events(instance).index_connection() as connection:
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
    """One run with all that names it; the record itself goes last but for files, so that a kill leaves it to be found."""
    with _events(instance).index_connection() as connection:
        # Dagster leaves these behind.
        connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id == run_id))
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)


def _delete_orphaned_logs(instance: DagsterInstance) -> None:
    """Dagster empties the file of a deleted run's events and leaves it there, with the size it had."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return
    # In this order: a run is recorded before its first event.
    logs = storage.get_all_run_ids()
    recorded = set(instance.run_storage.get_run_ids())
    for run_id in set(logs) - recorded:
        log = Path(storage.path_for_shard(run_id))
        for file in (log, log.with_name(f"{log.name}-wal"), log.with_name(f"{log.name}-shm")):
            file.unlink(missing_ok=True)


def _events(instance: DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise TypeError(f"{type(storage).__name__} is no event log in a database, so nothing can be deleted from it.")
    return storage
