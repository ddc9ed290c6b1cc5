"""Interrupts that arrive while Polars computes: the run ends, and no table is said to be damaged."""

import signal
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterExecutionInterruptedError
from dagster._utils.interrupts import raise_interrupts_as
from polars._utils.threading import PyThreadPool

from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.interrupts import interrupts_deferred


@pytest.fixture
def step() -> Iterator[None]:
    """Interrupts are raised as in a step of Dagster."""
    with raise_interrupts_as(DagsterExecutionInterruptedError):
        yield


@pytest.fixture
def table(tmp_path: Path) -> pl.LazyFrame:
    """A scan that Polars calls Python for."""
    pl.DataFrame({"hours": [1]}).write_delta(tmp_path)
    return pl.scan_delta(tmp_path)


@pytest.mark.usefixtures("step")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_is_raised_at_the_end(number: signal.Signals) -> None:
    with pytest.raises(DagsterExecutionInterruptedError), interrupts_deferred():
        assert signal.raise_signal(number) is None
    with pytest.raises(DagsterExecutionInterruptedError):
        signal.raise_signal(number)


@pytest.mark.usefixtures("step")
def test_interrupt_within_polars_is_raised_once_it_has_computed(
    table: pl.LazyFrame, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = PyThreadPool.__init__

    def interrupted(pool: PyThreadPool, threads: int) -> None:
        signal.raise_signal(signal.SIGTERM)
        made(pool, threads)

    monkeypatch.setattr(PyThreadPool, "__init__", interrupted)
    with pytest.raises(DagsterExecutionInterruptedError), interrupts_deferred():
        computed = table.collect()
    assert computed.height == 1
    assert capfd.readouterr().err == ""


def test_interrupt_that_polars_panics_at_is_no_failure(table: pl.LazyFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(pool: PyThreadPool, threads: int) -> None:
        raise DagsterExecutionInterruptedError

    monkeypatch.setattr(PyThreadPool, "__init__", interrupted)
    with pytest.raises(DagsterExecutionInterruptedError), as_dagster_failure():
        table.collect()
