"""Fixtures that several rooms share."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.workspace import Workspace

TODAY = date(2026, 11, 18)


@pytest.fixture(scope="session")
def small_firm() -> Firm:
    """Six people, three months: enough for every kind of row, small enough to read in a moment."""
    return Firm.generate(people=6, months=3, seed=7, today=TODAY)


@pytest.fixture
def sandbox(small_firm: Firm) -> Iterator[Sandbox]:
    with Sandbox(small_firm) as running:
        yield running


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of all tests: the same figures are drawn once, as in one project."""
    return tmp_path_factory.mktemp("drawings")


def share_drawings(project: Path, drawings: Path) -> None:
    """Makes a project folder keep its pictures with those of the others."""
    state = project / ".dagster"
    state.mkdir()
    (state / "pictures").symlink_to(drawings)


@pytest.fixture
def workspace(sandbox: Sandbox, tmp_path: Path, drawings: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A lake of its own, fed by a sandbox of its own."""
    monkeypatch.chdir(tmp_path)
    share_drawings(tmp_path, drawings)
    return Workspace(sandbox, tmp_path)
