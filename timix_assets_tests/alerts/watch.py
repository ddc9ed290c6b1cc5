"""A sensor, tick after tick, as the daemon calls it: only its cursor and what is on disk survive a tick."""

from dataclasses import dataclass
from typing import Any

from dagster import AssetKey, DagsterInstance, SensorDefinition, build_sensor_context
from dagster._core.definitions.sensor_definition import SensorExecutionData

from timix_assets.automation.alert_sensors import alert_sensors
from timix_assets.resources import LakeResource
from timix_assets.settings import Settings

ALERTS = alert_sensors()
budget_alerts, failure_alerts, key_expiry, restatement_alerts, weekly_summary = ALERTS


@dataclass
class Watch:
    """One sensor on one lake. reason: of its last tick."""

    sensor: SensorDefinition
    lake: dict[str, Any]
    instance: DagsterInstance
    cursor: str | None = None
    reason: str = ""

    def tick(self) -> SensorExecutionData:
        """A new resource and a new context each time: every tick is a restart."""
        resources = {"lake": LakeResource(**self.lake), "settings": Settings.from_environment()}
        with build_sensor_context(instance=self.instance, cursor=self.cursor, resources=resources) as context:
            ticked = self.sensor.evaluate_tick(context)
        self.cursor = ticked.cursor or self.cursor
        self.reason = ticked.skip_message or ""
        return ticked

    def logged(self, table: str) -> list[str]:
        """The observations of a table in the event log, the oldest first."""
        found = self.instance.fetch_observations(AssetKey(table.split("/")), limit=100).records
        return [record.asset_observation.description or "" for record in reversed(found) if record.asset_observation]
