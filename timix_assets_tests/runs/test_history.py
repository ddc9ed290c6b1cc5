"""Old runs go, with their files; what the UI shows of assets, partitions and checks stays as it was."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DagsterRunStatus,
    ExecuteInProcessResult,
    MonthlyPartitionsDefinition,
    asset,
    asset_check,
    materialize,
)
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.test_utils import create_run_for_test

from timix_assets.assets import maintenance
from timix_assets.resources import LakeResource
from timix_assets.runs.history import delete_old_runs, reusable_bytes
from timix_assets.runs.ours import LOCATION
from timix_assets.settings import Settings
from timix_assets_tests.instances import local_instance
from timix_assets_tests.workspace import QUIET

NINETY = timedelta(days=90)
MONTHS = MonthlyPartitionsDefinition(start_date="2026-01-01", end_date="2026-05-01")
OURS = {"timix/job": "by_hand"}
LATER = datetime.now(UTC) + timedelta(days=100)
"""When every run of these tests is old."""


@asset(partitions_def=MONTHS)
def hours() -> None: ...


@asset(deps=[hours])
def rollup() -> None: ...


@asset(partitions_def=MONTHS)
def fragile() -> None:
    raise ValueError("not this month")


@asset_check(asset=rollup)
def adds_up() -> AssetCheckResult:
    return AssetCheckResult(passed=True)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with local_instance(tmp_path) as made:
        yield made


def ran(instance: DagsterInstance, *assets: object, month: str | None = None) -> str:
    done = materialize(
        assets, instance=instance, partition_key=month, run_config=QUIET, raise_on_error=False, tags=OURS
    )  # type: ignore[arg-type]
    return done.run_id


def remaining(instance: DagsterInstance) -> set[str]:
    return set(instance.run_storage.get_run_ids())


def event_log(instance: DagsterInstance, run_id: str) -> list[Path]:
    """The files that hold a run's events."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqliteEventLogStorage)
    log = Path(storage.path_for_shard(run_id))
    return list(log.parent.glob(f"{log.name}*"))


def shown(instance: DagsterInstance) -> dict[str, object]:
    """What the UI shows of the present: partitions, latest materializations, checks."""
    check = AssetCheckKey(rollup.key, "adds_up")
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])
    return {
        "statuses": [
            instance.get_status_by_partition(key, MONTHS.get_partition_keys(), MONTHS)
            for key in (hours.key, fragile.key)
        ],
        "materialized": {month: run_of(instance, hours.key, month) for month in MONTHS.get_partition_keys()},
        "rollup": run_of(instance, rollup.key),
        "check": (latest[check].run_id, latest[check].status) if check in latest else None,
    }


def run_of(instance: DagsterInstance, key: AssetKey, month: str | None = None) -> str | None:
    wanted = AssetRecordsFilter(key, asset_partitions=[month] if month else None)
    found = instance.fetch_materializations(wanted, limit=1).records
    return found[0].run_id if found else None


@pytest.mark.long
def test_deleting_repeated_runs_keeps_what_the_ui_shows(instance: DagsterInstance) -> None:
    ran(instance, fragile, month="2026-02-01")
    repeated = [ran(instance, hours, month="2026-01-01"), ran(instance, rollup, adds_up)]
    latest = {
        ran(instance, hours, month="2026-01-01"),
        ran(instance, hours, month="2026-02-01"),
        ran(instance, rollup, adds_up),
        ran(instance, fragile, month="2026-02-01"),
    }
    before = shown(instance)
    assert before["check"] is not None
    assert "FAILED" in str(before["statuses"])

    cleared = delete_old_runs(instance, now=LATER, retention=NINETY, location=LOCATION)

    assert set(repeated) < set(cleared.deleted)
    assert remaining(instance) == latest
    assert cleared.kept == len(latest)
    assert shown(instance) == before


def test_the_files_and_the_rows_of_a_deleted_run_are_gone_too(instance: DagsterInstance) -> None:
    old = ran(instance, rollup, adds_up)
    kept = ran(instance, rollup, adds_up)
    output = Path(instance.root_directory, "storage", old)
    assert output.exists()
    assert event_log(instance, old)

    delete_old_runs(instance, now=LATER, retention=NINETY, location=LOCATION)

    assert not event_log(instance, old)
    assert not output.exists()
    assert event_log(instance, kept)
    history = instance.event_log_storage.get_asset_check_execution_history(AssetCheckKey(rollup.key, "adds_up"), 10)
    assert [record.run_id for record in history] == [kept]
    assert reusable_bytes(instance) >= 0


def test_event_log_of_run_deleted_in_the_ui_is_removed(instance: DagsterInstance) -> None:
    deleted = ran(instance, rollup)
    instance.delete_run(deleted)
    assert event_log(instance, deleted)

    assert delete_old_runs(instance, now=datetime.now(UTC), retention=NINETY, location=LOCATION).deleted == []
    assert not event_log(instance, deleted)


@pytest.mark.parametrize(
    "status",
    [
        DagsterRunStatus.QUEUED,
        DagsterRunStatus.NOT_STARTED,
        DagsterRunStatus.STARTING,
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
    ],
)
def test_a_run_that_has_not_ended_stays_however_old_it_is(instance: DagsterInstance, status: DagsterRunStatus) -> None:
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), "all"), "by_hand")
    run = create_run_for_test(instance, job_name="by_hand", status=status, remote_job_origin=origin)
    assert delete_old_runs(instance, now=LATER, retention=NINETY, location=LOCATION).deleted == []
    assert remaining(instance) == {run.run_id}


@pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED])
def test_run_that_did_nothing_is_deleted(instance: DagsterInstance, status: DagsterRunStatus) -> None:
    run = create_run_for_test(instance, job_name="by_hand", status=status, tags=OURS)
    assert delete_old_runs(instance, now=LATER, retention=NINETY, location=LOCATION).deleted == [run.run_id]


def test_a_backfill_under_way_keeps_all_its_runs(instance: DagsterInstance) -> None:
    def run_of_backfill(backfill: str, status: BulkActionStatus) -> str:
        instance.add_backfill(
            PartitionBackfill(
                backfill, status, from_failure=False, tags={}, backfill_timestamp=0.0, asset_selection=[hours.key]
            )
        )
        tags = {"dagster/backfill": backfill} | OURS
        run_id: str = create_run_for_test(
            instance, job_name="by_hand", status=DagsterRunStatus.SUCCESS, tags=tags
        ).run_id
        return run_id

    kept = run_of_backfill("under-way", BulkActionStatus.REQUESTED)
    gone = run_of_backfill("done", BulkActionStatus.COMPLETED_SUCCESS)

    assert delete_old_runs(instance, now=LATER, retention=NINETY, location=LOCATION).deleted == [gone]
    assert remaining(instance) == {kept}


def upkeep(instance: DagsterInstance, folder: Path, days: int = 90) -> ExecuteInProcessResult:
    lake = LakeResource(url=str(folder / "lake"), state_folder=instance.root_directory)
    return materialize(
        [maintenance.maintenance_assets()[1]],
        resources={"lake": lake, "settings": Settings(run_retention_days=days)},
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
    )


def ended(instance: DagsterInstance, run_id: str, ago: timedelta) -> None:
    """Makes a run as old as that."""
    at = datetime.now(UTC) - ago
    storage = instance.run_storage
    assert isinstance(storage, SqlRunStorage)
    with storage.connect() as connection:
        connection.execute(
            RunsTable.update()
            .where(RunsTable.c.run_id == run_id)
            .values(create_timestamp=at.replace(tzinfo=None), end_time=at.timestamp())
        )


@pytest.mark.long
def test_run_history_deletes_old_runs_and_reports_bytes(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, younger, latest = (ran(instance, rollup) for _ in range(3))
    ended(instance, older, timedelta(days=31))
    ended(instance, younger, timedelta(days=29))

    done = upkeep(instance, tmp_path, days=30)

    [told] = done.asset_materializations_for_node("maintenance__run_history")
    said: dict[str, Any] = {name: value.value for name, value in told.metadata.items()}
    assert (said["runs_deleted"], said["old_runs_kept"]) == (1, 0)
    assert said["bytes"] < said["bytes_before"]
    assert remaining(instance) == {younger, latest, done.run_id}
