"""When the jobs run by themselves, and over which months."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterInstance, DagsterRunStatus, DefaultScheduleStatus, build_schedule_context
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from timix_assets.automation.schedules import schedule_specs, schedules
from timix_assets.definitions import defs
from timix_assets.partitions import RANGE_END, RANGE_START
from timix_assets.settings import Settings, SettingsError
from timix_assets_tests.instances import local_instance

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
SCHEDULE_SPECS = schedule_specs(Settings())
NAMES = [spec.name for spec in SCHEDULE_SPECS]
DATED = [spec.name for spec in SCHEDULE_SPECS if spec.months]
JOB_OF = {spec.name: spec.job for spec in SCHEDULE_SPECS}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with local_instance(tmp_path) as temporary:
        yield temporary


def tick(name: str, instance: DagsterInstance, due: datetime = NOON) -> ScheduleExecutionData:
    context = build_schedule_context(instance, scheduled_execution_time=due)
    return defs.resolve_schedule_def(name).evaluate_tick(context)


def months(name: str, instance: DagsterInstance, due: datetime = NOON) -> tuple[str, str]:
    [request] = tick(name, instance, due).run_requests or []
    return request.tags[RANGE_START], request.tags[RANGE_END]


def test_schedules_are_off_and_use_the_configured_zone() -> None:
    for schedule in schedules(Settings(timezone="Europe/Berlin")):
        assert schedule.default_status is DefaultScheduleStatus.STOPPED
        assert schedule.execution_timezone == "Europe/Berlin"
        assert schedule.description


def test_each_reads_its_own_months(instance: DagsterInstance) -> None:
    assert {name: months(name, instance) for name in DATED} == {
        "recent_hourly": ("2026-09-01", "2026-11-01"),
        "everything_nightly": ("2026-09-01", "2026-11-01"),
        "close_month_monthly": ("2026-07-01", "2026-10-01"),
        "deep_sweep_weekly": ("2025-12-01", "2026-11-01"),
    }


def test_late_tick_uses_the_months_of_its_scheduled_time(instance: DagsterInstance) -> None:
    assert months("recent_hourly", instance, datetime(2025, 3, 31, 19, tzinfo=UTC)) == ("2025-01-01", "2025-03-01")


@pytest.mark.long
def test_the_zone_decides_which_month_is_running(tmp_path: Path) -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    code = (
        "from dagster import build_schedule_context, DagsterInstance\n"
        "from datetime import datetime\n"
        "from timix_assets.definitions import defs\n"
        "schedule = defs.resolve_schedule_def('recent_hourly')\n"
        f"due = datetime.fromisoformat({late.isoformat()!r})\n"
        f"instance = DagsterInstance.local_temp({str(tmp_path)!r})\n"
        "context = build_schedule_context(instance, scheduled_execution_time=due)\n"
        "[request] = schedule.evaluate_tick(context).run_requests\n"
        "print(schedule.execution_timezone, request.tags['dagster/asset_partition_range_end'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TIMIX_TIMEZONE": "Europe/Berlin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["Europe/Berlin", "2026-12-01"]


def test_tick_without_months_is_skipped_with_a_reason(instance: DagsterInstance) -> None:
    first = datetime(2024, 2, 3, 12, tzinfo=UTC)
    assert months("recent_hourly", instance, first)[0] == "2024-01-01"
    assert months("close_month_monthly", instance, first) == ("2024-01-01", "2024-01-01")
    skipped = tick("close_month_monthly", instance, datetime(2024, 1, 3, 12, tzinfo=UTC))
    assert skipped.run_requests == []
    assert "are before TIMIX_START_MONTH (2024-01)" in (skipped.skip_message or "")


def test_upkeep_has_no_months(instance: DagsterInstance) -> None:
    [request] = tick("compact_weekly", instance).run_requests or []
    assert not {RANGE_START, RANGE_END} & request.tags.keys()


def test_run_key_is_unique_per_tick(instance: DagsterInstance) -> None:
    zone = ZoneInfo("America/New_York")
    # 01:30 comes twice in that night.
    ticks = [datetime(2026, 11, 1, 1, 30, fold=fold, tzinfo=zone) for fold in (0, 1)]
    keys = [[request.run_key for request in tick("recent_hourly", instance, due).run_requests or []] for due in ticks]
    assert keys[0] != keys[1]
    assert keys[0] == [request.run_key for request in tick("recent_hourly", instance, ticks[0]).run_requests or []]


@pytest.mark.long
@pytest.mark.parametrize("status", [DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
@pytest.mark.parametrize("name", NAMES)
def test_tick_is_skipped_while_its_job_runs(name: str, status: DagsterRunStatus, instance: DagsterInstance) -> None:
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), JOB_OF[name])
    run = create_run_for_test(
        instance, job_name=JOB_OF[name], status=status, remote_job_origin=origin, tags={"timix/job": JOB_OF[name]}
    )
    skipped = tick(name, instance)
    assert skipped.run_requests == []
    assert skipped.skip_message == (
        f"{JOB_OF[name]} is already queued or running (run {run.run_id[:8]}), so this tick starts no run."
    )


def test_a_finished_run_or_one_of_another_job_holds_nothing_up(instance: DagsterInstance) -> None:
    create_run_for_test(
        instance, job_name="refresh_recent", status=DagsterRunStatus.SUCCESS, tags={"timix/job": "refresh_recent"}
    )
    create_run_for_test(
        instance, job_name="refresh_changed", status=DagsterRunStatus.STARTED, tags={"timix/job": "refresh_changed"}
    )
    assert tick("recent_hourly", instance).run_requests


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cron_recent", "hourly"),
        ("cron_nightly", "30 25 * * *"),
        ("cron_sweep", "0 4 31 2 *"),
        ("cron_compact", "0 0 6 * * 0"),
    ],
)
def test_a_wrong_cron_expression_is_refused_by_its_name(setting: str, value: str) -> None:
    message = re.escape(f'TIMIX_{setting.upper()}: "{value}" is not a cron expression')
    with pytest.raises(SettingsError, match=message):
        schedules(Settings().model_copy(update={setting: value}))


def test_the_settings_give_the_cron_expressions() -> None:
    assert schedules(Settings(cron_recent="*/20 8-17 * * 0-4"))[0].cron_schedule == "*/20 8-17 * * 0-4"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TIMIX_CRON_CLOSE_MONTH", "monthly", 'SettingsError: TIMIX_CRON_CLOSE_MONTH: "monthly" is not'),
        ("TIMIX_LAKE", "s3:/bucket", "WrongLocation: TIMIX_LAKE: s3:/bucket is a URL with a missing slash"),
    ],
)
def test_a_wrong_setting_is_refused_at_load(name: str, value: str, said: str) -> None:
    loading = subprocess.run(
        [sys.executable, "-c", "import timix_assets.definitions"],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loading.returncode == 1
    assert said in loading.stderr
