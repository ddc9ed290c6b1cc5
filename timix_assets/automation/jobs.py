"""Jobs: each is one run over a range of months, so that one run is one consistent picture."""

from dagster import AssetSelection, define_asset_job

from timix_assets.automation.partitions import key_of
from timix_assets.lake.months import Months

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

refresh_everything = define_asset_job(
    "refresh_everything",
    AssetSelection.all(),
    description="Reads every resource, report and export of the chosen months and computes all that hangs below them. "
    "Launch it for a range of months (a backfill of the job): it is one run.",
    tags={"timix/job": "refresh_everything"},
)

JOBS = [refresh_everything]


def range_tags(months: Months) -> dict[str, str]:
    """The run tags that give a job its range of months."""
    return {RANGE_START: key_of(months.first), RANGE_END: key_of(months.last)}
