"""Upkeep of the lake and of the record of runs as assets, so that it has a schedule, a log and a history too."""

import os
from contextlib import suppress
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

from timix_assets import environment
from timix_assets.assets.run_history import clear, reusable_bytes
from timix_assets.assets.timix import OWNERS
from timix_assets.failures import plainly
from timix_assets.lake.errors import LakeError
from timix_assets.lake.io_manager import LakeResource
from timix_assets.lake.upkeep import SAFE_RETENTION, Kept, Size, keep, sweep, tables_of
from timix_assets.wording import counted


class Retention(Config):
    """How long older versions of a table stay."""

    days: int = Field(
        default=30,
        description="Every version that was the table at any time of the last so many days can be restored; files that "
        f"none of them needs are deleted. At least {SAFE_RETENTION.days}.",
    )


@asset(
    key=AssetKey(["maintenance", "compact"]),
    description=(
        "Keeps the lake small: compacts every table, deletes the files that no version live within the last 30 days needs, "
        "trims the tables' logs to the same, and sweeps temporary folders that killed runs left behind. No row changes, and "
        "Timix is not asked. Every version that was live within those days can be restored (docs/operations.md)."
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
        # First: it needs no room, and a full disk has none for what comes after it.
        swept = [gone for folder in _temporary_folders() for gone in sweep(folder, now=datetime.now(UTC))]
        context.log.info(f"{counted(len(swept), 'temporary folder')} of killed runs deleted")
        kept = _keep_all(context, lake, retention)
        freed = sum((table.freed for table in kept), Size(0, 0))
        return MaterializeResult(
            metadata={
                "tables": MetadataValue.int(len(kept)),
                # A young table grows by its checkpoint.
                "files_freed": MetadataValue.int(max(0, freed.files)),
                "bytes_freed": MetadataValue.int(max(0, freed.bytes)),
                "bytes": MetadataValue.int(sum(table.after.bytes for table in kept)),
                "files": MetadataValue.int(sum(table.after.files for table in kept)),
                "temporary_folders_swept": MetadataValue.int(len(swept)),
                "by_table": MetadataValue.md(_table(kept)),
            }
        )


@asset(
    key=AssetKey(["maintenance", "run_history"]),
    description=(
        f"Deletes runs that ended more than {environment.RUN_RETENTION_DAYS.name} days ago, with their logs. A run that holds "
        "the latest materialization of an asset or of one of its months, or the latest evaluation of a check, stays, so "
        "that the UI shows the same state. No table changes, and Timix is not asked."
    ),
    group_name="maintenance",
    kinds={"dagster"},
    owners=OWNERS,
    backfill_policy=BackfillPolicy.single_run(),
)
def run_history(context: AssetExecutionContext, lake: LakeResource) -> MaterializeResult[None]:
    with plainly():
        days = environment.whole_number(environment.RUN_RETENTION_DAYS, at_least=1)
        lake.take_turn(context.instance, context.run)
        state = Path(lake.state_folder)
        before = _bytes_below(state)
        cleared = clear(context.instance, now=datetime.now(UTC), retention=timedelta(days=days))
        after = _bytes_below(state)
        context.log.info(
            f"{counted(len(cleared.deleted), 'run')} deleted; {cleared.kept:,} older than {days} days stay, as they hold "
            f"the present state of something; {before:,} bytes before, {after:,} after."
        )
        return MaterializeResult(
            metadata={
                "runs_deleted": MetadataValue.int(len(cleared.deleted)),
                "old_runs_kept": MetadataValue.int(cleared.kept),
                "bytes_before": MetadataValue.int(before),
                "bytes": MetadataValue.int(after),
                "bytes_reusable": MetadataValue.int(reusable_bytes(context.instance)),
            }
        )


def _keep_all(context: AssetExecutionContext, lake: LakeResource, retention: timedelta) -> list[Kept]:
    """Keeps every table; only then Failure with a sentence for each that could not be kept."""
    url, options = lake.lake.url, dict(lake.storage_options)
    kept, errors = [], []
    for table in tables_of(url, options):
        try:
            kept.append(keep(url, options, table, retention))
        except LakeError as error:
            errors.append(str(error))
        else:
            context.log.info(f"{table}: {_said(kept[-1].before)} before, {_said(kept[-1].after)} after")
    if errors:
        raise Failure(" ".join(errors), allow_retries=False)
    return kept


def _temporary_folders() -> list[Path]:
    """Where killed runs may have left theirs. Python's own choice is not asked: on a full disk it is another folder."""
    named = [value for name in ("TMPDIR", "TEMP", "TMP") if (value := os.environ.get(name))]
    return [folder for folder in dict.fromkeys(map(Path, [*named, "/tmp", "/var/tmp"])) if folder.is_dir()]


def _bytes_below(folder: Path) -> int:
    """Of the files that are there now; one that somebody else deletes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _said(size: Size) -> str:
    return f"{size.files:,} files, {size.bytes:,} bytes"


def _table(kept: list[Kept]) -> str:
    lines = [
        f"| {each.table} | {each.before.files:,} | {each.after.files:,} | {each.before.bytes:,} | {each.after.bytes:,} |"
        for each in kept
    ]
    head = "| table | files before | after | bytes before | after |\n| --- | ---: | ---: | ---: | ---: |"
    return "\n".join([head, *lines])


ASSETS = [compact, run_history]
