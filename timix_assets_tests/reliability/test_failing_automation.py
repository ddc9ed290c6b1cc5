"""Row 58: a sensor whose ticks fail, here timix_changes after its key was revoked."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance, Failure, build_sensor_context
from dagster._core.scheduler.instigation import InstigatorType, TickStatus
from dagster._utils.error import SerializableErrorInfo, serializable_error_info_from_exc_info

from timix_assets.automation.changes import timix_changes
from timix_assets.definitions import defs
from timix_assets.resources import LakeResource, TimixResource
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.ticks import Ticks
from timix_assets_tests.alerts.watch import Watch, failure_alerts
from timix_assets_tests.instances import local_instance

MINUTE = timedelta(minutes=1)


def refused_tick(sandbox: Sandbox, lake: LakeResource, instance: DagsterInstance) -> SerializableErrorInfo:
    """What Dagster records of a tick of timix_changes after the key was revoked."""
    sandbox.faults.add(Fault("unauthorized"))
    timix = TimixResource(api_key=sandbox.key, base_url=sandbox.base_url)
    repository = defs.get_repository_def()
    resources = {"timix": timix, "lake": lake}
    with build_sensor_context(instance, repository_def=repository, resources=resources) as context:
        try:
            timix_changes(Settings()).evaluate_tick(context)
        except Failure:
            return serializable_error_info_from_exc_info(sys.exc_info())
    pytest.fail("the tick did not fail")


@pytest.mark.fault(58)
def test_a_failing_sensor_gives_one_alert_and_one_recovery(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path / ".dagster")}
    with WebhookReceiver() as webhook, local_instance(tmp_path) as instance:
        monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
        watch = Watch(failure_alerts, state, instance)
        watch.tick()
        ticks, error = Ticks(instance), refused_tick(sandbox, LakeResource(**state), instance)
        for minutes in range(16, 1, -1):
            ticks.add(TickStatus.FAILURE, minutes * MINUTE, error=error)
        watch.tick()
        assert webhook.messages == []
        ticks.add(TickStatus.FAILURE, MINUTE, error=error)
        watch.tick()
        watch.tick()
        [(title, text)] = webhook.messages
        assert title.startswith("The sensor timix_changes has been failing since")
        assert "401" in text
        assert "/locations/timix_assets/sensors/timix_changes" in text
        assert sandbox.key not in text
        ticks.add(TickStatus.SKIPPED, timedelta())
        watch.tick()
        watch.tick()
        assert webhook.titles[1:] == ["The sensor timix_changes has recovered"]


@pytest.mark.fault(58)
def test_a_failing_schedule_gives_one_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WebhookReceiver() as webhook, local_instance(tmp_path) as instance:
        monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
        watch = Watch(failure_alerts, {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path)}, instance)
        watch.tick()
        Ticks(instance, "recent_hourly", kind=InstigatorType.SCHEDULE).add(TickStatus.FAILURE, 16 * MINUTE)
        for _ in range(3):
            watch.tick()
        assert len(webhook.messages) == 1
        assert webhook.titles[0].startswith("The schedule recent_hourly has been failing since")
