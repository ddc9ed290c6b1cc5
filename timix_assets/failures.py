"""How a failure reaches a person: its one sentence first, in the run's log, the UI and on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterExecutionInterruptedError, Failure
from dagster_shared.error import SerializableErrorInfo

from timix_assets.api.errors import TimixError
from timix_assets.contract.overrides import OverrideError
from timix_assets.environment import SettingError
from timix_assets.lake.errors import LakeError

EXPECTED = (TimixError, LakeError, OverrideError, SettingError)
"""What can go wrong by itself: every one of these is written for the person on call."""

INTERRUPTS = {cls.__name__ for cls in (DagsterExecutionInterruptedError, KeyboardInterrupt)}
"""What an execution that was ended from outside is recorded as."""


@contextmanager
def plainly() -> Iterator[None]:
    """An expected error becomes a Failure with the same sentence. Trying the step again would not help: we did already."""
    try:
        yield
    except EXPECTED as error:
        raise Failure(str(error), allow_retries=False) from error


def sentence_of(error: SerializableErrorInfo | None) -> str:
    """The sentence for people in a step's error: the first of our own in the chain, else what the first cause is."""
    if was_interrupted(error):
        return "it was interrupted before it was done; start it again."
    known = {"Failure", *(cls.__name__ for base in EXPECTED for cls in _family(base))}
    last = "it failed without a message; see the run's log."
    for each in _chain(error):
        if each.cls_name in known:
            return each.message.split(": ", 1)[-1].strip()
        last = _unexpected(each)
    return last


def was_interrupted(error: SerializableErrorInfo | None) -> bool:
    """Whether a step was ended from outside: Dagster turns Ctrl-C, SIGTERM and a terminated run into a failed step."""
    return any(each.cls_name in INTERRUPTS for each in _chain(error))


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause


def _unexpected(error: SerializableErrorInfo) -> str:
    """What a class that is not ours says: its name without the module, and its first line."""
    name = error.cls_name or "error"
    module, _, message = error.message.strip().partition(": ")
    if not module.endswith(name):
        message = error.message.strip()
    said = message.strip().partition("\n")[0].rstrip(".")
    return f"unexpected {name}{f': {said}' if said else ''}; see the run's log."


def _family(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for child in base.__subclasses__():
        yield from _family(child)
