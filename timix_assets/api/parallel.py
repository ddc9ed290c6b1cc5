"""Fetches numbered things on a few daemon threads, with bounded memory. Knows nothing of Timix."""

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

_BUFFER_PER_THREAD = 2


def unordered(fetch: Callable[[int], T], numbers: Sequence[int], concurrency: int) -> Iterator[T]:
    """`fetch` of each number, as results arrive. At most `concurrency` run at once, and twice as many results exist.

    The first error ends it and is raised. Closing the iterator returns at once; what is under way ends by itself,
    unheard: the threads are daemons, so they hold up neither the caller nor the end of the process.
    """
    threads = min(concurrency, len(numbers))
    if not threads:
        return
    results: SimpleQueue[T | _Failure] = SimpleQueue()
    permits = threading.Semaphore(threads * _BUFFER_PER_THREAD)
    stopped = threading.Event()
    waiting = iter(numbers)
    turn = threading.Lock()

    def work() -> None:
        while True:
            permits.acquire()
            with turn:
                number = None if stopped.is_set() else next(waiting, None)
            if number is None:
                return
            try:
                results.put(fetch(number))
            except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
                results.put(_Failure(error))

    for _ in range(threads):
        threading.Thread(target=work, name="timix-page", daemon=True).start()
    try:
        for _ in numbers:
            result = results.get()
            if isinstance(result, _Failure):
                raise result.error
            yield result
            permits.release()
    finally:
        stopped.set()
        permits.release(threads)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error
