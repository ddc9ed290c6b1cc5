"""How a failure reaches a person: its one sentence first, in the run's log, the UI and on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Failure
from dagster_shared.error import SerializableErrorInfo

from timix_assets.api.errors import TimixError
from timix_assets.contract.overrides import OverrideError
from timix_assets.environment import SettingError
from timix_assets.lake.errors import LakeError

EXPECTED = (TimixError, LakeError, OverrideError, SettingError)
"""What can go wrong by itself: every one of these is written for the person on call."""


@contextmanager
def plainly() -> Iterator[None]:
    """An expected error becomes a Failure with the same sentence. Trying the step again would not help: we did already."""
    try:
        yield
    except EXPECTED as error:
        raise Failure(str(error), allow_retries=False) from error


def sentence_of(error: SerializableErrorInfo | None) -> str:
    """The sentence for people in a step's error: the first of our own in the chain, else the innermost message."""
    known = {"Failure", *(cls.__name__ for base in EXPECTED for cls in _family(base))}
    last = "it failed without a message; see the run's log"
    while error is not None:
        message = error.message.split(": ", 1)[-1].strip()
        last = message or last
        if error.cls_name in known:
            return message
        error = error.cause
    return last


def _family(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for child in base.__subclasses__():
        yield from _family(child)
