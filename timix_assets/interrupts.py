"""Interrupts of a run, Ctrl-C and SIGTERM, while Polars computes or a run is recorded."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """An interrupt that arrives in the block is raised at its end.

    For what Polars computes: it panics where a handler raises in the Python code that it calls, and the step would fail as if
    a table's file were damaged. The wait is hardly longer for it: Python runs no handler while Polars computes. And for
    transactions of the run storage: SQLAlchemy logs what a handler raises while it closes something, with the traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: arrived.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for first in arrived[:1]:
            raising = handlers[signal.Signals(first)]
            # Called here: a signal would be handled in the code that Python runs next, which may be a callback of a weak
            # reference, where exceptions are ignored.
            if callable(raising):
                raising(first, None)
            else:
                signal.raise_signal(first)
