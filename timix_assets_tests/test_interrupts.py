"""Interrupts that arrive while Polars computes: the run ends, and no table is said to be damaged."""

import signal
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import polars as pl
import pytest
from dagster import DagsterExecutionInterruptedError
from dagster._utils.interrupts import raise_interrupts_as
from polars._utils.threading import PyThreadPool

from timix_assets.interrupts import interrupts_deferred
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets_tests.workspace import CHECKS, Workspace, failures

from .conftest import TODAY

INTERRUPTED = "The step was interrupted; run it again."


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


def interrupt_at(monkeypatch: pytest.MonkeyPatch, function: str) -> list[str]:
    """SIGTERM arrives when the function is called for the first time. Its name is in the list once it has returned."""
    returned: list[str] = []
    interrupted = resolve_name(function)

    def called(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(function, interrupted)
        signal.raise_signal(signal.SIGTERM)
        result = interrupted(*given, **named)
        returned.append(interrupted.__name__)
        return result

    monkeypatch.setattr(function, called)
    return returned


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


@pytest.mark.parametrize(
    ("asset", "computes"),
    [
        ("timix/customers", "lake.commit.scan_table"),
        ("timix/customers", "assets.io_manager.raw_preview"),
        ("rollups/working_capital", "assets.rollups.evaluate"),
        ("rollups/working_capital", "lake.commit.scan_table"),
        ("reports/weekly_digest", "assets.digest.read_digest"),
    ],
)
def test_run_that_is_interrupted_while_it_computes_ends(
    asset: str, computes: str, refreshed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    computed = interrupt_at(monkeypatch, f"timix_assets.{computes}")
    assert list(failures(refreshed.refresh(asset)).values()) == [INTERRUPTED]
    assert computed == [computes.rpartition(".")[2]]


def test_check_that_is_interrupted_while_it_computes_ends(
    refreshed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    [check] = [step for step in CHECKS if any(spec.name == "hours_match_raw" for spec in step.check_specs)]
    computed = interrupt_at(monkeypatch, "timix_assets.lake.tables.Lake.scan")
    assert list(failures(refreshed.check(check)).values()) == [INTERRUPTED]
    assert computed == ["scan"]
