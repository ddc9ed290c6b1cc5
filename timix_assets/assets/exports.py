"""The official CSV of each report that has one, kept byte for byte: what an auditor asks for."""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from timix_assets.api.errors import Forbidden
from timix_assets.assets.fetch import dates_between, why_skipped
from timix_assets.assets.session import begin
from timix_assets.assets.timix import OWNERS
from timix_assets.automation.partitions import MONTHLY
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.schema import Endpoint, Window
from timix_assets.failures import plainly
from timix_assets.lake.io_manager import LakeResource, months_of_run
from timix_assets.lake.months import Months
from timix_assets.resources import TimixResource


def export_asset(endpoint: Endpoint) -> AssetsDefinition:
    """Stores `exports/<report>.csv`, or `exports/<report>/<YYYY-MM>.csv` for each month of the run."""
    dated = endpoint.window is not Window.NONE

    @asset(
        key=AssetKey(["exports", endpoint.name]),
        description=(
            f"The official CSV export of {endpoint.name}, byte for byte as Timix sent it, under `exports/` in the lake. "
            f"`GET {endpoint.csv_path}`, an assumed path."
        ),
        group_name="exports",
        kinds={"http", "csv"},
        owners=OWNERS,
        partitions_def=MONTHLY if dated else None,
        backfill_policy=BackfillPolicy.single_run(),
        metadata={"path": endpoint.csv_path or ""},
        output_required=False,
    )
    def export(
        context: AssetExecutionContext, timix: TimixResource, lake: LakeResource
    ) -> Iterator[MaterializeResult[None]]:
        with plainly():
            months = months_of_run(context) if dated else None
            wanted = timix.endpoint(endpoint.name)
            client = begin(context, timix, lake)
            before = client.stats
            try:
                files = {
                    target: client.csv(
                        str(wanted.csv_path), dates_between(wanted, Months(month, month)) if month else {}
                    )
                    for month, target in _targets(endpoint, months)
                }
            except Forbidden as refused:
                if not wanted.skip_forbidden:
                    raise
                context.log.warning(f"exports/{endpoint.name}: {why_skipped(refused)}")
                return
            # Put only once all are here: a month that fails leaves every file as it was.
            stored = [lake.lake.put_export(target, data) for target, data in files.items()]
            yield MaterializeResult(
                data_version=DataVersion(sha256("".join(file.sha256 for file in stored).encode()).hexdigest()),
                metadata={
                    "requests": MetadataValue.int((client.stats - before).requests),
                    "seconds_waited": MetadataValue.float(round((client.stats - before).waited_seconds, 3)),
                    "files": MetadataValue.int(len(stored)),
                    "bytes": MetadataValue.int(sum(file.size for file in stored)),
                },
            )

    return export


def _targets(endpoint: Endpoint, months: Months | None) -> Iterator[tuple[date | None, str]]:
    if months is None:
        yield None, f"{endpoint.name}.csv"
    for month in months or ():
        yield month, f"{endpoint.name}/{month:%Y-%m}.csv"


ASSETS = [export_asset(endpoint) for endpoint in ENDPOINTS if endpoint.csv_path]
