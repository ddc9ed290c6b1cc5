"""The project folder that a command runs in, and how a command is interrupted."""

import signal
import threading
import time
import weakref

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import raise_interrupts_as

from timix_assets.commands.project import sigterm_as_keyboard_interrupt

WITHIN_SECONDS = 10


class Referent:
    """Can be referred to weakly."""


def interrupted_in_a_callback() -> None:
    """SIGTERM arrives while Python calls back about a weak reference, where it ignores what is raised."""
    referent = Referent()
    reference = weakref.ref(referent, lambda _: signal.raise_signal(signal.SIGTERM))
    del referent
    assert reference() is None
    threading.Event().wait(WITHIN_SECONDS)
    pytest.fail("the interrupt did not end the wait")


def test_sigterm_is_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), sigterm_as_keyboard_interrupt():
        signal.raise_signal(signal.SIGTERM)


def test_interrupt_that_python_ignores_is_raised_again() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), sigterm_as_keyboard_interrupt():
        interrupted_in_a_callback()
    assert time.monotonic() - began < WITHIN_SECONDS


def test_interrupt_in_a_step_that_python_ignores_is_raised_again() -> None:
    began = time.monotonic()
    with (
        pytest.raises(DagsterExecutionInterruptedError),
        sigterm_as_keyboard_interrupt(),
        raise_interrupts_as(DagsterExecutionInterruptedError),
    ):
        interrupted_in_a_callback()
    assert time.monotonic() - began < WITHIN_SECONDS


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_ignored_errors_interrupt_nothing() -> None:
    def fails(_: object) -> None:
        raise ValueError

    with sigterm_as_keyboard_interrupt():
        referent = Referent()
        reference = weakref.ref(referent, fails)
        del referent
        assert reference() is None
