"""The weekly digest as an asset: the page beside the tables, its text in the metadata, and what the next one compares with."""

from collections.abc import Iterable
from hashlib import sha256

from dagster import (
    AssetCheckKey,
    AssetExecutionContext,
    AssetKey,
    BackfillPolicy,
    DagsterInstance,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from timix_assets.assets.asset_details import HOURLY
from timix_assets.assets.rollup_context import RollupContext
from timix_assets.assets.rollups import FOLLOWS_ITS_INPUTS
from timix_assets.dagster_internals import AssetCheckExecutionRecordStatus
from timix_assets.reporting.digest import ROLLUPS_READ, read_digest, tables_compared
from timix_assets.reporting.digest_page import PAGE, as_html, as_markdown
from timix_assets.reporting.digest_record import FailedCheck, record_digest, record_failed_checks
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.settings import Settings

AFTER_EVERYTHING_ELSE = {"dagster/priority": "-1"}
"""Steps run one at a time: the checks of the same run come first, and the digest can list those that fail."""


@asset(
    key=AssetKey(["reports", "weekly_digest"]),
    description=(
        f"One page for Monday, `reports/{PAGE}` in the lake: utilization, people, missing time, budgets at risk, money, unbilled "
        "work and receivables by age, what changed since the digest of an earlier week, and what limits the figures. Also "
        "written by `timix-assets digest`. Only from rollups."
    ),
    group_name="derived_reports",
    kinds={"html", "polars"},
    tags=HOURLY,
    deps=[AssetKey(table.split("/")) for table in ROLLUPS_READ],
    backfill_policy=BackfillPolicy.single_run(),
    automation_condition=FOLLOWS_ITS_INPUTS,
    op_tags=AFTER_EVERYTHING_ELSE,
    metadata={"path": f"reports/{PAGE}"},
)
def weekly_digest(
    context: AssetExecutionContext,
    lake: LakeResource,
    settings: ResourceParam[Settings],
    rollup_context: RollupContext,
) -> MaterializeResult[None]:
    with as_dagster_failure():
        lake.acquire_lock(context.instance, context.run)
        checks = context.job_def.asset_layer.asset_graph.asset_check_keys
        record_failed_checks(lake.store, latest_failures(context.instance, checks))
        versions = tables_compared(lake.store)
        digest = read_digest(lake.store, settings.as_of_date(), rollup_context.firm)
        page = as_html(digest).encode()
        url = lake.store.put_report(PAGE, page)
        record_digest(lake.store, digest.summary.as_of, versions)
        text = as_markdown(digest)
        return MaterializeResult(
            data_version=DataVersion(sha256(text.encode()).hexdigest()),
            metadata={
                "digest": MetadataValue.md(text),
                "page": MetadataValue.path(url),
                "bytes": MetadataValue.int(len(page)),
                "as_of": MetadataValue.text(digest.summary.as_of.isoformat()),
            },
        )


def latest_failures(instance: DagsterInstance, checks: Iterable[AssetCheckKey]) -> list[FailedCheck]:
    """The checks whose latest evaluation failed."""
    failed = []
    for key in sorted(checks):
        record = instance.get_latest_asset_check_evaluation_record(key)
        if record and record.evaluation and record.status is AssetCheckExecutionRecordStatus.FAILED:
            found = record.evaluation
            failed.append(
                FailedCheck(
                    key.asset_key.to_user_string(),
                    key.name,
                    found.severity.value,
                    " ".join((found.description or "").split()),
                )
            )
    return failed
