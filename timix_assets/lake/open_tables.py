"""Tables that stay open for as long as they are at their current versions."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from deltalake import DeltaTable
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from .log_retention import COMMIT, LOG
from .storage import is_folder, open_store, open_table


class OpenTables:
    """The tables of a lake, each opened once for each of its versions that is asked for.

    In a folder, a table is opened again after any process added a file to its log or removed one. An object store has nothing
    that changes with the log, so there it is opened again once the log has the next version: one request, where opening takes
    four. Who writes must `open_anew`: a table that was removed and made again meanwhile has no next version.

    Args:
        lake: The folder or URL that the tables are below.
        options: Of the store, as the deltalake library names them.
    """

    def __init__(self, lake: str, options: Mapping[str, str]) -> None:
        self._lake = lake
        self._options = options
        self._opened: dict[str, tuple[_Log, DeltaTable]] = {}

    def find(self, url: str) -> DeltaTable | None:
        """The table at its current version, or None, as `open_table`. It is shared, so it must not be moved to another."""
        # Before the table is opened: a commit in between is found by the next use.
        log = _log(url)
        known, table = self._opened.get(url, (None, None))
        if log is not None and log == known and table is not None and not self._has_version(url, table.version() + 1):
            return table
        return self._open(url, log)

    def open_anew(self, url: str) -> DeltaTable | None:
        """The same for one who writes."""
        return self.find(url) if is_folder(url) else self._open(url, _IN_A_STORE)

    def _open(self, url: str, log: "_Log | None") -> DeltaTable | None:
        table = open_table(url, self._options)
        if log is not None and table is not None:
            self._opened[url] = log, table
        return table

    def _has_version(self, url: str, version: int) -> bool:
        """Whether the log has this version: a file system's clock may give two commits the same time."""
        name = f"{LOG}/{version:020}.{COMMIT}"
        if is_folder(url):
            return os.path.exists(f"{url}/{name}")  # noqa: PTH110
        try:
            self._store.head(f"{url.removeprefix(f'{self._lake}/')}/{name}")
        except FileNotFoundError:
            return False
        except (BaseError, OSError):
            # Opening it says what is wrong.
            return True
        return True

    @cached_property
    def _store(self) -> ObjectStore:
        return open_store(self._lake, self._options)


class _Log(NamedTuple):
    """The folder of a table's log, and when a file was last added to it or removed from it."""

    device: int
    inode: int
    changed_ns: int


_IN_A_STORE = _Log(0, 0, 0)


def _log(url: str) -> _Log | None:
    if not is_folder(url):
        return _IN_A_STORE
    try:
        found = os.stat(f"{url}/{LOG}")  # noqa: PTH116  a tenth of the time that Path takes, at each use of a table
    except OSError:
        return None
    return _Log(found.st_dev, found.st_ino, found.st_mtime_ns)
