"""Maintenance of the lake and of the run history as assets, so that it has a schedule, a log and a history."""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    BackfillPolicy,
    Config,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)
from pydantic import Field

from timix_assets.assets.asset_details import WEEKLY
from timix_assets.lake.errors import LakeError, LeaseLost
from timix_assets.lake.maintenance import (
    SAFE_RETENTION,
    MaintenanceResult,
    Size,
    compact_and_vacuum,
    list_tables,
    remove_stale_temp_dirs,
)
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.history import delete_old_runs, reusable_bytes
from timix_assets.runs.ours import LOCATION, location_of
from timix_assets.settings import Settings
from timix_assets.text.printable import markdown
from timix_assets.text.wording import count_noun

DRAFT_AGE = timedelta(days=1)
"""An export is written within seconds; what is a day old was left by a killed run."""


class Retention(Config):
    """How long older versions of a table are kept."""

    days: int = Field(
        default=30,
        description="Every version of the last N days can be restored; files that none of them needs are deleted. "
        f"At least {SAFE_RETENTION.days}.",
    )


def compact(context: AssetExecutionContext, config: Retention, lake: LakeResource) -> MaterializeResult[None]:
    with as_dagster_failure():
        retention = timedelta(days=config.days)
        if retention < SAFE_RETENTION:
            raise Failure(
                f"days is {config.days}, but active runs and readers may need files younger than {SAFE_RETENTION.days} days; "
                f"nothing was deleted. Set it to {SAFE_RETENTION.days} or more.",
                allow_retries=False,
            )
        lake.acquire_lock(context.instance, context.run)
        # First, since it needs no disk space, and what follows does.
        removed = [
            gone for folder in _temporary_folders() for gone in remove_stale_temp_dirs(folder, now=datetime.now(UTC))
        ]
        context.log.info(f"{count_noun(len(removed), 'temporary folder')} of killed runs removed")
        exports = lake.store.exports.delete_replaced(before=datetime.now(UTC) - retention)
        drafts = lake.store.exports.remove_drafts(before=datetime.now(UTC) - DRAFT_AGE)
        context.log.info(
            f"{count_noun(exports, 'replaced export')} and {count_noun(drafts, 'unfinished export')} deleted"
        )
        kept = _maintain_all(context, lake, retention)
        files, size = sum(table.after.files for table in kept), sum(table.after.bytes for table in kept)
        return MaterializeResult(
            metadata={
                "tables": MetadataValue.int(len(kept)),
                # A new table grows by its checkpoint.
                "files_freed": MetadataValue.int(max(0, sum(table.before.files for table in kept) - files)),
                "bytes_freed": MetadataValue.int(max(0, sum(table.before.bytes for table in kept) - size)),
                "bytes": MetadataValue.int(size),
                "files": MetadataValue.int(files),
                "temporary_folders_removed": MetadataValue.int(len(removed)),
                "replaced_exports_deleted": MetadataValue.int(exports),
                "by_table": MetadataValue.md(_table(kept)),
            }
        )


def run_history(
    context: AssetExecutionContext, lake: LakeResource, settings: ResourceParam[Settings]
) -> MaterializeResult[None]:
    with as_dagster_failure():
        days = settings.run_retention_days
        lake.acquire_lock(context.instance, context.run)
        # A workspace has only its locks there: the instance is of another project.
        measured = None if lake.names.name else Path(lake.state_folder)
        sizes = {"bytes_before": _bytes_below(measured)} if measured else {}
        cleared = delete_old_runs(
            context.instance,
            now=datetime.now(UTC),
            retention=timedelta(days=days),
            location=location_of(context.run) or LOCATION,
            names=lake.names,
        )
        if measured:
            sizes["bytes"] = _bytes_below(measured)
        freed = f"; {sizes['bytes_before']:,} bytes before, {sizes['bytes']:,} after" if measured else ""
        context.log.info(
            f"{count_noun(len(cleared.deleted), 'run')} deleted; {cleared.kept:,} older than {days} days kept, since they "
            f"hold a latest state{freed}."
        )
        return MaterializeResult(
            metadata={
                "runs_deleted": MetadataValue.int(len(cleared.deleted)),
                "old_runs_kept": MetadataValue.int(cleared.kept),
                **{name: MetadataValue.int(size) for name, size in sizes.items()},
                "bytes_reusable": MetadataValue.int(reusable_bytes(context.instance)),
            }
        )


def _maintain_all(context: AssetExecutionContext, lake: LakeResource, retention: timedelta) -> list[MaintenanceResult]:
    """Maintains every table; after that, fails with a message for each that could not be maintained."""
    url, options = lake.store.url, dict(lake.storage_options)
    kept, errors = [], []
    for table in list_tables(url, options):
        try:
            kept.append(compact_and_vacuum(url, options, table, retention, lake.store.require_lease))
        except LeaseLost:
            raise
        except LakeError as error:
            errors.append(str(error))
        else:
            context.log.info(f"{table}: {_formatted(kept[-1].before)} before, {_formatted(kept[-1].after)} after")
    if errors:
        raise Failure(" ".join(errors), allow_retries=False)
    return kept


def _temporary_folders() -> list[Path]:
    """Where killed runs may have left folders. Not tempfile.gettempdir(): on a full disk it chooses another folder."""
    named = [value for name in ("TMPDIR", "TEMP", "TMP") if (value := os.environ.get(name))]
    return [folder for folder in dict.fromkeys(map(Path, [*named, "/tmp", "/var/tmp"])) if folder.is_dir()]


def _bytes_below(folder: Path) -> int:
    """Total size of the files; one that is deleted meanwhile counts 0."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _formatted(size: Size) -> str:
    return f"{size.files:,} files, {size.bytes:,} bytes"


def _table(kept: list[MaintenanceResult]) -> str:
    lines = [
        f"| {markdown(each.table)} | {each.before.files:,} | {each.after.files:,} | {each.before.bytes:,} | "
        f"{each.after.bytes:,} |"
        for each in kept
    ]
    head = "| table | files before | after | bytes before | after |\n| --- | ---: | ---: | ---: | ---: |"
    return "\n".join([head, *lines])


def maintenance_assets(names: Namespace = PROJECT) -> list[AssetsDefinition]:
    """Maintenance of the lake, and of the run history."""
    return [
        asset(
            key=names.key("maintenance/compact"),
            description=(
                "Compacts every table, deletes files, log entries and replaced exports that no version of the last 30 days "
                "needs, and removes temporary folders of killed runs. Every version of those days can be restored "
                "(docs/operations.md). Changes no rows and makes no requests to Timix."
            ),
            group_name="maintenance",
            kinds={"deltalake"},
            tags=WEEKLY,
            backfill_policy=BackfillPolicy.single_run(),
            io_manager_key=names.named("io_manager"),
        )(names.bound(compact)),
        asset(
            key=names.key("maintenance/run_history"),
            description=(
                "Deletes runs that ended more than TIMIX_RUN_RETENTION_DAYS days ago, with their logs. Keeps runs that "
                "hold the latest materialization of an asset or month, or the latest evaluation of a check, and runs of other "
                "code locations. Changes no tables and makes no requests to Timix."
            ),
            group_name="maintenance",
            kinds={"dagster"},
            tags=WEEKLY,
            backfill_policy=BackfillPolicy.single_run(),
            io_manager_key=names.named("io_manager"),
        )(names.bound(run_history)),
    ]
