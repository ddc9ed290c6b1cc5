"""Keeps the lake small: compacts tables, vacuums files that no retained version needs, removes temp files of killed runs.

No rows change. Every version that was live within the retention can still be read and restored.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from timix_assets.state.files import sync

from .conditional_puts import require_conditional_puts
from .errors import LakeError, TableMissing, WriteFailed
from .exports import FOLDER as EXPORTS
from .log_retention import LOG, LOG_PROPERTIES, log_entries, log_files, trim_log, versions_live_since
from .storage import describe_storage_error, is_folder, open_store, open_table

SAFE_RETENTION = timedelta(days=7)
"""Delta's own minimum: running readers and writers must not lose files that they have seen."""

_TEMP_DIR = re.compile(r"timix-(?:staging|spool)-(?:(?P<pid>\d+)-)?\w+")
"""Temporary folders of `staging` and `spool`; the number is the id of their process."""


@dataclass(frozen=True, slots=True)
class Size:
    """Files and bytes of a table in the store: all its versions and its log."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class MaintenanceResult:
    """What maintenance did to one table. version: its last commit now; unchanged if there was nothing to do."""

    table: str
    before: Size
    after: Size
    version: int


def list_tables(lake_url: str, options: Mapping[str, str]) -> list[str]:
    """Every Delta table of the lake, such as `timix/customers`, sorted by name. LakeError if the store cannot list them."""
    try:
        return sorted(_tables_below(open_store(lake_url, options), ""))
    except (BaseError, OSError) as error:
        raise LakeError(
            f"Cannot list the tables of the lake {lake_url} ({describe_storage_error(error)}). Check that TIMIX_LAKE is right, "
            "that the store can be reached and that its credentials are valid."
        ) from error


def compact_and_vacuum(
    lake_url: str,
    options: Mapping[str, str],
    table: str,
    retention: timedelta,
    require_lease: Callable[[], None] = lambda: None,
) -> MaintenanceResult:
    """Compacts one table and deletes the data and log files that no version live within the retention needs.

    A version is live until the next one is committed, so the table can be restored as it was at any time of the retention.

    Args:
        retention: At least SAFE_RETENTION, unless nobody else reads or writes.
        require_lease: Called before each step that writes or deletes; what it raises prevents it.

    Raises:
        TableMissing: The table does not exist.
        WriteFailed: The store refused.
        StoreUnfit: The store has no conditional writes.
    """
    url = f"{lake_url}/{table}"
    delta = open_table(url, options)
    if delta is None:
        raise TableMissing(f"The table {table} does not exist in the lake {lake_url}; check TIMIX_LAKE.")
    require_conditional_puts(lake_url, options)
    store = open_store(url, options)
    try:
        before = _size(store)
        version = delta.version()
        require_lease()
        # For tables that were created by an earlier release or by another tool.
        if not LOG_PROPERTIES.items() <= delta.metadata().configuration.items():
            delta.alter.set_table_properties(LOG_PROPERTIES)
        delta.optimize.compact()
        _sync(url, delta, since=version)
        live = versions_live_since(log_entries(store), datetime.now(UTC) - retention)
        require_lease()
        _vacuum(delta, retention, live)
        delta.create_checkpoint()
        _sync(url, delta, since=version)
        require_lease()
        trim_log(store, live[0])
        after = _size(store)
    except (DeltaError, BaseError, OSError) as error:
        raise WriteFailed(
            f"{table}: maintenance did not finish ({describe_storage_error(error)}); its rows are unchanged. Free space or make "
            "the store reachable, then run it again."
        ) from error
    return MaintenanceResult(table, before, after, delta.version())


def remove_stale_temp_dirs(temporary: Path, *, now: datetime, older_than: timedelta = timedelta(days=1)) -> list[Path]:
    """Deletes the temporary folders of killed runs that are older than `older_than`, and returns them."""
    abandoned = [
        folder
        for folder in sorted(temporary.iterdir())
        if (ours := _TEMP_DIR.fullmatch(folder.name))
        and folder.is_dir()
        and not folder.is_symlink()
        and not (ours["pid"] and _is_running(int(ours["pid"])))
        and now - _last_written(folder) > older_than
    ]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder for folder in abandoned if not folder.exists()]


def _tables_below(store: ObjectStore, prefix: str) -> Iterator[str]:
    below = store.list_with_delimiter(prefix or None)["common_prefixes"]
    if f"{prefix}/{LOG}" in below:
        yield prefix
        return
    for path in below:
        if path != EXPORTS:
            yield from _tables_below(store, path)


def _sync(url: str, delta: DeltaTable, *, since: int) -> None:
    """Syncs the files and the log that replace others, before those are deleted; only needed in a folder."""
    if is_folder(url):
        folder = Path(url)
        sync([*map(Path, delta.file_uris()), *log_files(folder, since=since)], below=folder)


def _vacuum(delta: DeltaTable, retention: timedelta, live: range) -> None:
    hours, versions = int(retention.total_seconds() // 3600), list(live)
    # The versions are named because a checkpoint forgets after a week when a file was removed.
    # A vacuum commits even if it finds nothing, so a dry run comes first.
    if delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True, keep_versions=versions):
        delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True, keep_versions=versions)


def _size(store: ObjectStore) -> Size:
    sizes = [found["size"] for batch in store.list() for found in batch]
    return Size(len(sizes), sum(sizes))


def _last_written(folder: Path) -> datetime:
    """When anything in the folder was last written; files that are deleted meanwhile are ignored."""
    newest = 0.0
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):
            newest = max(newest, path.stat().st_mtime)
    return datetime.fromtimestamp(newest, UTC)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's
    return True
