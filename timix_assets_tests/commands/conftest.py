"""The command line in a project folder of its own: `run` in this process, `run_in_a_process` as a user starts it.

A message, a table and an exit code are the same either way; the process costs two seconds of imports.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from click.testing import CliRunner

from timix_assets.api.retries import RetryPolicy
from timix_assets.cli import main
from timix_assets.lake.errors import LakeError
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings, SettingsError

ROOT = Path(__file__).parent.parent.parent
DEFINITIONS = "timix_assets.definitions"


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
        with self.entered(settings):
            done = CliRunner().invoke(main, words, prog_name="timix-assets", catch_exceptions=False)
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    @contextmanager
    def entered(self, settings: Mapping[str, str]) -> Iterator[None]:
        """This process is like one that was started in the folder with its settings and these, but waits for no retry."""
        # They are built from the environment when they are imported.
        loaded = sys.modules.pop(DEFINITIONS, None)
        try:
            with (
                chdir(self.folder),
                patch.dict(os.environ, self.environment | settings, clear=True),
                patch.object(RetryPolicy, "wait_seconds", return_value=0.0),
            ):
                time.tzset()
                try:
                    yield
                finally:
                    _release_lake()
        finally:
            time.tzset()
            sys.modules.pop(DEFINITIONS, None)
            if loaded is not None:
                sys.modules[DEFINITIONS] = loaded

    def run_in_a_process(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment | settings,
            capture_output=True,
            text=True,
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


def _release_lake() -> None:
    """The lake stays locked until a process ends, and this one goes on."""
    with suppress(SettingsError, LakeError):
        settings = Settings.from_environment()
        LakeLock(settings.state_folder, settings.lake).release()


def wait_for_request(sandbox: Sandbox, path: str, process: subprocess.Popen[str]) -> None:
    """Returns once the process has asked for the path; fails with what it said when it ends before."""
    while not any(seen.path.endswith(path) for seen in sandbox.requests):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def settings_of(sandbox: Sandbox, **more: str) -> Mapping[str, str]:
    start = f"{sandbox.firm.first_day:%Y-%m}"
    required = {"TIMIX_API_KEY": sandbox.key, "TIMIX_BASE_URL": sandbox.base_url, "TIMIX_START_MONTH": start}
    # The firm of the sandbox lives by the clock of this machine, not by that of its organization.
    return {**required, "TIMIX_TIMEZONE": "UTC", **more}


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
def project(live: Sandbox, tmp_path: Path) -> Project:
    return new_project(tmp_path, settings_of(live))
