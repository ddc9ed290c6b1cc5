"""One lock for each lake: a run holds it until its process ends or is killed, so that runs do not interleave."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from timix_assets.state.files import write_atomically
from timix_assets.state.locks import Lock, LockBusy, acquire_lock
from timix_assets.state.permissions import explain_denied

from .errors import LakeError, LakeLockTimeout
from .lease import STEPS_IN_PARALLEL
from .storage import normalize_url

POLL_SECONDS = 0.2

_HELD: dict[Path, Lock] = {}
"""The locks of this process, kept for its whole life: a lock without a reference would be released."""


class LakeLock:
    """The right to write to one lake, among the processes of this machine that share a state folder.

    A forked process shares the lock of its parent.

    Args:
        folder: The state folder; it must not be on a network drive.
        lake_url: The lake. Different spellings of one location give the same lock, named `name`.
    """

    def __init__(self, folder: Path, lake_url: str) -> None:
        self._lake = normalize_url(lake_url)
        # The prefix of earlier releases, so that their processes and ours exclude each other.
        self.name = f"turn-{sha256(self._lake.encode()).hexdigest()[:16]}"
        self._lock = (folder / f"{self.name}.lock").resolve()
        self._holder = (folder / f"{self.name}.json").resolve()

    def acquire(self, owner: str, *, timeout_seconds: float, notify: Callable[[str], None]) -> None:
        """Acquires the lock until this process ends or releases it; does nothing if this process has it already.

        Args:
            owner: How others name this process while they wait.
            timeout_seconds: How long to wait for other holders.
            notify: Called with a message for each holder that this process waits for.

        Raises:
            LakeLockTimeout: Another process still holds the lock.
            LakeError: The lock's files belong to another user, or another process executes steps of the same run.
        """
        try:
            self._acquire(owner, timeout_seconds, notify)
        except PermissionError as error:
            raise LakeError(
                f"Cannot acquire the lock of the lake {self._lake}: {explain_denied(self._lock.parent) or error}."
            ) from error

    def _acquire(self, owner: str, timeout_seconds: float, notify: Callable[[str], None]) -> None:
        if self._lock in _HELD:
            self._write_holder(owner)
            return
        deadline = time.monotonic() + timeout_seconds
        notified = ""
        while (lock := self._try()) is None:
            if self._is_held_for(owner):
                raise LakeError(STEPS_IN_PARALLEL)
            holder = self._held_by()
            if time.monotonic() >= deadline:
                raise LakeLockTimeout(
                    f"Timed out after {timeout_seconds:g} s waiting for the lock of the lake {self._lake}, held by {holder}. Run "
                    "it again when that has ended, or end it."
                )
            if holder != notified:
                notify(f"Waiting for the lock of the lake {self._lake}, held by {holder}.")
                notified = holder
            time.sleep(POLL_SECONDS)
        _HELD[self._lock] = lock
        self._write_holder(owner)

    def _try(self) -> Lock | None:
        try:
            return acquire_lock(self._lock)
        except LockBusy:
            return None

    def release(self) -> None:
        """Releases the lock before this process ends; for processes that execute several runs."""
        lock = _HELD.pop(self._lock, None)
        if lock is not None:
            self._holder.unlink(missing_ok=True)
            lock.release()

    def _write_holder(self, owner: str) -> None:
        words = {"who": owner, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        write_atomically(self._holder, json.dumps(words).encode())

    def _held_by(self) -> str:
        words = self._words()
        return f"{words['who']} (process {words['pid']}, since {words['since']})" if words else "another process"

    def _is_held_for(self, owner: str) -> bool:
        """Whether the lock is held by another process of the same run."""
        return self._words().get("who") == owner

    def _words(self) -> dict[str, Any]:
        """What the holder wrote; empty if that cannot be read."""
        try:
            words = json.loads(self._holder.read_text(encoding="utf-8"))
            return {name: words[name] for name in ("who", "pid", "since")}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
