"""Reads a table's commits from its Delta log, newest first.

`DeltaTable.history` holds Python's global interpreter lock while it waits for the network, and reads more than is needed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from obstore.store import ObjectStore

_MAINTENANCE = frozenset({"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES"})
"""Operations that change no row."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit.

    Args:
        at: The time by the writer's clock, only for messages; None if unknown.
        info: The commit's info as the writer stored it; empty if there is none.
    """

    version: int
    at: datetime | None
    info: Mapping[str, Any]

    @property
    def changes_rows(self) -> bool:
        return self.info.get("operation") not in _MAINTENANCE


def commits_newest_first(store: ObjectStore, version: int, *, after: int = -1) -> Iterator[Commit]:
    """Every commit from `version` back to the one after `after`.

    A commit that is no longer in the log has no info, so it counts as having changed any row.
    """
    for number in range(version, after, -1):
        try:
            found = store.get(f"_delta_log/{number:020}.json")
        except FileNotFoundError:
            yield Commit(number, None, {})
            continue
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
