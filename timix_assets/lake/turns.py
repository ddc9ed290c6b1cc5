"""Runs on one lake take turns: one lock file per lake, freed by the kernel when its holder ends or is killed."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import TurnTimeout
from .storage import located

LOOK_EVERY_SECONDS = 0.2

_HELD: dict[Path, FileLock] = {}
"""The locks of this process. They are kept here for its whole life: a lock that nobody refers to is released."""


class Turn:
    """The right to write to one lake, among the processes of this machine that share `folder`.

    name: of the lock, the same in every process. The lock is an advisory one of the operating system, so `folder` must
    not be on a network drive. A process made by a bare fork shares the lock of its parent.
    """

    def __init__(self, folder: Path, lake_url: str) -> None:
        self._lake = located(lake_url)
        self.name = f"turn-{sha256(self._lake.encode()).hexdigest()[:16]}"
        self._lock = (folder / f"{self.name}.lock").resolve()
        self._holder = (folder / f"{self.name}.json").resolve()

    def take(self, who: str, *, timeout_seconds: float, notify: Callable[[str], None]) -> None:
        """Returns when this process holds the lake, at once when it does already; it holds it until it ends.

        who: how others name us while they wait. notify: gets a sentence for each holder that we wait for.
        TurnTimeout after `timeout_seconds`.
        """
        if self._lock in _HELD:
            self._write_holder(who)
            return
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock, thread_local=False)
        until = time.monotonic() + timeout_seconds
        told = ""
        while not _acquired(lock):
            holder = self._held_by()
            if time.monotonic() >= until:
                raise TurnTimeout(
                    f"The lake {self._lake} is in use by {holder}, and did not become free within {timeout_seconds:g} "
                    "s; run it again when that has ended, or end it."
                )
            if holder != told:
                notify(f"Waiting for the lake {self._lake}: it is in use by {holder}.")
                told = holder
            time.sleep(LOOK_EVERY_SECONDS)
        _HELD[self._lock] = lock
        self._write_holder(who)

    def release(self) -> None:
        """Lets others in before this process ends: for processes that do several runs."""
        lock = _HELD.pop(self._lock, None)
        if lock is not None:
            self._holder.unlink(missing_ok=True)
            lock.release()

    def _write_holder(self, who: str) -> None:
        words = {"who": who, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        draft = self._holder.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(words), encoding="utf-8")
        draft.replace(self._holder)

    def _held_by(self) -> str:
        try:
            words = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"{words['who']} (process {words['pid']}, since {words['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True
