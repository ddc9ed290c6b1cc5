"""How far a long read is, for whoever listens: the run's log always, a terminal's progress bar when there is one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import Logger

LOG_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Records read so far of a table; total is None until the API has said it."""

    table: str
    rows: int
    total: int | None
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
def logged(log: Logger, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """A line in the run's log every few seconds of a long read; none for a short one."""
    said = clock()

    def say(progress: Progress) -> None:
        nonlocal said
        if not progress.finished and clock() - said >= LOG_EVERY_SECONDS:
            said = clock()
            of = f" of {progress.total:,}" if progress.total is not None else ""
            log.info(f"{progress.table}: {progress.rows:,}{of} rows read")

    with listening(say):
        yield
