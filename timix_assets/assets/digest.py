"""The weekly digest as an asset: the page beside the tables, its text in the metadata, and what the next one compares with."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from dagster import (
    AssetCheckKey,
    AssetIn,
    AssetsDefinition,
    BackfillPolicy,
    DagsterInstance,
    DataVersion,
    In,
    MetadataValue,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    ResourceParam,
    graph_asset,
    op,
)

from timix_assets.assets.asset_details import HOURLY
from timix_assets.assets.rollup_context import RollupContext
from timix_assets.assets.rollups import FOLLOWS_ITS_INPUTS
from timix_assets.dagster_internals import AssetCheckExecutionRecordStatus
from timix_assets.interrupts import interrupts_deferred
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.reporting.digest import ROLLUPS_READ, read_digest, tables_compared
from timix_assets.reporting.digest_page import PAGE, as_html, as_markdown
from timix_assets.reporting.digest_record import FailedCheck, record_digest, record_failed_checks
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.settings import Settings

AFTER_EVERYTHING_ELSE = {"dagster/priority": "-1"}
"""Steps run one at a time: the checks of the same run come first, and the digest can list those that fail."""


def _write_digest(
    context: OpExecutionContext,
    lake: LakeResource,
    settings: ResourceParam[Settings],
    rollup_context: RollupContext,
) -> Output[None]:
    """Writes the page from the rollups as they are, and records what the next digest compares with."""
    with as_dagster_failure():
        lake.acquire_lock(context.instance, context.run)
        checks = context.job_def.asset_layer.asset_graph.asset_check_keys
        record_failed_checks(lake.store, latest_failures(context.instance, checks, lake.names))
        versions = tables_compared(lake.store)
        with interrupts_deferred():
            digest = read_digest(lake.store, settings.as_of_date(), rollup_context.firm)
        page = as_html(digest).encode()
        url = lake.store.put_report(PAGE, page)
        record_digest(lake.store, digest.summary.as_of, versions)
        text = as_markdown(digest)
        context.set_data_version(context.asset_key_for_output(), DataVersion(sha256(text.encode()).hexdigest()))
        return Output(
            None,
            metadata={
                "digest": MetadataValue.md(text),
                "page": MetadataValue.path(url),
                "bytes": MetadataValue.int(len(page)),
                "as_of": MetadataValue.text(digest.summary.as_of.isoformat()),
            },
        )


def digest_asset(names: Namespace = PROJECT) -> AssetsDefinition:
    """The weekly digest.

    A graph, and not an asset alone: one input for all rollups is skipped only when all of them are. For a key that may not
    read invoices some are, and the page says so.
    """
    write_digest = op(
        name=names.named("write_digest"),
        ins={"rollups": In(Nothing)},
        out=Out(Nothing, io_manager_key=names.named("io_manager")),
        tags=AFTER_EVERYTHING_ELSE,
    )(names.bound(_write_digest))

    @graph_asset(
        key=names.key("reports/weekly_digest"),
        description=(
            f"One page for Monday, `reports/{PAGE}` in the lake: utilization, people, missing time, budgets at risk, money, "
            "unbilled work and receivables by age, what changed since the digest of an earlier week, and what limits the "
            "figures. Also written by `timix-assets digest`. Only from rollups."
        ),
        group_name="derived_reports",
        kinds={"html", "polars"},
        tags=HOURLY,
        ins={table.partition("/")[2]: AssetIn(names.key(table), dagster_type=Nothing) for table in ROLLUPS_READ},
        backfill_policy=BackfillPolicy.single_run(),
        automation_condition=FOLLOWS_ITS_INPUTS,
        metadata={"path": f"reports/{PAGE}"},
    )
    def weekly_digest(**rollups: Any) -> Any:
        return write_digest([*rollups.values()])

    return weekly_digest


def latest_failures(
    instance: DagsterInstance, checks: Iterable[AssetCheckKey], names: Namespace = PROJECT
) -> list[FailedCheck]:
    """Our checks whose latest evaluation failed."""
    ours = [key for key in checks if names.owns(key.asset_key)]
    # One query; the instance has one for each check.
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(ours)
    failed = []
    for key, record in sorted(latest.items()):
        if record.evaluation and record.status is AssetCheckExecutionRecordStatus.FAILED:
            found = record.evaluation
            failed.append(
                FailedCheck(
                    names.table(key.asset_key),
                    key.name,
                    found.severity.value,
                    " ".join((found.description or "").split()),
                )
            )
    return failed
