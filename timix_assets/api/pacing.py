"""Keeps one key under its plan's rate limit: at most N requests in any minute, over all threads and processes.

The bucket has one slot per request that the highest plan allows in a minute. A request takes a slot and keeps it until
a minute after its answer. A server counts a request somewhere between its sending and its answer, so with at most N
slots taken, no minute, however the server cuts it, sees more than N. Bursts are free; nothing is evenly spaced.
"""

import hashlib
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from filelock import FileLock, Timeout

from timix_assets.documented import REQUESTS_PER_MINUTE

from .errors import Closed, SettingsError
from .limits import BEFORE_THE_PLAN_IS_KNOWN, Limits

if sys.platform != "win32":
    import fcntl

_CAPACITY = max(REQUESTS_PER_MINUTE.values())
_LIMIT, _NOT_BEFORE, _LAST_USE, _FIRST_SLOT = range(4)
_NUMBERS = _FIRST_SLOT + _CAPACITY
_NUMBER_BYTES = 8

_LONGEST_NAP_SECONDS = 0.5
"""A slot may come free earlier than it says, when an answer arrives in another process: so look again this often."""

_LOCK_PATIENCE_SECONDS = 30
_LOCK_NAP_SECONDS = 0.002
_WORTH_SAYING_SECONDS = 5


class Bucket(Protocol):
    """The pacer's numbers: the limit, the two times that all obey, and for each slot the time from which it is free."""

    def locked(self) -> AbstractContextManager[object]: ...
    def numbers(self) -> Sequence[float]: ...
    def put(self, index: int, number: float) -> None: ...
    def close(self) -> None: ...


class MemoryBucket:
    """A bucket for the threads of one client."""

    def __init__(self) -> None:
        self._numbers = array("d", bytes(_NUMBERS * _NUMBER_BYTES))
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
    """A bucket for all processes of one machine, in `folder`; the file's name tells nothing about the key.

    The kernel frees the lock of a process that dies, and its slots free themselves in time.
    patience: seconds for which another process may hold the lock before that is a SettingsError.
    """

    def __init__(self, folder: Path, base_url: str, key: str, *, patience: float = _LOCK_PATIENCE_SECONDS) -> None:
        name = hashlib.sha256(f"{base_url}\n{key}".encode()).hexdigest()[:16]
        self._path = folder / f"{name}.pace"
        self._patience = patience
        self._threads = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path.touch()
            self._file = self._path.open("r+b", buffering=0)
            self._processes = _process_lock(self._path, self._file, patience)
            with self._processes:
                if self._path.stat().st_size < _NUMBERS * _NUMBER_BYTES:
                    self._path.write_bytes(bytes(_NUMBERS * _NUMBER_BYTES))
        except (OSError, Timeout) as fault:
            raise SettingsError(
                f"The pacing folder {folder} cannot be used ({fault}): make room there, or make it writable."
            ) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        try:
            # Threads queue for a lock of their own, so that only one of them at a time asks the kernel.
            with self._threads, self._processes:
                yield
        except Timeout:
            raise SettingsError(
                f"{self._path} has been held by another process for {self._patience:,.3g} s: end that process, "
                "and run again."
            ) from None

    def numbers(self) -> Sequence[float]:
        self._file.seek(0)
        numbers = array("d")
        numbers.frombytes(self._file.read(_NUMBERS * _NUMBER_BYTES))
        return numbers

    def put(self, index: int, number: float) -> None:
        with self._threads:
            # A client closed under way leaves its slot to free itself.
            if not self._file.closed:
                self._file.seek(index * _NUMBER_BYTES)
                self._file.write(array("d", [number]).tobytes())

    def close(self) -> None:
        self._file.close()


class _OpenFileLock:
    """The lock that filelock takes, on a file that is open already: opening one for each request costs fifty times that.

    Raises filelock's Timeout. Not for two threads at once, nor to be taken twice; on a closed file it does nothing.
    """

    def __init__(self, file: BinaryIO, patience: float) -> None:
        self._file = file
        self._patience = patience

    def __enter__(self) -> None:
        give_up_at = time.monotonic() + self._patience
        while not self._file.closed:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    raise Timeout(self._file.name) from None
                time.sleep(_LOCK_NAP_SECONDS)
            else:
                return

    def __exit__(self, *_: object) -> None:
        # Closing the file has freed it already.
        if not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _process_lock(path: Path, file: BinaryIO, patience: float) -> AbstractContextManager[object]:
    if sys.platform == "win32":
        # No flock there, and what is locked cannot be read: so a file beside it is locked.
        return FileLock(path.with_suffix(".lock"), timeout=patience, poll_interval=_LOCK_NAP_SECONDS)
    return _OpenFileLock(file, patience)


@dataclass(eq=False)
class HeldTooLong(Exception):  # noqa: N818  it reads as what happened
    """A request that was not made: a 429 holds the key for `seconds` more, and this client may wait only `left` seconds."""

    seconds: float
    left: float


class Pacer:
    """Lets requests through when the bucket allows it. Thread-safe; `close` ends every wait at once.

    clock: seconds since the machine started, which its processes share. closed: what is waited on, and set by `close`.
    notify is told of waits worth knowing.
    """

    def __init__(
        self,
        bucket: Bucket,
        limits: Limits,
        notify: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        closed: threading.Event | None = None,
    ) -> None:
        self._bucket = bucket
        self._window = limits.window_seconds + limits.window_margin_seconds
        self._longest_flight = limits.request_deadline_seconds
        self._budget = limits.run_wait_budget_seconds
        self._notify = notify
        self._clock = clock
        self._closed = closed or threading.Event()
        self._waits = _Waits(clock)
        self._held_back = 0.0
        self._charged_until = 0.0
        self._not_before = 0.0
        self._limit: int | None = None

    @property
    def waited_seconds(self) -> float:
        """Time in which at least one request was waiting for the limit."""
        return self._waits.seconds

    @property
    def budget_left_seconds(self) -> float:
        return max(0.0, self._budget - self._held_back)

    def allow(self, requests: int) -> None:
        """Sets the limit that the plan gives, for all who share the bucket."""
        self._limit = min(requests, _CAPACITY)
        with self._bucket.locked():
            self.pause(0)
            self._bucket.put(_LIMIT, self._limit)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a slot, holds it for the request made inside, and until a minute after.

        Raises HeldTooLong, without a wait, when a 429 (to whomever with this key) holds it for longer than the budget.
        """
        slot = self._take()
        try:
            yield
        finally:
            # No lock: until then the slot is nobody else's.
            self._bucket.put(slot, self._clock() + self._window)

    def hold_back(self, seconds: float) -> bool:
        """After a 429: nobody with this key asks for `seconds`. Whether this client's budget has room for that wait.

        If not, this client keeps to it all the same, and all others for a window at most: no documented limit lasts longer,
        and what a broken proxy says to one must not lock out who comes after it is mended.
        """
        with self._bucket.locked():
            self.pause(0)
            now = self._clock()
            held_until = max(now, self._bucket.numbers()[_NOT_BEFORE])
            until = max(held_until, now + seconds)
            self._not_before = max(self._not_before, until)
            is_affordable = self._charge(until, now)
            for_all = until if is_affordable else max(held_until, now + min(seconds, self._window))
            self._bucket.put(_NOT_BEFORE, for_all)
        if is_affordable and until - held_until > _WORTH_SAYING_SECONDS:
            self._notify(f"Timix asks to slow down (429): no request for {until - held_until:,.0f} s.")
        return is_affordable

    def _charge(self, until: float, now: float) -> bool:
        """Takes a wait up to that moment from the budget, each second of it once; False, and nothing taken, when over."""
        longer = max(0.0, until - max(now, self._charged_until))
        if longer > self.budget_left_seconds:
            return False
        self._held_back += longer
        self._charged_until = max(self._charged_until, until)
        return True

    def close(self) -> None:
        self._closed.set()
        with self._bucket.locked():
            self._bucket.close()

    def pause(self, seconds: float) -> None:
        """Waits for `seconds`; raises Closed as soon as the client is closed."""
        if self._closed.wait(seconds):
            raise Closed("The client is closed: make a new one to ask more.")

    def _take(self) -> int:
        slot, wait = self._try()
        if slot is not None:
            return slot
        with self._waits as is_first:
            if is_first and wait > _WORTH_SAYING_SECONDS:
                self._notify(f"Waiting {wait:,.0f} s for the plan's limit on requests a minute.")
            while slot is None:
                self.pause(min(wait, _LONGEST_NAP_SECONDS))
                slot, wait = self._try()
        return slot

    def _try(self) -> tuple[int | None, float]:
        """A slot, or the seconds after which to ask again."""
        with self._bucket.locked():
            self.pause(0)
            now = self._clock()
            numbers = self._bucket.numbers()
            if numbers[_LAST_USE] > now:
                numbers = self._emptied_after_restart()
            limit = self._limit or int(numbers[_LIMIT]) or BEFORE_THE_PLAN_IS_KNOWN
            slots = numbers[_FIRST_SLOT:]
            in_order = sorted(slots)
            held_until = max(numbers[_NOT_BEFORE], self._not_before)
            if held_until > now and not self._charge(held_until, now):
                raise HeldTooLong(held_until - now, self.budget_left_seconds)
            ready = max(held_until, in_order[-limit])
            if ready > now:
                return None, ready - now
            slot = _FIRST_SLOT + slots.index(in_order[0])
            self._bucket.put(slot, now + self._longest_flight + self._window)
            self._bucket.put(_LAST_USE, now)
            return slot, 0.0

    def _emptied_after_restart(self) -> Sequence[float]:
        """The clock starts anew with the machine: times beyond it are from before, and mean nothing now."""
        for index in range(_NOT_BEFORE, _NUMBERS):
            self._bucket.put(index, 0.0)
        return self._bucket.numbers()


class _Waits:
    """The time in which at least one thread waits: entered and left by each of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting = 0
        self._since = 0.0
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        with self._lock:
            return self._seconds + (self._clock() - self._since if self._waiting else 0.0)

    def __enter__(self) -> bool:
        """True when nobody was waiting before."""
        with self._lock:
            is_first = not self._waiting
            if is_first:
                self._since = self._clock()
            self._waiting += 1
            return is_first

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._waiting -= 1
            if not self._waiting:
                self._seconds += self._clock() - self._since
