"""What Dagster loads: a table of contents."""

from dagster import Definitions, in_process_executor, map_asset_specs

from timix_assets import environment
from timix_assets.assets import checks, exports, maintenance, rollups, timix
from timix_assets.assets.reckoning import Reckoning
from timix_assets.automation.alerts import ALERTS
from timix_assets.automation.changes import timix_changes
from timix_assets.automation.freshness import latest_month_freshness, with_freshness
from timix_assets.automation.jobs import JOBS
from timix_assets.automation.orphans import orphaned_runs
from timix_assets.automation.schedules import SCHEDULES
from timix_assets.firm_settings import firm_resources
from timix_assets.lake.io_manager import DeltaIOManagerFactory, LakeResource
from timix_assets.resources import TimixResource

environment.check_names()
environment.refuse_misplaced_keys()

lake = LakeResource.configure_at_launch()
firm = firm_resources(environment.FIRM_SETTINGS.read(environment.ENVIRON))

defs = Definitions(
    assets=map_asset_specs(with_freshness, [*timix.ASSETS, *exports.ASSETS, *rollups.ASSETS, *maintenance.ASSETS]),
    asset_checks=checks.CHECKS,
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=[timix_changes, orphaned_runs, latest_month_freshness, *ALERTS],
    resources={
        "timix": TimixResource(),
        "lake": lake,
        "io_manager": DeltaIOManagerFactory(lake=lake),
        **firm,
        "reckoning": Reckoning(lake=lake, **firm),
    },
    # Many light steps: one process for all is an order of magnitude faster than one each. A run is still its own process.
    executor=in_process_executor,
)
