"""What a person is told of a failed step: our own sentence, or at least what kind of thing went wrong."""

from traceback import TracebackException

import pytest
from dagster import DagsterExecutionInterruptedError, Failure
from dagster_shared.error import SerializableErrorInfo

from timix_assets.lake.errors import LakeLockTimeout
from timix_assets.runs.failure_messages import error_message, was_interrupted


def recorded(error: BaseException, cause: BaseException | None = None) -> SerializableErrorInfo:
    """As Dagster writes it down of a failed step: its own error around the one that was raised."""
    error.__cause__ = cause
    around = RuntimeError('Error occurred while executing op "timix__projects"')
    around.__cause__ = error
    return SerializableErrorInfo.from_traceback(TracebackException.from_exception(around))


def test_error_of_ours_keeps_its_message() -> None:
    assert (
        error_message(recorded(LakeLockTimeout("timix/me: the lake is held; wait.")))
        == "timix/me: the lake is held; wait."
    )
    assert error_message(recorded(Failure("GET /me: 401."), KeyError("id"))) == "GET /me: 401."


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("id"), "unexpected KeyError: 'id'; see the run's log."),
        (AssertionError(), "unexpected AssertionError; see the run's log."),
        (SerializableErrorInfo("polars.exceptions.ColumnNotFoundError: hours: not found.\n", [], "ColumnNotFoundError"),
         "unexpected ColumnNotFoundError: hours: not found; see the run's log."),
        (ValueError("first line\n\nsecond line"), "unexpected ValueError: first line; see the run's log."),
    ],
)  # fmt: skip
def test_unexpected_error_names_its_class(error: BaseException | SerializableErrorInfo, sentence: str) -> None:
    record = error if isinstance(error, SerializableErrorInfo) else recorded(error)
    assert error_message(record) == sentence


def test_first_cause_of_unexpected_errors_is_reported() -> None:
    assert error_message(recorded(ValueError("x"), OSError(5, "I/O error"))) == (
        "unexpected OSError: [Errno 5] I/O error; see the run's log."
    )


@pytest.mark.parametrize("interrupt", [DagsterExecutionInterruptedError(), KeyboardInterrupt()])
def test_interrupted_step_says_what_to_do(interrupt: BaseException) -> None:
    error = recorded(interrupt)
    assert was_interrupted(error)
    assert error_message(error) == "The step was interrupted; run it again."


def test_a_step_that_failed_was_not_interrupted() -> None:
    assert not was_interrupted(recorded(KeyError("id")))
    assert not was_interrupted(None)


def test_missing_error_refers_to_the_log() -> None:
    assert error_message(None) == "No error message; see the run's log."
