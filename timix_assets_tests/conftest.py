"""Fixtures that several rooms share."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.workspace import EVERYTHING, Workspace, failures

TODAY = date(2026, 11, 18)

_ANY_DURATION = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
# `make test-long` runs these tests again, with --hypothesis-profile many.
settings.register_profile("few", _ANY_DURATION, max_examples=25)
settings.register_profile("many", _ANY_DURATION, max_examples=300)
settings.load_profile("few")


@pytest.fixture(scope="session")
def small_firm() -> Firm:
    """Six people, three months: enough for every kind of row, small enough to read in a moment."""
    return Firm.generate(people=6, months=3, seed=7, today=TODAY)


@pytest.fixture
def sandbox(small_firm: Firm) -> Iterator[Sandbox]:
    with Sandbox(small_firm) as running:
        yield running


@pytest.fixture
def workspace(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A lake of its own, fed by a sandbox of its own."""
    monkeypatch.chdir(tmp_path)
    return Workspace(sandbox, tmp_path)


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder that one worker builds and all share; to be copied, never used."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not folder.exists():
            draft = factory.mktemp(f"{name}-draft")
            build(draft)
            draft.rename(folder)
    return folder


@pytest.fixture(scope="session")
def refreshed_once(small_firm: Firm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace in which everything was refreshed once, as of TODAY."""

    def build(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch, Sandbox(small_firm) as sandbox:
            patch.setenv("TIMIX_AS_OF", TODAY.isoformat())
            assert failures(Workspace(sandbox, folder).refresh(EVERYTHING)) == {}

    return built_once(tmp_path_factory, "refreshed", build)


@pytest.fixture
def refreshed(workspace: Workspace, refreshed_once: Path) -> Workspace:
    """`workspace` after a refresh of everything as of TODAY, of which its instance has no record."""
    shutil.copytree(refreshed_once / "lake", workspace.folder / "lake")
    return workspace
