"""Months that are read by overlapping ranges, and settings that move the months after some were read."""

from datetime import date

import polars as pl
import pytest
from dagster import AssetKey, AssetSelection, ExecuteInProcessResult, materialize

from timix_assets.assets.raw_tables import raw_assets
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.partitions import monthly_partitions, range_tags
from timix_assets.settings import Settings
from timix_assets_tests.workspace import FIRM_MONTHS, QUIET, Workspace, failures, metadata

TABLE = "timix/time_reports"
REPORT = "timix/revenue_report"


def months(first: int, last: int) -> Months:
    """Months of 2026."""
    return Months(date(2026, first, 1), date(2026, last, 1))


def rows(lake: Lake, table: str) -> list[tuple[object, ...]]:
    return sorted(lake.scan(table).drop(pl.selectors.nested()).collect().iter_rows(), key=str)


def refresh_after_restart(workspace: Workspace, asked: Months) -> ExecuteInProcessResult:
    """As a process does that starts now: with the partitions of the environment's settings."""
    return materialize(
        raw_assets(monthly_partitions(Settings.from_environment())),
        selection=AssetSelection.assets(AssetKey.from_user_string(TABLE)),
        resources=workspace._resources(),
        instance=workspace.instance,
        tags=range_tags(asked),
        run_config=QUIET,
        raise_on_error=False,
    )


def materialized(workspace: Workspace) -> set[str]:
    return workspace.instance.get_materialized_partitions(AssetKey.from_user_string(TABLE))


@pytest.mark.long
def test_overlapping_backfills_give_the_rows_of_one_backfill(workspace: Workspace) -> None:
    for asked in (months(9, 10), months(10, 11)):
        assert failures(workspace.refresh(TABLE, REPORT, months=asked)) == {}
    in_parts = {table: rows(workspace.lake, table) for table in (TABLE, REPORT)}
    assert failures(workspace.refresh(TABLE, REPORT, months=months(9, 11))) == {}
    assert {table: rows(workspace.lake, table) for table in (TABLE, REPORT)} == in_parts
    assert len({row[0] for row in in_parts[TABLE]}) == len(in_parts[TABLE]) > 0


@pytest.mark.long
def test_a_backfill_over_a_month_never_read_fills_the_gap(workspace: Workspace) -> None:
    for asked in (months(6, 7), months(10, 11)):
        workspace.refresh(TABLE, months=asked)
    assert workspace.lake.metadata.months_read(TABLE) == {*months(6, 7), *months(10, 11)}
    assert workspace.table(TABLE)["month"].min() == date(2026, 10, 1)
    workspace.refresh(TABLE, months=months(7, 10))
    assert workspace.lake.metadata.months_read(TABLE) == set(months(6, 11))
    assert set(workspace.table(TABLE)["month"]) == set(FIRM_MONTHS)


def test_a_later_start_month_keeps_rows_and_history(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.refresh(TABLE)
    before = rows(workspace.lake, TABLE)
    monkeypatch.setenv("TIMIX_START_MONTH", "2026-10")
    assert failures(refresh_after_restart(workspace, months(10, 11))) == {}
    assert rows(workspace.lake, TABLE) == before
    assert workspace.lake.metadata.months_read(TABLE) == set(FIRM_MONTHS)
    assert "2026-09-01" in materialized(workspace)
    assert "do not exist" in failures(refresh_after_restart(workspace, months(9, 9)))[TABLE]


def test_an_earlier_start_month_adds_partitions(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.refresh(TABLE)
    monkeypatch.setenv("TIMIX_START_MONTH", "2023-01")
    earlier = Months(date(2023, 1, 1), date(2023, 2, 1))
    assert failures(refresh_after_restart(workspace, earlier)) == {}
    assert workspace.lake.metadata.months_read(TABLE) == {*FIRM_MONTHS, *earlier}
    assert materialized(workspace) == {month.isoformat() for month in (*FIRM_MONTHS, *earlier)}


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_another_time_zone_has_the_same_months(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    workspace.refresh(TABLE)
    before, history = rows(workspace.lake, TABLE), materialized(workspace)
    monkeypatch.setenv("TIMIX_TIMEZONE", zone)
    result = refresh_after_restart(workspace, FIRM_MONTHS)
    assert failures(result) == {}
    assert rows(workspace.lake, TABLE) == before
    assert metadata(result, TABLE)["rows_changed"] == 0
    assert materialized(workspace) == history


@pytest.mark.long
def test_another_as_of_moves_rollups_alone(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ("timix/organization", "timix/org_users", "timix/holiday_profiles", "timix/projects", "timix/tasks")
    workspace.refresh(TABLE, "timix/subtasks", *needed)
    before = workspace.lake.version(TABLE)
    newest = []
    for day in ("2026-11-18", "2026-10-10"):
        monkeypatch.setenv("TIMIX_AS_OF", day)
        assert failures(workspace.refresh("rollups/capacity_daily", "rollups/utilization_daily")) == {}
        newest.append(workspace.table("rollups/utilization_daily")["date"].max())
    assert newest == [date(2026, 11, 18), date(2026, 10, 10)]
    assert workspace.lake.version(TABLE) == before
    assert workspace.lake.metadata.months_read(TABLE) == set(FIRM_MONTHS)
