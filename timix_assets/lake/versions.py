"""Which versions of a table can be restored: what its Delta log still says of them, and how the log is trimmed.

Delta's own trimming goes by the age of a log entry. A version is older than it was last used, though: a table that was
written long ago and again today held the old rows until today. So the log is kept back to the oldest version that was
live within the retention, and a table's own cleaning, which its writers would do now and then, is off (`KEEP_THE_LOG`).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from obstore.store import ObjectStore

LOG = "_delta_log"
KEEP_THE_LOG = {"delta.enableExpiredLogCleanup": "false"}
"""The property of a table by which no writer, of whatever make, trims the log on its own."""

_ENTRY = re.compile(r"(?P<version>\d{20})\.(?P<kind>.+)")
_COMMIT, _CHECKPOINT = "json", "checkpoint.parquet"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a table's log. at: when it was written, by the store's clock."""

    path: str
    version: int
    kind: str
    at: datetime


def entries_of(store: ObjectStore) -> list[Entry]:
    """The files of the log that belong to a version, oldest version first. store: the table's own."""
    found = [
        Entry(meta["path"], int(name["version"]), name["kind"], meta["last_modified"])
        for batch in store.list(LOG)
        for meta in batch
        if (name := _ENTRY.fullmatch(meta["path"].rpartition("/")[2]))
    ]
    return sorted(found, key=lambda entry: entry.version)


def live_since(entries: list[Entry], moment: datetime) -> range:
    """The versions that were the table at any time since `moment`, as far as the log can still rebuild them.

    A version is live until the next one is committed; the newest one always is.
    """
    commits = [entry for entry in entries if entry.kind == _COMMIT]
    newest = commits[-1].version
    oldest = min((before.version for before, after in pairwise(commits) if after.at > moment), default=newest)
    rebuilt_from = [entry.version for entry in entries if entry.kind.startswith("checkpoint.") or entry.version == 0]
    return range(max(oldest, min(rebuilt_from)), newest + 1)


def trim(store: ObjectStore, oldest: int) -> None:
    """Deletes what comes before the newest checkpoint from which version `oldest` can be rebuilt; nothing without one."""
    entries = entries_of(store)
    checkpoints = [entry.version for entry in entries if entry.kind == _CHECKPOINT and entry.version <= oldest]
    gone = [entry.path for entry in entries if checkpoints and entry.version < checkpoints[-1]]
    if gone:
        store.delete(gone)
