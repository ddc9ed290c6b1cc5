"""What Dagster loads: a table of contents."""

from dagster import Definitions, ResourceDefinition, in_process_executor, map_asset_specs

from timix_assets.assets import imports, maintenance, quarantine, rollups
from timix_assets.assets.asset_details import with_details
from timix_assets.assets.checks import declarations as checks
from timix_assets.assets.closing import closed_months
from timix_assets.assets.digest import weekly_digest
from timix_assets.assets.exports import export_assets
from timix_assets.assets.io_manager import DeltaIOManager
from timix_assets.assets.raw_tables import raw_assets
from timix_assets.assets.rollup_context import RollupContext
from timix_assets.automation.alert_sensors import ALERTS
from timix_assets.automation.changes import timix_changes
from timix_assets.automation.freshness import current_month_freshness, with_freshness
from timix_assets.automation.jobs import JOBS
from timix_assets.automation.orphaned_runs import orphaned_runs
from timix_assets.automation.schedules import schedules
from timix_assets.ingest.time_zone import with_organization_time_zone
from timix_assets.launchpad import firm_resources
from timix_assets.partitions import monthly_partitions
from timix_assets.resources import import_resource, lake_resource, timix_resource
from timix_assets.settings import Settings
from timix_assets.settings.firm import FirmConfig
from timix_assets.state.permissions import restrict_to_owner


def build_definitions(settings: Settings) -> Definitions:
    """Everything, over the API and the lake of these settings. A run may change limits and firm config, not the places."""
    lake, firm = lake_resource(settings), firm_resources(FirmConfig.from_file(settings.firm_config))
    months, detailed = monthly_partitions(settings), with_details(settings)
    # Dagster has made it by now, open to all, when it was started by itself.
    restrict_to_owner(settings.state_folder)
    return Definitions(
        assets=map_asset_specs(
            lambda spec: with_freshness(detailed(spec)),
            [
                *raw_assets(months),
                *export_assets(months),
                *rollups.ASSETS,
                weekly_digest,
                closed_months,
                *maintenance.ASSETS,
                *imports.ASSETS,
                *quarantine.ASSETS,
            ],
        ),
        asset_checks=checks.CHECKS,
        jobs=JOBS,
        schedules=schedules(settings),
        sensors=[timix_changes(settings), orphaned_runs, current_month_freshness, *ALERTS],
        resources={
            "settings": ResourceDefinition(
                lambda _: settings, config_schema={}, description="The settings of the environment."
            ),
            "timix": timix_resource(settings),
            "lake": lake,
            "imports": import_resource(settings),
            "io_manager": DeltaIOManager(lake=lake),
            **firm,
            "rollup_context": RollupContext(settings=settings, lake=lake, **firm),
        },
        # Many light steps: one process for all is an order of magnitude faster than one each. A run is still its own process.
        executor=in_process_executor,
    )


defs = build_definitions(with_organization_time_zone(Settings.from_environment()))
