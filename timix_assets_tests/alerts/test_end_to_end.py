"""From hours logged in Timix to one message at a webhook; and from a refused key to one message."""

import pytest
from dagster import SensorDefinition

from timix_assets_tests.alerts.hours import log_hours_over_a_cap
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.watch import Watch, budget_alerts, failure_alerts
from timix_assets_tests.workspace import ALL_ROLLUPS, Workspace, failures

from ..conftest import TODAY


@pytest.fixture(autouse=True)
def _settings(webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)


def watch(workspace: Workspace, sensor: SensorDefinition) -> Watch:
    lake = {"url": str(workspace.folder / "lake"), "state_folder": str(workspace.folder / ".dagster")}
    return Watch(sensor, lake, workspace.instance)


@pytest.mark.long
def test_hours_over_a_cap_are_one_message(refreshed: Workspace, webhook: WebhookReceiver) -> None:
    alerts = watch(refreshed, budget_alerts)
    alerts.tick()
    project = log_hours_over_a_cap(refreshed.sandbox, refreshed.lake, TODAY)
    assert failures(refreshed.refresh("timix/time_reports", ALL_ROLLUPS)) == {}
    alerts.tick()
    alerts.tick()
    [(title, text)] = webhook.messages
    [line] = [line for line in text.splitlines() if "time and materials budget over budget (was" in line]
    assert project in title + line
    assert "Cap reached on" in line
    assert "/assets/rollups/budget_health" in text


def test_refused_key_is_one_message_without_the_key(
    workspace: Workspace, webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_API_KEY", workspace.sandbox.key)
    alerts = watch(workspace, failure_alerts)
    alerts.tick()
    workspace.sandbox.revoke(workspace.sandbox.key)
    failed = failures(workspace.refresh("timix/customers"))
    alerts.tick()
    alerts.tick()
    [(title, text)] = webhook.messages
    assert "failed (2026-09 to 2026-11)" in title
    assert f"• timix/customers: {failed['timix/customers']}" in text
    assert workspace.sandbox.key not in title + text
