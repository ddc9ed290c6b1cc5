"""What Dagster loads: a table of contents."""

import warnings

from dagster import BetaWarning, Definitions, in_process_executor

# backfill_policy is beta in Dagster 1.13; every asset here has one.
warnings.filterwarnings("ignore", category=BetaWarning)

from timix_assets import environment  # noqa: E402
from timix_assets.assets import exports, timix  # noqa: E402
from timix_assets.automation.jobs import JOBS  # noqa: E402
from timix_assets.lake.io_manager import DeltaIOManagerFactory, LakeResource  # noqa: E402
from timix_assets.resources import TimixResource  # noqa: E402

lake = LakeResource(url=environment.LAKE.read(environment.ENVIRON), state_folder=str(environment.state_folder()))

defs = Definitions(
    assets=[*timix.ASSETS, *exports.ASSETS],
    jobs=JOBS,
    resources={
        "timix": TimixResource.from_environment(),
        "lake": lake,
        "io_manager": DeltaIOManagerFactory(lake=lake),
    },
    # Many light steps: one process for all is an order of magnitude faster than one each. A run is still its own process.
    executor=in_process_executor,
)
