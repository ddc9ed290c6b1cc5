"""A monthly table is stale when its current month is, whatever was read of the other months."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    SensorDefinition,
    build_sensor_context,
)
from dagster._core.definitions.asset_health.asset_check_health import AssetCheckHealthState
from dagster._core.definitions.asset_health.asset_health import AssetHealthStatus
from dagster._core.events import StepMaterializationData
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.utils import make_new_run_id

from timix_assets.assets.checks.current_month import (
    CURRENT_MONTH_READ,
    MONTHLY_TABLES,
    current_month_check,
    current_month_result,
    evaluate_current_month,
    local_time,
)
from timix_assets.automation.freshness import current_month_sensor, unreported
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.definitions import defs
from timix_assets.lake.months import Months
from timix_assets.namespace import PROJECT
from timix_assets.partitions import partition_key
from timix_assets.resources import LakeResource
from timix_assets.settings import Settings
from timix_assets_tests.workspace import Workspace, failures, warnings

REVENUE = AssetKey(["timix", "revenue_report"])
CHECK = AssetCheckKey(REVENUE, CURRENT_MONTH_READ)
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def read(workspace: Workspace, month: date, at: datetime, table: AssetKey = REVENUE) -> None:
    """The table's month as if a run had materialized it then."""
    workspace.lake.metadata.add_months_read(table.to_user_string(), [month])
    materialization = AssetMaterialization(table, partition=partition_key(month))
    workspace.instance.handle_new_event(
        EventLogEntry(
            error_info=None,
            level=20,
            user_message="",
            run_id=make_new_run_id(),
            timestamp=at.timestamp(),
            dagster_event=DagsterEvent(
                DagsterEventType.ASSET_MATERIALIZATION.value,
                job_name="",
                event_specific_data=StepMaterializationData(materialization),
            ),
        )
    )


def tick(workspace: Workspace, now: datetime) -> list[AssetCheckEvaluation]:
    """One tick of the sensor, and what the daemon does with its events."""
    events = unreported(workspace.instance, [evaluate_current_month(workspace.instance, workspace.lake, REVENUE, now)])
    for event in events:
        workspace.instance.report_runless_asset_event(event)
    return events


def shown(instance: DagsterInstance) -> AssetCheckEvaluation | None:
    """What the UI shows beside the table: the check's last result, when it is of the newest materialization."""

    async def ask() -> AssetCheckEvaluation | None:
        context = LoadingContextForTest(instance)
        record = await AssetCheckExecutionRecord.gen(context, CHECK)
        return record.evaluation if record and await record.targets_latest_materialization(context) else None

    return asyncio.run(ask())


def health(instance: DagsterInstance) -> AssetHealthStatus:
    """The dot that the UI gives the table for this check."""

    async def ask() -> AssetHealthStatus:
        return (
            await AssetCheckHealthState.compute_for_asset_checks({CHECK}, LoadingContextForTest(instance))
        ).health_status

    return asyncio.run(ask())


def test_every_monthly_table_has_the_check_and_no_other() -> None:
    graph = defs.resolve_asset_graph()
    partitioned = {key for key in graph.executable_asset_keys if graph.get(key).is_partitioned}
    tables = {key for key in partitioned if key.path[0] == "timix"}
    assert REVENUE in tables
    assert len(tables) < len(ENDPOINTS)
    assert {key.asset_key for key in graph.asset_check_keys if key.name == CURRENT_MONTH_READ} == tables
    assert {PROJECT.key(table) for table in MONTHLY_TABLES} == tables


def test_current_month_is_fresh_for_26_hours() -> None:
    assert current_month_result(REVENUE, NOW - 26 * HOUR, NOW).passed
    late = current_month_result(REVENUE, NOW - 26 * HOUR - MINUTE, NOW)
    assert (late.passed, late.severity) == (False, AssetCheckSeverity.WARN)
    assert late.description == (
        "2026-11, the current month, was last read on 2026-11-17 06:59 UTC, more than 26 hours ago; "
        "materialize timix/revenue_report for it."
    )


def test_new_month_has_26_hours_until_its_first_read() -> None:
    began = datetime(2026, 12, 1, tzinfo=BERLIN)
    assert current_month_result(REVENUE, None, began).passed
    assert current_month_result(REVENUE, None, began + 26 * HOUR).passed
    never = current_month_result(REVENUE, None, began + 26 * HOUR + MINUTE)
    assert not never.passed
    assert "2026-12, the current month, was never read" in str(never.description)


def test_hours_are_counted_across_a_clock_change() -> None:
    before = datetime(
        2026, 10, 24, 12, tzinfo=BERLIN
    )  # an hour more than the clock's face says, until noon of the next day
    assert current_month_result(REVENUE, before, datetime(2026, 10, 25, 13, tzinfo=BERLIN)).passed
    assert not current_month_result(REVENUE, before, datetime(2026, 10, 25, 13, 1, tzinfo=BERLIN)).passed


def test_current_month_is_that_of_the_configured_zone(workspace: Workspace) -> None:
    read(workspace, OCTOBER, NOW - 30 * 24 * HOUR)
    still_october_elsewhere = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert not evaluate_current_month(workspace.instance, workspace.lake, REVENUE, still_october_elsewhere).passed
    assert evaluate_current_month(
        workspace.instance, workspace.lake, REVENUE, still_october_elsewhere.astimezone(BERLIN)
    ).passed


def test_backfill_of_older_months_does_not_make_table_fresh(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    read(workspace, OCTOBER, NOW - HOUR)
    tick(workspace, NOW)
    said = shown(workspace.instance)
    assert said is not None
    assert not said.passed
    assert health(workspace.instance) is AssetHealthStatus.WARNING


def test_stale_table_is_reported_once_without_a_run(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW)
    assert [event.passed for event in tick(workspace, NOW + HOUR)] == [True]
    assert health(workspace.instance) is AssetHealthStatus.HEALTHY
    assert tick(workspace, NOW + 26 * HOUR) == []
    assert [event.passed for event in tick(workspace, NOW + 27 * HOUR)] == [False]
    assert health(workspace.instance) is AssetHealthStatus.WARNING
    assert tick(workspace, NOW + 48 * HOUR) == []


def test_table_read_again_is_fresh(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    tick(workspace, NOW)
    read(workspace, NOVEMBER, NOW)
    assert [event.passed for event in tick(workspace, NOW + MINUTE)] == [True]
    assert health(workspace.instance) is AssetHealthStatus.HEALTHY


def test_materialization_without_check_does_not_hide_result(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    tick(workspace, NOW)
    read(workspace, OCTOBER, NOW + MINUTE)
    assert shown(workspace.instance) is None
    assert [event.passed for event in tick(workspace, NOW + 2 * MINUTE)] == [False]
    assert shown(workspace.instance) is not None


def test_month_of_another_lake_does_not_count(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - HOUR)
    workspace.folder /= "another"
    assert not evaluate_current_month(workspace.instance, workspace.lake, REVENUE, NOW).passed


@pytest.mark.parametrize(("months", "fresh"), [((OCTOBER, OCTOBER), False), ((OCTOBER, NOVEMBER), True)])
def test_run_and_sensor_report_the_same(workspace: Workspace, months: tuple[date, date], fresh: bool) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    workspace.asset_checks = [current_month_check(REVENUE, clock=lambda _: NOW)]
    result = workspace.refresh(REVENUE.to_user_string(), months=Months(*months))

    assert failures(result) == {}
    assert (CURRENT_MONTH_READ not in warnings(result, "timix/revenue_report")) == fresh
    assert tick(workspace, NOW) == []


def test_refresh_without_changes_counts_as_read(workspace: Workspace) -> None:
    workspace.refresh(REVENUE.to_user_string())
    version, again = workspace.lake.version("timix/revenue_report"), datetime.now(UTC)
    workspace.refresh(REVENUE.to_user_string())
    assert workspace.lake.version("timix/revenue_report") == version

    still_november = min(again, datetime(2026, 11, 30, 12, tzinfo=UTC))
    result = evaluate_current_month(workspace.instance, workspace.lake, REVENUE, still_november)
    last_read = result.metadata["last_read"].value
    assert isinstance(last_read, float)
    assert last_read >= again.timestamp()


def test_sensor_is_off_and_reports_every_table_without_runs(workspace: Workspace) -> None:
    sensor: SensorDefinition = current_month_sensor()
    lake = LakeResource(url=workspace.lake.url, state_folder=str(workspace.folder))
    with build_sensor_context(instance=workspace.instance, resources={"lake": lake, "settings": Settings()}) as context:
        data = sensor.evaluate_tick(context)
    assert {event.asset_key for event in data.asset_events} == {PROJECT.key(table) for table in MONTHLY_TABLES}
    assert not data.run_requests
    assert f"{local_time(Settings()):%Y-%m}" in str(data.skip_message)
    assert sensor.default_status.value == "STOPPED"
