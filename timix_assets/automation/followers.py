"""The sensor that computes a workspace's rollups when their inputs change, in runs of no other workspace."""

from collections.abc import Collection

from dagster import AssetKey, AssetSelection, AutomationConditionSensorDefinition

from timix_assets.namespace import Namespace
from timix_assets.runs.tags import workspace_tags


def automation_sensor(names: Namespace, own: Collection[AssetKey]) -> AutomationConditionSensorDefinition:
    """Evaluates the automation conditions of these assets.

    Dagster's default sensor would put assets of all workspaces into one run. It is off by default, as that one is.
    """
    return AutomationConditionSensorDefinition(
        names.named("automation"),
        target=AssetSelection.assets(*own),
        tags=workspace_tags(names),
        run_tags=workspace_tags(names),
        description=f"Computes the rollups and the digest of {names.name} when their inputs change.",
    )
