"""How far a long read is, for whoever listens: the run's log always, a terminal's progress bar when there is one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import Logger

LOG_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What is read so far of a table: records, and pages of a listing or months of a dated report (`parts` says which).

    total, pages_due: how many there are, None where the API does not say it.
    """

    table: str
    rows: int
    total: int | None
    pages: int
    pages_due: int | None = None
    parts: str = "pages"
    finished: bool = False


_listeners: list[Callable[[Progress], None]] = []


def report(progress: Progress) -> None:
    for listener in _listeners:
        listener(progress)


@contextmanager
def listening(listener: Callable[[Progress], None]) -> Iterator[None]:
    """Every report of this process reaches `listener` while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def logged(log: Logger, waited: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """A line in the run's log every few seconds of a long read; none for a short one.

    waited: how many seconds the read has waited for the rate limit so far.
    """
    said = clock()

    def say(progress: Progress) -> None:
        nonlocal said
        if not progress.finished and clock() - said >= LOG_EVERY_SECONDS:
            said = clock()
            log.info(
                f"{progress.table}: {_of(progress.pages, progress.pages_due)} {progress.parts} and "
                f"{_of(progress.rows, progress.total)} rows read, {waited():,.0f} s waited for the limit"
            )

    with listening(say):
        yield


def _of(read: int, due: int | None) -> str:
    return f"{read:,}" if due is None else f"{read:,} of {due:,}"
