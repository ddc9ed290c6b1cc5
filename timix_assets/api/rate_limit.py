"""Keeps one key under its plan's rate limit: at most N requests in any minute, over all threads and processes.

The bucket has one slot per request that the highest plan allows in a minute. A request takes a slot and keeps it until
a minute after its response. A server counts a request somewhere between its sending and its response, so with at most N
slots taken, no minute sees more than N, wherever the server lets it begin. Bursts are fine; nothing is evenly spaced.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import Closed
from .limits import DEFAULT_RATE_LIMIT, Limits, Quota
from .rate_limit_bucket import CAPACITY, FIRST_SLOT, LAST_USE, LIMIT, NUMBERS, PAUSED_UNTIL, Bucket

_MAX_POLL_SECONDS = 0.5
"""A slot can become free early, when a response arrives in another process: so poll at least this often."""

_MIN_NOTIFIED_SECONDS = 5


@dataclass(eq=False)
class RateLimitBudgetExceeded(Exception):  # noqa: N818  it reads as what happened
    """A request was not sent: a 429 pauses the key for `seconds` more, and this client may wait only `left` seconds."""

    seconds: float
    left: float


class RateLimiter:
    """Lets requests through when the bucket allows it. Thread-safe; `close` ends every wait immediately.

    Args:
        bucket: The slots, shared by all who use the key.
        limits: The window, the wait budget and the longest request.
        quota: The part of the plan's limit that it lets through.
        notify: Called with one message per wait of more than 5 s.
        clock: Seconds since the machine started, which its processes share.
        closed: The event that waits listen to, and that `close` sets.
    """

    def __init__(
        self,
        bucket: Bucket,
        limits: Limits,
        notify: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        closed: threading.Event | None = None,
        quota: Quota = Quota.ALL,
    ) -> None:
        self._bucket = bucket
        self._quota = quota
        self._window = limits.window_seconds + limits.window_margin_seconds
        self._max_request_seconds = limits.request_deadline_seconds
        self._budget = limits.wait_budget_seconds
        self._max_pause = max(self._budget, self._window, Limits().wait_budget_seconds)
        self._notify = notify
        self._clock = clock
        self._closed = closed or threading.Event()
        self._waiting_time = _WaitingTime(clock)
        self._spent = 0.0
        self._spent_until = 0.0
        self._paused_until = 0.0
        self._limit: int | None = None
        self._counting_at_close: list[int] | None = None

    @property
    def waited_seconds(self) -> float:
        """Time in which at least one request waited, for the limit or because a response asked for it."""
        return self._waiting_time.seconds

    @property
    def budget_left_seconds(self) -> float:
        """How long responses may still make this client wait."""
        return max(0.0, self._budget - self._spent)

    def set_limit(self, requests: int) -> None:
        """Sets the plan's requests per minute, for all who share the bucket."""
        self._limit = min(self._quota.of(requests), CAPACITY)
        with self._bucket.locked():
            self.sleep(0)
            self._bucket.put(LIMIT, self._limit)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Waits for a slot and keeps it during the request made inside, and for a minute after.

        Raises:
            RateLimitBudgetExceeded: A 429, to any process with this key, pauses it for longer than the wait budget.
        """
        slot = self._acquire()
        try:
            yield
        finally:
            # Without the lock: until then nobody else can take the slot.
            self._bucket.put(slot, self._clock() + self._window)

    def counting(self) -> list[int]:
        """For how many seconds each request still counts; after `close`, as of then."""
        with self._bucket.locked():
            return self._counting() if self._counting_at_close is None else self._counting_at_close

    def _counting(self) -> list[int]:
        now = self._clock()
        return [math.ceil(free_at - now) for free_at in self._numbers(now)[FIRST_SLOT:] if free_at > now]

    def add(self, seconds: Sequence[float] | None, age: float) -> None:
        """Counts requests of other machines.

        The bucket has those among them that were made here before. So the longer times of the two win, and are not added up.

        Args:
            seconds: For how long each counted `age` seconds ago; None if nobody knows how many were made until then.
            age: In seconds.
        """
        with self._bucket.locked():
            self.sleep(0)
            now = self._clock()
            numbers = self._numbers(now)
            latest = now + self._max_request_seconds + self._window
            slots = sorted(range(FIRST_SLOT, NUMBERS), key=numbers.__getitem__, reverse=True)
            added = [self._window] * CAPACITY if seconds is None else sorted(seconds, reverse=True)
            for slot, still in zip(slots, added, strict=False):
                self._bucket.put(slot, max(numbers[slot], min(now + still - age, latest)))

    def pause_all(self, seconds: float) -> bool:
        """Pauses every request with this key for `seconds`, after a 429.

        Over the budget, this client is paused all the same, but others for one window at most: no documented limit lasts
        longer, and a broken proxy must not lock out processes that start after it is fixed.

        Returns:
            Whether the wait fits this client's budget.
        """
        with self._bucket.locked():
            self.sleep(0)
            now = self._clock()
            paused_until = max(now, self._numbers(now)[PAUSED_UNTIL])
            until = max(paused_until, now + seconds)
            self._paused_until = max(self._paused_until, until)
            is_affordable = self._spend(until, now)
            for_all = until if is_affordable else max(paused_until, now + min(seconds, self._window))
            self._bucket.put(PAUSED_UNTIL, for_all)
        if is_affordable and until - paused_until > _MIN_NOTIFIED_SECONDS:
            self._notify(f"Rate limited (429): pausing requests for {until - paused_until:,.0f} s.")
        return is_affordable

    def pause_one(self, seconds: float) -> bool:
        """Pauses one request, as its response asked; False, without a wait, when over the budget."""
        with self._bucket.locked():
            self.sleep(0)
            now = self._clock()
            if not self._spend(now + seconds, now):
                return False
        if seconds > _MIN_NOTIFIED_SECONDS:
            self._notify(f"The server asked to wait: retrying in {seconds:,.0f} s.")
        with self._waiting_time:
            self.sleep(seconds)
        return True

    def _spend(self, until: float, now: float) -> bool:
        """Takes a wait from the budget, each second once however many requests wait; False, and nothing taken, when over."""
        longer = max(0.0, until - max(now, self._spent_until))
        if longer > self.budget_left_seconds:
            return False
        self._spent += longer
        self._spent_until = max(self._spent_until, until)
        return True

    def close(self) -> None:
        self._closed.set()
        with self._bucket.locked():
            if self._counting_at_close is None:
                self._counting_at_close = self._counting()
            self._bucket.close()

    def sleep(self, seconds: float) -> None:
        """Waits for `seconds`; raises Closed as soon as the client is closed."""
        if self._closed.wait(seconds):
            raise Closed("The client is closed; create a new one.")

    def _acquire(self) -> int:
        slot, wait = self._try_acquire()
        if slot is not None:
            return slot
        with self._waiting_time as is_first:
            if is_first and wait > _MIN_NOTIFIED_SECONDS:
                self._notify(f"Rate limit of the plan reached: waiting {wait:,.0f} s.")
            while slot is None:
                self.sleep(min(wait, _MAX_POLL_SECONDS))
                slot, wait = self._try_acquire()
        return slot

    def _try_acquire(self) -> tuple[int | None, float]:
        """A slot, or the seconds after which to try again."""
        with self._bucket.locked():
            self.sleep(0)
            now = self._clock()
            numbers = self._numbers(now)
            limit = self._limit or int(numbers[LIMIT]) or self._quota.of(DEFAULT_RATE_LIMIT)
            slots = numbers[FIRST_SLOT:]
            in_order = sorted(slots)
            paused_until = max(numbers[PAUSED_UNTIL], self._paused_until)
            if paused_until > now and not self._spend(paused_until, now):
                raise RateLimitBudgetExceeded(paused_until - now, self.budget_left_seconds)
            ready = max(paused_until, in_order[-limit])
            if ready > now:
                return None, ready - now
            slot = FIRST_SLOT + slots.index(in_order[0])
            self._bucket.put(slot, now + self._max_request_seconds + self._window)
            self._bucket.put(LAST_USE, now)
            return slot, 0.0

    def _numbers(self, now: float) -> Sequence[float]:
        """The bucket's numbers. A damaged file counts as an empty one, and a time too far ahead as none.

        The clock restarts with the machine: a last use in the future means that all times are from before the restart.
        """
        numbers = self._bucket.numbers()
        is_limit = 0 <= numbers[LIMIT] <= CAPACITY
        if not is_limit or not math.isfinite(sum(numbers)) or numbers[LAST_USE] > now:
            self._reset(range(PAUSED_UNTIL if is_limit else LIMIT, NUMBERS))
            return self._bucket.numbers()
        latest = now + self._max_request_seconds + self._window
        if numbers[PAUSED_UNTIL] <= now + self._max_pause and max(numbers[FIRST_SLOT:]) <= latest:
            return numbers
        self._reset(index for index in range(FIRST_SLOT, NUMBERS) if numbers[index] > latest)
        if numbers[PAUSED_UNTIL] > now + self._max_pause:
            self._reset([PAUSED_UNTIL])
        return self._bucket.numbers()

    def _reset(self, indices: Iterable[int]) -> None:
        for index in indices:
            self._bucket.put(index, 0.0)


class _WaitingTime:
    """The time in which at least one thread waits. Each waiting thread enters and leaves it."""

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
        """True for the first of the threads that wait."""
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
