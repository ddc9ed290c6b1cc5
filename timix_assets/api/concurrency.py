"""Calls a function for many numbers on a few daemon threads, with bounded memory."""

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

_BUFFER_PER_THREAD = 2


def map_unordered(fetch: Callable[[int], T], numbers: Sequence[int], concurrency: int) -> Iterator[T]:
    """Yields `fetch(number)` of each number, in the order in which results arrive.

    At most `concurrency` calls run at a time, and at most twice as many results wait to be consumed. The first error
    ends the iteration and is raised. Closing the iterator returns immediately; calls in flight end in the background on
    daemon threads, which delay neither the caller nor the end of the process.
    """
    threads = min(concurrency, len(numbers))
    if not threads:
        return
    results: SimpleQueue[T | BaseException] = SimpleQueue()
    permits = threading.Semaphore(threads * _BUFFER_PER_THREAD)
    stopped = threading.Event()
    waiting = iter(numbers)
    next_number = threading.Lock()

    def work() -> None:
        while True:
            permits.acquire()
            with next_number:
                number = None if stopped.is_set() else next(waiting, None)
            if number is None:
                return
            try:
                results.put(fetch(number))
            except BaseException as error:  # noqa: BLE001 - raised in the thread of the caller
                results.put(error)

    for _ in range(threads):
        threading.Thread(target=work, name="timix-page", daemon=True).start()
    try:
        for _ in numbers:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            yield result
            permits.release()
    finally:
        stopped.set()
        permits.release(threads)
