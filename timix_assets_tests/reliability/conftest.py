"""The table of faults: a filled lake, a fault, a refresh, and what is there afterwards.

Every test here starts from a copy of one good refresh of a small firm, so that "the last good data stays" can be seen.
`Workplace.refresh` runs the command's job in this process, and `refresh_by_command` all of the command line;
`refresh_in_a_process` starts the command, which one test does for each way in which it can end.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance
from rich.console import Console

from timix_assets.commands import refresh as command
from timix_assets.commands import refresh_output
from timix_assets.commands.terminal import TerminalConsole
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.maintenance import list_tables
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings
from timix_assets.workspace import build_definitions
from timix_assets_tests import workspace as assets
from timix_assets_tests.commands.conftest import Project, new_project, settings_of
from timix_assets_tests.conftest import built_once

HERE = Path(__file__).parent
TIME = "timix/time_reports"
FEWEST_ENTRIES = 610


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A refresh or more each: all tests of this folder are long ones."""
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

    @cached_property
    def instance(self) -> DagsterInstance:
        """Records the runs of `refresh`."""
        return DagsterInstance.ephemeral()

    def refresh(
        self,
        *only: str,
        faults: tuple[Fault, ...] = (),
        all_strike: bool = True,
        accept_shrink: bool = False,
        **env: str,
    ) -> Refreshed:
        """What the command does with valid settings, in this process: the same job over all months, the same messages.

        Of these assets alone when some are named, while the faults are on. Fails when one of them struck no request,
        unless all_strike is False: nothing would have been tested. env: settings beside those of the project.
        """
        with self._under(faults, all_strike) as asked, self.project.entered(env):
            settings = Settings.from_environment()
            months = command.months_between(settings, None, None)
            stdout, stderr = (TerminalConsole(file=StringIO(), width=160) for _ in range(2))
            outcome = command.execute(
                build_definitions(settings), self.instance, months, only, stdout, accept_shrink=accept_shrink
            )
            refresh_output.show(outcome, stdout, stderr)
        return self._refreshed(0 if outcome.ok else 1, _printed(stdout), _printed(stderr), asked)

    def refresh_by_command(
        self,
        *only: str,
        faults: tuple[Fault, ...] = (),
        all_strike: bool = True,
        words: tuple[str, ...] = (),
        **env: str,
    ) -> Refreshed:
        """The same by the command line, in this process too. words: further words of it."""
        with self._under(faults, all_strike) as asked:
            done = self.project.run("refresh", *_named_only(only), *words, **env)
        return self._refreshed(done.returncode, done.stdout, done.stderr, asked)

    def refresh_in_a_process(
        self, *only: str, faults: tuple[Fault, ...] = (), all_strike: bool = True, **env: str
    ) -> Refreshed:
        """The same by the command in a process of its own."""
        with self._under(faults, all_strike) as asked:
            done = self.project.run_in_a_process("refresh", *_named_only(only), **env)
        return self._refreshed(done.returncode, done.stdout, done.stderr, asked)

    @contextmanager
    def _under(self, faults: tuple[Fault, ...], all_strike: bool) -> Iterator[list[str]]:
        """Switches the faults on. Gives the paths that are requested meanwhile, as soon as it is over."""
        asked: list[str] = []
        self.sandbox.faults.add(*faults)
        asked_before = len(self.sandbox.requests)
        try:
            yield asked
            missed = [each.fault for each in self.sandbox.faults._active if not each.struck]
        finally:
            self.sandbox.faults.clear()
        assert not (all_strike and missed), f"no request met {_named(missed)}"
        base = self.sandbox.base_url.removeprefix(self.sandbox.origin)
        asked += [seen.path.removeprefix(base) for seen in self.sandbox.requests[asked_before:]]

    def _refreshed(self, status: int, stdout: str, stderr: str, asked: list[str]) -> Refreshed:
        assert self.sandbox.key not in stdout + stderr
        return Refreshed(status, stdout, stderr, asked)

    def metadata(self, asset: str) -> dict[str, object]:
        """The metadata that the UI shows of the asset's latest materialization by `refresh`."""
        event = self.instance.get_latest_materialization_event(AssetKey(asset.split("/")))
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

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


def _named_only(assets: tuple[str, ...]) -> list[str]:
    return [word for name in assets for word in ("--only", name)]


def _printed(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


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
    names = (name for name in list_tables(lake.url, {}) if not name.startswith("meta/"))
    return {name: (lake.version(name), rows_of(lake, name)) for name in names}


def rows_of(lake: Lake, name: str) -> list[str]:
    """The rows of a table as text, in order."""
    rows = lake.scan(name).collect()
    return sorted(map(repr, rows.select(sorted(rows.columns)).iter_rows()))


@pytest.fixture(scope="session")
def firm() -> Firm:
    """Six people, three months up to today: 600-odd entries, also early in a month, on four pages.

    Every cost is in its entry's currency, so that a refresh warns of nothing but the faults.
    """
    firm = Firm.generate(people=6, months=3, seed=7, today=date.today())
    entries = firm.tables["time_reports"]
    for row in entries:
        row["cost_rate_currency"] = row["currency"]
    missing = max(FEWEST_ENTRIES - len(entries), 0)
    entries += [{**row, "id": f"{row['id']}-again", "invoice_id": None} for row in entries[:missing]]
    return firm


@pytest.fixture(scope="session")
def filled(firm: Firm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which everything was refreshed once, to be copied, never used."""

    def build(folder: Path) -> None:
        with Sandbox(firm) as sandbox:
            done = new_project(folder, settings_of(sandbox)).run("refresh")
        assert (done.returncode, done.stderr) == (0, "")

    return built_once(tmp_path_factory, f"filled-{firm.today}", build)


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


@pytest.fixture
def other(workspace: assets.Workspace, tmp_path: Path) -> assets.Workspace:
    """The key and the lake of `workspace` on another machine, with a state folder of its own."""
    folder = tmp_path / "other machine"
    folder.mkdir()
    Path(workspace.lake.url).mkdir(exist_ok=True)
    (folder / "lake").symlink_to(workspace.lake.url)
    return assets.Workspace(workspace.sandbox, folder)
