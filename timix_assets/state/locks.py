"""Locks between the processes of this machine: files that the kernel unlocks when their holder ends or is killed."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import BaseFileLock, FileLock, Timeout

if sys.platform != "win32":
    import fcntl

POLL_SECONDS = 0.002

Lock = BaseFileLock
"""A lock that is held; `release` ends it."""


class LockBusy(Exception):  # noqa: N818  it reads as what happened
    """Another process holds the lock."""


def acquire_lock(path: Path, *, timeout: float | None = 0) -> Lock:
    """Locks a file until the returned lock is released, or the process ends.

    Args:
        path: The file to lock; it is created with its folder. It must not be on a network drive.
        timeout: Seconds to wait for another holder; None waits indefinitely.

    Raises:
        LockBusy: Another process still holds the lock.
        OSError: The file cannot be created or opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=-1 if timeout is None else timeout)
    except Timeout:
        raise LockBusy(f"Another process holds {path}.") from None
    return lock


@contextmanager
def exclusive_lock(
    path: Path, *, timeout: float | None = 0, busy: Callable[[], Exception] | None = None
) -> Iterator[None]:
    """Holds the lock during the block.

    Args:
        path: See `acquire_lock`.
        timeout: See `acquire_lock`.
        busy: Makes the exception to raise instead of LockBusy.
    """
    try:
        lock = acquire_lock(path, timeout=timeout)
    except LockBusy as error:
        raise (busy() if busy else error) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def open_file_lock(path: Path, file: BinaryIO, *, timeout: float) -> Iterator[None]:
    """Holds the lock of a file that is already open: opening it for each use costs fifty times as much.

    Threads of one process must not use the same file at the same time. A closed file is not locked.

    Raises:
        LockBusy: Another process held the lock for `timeout` seconds.
    """
    if sys.platform == "win32":
        # Without flock a locked file cannot be read, so a file beside it is locked.
        with exclusive_lock(path.with_suffix(".lock"), timeout=timeout):
            yield
        return
    give_up_at = time.monotonic() + timeout
    while not file.closed:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise LockBusy(f"Another process holds {path}.") from None
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        # Closing the file has released the lock already.
        if not file.closed:
            fcntl.flock(file, fcntl.LOCK_UN)
