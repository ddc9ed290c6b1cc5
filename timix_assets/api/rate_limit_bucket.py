"""Where the rate limiter keeps its numbers: in memory, or in a file that all processes of one machine share."""

import hashlib
import threading
from array import array
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from timix_assets.state.locks import LockBusy, open_file_lock
from timix_assets.vendor import REQUESTS_PER_MINUTE

from .errors import ClientConfigError
from .limits import Quota

CAPACITY = max(REQUESTS_PER_MINUTE.values())
"""Slots: the requests that the highest plan allows in a minute."""

LIMIT, PAUSED_UNTIL, LAST_USE, FIRST_SLOT = range(4)
"""What the number at an index means; from `FIRST_SLOT` on, each is the time from which a slot is free."""

NUMBERS = FIRST_SLOT + CAPACITY
_NUMBER_BYTES = 8

_LOCK_TIMEOUT_SECONDS = 30


class Bucket(Protocol):
    """The limiter's numbers: the limit, two times, and for each slot the time from which it is free."""

    def locked(self) -> AbstractContextManager[object]: ...
    def numbers(self) -> Sequence[float]: ...
    def put(self, index: int, number: float) -> None: ...
    def close(self) -> None: ...


class MemoryBucket:
    """A bucket for the threads of one client."""

    def __init__(self) -> None:
        self._numbers = array("d", bytes(NUMBERS * _NUMBER_BYTES))
        self._lock = threading.Lock()

    def locked(self) -> AbstractContextManager[object]:
        return self._lock

    def numbers(self) -> Sequence[float]:
        return self._numbers

    def put(self, index: int, number: float) -> None:
        self._numbers[index] = number

    def close(self) -> None:
        pass


class FileBucket:
    """A bucket for all processes of one machine. The kernel frees the lock of a process that dies; its slots expire.

    Args:
        folder: Where the file is; its name is a hash and does not reveal the key.
        base_url: With `key`, decides which file it is.
        quota: The reserve has a file of its own.
        lock_timeout: Seconds to wait for the lock before a ClientConfigError.
    """

    def __init__(
        self,
        folder: Path,
        base_url: str,
        key: str,
        *,
        quota: Quota = Quota.ALL,
        lock_timeout: float = _LOCK_TIMEOUT_SECONDS,
    ) -> None:
        name = hashlib.sha256(f"{base_url}\n{key}".encode()).hexdigest()[:16]
        self._path = folder / f"{name}{'.reserve' if quota is Quota.RESERVE else ''}.pace"
        self._lock_timeout = lock_timeout
        self._threads = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self._path)
            with open_file_lock(self._path, self._file, timeout=lock_timeout):
                self.numbers()
        except (OSError, LockBusy) as fault:
            raise ClientConfigError(
                f"Cannot keep the rate limit in {folder} ({fault}): free some space there, or make it writable."
            ) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        try:
            # Threads queue for their own lock, so that only one at a time polls the kernel.
            with self._threads, open_file_lock(self._path, self._file, timeout=self._lock_timeout):
                yield
        except LockBusy:
            raise ClientConfigError(
                f"Another process has locked {self._path} for {self._lock_timeout:,.3g} s: end that process and run again."
            ) from None

    def numbers(self) -> Sequence[float]:
        self._file.seek(0)
        stored = self._file.read(NUMBERS * _NUMBER_BYTES)
        if len(stored) < NUMBERS * _NUMBER_BYTES:
            stored = bytes(NUMBERS * _NUMBER_BYTES)
            self._file.seek(0)
            self._file.write(stored)
        numbers = array("d")
        numbers.frombytes(stored)
        return numbers

    def put(self, index: int, number: float) -> None:
        with self._threads:
            # When the client was closed meanwhile, its slot expires.
            if not self._file.closed:
                self._file.seek(index * _NUMBER_BYTES)
                self._file.write(array("d", [number]).tobytes())

    def close(self) -> None:
        self._file.close()


def _opened(path: Path) -> BinaryIO:
    """Opens for reading and writing, creating it if missing; ClientConfigError for a folder or another user's file."""
    try:
        path.touch()
        return path.open("r+b", buffering=0)
    except (IsADirectoryError, PermissionError) as fault:
        if not path.exists():
            raise
        sudo = "; a run with sudo may have left it" if isinstance(fault, PermissionError) else ""
        raise ClientConfigError(
            f"{path}, which counts the requests of this key, cannot be used ({fault.strerror}): delete it, it is created "
            f"again{sudo}."
        ) from None
