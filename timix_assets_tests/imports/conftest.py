import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from timix_assets.api import Limits
from timix_assets.imports.workspace import CLOSED
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.server import Sandbox

from .firm import Firm

QUICK = Limits(backoff_base_seconds=0.001, backoff_cap_seconds=0.005, attempts=2)


@pytest.fixture
def firm(sandbox: Sandbox, tmp_path: Path) -> Firm:
    """An empty lake."""
    return Firm(sandbox, Lake(str(tmp_path / "lake")), QUICK)


@pytest.fixture
def refreshed_firm(firm: Firm, refreshed_once: Path, tmp_path: Path) -> Firm:
    """A lake with every table, in which September is closed."""
    shutil.copytree(refreshed_once / "lake", tmp_path / "lake")
    close_september(firm.lake)
    return firm


def close_september(lake: Lake) -> None:
    lake.replace(CLOSED, pl.DataFrame({"month": [date(2026, 9, 1)]}), key=["month"])
