from pathlib import Path

import pytest

from timix_assets.lake.tables import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))
