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


@pytest.fixture
def workspace(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A lake of its own, fed by a sandbox of its own."""
    monkeypatch.chdir(tmp_path)
    return Workspace(sandbox, tmp_path)
