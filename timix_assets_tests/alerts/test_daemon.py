"""The alerts on a real `dagster dev`, whose daemon evaluates them, after refreshes of the command line."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from timix_assets.automation.month_ranges import months_before
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.alerts.hours import log_hours_over_a_cap
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.automation.dagster_dev import REPOSITORY, DagsterDev

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SENSORS = ("budget_alerts", "failure_alerts")
MAX_WAIT_SECONDS = 150
"""Two ticks are a minute apart."""


def refresh(dev: DagsterDev) -> int:
    command = Path(sys.executable).with_name("timix-assets")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TIMIX_", "DAGSTER_"))}
    return subprocess.run(
        [command, "refresh"], cwd=dev.folder, env=inherited | dict(dev.settings), capture_output=True, check=False
    ).returncode


def press_test_sensor(dev: DagsterDev, name: str) -> None:
    """The button *Test sensor* of the UI."""
    dev.ask(
        """mutation($s: SensorSelector!) { sensorDryRun(selectorData: $s, cursor: null) { __typename } }""",
        s={**REPOSITORY, "sensorName": name},
    )


def test_each_alert_is_sent_once_across_restarts(tmp_path: Path, webhook: WebhookReceiver) -> None:
    today = date.today()
    with Sandbox(Firm.generate(people=6, months=3, seed=7, today=today)) as sandbox:
        settings = {
            "TIMIX_API_KEY": sandbox.key,
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_START_MONTH": f"{months_before(today, 2):%Y-%m}",
            # Entries of today would be tomorrow's in the zone of the organization, for some hours of the day.
            "TIMIX_TIMEZONE": "UTC",
            "TIMIX_ALERT_URLS": webhook.url,
        }
        dev = DagsterDev(tmp_path, settings)
        try:
            assert refresh(dev) == 0
            dev.start()
            for sensor in SENSORS:
                dev.start_sensor(sensor)
            for sensor in SENSORS:
                dev.wait_for("a first tick", lambda sensor=sensor: [t for t in dev.ticks(sensor) if t["skipReason"]])
            log_hours_over_a_cap(sandbox, dev.lake, today)
            assert refresh(dev) == 0
            dev.kill()
            sandbox.revoke(sandbox.key)
            assert refresh(dev) == 1
            dev.start()
            dev.wait_for("both messages", lambda: len(webhook.messages) >= 2, MAX_WAIT_SECONDS)
            for sensor in SENSORS:
                press_test_sensor(dev, sensor)
            ticks = str([dev.ticks(sensor) for sensor in SENSORS])
        finally:
            dev.kill()
    failed, budgets = sorted(webhook.messages, key=lambda message: "over budget" in message[1])
    assert len(webhook.messages) == 2
    assert "budget over budget (was" in budgets[1]
    assert failed[0].startswith("refresh_everything failed")
    logs = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".parquet")
    for secret in (webhook.secret, sandbox.key):
        assert secret not in str(webhook.messages) + ticks
        assert secret.encode() not in logs
