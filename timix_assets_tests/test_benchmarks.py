"""What `benchmarks/` makes of its measurements: the median, the target, the tables, and none on a busy machine."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import aging, machine
from benchmarks.figures import Figure, Measurement, store, stored, table, write

README = "# Figures\n<!-- one -->\nold\n<!-- /one -->\n\nText.\n<!-- two -->\nold\n<!-- /two -->\n"


@pytest.mark.parametrize(("at_most", "met"), [(None, None), (2, True), (1.9, False)])
def test_the_median_counts_for_the_target(at_most: float | None, met: bool | None) -> None:
    figure = Figure("wall", [9.0, 1.0, 2.0], at_most=at_most)
    assert figure.measured == 2
    assert figure.met is met
    assert figure.facts()["met"] is met


def test_a_table_shows_every_run_and_each_missed_target() -> None:
    shown = table([Figure("wall", [1.25, 1.0, 12.5], at_most=1), Figure("requests", [1_000], "", 1_000)])
    assert shown.splitlines() == [
        "| figure   | measured | target  | met    | runs          |",
        "| -------- | -------- | ------- | ------ | ------------- |",
        "| wall     | 1.250 s  | ≤ 1 s   | **no** | 1.250 1 12.50 |",
        "| requests | 1,000    | ≤ 1,000 | yes    |               |",
    ]


def test_a_table_replaces_what_its_own_markers_enclose(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README, "utf-8")
    write("two", r"new \1", readme)
    assert readme.read_text("utf-8") == README[: README.index("<!-- two")] + "<!-- two -->\nnew \\1\n<!-- /two -->\n"


def test_a_table_without_markers_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README, "utf-8")
    with pytest.raises(ValueError, match="no place <!-- three --> … <!-- /three -->"):
        write("three", "new", readme)
    assert readme.read_text("utf-8") == README


def test_every_measurement_has_its_markers() -> None:
    text = Path(command.__file__).with_name("README.md").read_text("utf-8")
    for measurement in command.MEASUREMENTS:
        assert f"\n<!-- {measurement.name} -->\n" in text
        assert f"\n<!-- /{measurement.name} -->" in text


def test_stored_figures_replace_those_of_their_name(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    store("one", {"on": "Monday"}, file)
    store("two", {"on": "Monday"}, file)
    store("two", {"on": "Tuesday"}, file)
    assert (stored("one", file)["on"], stored("two", file)["on"]) == ("Monday", "Tuesday")


def test_growth_compares_looks_after_a_checkpoint() -> None:
    opening = {1: 2, 50: 17, 100: 5, 150: 22, 200: 5, 250: 20, 300: 5, 350: 21, 400: 5, 450: 24, 500: 5}
    looks = [{"refreshes": refreshes, "opening": milliseconds} for refreshes, milliseconds in opening.items()]
    assert aging._growth(looks, "opening") == 0


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The table of each measurement that the command wrote. Its measurements are `one` and `two`."""
    written: dict[str, str] = {}
    both = tuple(Measurement(name, "no time", lambda: [Figure("wall", [1.0])]) for name in ("one", "two"))
    monkeypatch.setattr(command, "MEASUREMENTS", both)
    monkeypatch.setattr(command, "write", written.__setitem__)
    monkeypatch.setattr(command, "store", lambda name, facts: None)
    monkeypatch.setattr("sys.argv", ["benchmarks", "--write"])
    return written


def busy(*reasons: str | None) -> Callable[[], str | None]:
    """Each reason once, one a look."""
    return iter(reasons).__next__


def test_nothing_is_measured_on_a_busy_machine(
    measured: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (100.0, 100.0, 100.0))
    assert command.main() == 2
    assert not measured
    assert "Nothing was measured: the load is 100.0" in capsys.readouterr().out


def test_each_table_has_the_load_before_its_measurement(
    measured: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Quiet before `one`; its load falls before `two` begins.
    monkeypatch.setattr(machine, "why_busy", busy(None, None, "the load is 2.0", None))
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0)
    loads = count(1)
    monkeypatch.setattr(machine, "describe", lambda: f"load {next(loads)}")
    assert command.main() == 0
    assert {name: text.splitlines()[0] for name, text in measured.items()} == {"one": "load 1", "two": "load 2"}


def test_a_machine_that_stays_busy_ends_the_command(measured: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "why_busy", busy(None, None))
    waits = iter([None, "others use 50% of the cores"])
    monkeypatch.setattr(machine, "why_still_busy", waits.__next__)
    assert command.main() == 2
    assert list(measured) == ["one"]


def test_waiting_for_a_quiet_machine_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "why_busy", busy("the load is 2.0"))
    assert machine.why_still_busy(seconds=0) == "the load is 2.0"
