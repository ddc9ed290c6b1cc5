import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.imports.workspace import CLOSED
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.server import Sandbox

from .firm import Firm
from .importing import Importing
from .structure import Structure


@pytest.fixture
def firm(sandbox: Sandbox, tmp_path: Path) -> Firm:
    """An empty lake."""
    return Firm(sandbox, Lake(str(tmp_path / "lake")))


@pytest.fixture
def structure(sandbox: Sandbox, tmp_path: Path) -> Structure:
    """An empty lake."""
    return Structure(sandbox, Lake(str(tmp_path / "lake")))


@pytest.fixture(params=["firm", "structure"])
def importing(request: pytest.FixtureRequest) -> Importing[Any, Any, Any]:
    """Every kind of import."""
    found: Importing[Any, Any, Any] = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def refreshed_firm(firm: Firm, refreshed_once: Path, tmp_path: Path) -> Firm:
    """A lake with every table, in which September is closed."""
    shutil.copytree(refreshed_once / "lake", tmp_path / "lake")
    firm.lake.replace(CLOSED, pl.DataFrame({"month": [date(2026, 9, 1)]}), key=["month"])
    return firm
