"""Which versions of a table can be restored, and how its Delta log is trimmed.

Delta trims log entries by their age. But a version can be live long after it was committed: a table that was written long ago
and again today had the old rows until today. So the log is kept back to the oldest version that was live within the
retention, and Delta's own cleanup, which any writer would do now and then, is off (`LOG_PROPERTIES`).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from obstore.store import ObjectStore

LOG = "_delta_log"
LOG_PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "10"}
"""Table properties for every writer, also of other tools: do not trim the log, and sum it up every ten versions.

Whoever opens a table reads the log since then: after 90 versions that took ten times as long, in each of a refresh's thirty
looks at a table.
"""

_ENTRY = re.compile(r"(?P<version>\d{20})\.(?P<kind>.+)")
COMMIT, CHECKPOINT, LAST_CHECKPOINT = "json", "checkpoint.parquet", "_last_checkpoint"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a table's log. at: when it was written, by the store's clock."""

    path: str
    version: int
    kind: str
    at: datetime


def version_of(name: str) -> int | None:
    """The version in the name of a log file; None if its name has none."""
    entry = _ENTRY.fullmatch(name)
    return int(entry["version"]) if entry else None


def log_files(table: Path, *, since: int) -> list[Path]:
    """The files of a table's log for version `since` and later, and the one that names its checkpoint."""
    # A file that another writer has not renamed yet will be gone.
    files = [file for file in (table / LOG).iterdir() if "#" not in file.name]
    newer = [file for file in files if (version := version_of(file.name)) is not None and version >= since]
    return newer + [file for file in files if file.name == LAST_CHECKPOINT]


def log_entries(store: ObjectStore) -> list[Entry]:
    """The log files that belong to a version, oldest version first. store: the table's own."""
    found = [
        Entry(meta["path"], int(name["version"]), name["kind"], meta["last_modified"])
        for batch in store.list(LOG)
        for meta in batch
        if (name := _ENTRY.fullmatch(meta["path"].rpartition("/")[2]))
    ]
    return sorted(found, key=lambda entry: entry.version)


def versions_live_since(entries: list[Entry], moment: datetime) -> range:
    """The versions that were live at any time since `moment`, as far as the log can still rebuild them.

    A version is live until the next one is committed; the newest one always is.
    """
    commits = [entry for entry in entries if entry.kind == COMMIT]
    newest = commits[-1].version
    oldest = min((before.version for before, after in pairwise(commits) if after.at > moment), default=newest)
    rebuilt_from = [entry.version for entry in entries if entry.kind.startswith("checkpoint.") or entry.version == 0]
    return range(max(oldest, min(rebuilt_from)), newest + 1)


def trim_log(store: ObjectStore, oldest: int) -> None:
    """Deletes the log files before the newest checkpoint from which version `oldest` can be rebuilt; nothing without one."""
    entries = log_entries(store)
    checkpoints = [entry.version for entry in entries if entry.kind == CHECKPOINT and entry.version <= oldest]
    obsolete = [entry.path for entry in entries if checkpoints and entry.version < checkpoints[-1]]
    if obsolete:
        store.delete(obsolete)
