"""Upkeep: fewer files, the same rows; young versions stay; what killed runs left goes."""

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from dagster import ExecuteInProcessResult, materialize
from deltalake import DeltaTable

from timix_assets.assets import maintenance
from timix_assets.assets.maintenance import Retention
from timix_assets.lake.errors import LeaseLost
from timix_assets.lake.log_retention import LOG_PROPERTIES
from timix_assets.lake.maintenance import compact_and_vacuum, list_tables, remove_stale_temp_dirs
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.resources import LakeResource
from timix_assets.settings import Settings
from timix_assets_tests.workspace import FIRM_MONTHS, Workspace, failures, metadata

MONTH = date(2026, 11, 1)
MONTHS = Months(MONTH, MONTH)
AT_ONCE = timedelta(0)
MONTH_LONG = timedelta(days=30)
TABLE = "timix/time_reports"
TIMES = re.compile(r'("(?:timestamp|deletionTimestamp|modificationTime)":)(\d+)')
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def refreshed(lake: Lake, hour: int, months: Months = MONTHS) -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "hours": [hour, 8], "month": [months.first] * 2})
    lake.replace("timix/time_reports", rows, key=["id"], months=months)


def files(lake: Lake) -> list[Path]:
    return [path for path in Path(lake.url).rglob("*") if path.is_file()]


def log_of(lake: Lake) -> Path:
    return Path(lake.url, TABLE, "_delta_log")


def data_files(lake: Lake) -> list[Path]:
    return [path for path in files(lake) if "_delta_log" not in path.parts]


@pytest.mark.long
def test_hundred_refreshes_compact_to_one_file_a_month(lake: Lake) -> None:
    for hour in range(100):
        refreshed(lake, hour)
    rows = lake.scan("timix/time_reports").sort("id").collect()
    assert len(data_files(lake)) == 100

    kept = compact_and_vacuum(lake.url, {}, "timix/time_reports", AT_ONCE)

    assert len(data_files(lake)) == 1
    assert lake.scan("timix/time_reports").sort("id").collect().equals(rows)
    assert kept.after.files == len(files(lake))
    assert kept.before.bytes > kept.after.bytes


def days_pass(lake: Lake, days: int) -> None:
    """Makes all that there is older, as if so many days had gone by: files, and the times that the log names."""
    earlier = timedelta(days=days)
    by = int(earlier.total_seconds() * 1000)
    for path in files(lake):
        modified = path.stat().st_mtime
        if path.suffix == ".json" and path.stem.isdigit():
            path.write_text(TIMES.sub(lambda found: f"{found[1]}{int(found[2]) - by}", path.read_text()))
        elif path.match("*.checkpoint.parquet"):
            pl.read_parquet(path).with_columns(
                pl.col("remove").struct.with_fields(pl.field("deletionTimestamp") - by),
                pl.col("add").struct.with_fields(pl.field("modificationTime") - by),
            ).write_parquet(path)
        os.utime(path, (modified - earlier.total_seconds(),) * 2)


def hour_in(lake: Lake, version: int) -> int:
    return int(pl.scan_delta(f"{lake.url}/{TABLE}", version=version).filter(id="a").collect()["hours"].item())


def test_version_replaced_today_survives_maintenance(lake: Lake) -> None:
    refreshed(lake, 1)
    days_pass(lake, 50)
    refreshed(lake, 2)

    compact_and_vacuum(lake.url, {}, TABLE, MONTH_LONG)

    assert hour_in(lake, 0) == 1
    DeltaTable(f"{lake.url}/{TABLE}").restore(0)
    assert lake.scan(TABLE).filter(id="a").collect()["hours"].item() == 1


def test_restorable_files_are_kept_after_a_checkpoint(lake: Lake) -> None:
    refreshed(lake, 1)
    days_pass(lake, 50)
    refreshed(lake, 2)
    for _ in range(4):
        compact_and_vacuum(lake.url, {}, TABLE, MONTH_LONG)
        assert hour_in(lake, 0) == 1
        days_pass(lake, 7)
    days_pass(lake, 7)
    compact_and_vacuum(lake.url, {}, TABLE, MONTH_LONG)
    assert len(data_files(lake)) == 1


def test_log_is_summed_up_every_ten_versions(lake: Lake) -> None:
    for hour in range(21):
        refreshed(lake, hour)
    assert [int(path.name[:20]) for path in sorted(log_of(lake).glob("*.checkpoint.parquet"))] == [9, 19]
    assert hour_in(lake, 20) == 20


def test_no_writer_trims_the_log_on_its_own(lake: Lake) -> None:
    refreshed(lake, 0)
    # Delta's writers may clean when they make a checkpoint.
    DeltaTable(f"{lake.url}/{TABLE}").alter.set_table_properties({"delta.checkpointInterval": "2"})
    days_pass(lake, 50)
    for hour in range(1, 5):
        refreshed(lake, hour)
    assert list(log_of(lake).glob("*.checkpoint.parquet"))
    assert hour_in(lake, 0) == 0


def test_a_table_that_others_made_gets_the_properties_once(lake: Lake) -> None:
    pl.DataFrame({"id": ["a"], "hours": [1]}).write_delta(f"{lake.url}/{TABLE}")
    assert [compact_and_vacuum(lake.url, {}, TABLE, MONTH_LONG).version for _ in range(2)] == [1, 1]
    assert DeltaTable(f"{lake.url}/{TABLE}").metadata().configuration == LOG_PROPERTIES


@pytest.mark.parametrize("days", [14, pytest.param(30, marks=pytest.mark.long)])
def test_weekly_maintenance_keeps_versions_and_few_files(lake: Lake, days: int) -> None:
    hours: list[int] = []  # of each version
    replaced_on: list[int] = []  # day of the next version
    sizes: list[tuple[int, int]] = []

    def noted(hour: int, today: int) -> None:
        newest = lake.version(TABLE)
        hours.extend([hour] * (newest + 1 - len(hours)))
        replaced_on.extend([today] * (newest - len(replaced_on)))

    weeks = days // 7
    for today in range(0, (9 + 2 * weeks) * 7, 7):
        if not 0 < today <= 35:  # weeks without a change: the table is not written
            refreshed(lake, today)
            noted(today, today)
        compact_and_vacuum(lake.url, {}, TABLE, timedelta(days=days))
        noted(hours[-1], today)
        live = [version for version, day in enumerate([*replaced_on, today]) if today - day < days]
        assert [hour_in(lake, version) for version in live] == [hours[version] for version in live]
        sizes.append((len(data_files(lake)), len(list(log_of(lake).iterdir()))))
        days_pass(lake, 7)
    rows, log = zip(*sizes[-4:], strict=True)
    assert len(set(rows)) == 1
    assert rows[0] <= weeks + 2  # one of each week, of the version that was live when the retention began, and of now
    # Of each week three commits, two of them the vacuum's, and a checkpoint; and two checkpoints of ten versions.
    assert max(log) <= 4 * (weeks + 1) + 5


def test_versions_younger_than_the_retention_stay_readable(lake: Lake) -> None:
    for hour in range(3):
        refreshed(lake, hour)
    compact_and_vacuum(lake.url, {}, "timix/time_reports", timedelta(days=30))
    first = pl.scan_delta(f"{lake.url}/timix/time_reports", version=0).collect()
    assert first["hours"].sort().to_list() == [0, 8]


def test_a_table_that_needs_nothing_gets_no_new_version(lake: Lake) -> None:
    refreshed(lake, 1)
    assert (
        compact_and_vacuum(lake.url, {}, "timix/time_reports", AT_ONCE).version
        == lake.version("timix/time_reports")
        == 0
    )


def test_files_of_a_killed_writer_are_deleted(lake: Lake) -> None:
    refreshed(lake, 1)
    left = Path(lake.url) / "timix/time_reports/month=2026-11-01/left.parquet"
    left.write_bytes(b"half a file")
    compact_and_vacuum(lake.url, {}, "timix/time_reports", timedelta(days=7))
    assert left.exists()
    compact_and_vacuum(lake.url, {}, "timix/time_reports", AT_ONCE)
    assert not left.exists()


def test_maintenance_does_not_conflict_with_earlier_read(lake: Lake) -> None:
    for hour in range(3):
        refreshed(lake, hour)
    before = lake.snapshot("timix/time_reports")
    compact_and_vacuum(lake.url, {}, "timix/time_reports", AT_ONCE)
    assert lake.version("timix/time_reports") > before.version
    rows = pl.DataFrame({"id": ["a"], "hours": [7], "month": [MONTH]})
    assert lake.replace("timix/time_reports", rows, key=["id"], months=MONTHS, based_on=before).written


def test_every_table_is_found_and_exports_are_none(lake: Lake) -> None:
    refreshed(lake, 1)
    lake.metadata.set_organization("org-1", "Firm")
    lake.exports.put("revenue_report/2026-11.csv", b"id\r\n")
    assert list_tables(lake.url, {}) == ["meta/organization", "timix/time_reports"]


def folder(parent: Path, name: str, age: timedelta) -> Path:
    made = parent / name
    made.mkdir()
    (made / "000000.parquet").write_bytes(b"rows")
    at = (NOW - age).timestamp()
    for path in (made / "000000.parquet", made):
        os.utime(path, (at, at))
    return made


def test_old_unused_temp_folders_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    day, hour = timedelta(days=2), timedelta(hours=1)
    gone = [
        folder(tmp_path, f"timix-spool-{ended.pid}-abc_1", day),
        folder(tmp_path, f"timix-staging-{ended.pid}-abc", day),
    ]
    stay = [
        folder(tmp_path, f"timix-spool-{os.getpid()}-abc", day),
        folder(tmp_path, f"timix-staging-{ended.pid}-young", hour),
        folder(tmp_path, "timix-other", day),
        folder(tmp_path, f"my-timix-spool-{ended.pid}-abc", day),
    ]
    assert remove_stale_temp_dirs(tmp_path, now=NOW) == gone
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stay)


def test_folder_written_today_is_kept(tmp_path: Path) -> None:
    busy = folder(tmp_path, "timix-spool-abc", timedelta(days=3))
    young = (NOW - timedelta(minutes=5)).timestamp()
    os.utime(busy / "000000.parquet", (young, young))
    assert remove_stale_temp_dirs(tmp_path, now=NOW) == []


def compacted(workspace: Workspace, days: int = 30) -> ExecuteInProcessResult:
    resource = LakeResource(url=workspace.lake.url, state_folder=str(workspace.folder / ".dagster"))
    return materialize(
        maintenance.maintenance_assets(),
        resources={"lake": resource, "settings": Settings()},
        instance=workspace.instance,
        run_config={
            "ops": {"maintenance__compact": {"config": Retention(days=days).model_dump()}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def test_compact_maintains_every_table_and_reports_bytes(workspace: Workspace) -> None:
    workspace.refresh("timix/customers", "timix/time_reports", months=FIRM_MONTHS)
    before = workspace.table("timix/time_reports").sort("id")
    asked = len(workspace.sandbox.requests)

    done = compacted(workspace)

    told = metadata(done, "maintenance/compact")
    assert told["tables"] == 4
    assert "| timix/time\\_reports | " in told["by_table"]
    assert workspace.table("timix/time_reports").sort("id").equals(before)
    assert len(workspace.sandbox.requests) == asked
    [turn] = (workspace.folder / ".dagster").glob("turn-*.json")
    assert done.run_id[:8] in turn.read_text()


def test_new_table_never_frees_negative_bytes(workspace: Workspace) -> None:
    workspace.refresh("timix/customers")
    told = metadata(compacted(workspace), "maintenance/compact")
    assert (told["files_freed"], told["bytes_freed"]) == (0, 0)


def test_nothing_more_is_maintained_after_the_lease_is_lost(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.refresh("timix/customers", "timix/projects")

    def lost(_: Lake) -> None:
        raise LeaseLost("Lost the lease of the lake.")

    monkeypatch.setattr(Lake, "require_lease", lost)
    before = files(workspace.lake)
    assert failures(compacted(workspace))["maintenance/compact"] == "Lost the lease of the lake."
    assert files(workspace.lake) == before


def left_by_a_killed_run(temporary: Path) -> Path:
    return folder(temporary, "timix-staging-abc", NOW - (datetime.now(UTC) - timedelta(days=2)))


def test_broken_table_is_named_after_all_others(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.refresh("timix/customers", "timix/projects", "timix/tasks")
    monkeypatch.setenv("TMPDIR", str(workspace.folder))
    left = left_by_a_killed_run(workspace.folder)
    lake = Path(workspace.lake.url)
    for table in ("timix/customers", "timix/tasks"):
        (lake / table / "_delta_log" / f"{0:020}.json").write_text("{oops")

    failed = failures(compacted(workspace))["maintenance/compact"]

    assert f"Cannot open the table at {lake}/timix/customers (" in failed
    assert f"Cannot open the table at {lake}/timix/tasks (" in failed
    assert failed.count("Cannot open") == 2
    assert list((lake / "timix/projects/_delta_log").glob("*.checkpoint.parquet"))
    assert not left.exists()


def test_temp_folders_are_removed_before_compaction(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(workspace.folder))
    left = left_by_a_killed_run(workspace.folder)
    ring = Path(workspace.lake.url, "timix", "ring")
    ring.parent.mkdir(parents=True)
    ring.symlink_to(ring)

    failed = failures(compacted(workspace))["maintenance/compact"]
    assert failed.startswith(f"Cannot list the tables of the lake {workspace.lake.url} (")
    assert "Too many levels of symbolic links" in failed
    assert not left.exists()


def test_retention_too_short_for_active_runs_fails(workspace: Workspace) -> None:
    workspace.refresh("timix/customers")
    done = compacted(workspace, days=1)
    assert "days is 1, but active runs and readers" in failures(done)["maintenance/compact"]
