"""The Dagster graph: assets that read an endpoint or compute a rollup, with metadata and checks."""

import warnings

from dagster import BetaWarning

# Beta in Dagster 1.13, and every asset here has one.
warnings.filterwarnings("ignore", message=".*backfill_policy.*", category=BetaWarning)
