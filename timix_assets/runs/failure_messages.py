"""Failures as messages: in the run's log, in the UI, in alerts and on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterExecutionInterruptedError, Failure
from polars.exceptions import PanicException

from timix_assets.dagster_internals import SerializableErrorInfo
from timix_assets.errors import TimixAssetsError
from timix_assets.text.printable import printable

INTERRUPTS = {cls.__name__ for cls in (DagsterExecutionInterruptedError, KeyboardInterrupt)}
"""Errors that Dagster records when an execution is ended from outside."""


@contextmanager
def as_dagster_failure() -> Iterator[None]:
    """Raises errors of this package as a Failure with the same message, without retries: the client has retried already."""
    try:
        yield
    except TimixAssetsError as error:
        raise Failure(printable(str(error)), allow_retries=False) from error
    except PanicException as panic:
        if any(name in str(panic) for name in INTERRUPTS):
            # Raised by a handler in Python code that Polars called.
            raise DagsterExecutionInterruptedError from panic
        # Not an Exception: it would end the whole run without a message.
        first_line = str(panic).partition("\n")[0]
        raise Failure(
            f"Polars failed ({printable(first_line[:200])}); a table's file may be damaged, see the run's log.",
            allow_retries=False,
        ) from panic


def error_message(error: SerializableErrorInfo | None) -> str:
    """The message of a step's error as one printable line: of the first error of this package in the chain, else of the
    first cause.
    """
    if was_interrupted(error):
        return "The step was interrupted; run it again."
    known = {"Failure", *(cls.__name__ for cls in _with_subclasses(TimixAssetsError))}
    last = "No error message; see the run's log."
    for each in _chain(error):
        if each.cls_name in known:
            return printable(each.message.split(": ", 1)[-1].strip())
        last = _unexpected(each)
    return printable(last)


def was_interrupted(error: SerializableErrorInfo | None) -> bool:
    """Whether a step was ended from outside: Ctrl-C, SIGTERM or a terminated run, which Dagster records as a failed step."""
    return any(each.cls_name in INTERRUPTS for each in _chain(error))


def is_caused_by(error: SerializableErrorInfo | None, *classes: type[Exception]) -> bool:
    """Whether a step's error, or one that it comes from, is of these classes of this package."""
    names = {each.__name__ for cls in classes for each in (cls, *_with_subclasses(cls))}
    return any(each.cls_name in names for each in _chain(error))


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause


def _unexpected(error: SerializableErrorInfo) -> str:
    """The class name without its module, and the first line of the message."""
    name = error.cls_name or "error"
    module, _, message = error.message.strip().partition(": ")
    if not module.endswith(name):
        message = error.message.strip()
    first_line = message.strip().partition("\n")[0].rstrip(".")
    return f"unexpected {name}{f': {first_line}' if first_line else ''}; see the run's log."


def _with_subclasses(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for child in base.__subclasses__():
        yield from _with_subclasses(child)
