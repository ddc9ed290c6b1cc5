from pathlib import Path

import pytest

from timix_assets.lake.tables import Lake

from .s3 import options, url

__all__ = ["options", "url"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))
