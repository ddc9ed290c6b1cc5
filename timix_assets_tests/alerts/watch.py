"""An alert's sensor, tick after tick, as the daemon would call it: all that it keeps is its cursor and what is on disk."""

from dataclasses import dataclass
from typing import Any

from dagster import AssetKey, DagsterInstance, SensorDefinition, build_sensor_context
from dagster._core.definitions.sensor_definition import SensorExecutionData

from timix_assets.lake.io_manager import LakeResource


@dataclass
class Watch:
    """One sensor on one lake. said: what its last tick gave as the reason."""

    sensor: SensorDefinition
    lake: dict[str, Any]
    instance: DagsterInstance
    cursor: str | None = None
    said: str = ""

    def tick(self) -> SensorExecutionData:
        """A new resource and a new context each time: every tick is a restart."""
        resources = {"lake": LakeResource(**self.lake)}
        with build_sensor_context(instance=self.instance, cursor=self.cursor, resources=resources) as context:
            ticked = self.sensor.evaluate_tick(context)
        self.cursor = ticked.cursor or self.cursor
        self.said = ticked.skip_message or ""
        return ticked

    def logged(self, table: str) -> list[str]:
        """What the event log says of the table, the oldest first."""
        found = self.instance.fetch_observations(AssetKey(table.split("/")), limit=100).records
        return [record.asset_observation.description or "" for record in reversed(found) if record.asset_observation]
