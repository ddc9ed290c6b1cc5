"""The table of faults, through the command that people run: a filled lake, a fault, `refresh`, and what is there afterwards.

Every test here starts from a copy of one good refresh of a small firm, so that "the last good data stays" can be seen.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.tables import Lake
from timix_assets.lake.upkeep import tables_of
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import Project, new_project, settings_of

HERE = Path(__file__).parent
TIME = "timix/time_reports"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A process for each refresh: all tests of this folder are long ones."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.long)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How one `timix-assets refresh` ended."""

    status: int
    stdout: str
    stderr: str
    requests: list[str]
    """Paths below the base URL, in the order in which they were asked."""

    @property
    def sentence(self) -> str:
        """What it said of the one thing that failed; fails when several or none did, or when more than a sentence came."""
        [line] = self.stderr.strip().splitlines()
        assert "Traceback" not in line
        return line

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.stdout.splitlines() if line.startswith("warning ")]


@dataclass
class Workplace:
    """A project folder with a filled lake, and the sandbox that its API key belongs to."""

    sandbox: Sandbox
    project: Project

    def refresh(
        self,
        *only: str,
        faults: tuple[Fault, ...] = (),
        all_strike: bool = True,
        words: tuple[str, ...] = (),
        **env: str,
    ) -> Refreshed:
        """The command over all months, of these assets alone when some are named, while the faults are on.

        Fails when one of them struck no request, unless all_strike is False: nothing would have been tested.
        words: further words of the command line. env: further settings of the process.
        """
        self.sandbox.faults.add(*faults)
        asked_before = len(self.sandbox.requests)
        try:
            done = self.project.run("refresh", *(w for name in only for w in ("--only", name)), *words, **env)
            missed = [each.fault for each in self.sandbox.faults._armed if not each.struck]
        finally:
            self.sandbox.faults.clear()
        assert not (all_strike and missed), f"{_named(missed)} met no request; {done.stderr}"
        base = self.sandbox.base_url.removeprefix(self.sandbox.origin)
        asked = [seen.path.removeprefix(base) for seen in self.sandbox.requests[asked_before:]]
        assert self.sandbox.key not in done.stdout + done.stderr
        return Refreshed(done.returncode, done.stdout, done.stderr, asked)

    @property
    def lake(self) -> Lake:
        return self.project.lake

    def table(self, name: str) -> pl.DataFrame:
        return self.project.table(name)

    def quarantined(self, name: str) -> list[tuple[str, str | None]]:
        """(reason, column) of what is held back of a table, e.g. of time_reports."""
        if not self.lake.exists(f"quarantine/{name}"):
            return []
        return self.table(f"quarantine/{name}").select("reason", "column").rows()

    def truth(self, name: str) -> list[str]:
        """The ids that the sandbox holds of a resource."""
        return sorted(row["id"] for row in self.sandbox.workspace.rows(name))

    def ids(self, name: str) -> list[str]:
        """The ids that the lake holds of it, doubles included."""
        return sorted(self.table(f"timix/{name}")["id"].to_list())

    def sent(self, name: str) -> list[dict[str, Any]]:
        """The rows that the sandbox holds of a resource, as the lake should have them: each column's value, by id."""
        return _by_id(
            [{column: _to_the_second(row.get(column)) for column in _columns(name)} for row in self._held(name)]
        )

    def stored(self, name: str) -> list[dict[str, Any]]:
        """The rows that the lake holds of it, in the same form."""
        return _by_id(self.table(f"timix/{name}").select(_columns(name)).to_dicts())

    def move_on(self, name: str) -> None:
        """The first row of a resource comes again under a new id, in front, and the last one goes: as time passes."""
        rows = self._held(name)
        self.sandbox.workspace.insert_first(
            name, [{**rows[0], **({"invoice_id": None} if name == "time_reports" else {})}]
        )
        self.sandbox.workspace.discard(name, [rows[-1]["id"]])

    def _held(self, name: str) -> list[dict[str, Any]]:
        return self.sandbox.workspace.rows(name)


def _named(faults: list[Fault]) -> str:
    return ", ".join(f"{fault.kind} on {fault.path}, page {fault.page}" for fault in faults)


def _columns(name: str) -> list[str]:
    return [column.name for column in BY_NAME[name].columns]


def _by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["id"])


def _to_the_second(value: Any) -> Any:
    """The API sends no fractions of a second."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def contents(lake: Lake) -> dict[str, tuple[int, list[str]]]:
    """Table -> its version and its rows, as text and in order: equal before and after when nothing was replaced."""
    names = (name for name in tables_of(lake.url, {}) if not name.startswith("meta/"))
    return {name: (lake.version(name), rows_of(lake, name)) for name in names}


def rows_of(lake: Lake, name: str) -> list[str]:
    """The rows of a table as text, in order."""
    rows = lake.scan(name).collect()
    return sorted(map(repr, rows.select(sorted(rows.columns)).iter_rows()))


@pytest.fixture(scope="session")
def firm() -> Firm:
    """Six people, three months up to today: 600-odd entries on four pages."""
    return Firm.generate(people=6, months=3, seed=7, today=date.today())


@pytest.fixture(scope="session")
def filled(firm: Firm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which everything was refreshed once; to be copied, never used."""
    folder = tmp_path_factory.mktemp("filled")
    with Sandbox(firm) as sandbox:
        done = new_project(folder, settings_of(sandbox)).run("refresh")
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@contextmanager
def opened(firm: Firm, filled: Path, folder: Path) -> Iterator[Workplace]:
    """A copy of the filled project in `folder`, and a sandbox for it alone."""
    with Sandbox(firm) as sandbox:
        shutil.copytree(filled, folder)
        yield Workplace(sandbox, Project(folder, dict(settings_of(sandbox))))


@pytest.fixture
def workplace(firm: Firm, filled: Path, tmp_path: Path) -> Iterator[Workplace]:
    with opened(firm, filled, tmp_path / "project") as workplace:
        yield workplace


@pytest.fixture
def untouched(workplace: Workplace) -> Iterator[None]:
    """Fails a test that leaves any table other than it was: for faults after which the last good data stays."""
    before = contents(workplace.lake)
    yield
    assert contents(workplace.lake) == before
