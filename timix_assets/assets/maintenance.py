"""Upkeep of the lake as an asset, so that it has a schedule, a log and a history like everything else."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import (
    AssetExecutionContext,
    AssetKey,
    BackfillPolicy,
    Config,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset,
)
from pydantic import Field

from timix_assets.assets.timix import OWNERS
from timix_assets.failures import plainly
from timix_assets.lake.io_manager import LakeResource
from timix_assets.lake.upkeep import SAFE_RETENTION, Kept, Size, keep, sweep, tables_of


class Retention(Config):
    """How long older versions of a table stay."""

    days: int = Field(
        default=30,
        description="Files that no version of the last so many days needs are deleted; older versions cannot be "
        f"restored after that. At least {SAFE_RETENTION.days}.",
    )


@asset(
    key=AssetKey(["maintenance", "compact"]),
    description=(
        "Keeps the lake small: compacts every table, deletes the files that no version of the last 30 days needs, trims "
        "the tables' logs, and sweeps temporary folders that killed runs left behind. No row changes, Timix is not asked, "
        "and until then any version can be restored (docs/operations.md)."
    ),
    group_name="maintenance",
    kinds={"deltalake"},
    owners=OWNERS,
    backfill_policy=BackfillPolicy.single_run(),
)
def compact(context: AssetExecutionContext, config: Retention, lake: LakeResource) -> MaterializeResult[None]:
    with plainly():
        retention = timedelta(days=config.days)
        if retention < SAFE_RETENTION:
            raise Failure(
                f"days is {config.days}, and a run or a reader under way may need files that are younger than "
                f"{SAFE_RETENTION.days} days; nothing was deleted, set it to {SAFE_RETENTION.days} or more.",
                allow_retries=False,
            )
        lake.take_turn(context.instance, context.run)
        url, options = lake.lake.url, dict(lake.storage_options)
        kept = []
        for table in tables_of(url, options):
            kept.append(keep(url, options, table, retention))
            context.log.info(f"{table}: {_said(kept[-1].before)} before, {_said(kept[-1].after)} after")
        swept = sweep(Path(tempfile.gettempdir()), now=datetime.now(UTC))
        freed = sum((table.freed for table in kept), Size(0, 0))
        return MaterializeResult(
            metadata={
                "tables": MetadataValue.int(len(kept)),
                "files_freed": MetadataValue.int(freed.files),
                "bytes_freed": MetadataValue.int(freed.bytes),
                "bytes": MetadataValue.int(sum(table.after.bytes for table in kept)),
                "files": MetadataValue.int(sum(table.after.files for table in kept)),
                "temporary_folders_swept": MetadataValue.int(len(swept)),
                "by_table": MetadataValue.md(_table(kept)),
            }
        )


def _said(size: Size) -> str:
    return f"{size.files:,} files, {size.bytes:,} bytes"


def _table(kept: list[Kept]) -> str:
    lines = [
        f"| {each.table} | {each.before.files:,} | {each.after.files:,} | {each.before.bytes:,} | {each.after.bytes:,} |"
        for each in kept
    ]
    head = "| table | files before | after | bytes before | after |\n| --- | ---: | ---: | ---: | ---: |"
    return "\n".join([head, *lines])


ASSETS = [compact]
