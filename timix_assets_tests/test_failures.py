"""What a person is told of a failed step: our own sentence, or at least what kind of thing went wrong."""

from traceback import TracebackException

import pytest
from dagster import DagsterExecutionInterruptedError, Failure
from dagster_shared.error import SerializableErrorInfo

from timix_assets.failures import sentence_of, was_interrupted
from timix_assets.lake.errors import TurnTimeout


def recorded(error: BaseException, cause: BaseException | None = None) -> SerializableErrorInfo:
    """As Dagster writes it down of a failed step: its own error around the one that was raised."""
    error.__cause__ = cause
    around = RuntimeError('Error occurred while executing op "timix__projects"')
    around.__cause__ = error
    return SerializableErrorInfo.from_traceback(TracebackException.from_exception(around))


def test_an_error_of_ours_is_told_in_its_own_words() -> None:
    assert (
        sentence_of(recorded(TurnTimeout("timix/me: the lake is held; wait."))) == "timix/me: the lake is held; wait."
    )
    assert sentence_of(recorded(Failure("GET /me: 401."), KeyError("id"))) == "GET /me: 401."


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
def test_an_error_that_nobody_expected_says_what_it_is(
    error: BaseException | SerializableErrorInfo, sentence: str
) -> None:
    record = error if isinstance(error, SerializableErrorInfo) else recorded(error)
    assert sentence_of(record) == sentence


def test_of_a_chain_of_unexpected_errors_the_first_cause_is_told() -> None:
    assert sentence_of(recorded(ValueError("x"), OSError(5, "I/O error"))) == (
        "unexpected OSError: [Errno 5] I/O error; see the run's log."
    )


@pytest.mark.parametrize("interrupt", [DagsterExecutionInterruptedError(), KeyboardInterrupt()])
def test_a_step_that_was_interrupted_says_so_and_what_to_do(interrupt: BaseException) -> None:
    error = recorded(interrupt)
    assert was_interrupted(error)
    assert sentence_of(error) == "it was interrupted before it was done; start it again."


def test_a_step_that_failed_was_not_interrupted() -> None:
    assert not was_interrupted(recorded(KeyError("id")))
    assert not was_interrupted(None)


def test_without_an_error_the_log_is_where_to_look() -> None:
    assert sentence_of(None) == "it failed without a message; see the run's log."
