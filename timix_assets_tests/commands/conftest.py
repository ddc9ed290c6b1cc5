"""The command line as a user starts it: a process of its own in a project folder of its own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from timix_assets.lake.tables import Lake
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.conftest import share_drawings

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Project:
    """A folder with the project's dagster.yaml and workspace.yaml, and the settings that its commands get."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TIMIX_", "DAGSTER_"))}
        # Tables are wrapped by the terminal's width unless there is none.
        return inherited | {"COLUMNS": "160"} | self.settings

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "timix_assets.cli", *words]

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment | settings,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def start(self, *words: str, **settings: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "data" / "lake"))

    def table(self, name: str) -> pl.DataFrame:
        return self.lake.scan(name).collect()


def wait_for_request(sandbox: Sandbox, path: str, process: subprocess.Popen[str]) -> None:
    """Returns once the process has asked for the path; fails with what it said when it ends before."""
    while not any(seen.path.endswith(path) for seen in sandbox.requests):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def settings_of(sandbox: Sandbox, **more: str) -> Mapping[str, str]:
    start = f"{sandbox.firm.first_day:%Y-%m}"
    return {"TIMIX_API_KEY": sandbox.key, "TIMIX_BASE_URL": sandbox.base_url, "TIMIX_START_MONTH": start, **more}


@pytest.fixture(scope="session")
def todays_firm() -> Firm:
    """Six people, three months up to today: commands go by the clock."""
    return Firm.generate(people=6, months=3, seed=7, today=date.today())


@pytest.fixture
def live(todays_firm: Firm) -> Iterator[Sandbox]:
    with Sandbox(todays_firm) as running:
        yield running


def new_project(folder: Path, settings: Mapping[str, str]) -> Project:
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder)
    return Project(folder, dict(settings))


@pytest.fixture
def project(live: Sandbox, tmp_path: Path, drawings: Path) -> Project:
    share_drawings(tmp_path, drawings)
    return new_project(tmp_path, settings_of(live))
