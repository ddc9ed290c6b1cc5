"""Whether a process of this machine is still there: it holds a lock file until it ends, however it ends.

The kernel frees the lock of a process that is killed, so nothing depends on process ids, which are used again.
"""

import os
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

PATIENCE_SECONDS = 10.0
"""For a lock file of our own, which another process holds while it looks whether we are gone: an instant."""

_OURS: dict[tuple[Path, int], FileLock] = {}
"""The lock of this process in each folder, kept for its whole life. By process id: a fork has none of its own yet."""


def sign_of_life(folder: Path) -> str:
    """The name of this process among those that share `folder`; its lock is held from now until the process ends."""
    ours = (folder.resolve(), os.getpid())
    if ours not in _OURS:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(ours[0] / f"process-{os.getpid()}-{uuid4().hex[:12]}.lock", thread_local=False)
        lock.acquire(timeout=PATIENCE_SECONDS)
        _OURS[ours] = lock
    return Path(_OURS[ours].lock_file).stem


def is_gone(folder: Path, name: str) -> bool:
    """Whether the process of that name has ended. False for one that left no lock here: it may live on another machine."""
    path = folder.resolve() / f"{name}.lock"
    if not path.exists():
        return False
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def forget(folder: Path, name: str) -> None:
    """Removes what a process that is gone has left."""
    (folder / f"{name}.lock").unlink(missing_ok=True)


def gone(folder: Path) -> list[str]:
    """The names of all processes that have ended and left their lock."""
    return [path.stem for path in sorted(folder.glob("process-*.lock")) if is_gone(folder, path.stem)]
