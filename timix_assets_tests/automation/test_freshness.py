"""A table kept by month is stale when its running month is, whatever was read of the others; the clock is passed in."""

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

from timix_assets.assets.latest_month import KEPT_BY_MONTH, LATEST_MONTH_READ, check_of, judge, local_time, look
from timix_assets.automation.freshness import latest_month_freshness, unsaid
from timix_assets.automation.partitions import partition_key
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.definitions import defs
from timix_assets.lake.io_manager import LakeResource
from timix_assets.lake.months import Months
from timix_assets_tests.workspace import Workspace, failures, warnings

REVENUE = AssetKey(["timix", "revenue_report"])
CHECK = AssetCheckKey(REVENUE, LATEST_MONTH_READ)
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def read(workspace: Workspace, month: date, at: datetime, table: AssetKey = REVENUE) -> None:
    """The table's month as if a run had materialized it then."""
    workspace.lake.memory.remember_months(table.to_user_string(), [month])
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
    """One look of the sensor, and what the daemon does with its events."""
    events = unsaid(workspace.instance, [look(workspace.instance, workspace.lake, REVENUE, now)])
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


def test_every_table_kept_by_month_has_the_check_and_no_other_has() -> None:
    graph = defs.resolve_asset_graph()
    partitioned = {key for key in graph.executable_asset_keys if graph.get(key).is_partitioned}
    tables = {key for key in partitioned if key.path[0] == "timix"}
    assert REVENUE in tables
    assert len(tables) < len(ENDPOINTS)
    assert {key.asset_key for key in graph.asset_check_keys if key.name == LATEST_MONTH_READ} == tables
    assert set(KEPT_BY_MONTH) == tables


def test_the_running_month_is_fresh_for_26_hours_and_no_longer() -> None:
    assert judge(REVENUE, NOW - 26 * HOUR, NOW).passed
    late = judge(REVENUE, NOW - 26 * HOUR - MINUTE, NOW)
    assert (late.passed, late.severity) == (False, AssetCheckSeverity.WARN)
    assert late.description == (
        "2026-11, the running month, was last read on 2026-11-17 06:59 UTC, more than 26 hours ago; "
        "materialize timix/revenue_report for it."
    )


def test_a_month_that_has_just_begun_has_26_hours_to_be_read_for_the_first_time() -> None:
    began = datetime(2026, 12, 1, tzinfo=BERLIN)
    assert judge(REVENUE, None, began).passed
    assert judge(REVENUE, None, began + 26 * HOUR).passed
    never = judge(REVENUE, None, began + 26 * HOUR + MINUTE)
    assert not never.passed
    assert "2026-12, the running month, was never read" in str(never.description)


def test_hours_are_counted_through_a_change_of_the_clocks() -> None:
    before = datetime(
        2026, 10, 24, 12, tzinfo=BERLIN
    )  # an hour more than the clock's face says, until noon of the next day
    assert judge(REVENUE, before, datetime(2026, 10, 25, 13, tzinfo=BERLIN)).passed
    assert not judge(REVENUE, before, datetime(2026, 10, 25, 13, 1, tzinfo=BERLIN)).passed


def test_the_zones_own_month_is_the_running_one(workspace: Workspace) -> None:
    read(workspace, OCTOBER, NOW - 30 * 24 * HOUR)
    still_october_elsewhere = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert not look(workspace.instance, workspace.lake, REVENUE, still_october_elsewhere).passed
    assert look(workspace.instance, workspace.lake, REVENUE, still_october_elsewhere.astimezone(BERLIN)).passed


def test_a_backfill_of_older_months_does_not_make_a_table_look_fresh(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    read(workspace, OCTOBER, NOW - HOUR)
    tick(workspace, NOW)
    said = shown(workspace.instance)
    assert said is not None
    assert not said.passed
    assert health(workspace.instance) is AssetHealthStatus.WARNING


def test_a_table_becomes_stale_although_nothing_runs_and_is_reported_once(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW)
    assert [event.passed for event in tick(workspace, NOW + HOUR)] == [True]
    assert health(workspace.instance) is AssetHealthStatus.HEALTHY
    assert tick(workspace, NOW + 26 * HOUR) == []
    assert [event.passed for event in tick(workspace, NOW + 27 * HOUR)] == [False]
    assert health(workspace.instance) is AssetHealthStatus.WARNING
    assert tick(workspace, NOW + 48 * HOUR) == []


def test_a_table_that_is_read_again_is_fresh_again(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    tick(workspace, NOW)
    read(workspace, NOVEMBER, NOW)
    assert [event.passed for event in tick(workspace, NOW + MINUTE)] == [True]
    assert health(workspace.instance) is AssetHealthStatus.HEALTHY


def test_a_materialization_without_the_check_does_not_hide_what_it_said(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    tick(workspace, NOW)
    read(workspace, OCTOBER, NOW + MINUTE)
    assert shown(workspace.instance) is None
    assert [event.passed for event in tick(workspace, NOW + 2 * MINUTE)] == [False]
    assert shown(workspace.instance) is not None


def test_a_month_of_another_lake_does_not_count(workspace: Workspace) -> None:
    read(workspace, NOVEMBER, NOW - HOUR)
    workspace.folder /= "another"
    assert not look(workspace.instance, workspace.lake, REVENUE, NOW).passed


@pytest.mark.parametrize(("months", "fresh"), [((OCTOBER, OCTOBER), False), ((OCTOBER, NOVEMBER), True)])
def test_a_run_says_what_the_sensor_would_say(workspace: Workspace, months: tuple[date, date], fresh: bool) -> None:
    read(workspace, NOVEMBER, NOW - 27 * HOUR)
    workspace.asset_checks = [check_of(REVENUE, clock=lambda: NOW)]
    result = workspace.refresh(REVENUE.to_user_string(), months=Months(*months))

    assert failures(result) == {}
    assert (LATEST_MONTH_READ not in warnings(result, "timix/revenue_report")) == fresh
    assert tick(workspace, NOW) == []


def test_a_refresh_whose_figures_did_not_change_counts_as_read_too(workspace: Workspace) -> None:
    workspace.refresh(REVENUE.to_user_string())
    version, again = workspace.lake.version("timix/revenue_report"), datetime.now(UTC)
    workspace.refresh(REVENUE.to_user_string())
    assert workspace.lake.version("timix/revenue_report") == version

    still_november = min(again, datetime(2026, 11, 30, 12, tzinfo=UTC))
    result = look(workspace.instance, workspace.lake, REVENUE, still_november)
    last_read = result.metadata["last_read"].value
    assert isinstance(last_read, float)
    assert last_read >= again.timestamp()


def test_the_sensor_reports_every_table_starts_no_run_and_is_off_by_default(workspace: Workspace) -> None:
    sensor: SensorDefinition = latest_month_freshness
    lake = LakeResource(url=workspace.lake.url, state_folder=str(workspace.folder))
    context = build_sensor_context(instance=workspace.instance, resources={"lake": lake})
    data = sensor.evaluate_tick(context)
    assert {event.asset_key for event in data.asset_events} == set(KEPT_BY_MONTH)
    assert not data.run_requests
    assert f"{local_time():%Y-%m}" in str(data.skip_message)
    assert sensor.default_status.value == "STOPPED"
