"""Keeping the lake small: tables compacted, files that no recent version needs deleted, and what killed runs left swept away.

No rows change. Older versions stay readable, and restorable, for as long as the retention says.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from .errors import LakeError, TableMissing, WriteFailed
from .exports import FOLDER as EXPORTS
from .storage import causes, open_store, open_table
from .versions import KEEP_THE_LOG, LOG, entries_of, live_since, trim

SAFE_RETENTION = timedelta(days=7)
"""Delta's own least: a reader or a writer under way must not lose files that it has seen."""

_OURS = re.compile(r"timix-(?:staging|spool)-(?:(?P<pid>\d+)-)?\w+")
"""Temporary folders of `staging` and `spool`; the number is their process's."""


@dataclass(frozen=True, slots=True)
class Size:
    """Files and bytes of a table in the store: every version that is kept, and its log."""

    files: int
    bytes: int

    def __sub__(self, after: "Size") -> "Size":
        return Size(self.files - after.files, self.bytes - after.bytes)

    def __add__(self, more: "Size") -> "Size":
        return Size(self.files + more.files, self.bytes + more.bytes)


@dataclass(frozen=True, slots=True)
class Kept:
    """What upkeep did to one table. version: its last commit now; it moves only when there was something to do."""

    table: str
    before: Size
    after: Size
    version: int

    @property
    def freed(self) -> Size:
        return self.before - self.after


def tables_of(lake_url: str, options: Mapping[str, str]) -> list[str]:
    """Every Delta table of the lake, such as `timix/customers`, in the order of their names.

    LakeError when the store does not list them.
    """
    try:
        return sorted(_tables_below(open_store(lake_url, options), ""))
    except (BaseError, OSError) as error:
        raise LakeError(
            f"The tables of the lake {lake_url} cannot be listed ({causes(error)}); make sure that TIMIX_LAKE is right, the "
            "store can be reached and its credentials are valid."
        ) from error


def keep(lake_url: str, options: Mapping[str, str], table: str, retention: timedelta) -> Kept:
    """Compacts one table and deletes the files, of rows and of its log, that no version live within `retention` needs.

    Live is a version until the next one is committed, so what was the table at any time of the retention can be restored.
    TableMissing when it is not there; WriteFailed when the store refuses.
    """
    url = f"{lake_url}/{table}"
    delta = open_table(url, options)
    if delta is None:
        raise TableMissing(f"There is no table {table} in the lake {lake_url}; check TIMIX_LAKE.")
    store = open_store(url, options)
    try:
        before = _size(store)
        _keep_the_log(delta)
        delta.optimize.compact()
        live = live_since(entries_of(store), datetime.now(UTC) - retention)
        _vacuum(delta, retention, live)
        delta.create_checkpoint()
        trim(store, live[0])
        after = _size(store)
    except (DeltaError, BaseError, OSError) as error:
        raise WriteFailed(
            f"{table}: its upkeep did not finish ({causes(error)}), its rows are unchanged; make room or make the "
            "store reachable, then run it again."
        ) from error
    return Kept(table, before, after, delta.version())


def sweep(temporary: Path, *, now: datetime, older_than: timedelta = timedelta(days=1)) -> list[Path]:
    """Deletes the temporary folders that killed runs left, and says which: untouched for so long, and nobody's any more."""
    abandoned = [
        folder
        for folder in sorted(temporary.iterdir())
        if (ours := _OURS.fullmatch(folder.name))
        and folder.is_dir()
        and not folder.is_symlink()
        and not (ours["pid"] and _is_running(int(ours["pid"])))
        and now - _touched(folder) > older_than
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


def _keep_the_log(delta: DeltaTable) -> None:
    """For tables that were made by an earlier release, or by another tool."""
    if not KEEP_THE_LOG.items() <= delta.metadata().configuration.items():
        delta.alter.set_table_properties(KEEP_THE_LOG)


def _vacuum(delta: DeltaTable, retention: timedelta, live: range) -> None:
    hours, versions = int(retention.total_seconds() // 3600), list(live)
    # The versions are named, for a checkpoint forgets after a week when a file was removed; its own age says nothing.
    # A vacuum commits even when it finds nothing: look first.
    if delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True, keep_versions=versions):
        delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True, keep_versions=versions)


def _size(store: ObjectStore) -> Size:
    sizes = [found["size"] for batch in store.list() for found in batch]
    return Size(len(sizes), sum(sizes))


def _touched(folder: Path) -> datetime:
    """When anything in the folder was last written; what its owner deletes meanwhile counts nothing."""
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
        return True
    return True
