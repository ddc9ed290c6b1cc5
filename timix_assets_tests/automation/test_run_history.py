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
from timix_assets.assets.run_history import Recorded, clear, deletable, old_runs, reusable_bytes
from timix_assets.lake.io_manager import LakeResource
from timix_assets_tests.workspace import QUIET

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
NINETY = timedelta(days=90)
MONTHS = MonthlyPartitionsDefinition(start_date="2026-01-01", end_date="2026-05-01")
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
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def ran(instance: DagsterInstance, *assets: object, month: str | None = None) -> str:
    done = materialize(assets, instance=instance, partition_key=month, run_config=QUIET, raise_on_error=False)  # type: ignore[arg-type]
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


def test_only_what_ended_longer_ago_than_the_retention_is_old() -> None:
    runs = [
        Recorded("older", NOW - NINETY - timedelta(seconds=1)),
        Recorded("on the day", NOW - NINETY),
        Recorded("queued or running", None),
    ]
    assert old_runs(runs, NOW, NINETY) == ["older"]


def test_a_run_that_holds_the_present_state_of_something_is_kept() -> None:
    assert deletable(["a", "b", "c"], {"b"}) == ["a", "c"]


def test_runs_that_were_repeated_go_and_everything_shown_stays_as_it_was(instance: DagsterInstance) -> None:
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

    cleared = clear(instance, now=LATER, retention=NINETY)

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

    clear(instance, now=LATER, retention=NINETY)

    assert not event_log(instance, old)
    assert not output.exists()
    assert event_log(instance, kept)
    history = instance.event_log_storage.get_asset_check_execution_history(AssetCheckKey(rollup.key, "adds_up"), 10)
    assert [record.run_id for record in history] == [kept]
    assert reusable_bytes(instance) >= 0


def test_the_event_log_of_a_run_that_was_deleted_in_the_ui_goes_too(instance: DagsterInstance) -> None:
    deleted = ran(instance, rollup)
    instance.delete_run(deleted)
    assert event_log(instance, deleted)

    assert clear(instance, now=datetime.now(UTC), retention=NINETY).deleted == []
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
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), "by_hand")
    run = create_run_for_test(instance, job_name="by_hand", status=status, remote_job_origin=origin)
    assert clear(instance, now=LATER, retention=NINETY).deleted == []
    assert remaining(instance) == {run.run_id}


@pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED])
def test_a_run_that_failed_or_was_cancelled_before_it_did_anything_goes(
    instance: DagsterInstance, status: DagsterRunStatus
) -> None:
    run = create_run_for_test(instance, job_name="by_hand", status=status)
    assert clear(instance, now=LATER, retention=NINETY).deleted == [run.run_id]


def test_a_backfill_under_way_keeps_all_its_runs(instance: DagsterInstance) -> None:
    def run_of_backfill(backfill: str, status: BulkActionStatus) -> str:
        instance.add_backfill(
            PartitionBackfill(
                backfill, status, from_failure=False, tags={}, backfill_timestamp=0.0, asset_selection=[hours.key]
            )
        )
        tags = {"dagster/backfill": backfill}
        run_id: str = create_run_for_test(
            instance, job_name="by_hand", status=DagsterRunStatus.SUCCESS, tags=tags
        ).run_id
        return run_id

    kept = run_of_backfill("under-way", BulkActionStatus.REQUESTED)
    gone = run_of_backfill("done", BulkActionStatus.COMPLETED_SUCCESS)

    assert clear(instance, now=LATER, retention=NINETY).deleted == [gone]
    assert remaining(instance) == {kept}


def upkeep(instance: DagsterInstance, folder: Path) -> ExecuteInProcessResult:
    lake = LakeResource(url=str(folder / "lake"), state_folder=instance.root_directory)
    return materialize(
        [maintenance.run_history], resources={"lake": lake}, instance=instance, run_config=QUIET, raise_on_error=False
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


def test_the_asset_deletes_what_the_setting_says_and_tells_what_that_freed(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_RUN_RETENTION_DAYS", "30")
    older, younger, latest = (ran(instance, rollup) for _ in range(3))
    ended(instance, older, timedelta(days=31))
    ended(instance, younger, timedelta(days=29))

    done = upkeep(instance, tmp_path)

    [told] = done.asset_materializations_for_node("maintenance__run_history")
    said: dict[str, Any] = {name: value.value for name, value in told.metadata.items()}
    assert (said["runs_deleted"], said["old_runs_kept"]) == (1, 0)
    assert said["bytes"] < said["bytes_before"]
    assert remaining(instance) == {younger, latest, done.run_id}


def test_a_retention_of_no_days_is_refused(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_RUN_RETENTION_DAYS", "0")
    [failure] = [event for event in upkeep(instance, tmp_path).all_events if event.is_step_failure]
    assert "TIMIX_RUN_RETENTION_DAYS is '0'; write a whole number of at least 1" in str(failure.step_failure_data.error)
