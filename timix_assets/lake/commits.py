"""A table's commits, newest first, as its Delta log records them.

`DeltaTable.history` would do, but holds Python's global lock while it waits for the network, and reads more than is needed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from obstore.store import ObjectStore

_MAINTENANCE = frozenset({"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES"})
"""Operations of other tools that change no row."""


@dataclass(frozen=True, slots=True)
class Commit:
    """at: by the writer's clock. info: what the writer says of itself and what it did; empty if it says nothing."""

    version: int
    at: datetime
    info: Mapping[str, Any]

    @property
    def changes_rows(self) -> bool:
        return self.info.get("operation") not in _MAINTENANCE


def newest_first(store: ObjectStore, version: int) -> Iterator[Commit]:
    """From `version` back to the first commit that is still in the log. store: the table's own."""
    for number in range(version, -1, -1):
        try:
            found = store.get(f"_delta_log/{number:020}.json")
        except FileNotFoundError:
            return
        info = _info(bytes(found.bytes()))
        at = found.meta["last_modified"]
        if "timestamp" in info:
            at = datetime.fromtimestamp(info["timestamp"] / 1000, UTC)
        yield Commit(number, at, info)


def _info(log: bytes) -> Mapping[str, Any]:
    for line in log.splitlines():
        action = json.loads(line)
        if "commitInfo" in action:
            info: Mapping[str, Any] = action["commitInfo"]
            return info
    return {}
