"""The Dagster graph: thin assets that fetch, or call a metric, and say what happened."""

import warnings

from dagster import BetaWarning

# Beta in Dagster 1.13, and every asset here has one.
warnings.filterwarnings("ignore", message=".*backfill_policy.*", category=BetaWarning)
