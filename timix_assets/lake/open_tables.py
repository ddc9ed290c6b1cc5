"""Tables that stay open for as long as they are at their current versions."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from deltalake import DeltaTable

from .log_retention import COMMIT, LOG
from .storage import is_folder, open_table


class OpenTables:
    """The tables of a lake, each opened once for each of its versions that is asked for.

    In a folder, a table is opened again after any process added a file to its log or removed one. An object store has nothing
    that changes with the log, so there each use opens the table.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self._opened: dict[str, tuple[_Log, DeltaTable]] = {}

    def find(self, url: str) -> DeltaTable | None:
        """The table at its current version, or None, as `open_table`. It is shared, so it must not be moved to another."""
        if not is_folder(url):
            return open_table(url, self._options)
        # Before the table is opened: a commit in between is found by the next use.
        log = _log(url)
        known, table = self._opened.get(url, (None, None))
        if log is not None and log == known and table is not None and not _has_version(url, table.version() + 1):
            return table
        table = open_table(url, self._options)
        if log is not None and table is not None:
            self._opened[url] = log, table
        return table


class _Log(NamedTuple):
    """The folder of a table's log, and when a file was last added to it or removed from it."""

    device: int
    inode: int
    changed_ns: int


def _log(url: str) -> _Log | None:
    try:
        found = os.stat(f"{url}/{LOG}")  # noqa: PTH116  a tenth of the time that Path takes, at each use of a table
    except OSError:
        return None
    return _Log(found.st_dev, found.st_ino, found.st_mtime_ns)


def _has_version(url: str, version: int) -> bool:
    """Whether the log has this version: a file system's clock may give two commits the same time."""
    return os.path.exists(f"{url}/{LOG}/{version:020}.{COMMIT}")  # noqa: PTH110
