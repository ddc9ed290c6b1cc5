"""A small table is read once a version; a large one each time."""

from pathlib import Path

import polars as pl
import pytest
from polars.exceptions import PanicException, PolarsError

from timix_assets.lake import small_tables
from timix_assets.lake.errors import LakeError
from timix_assets.lake.tables import Lake

TABLE = "timix/customers"


def rows(*names: str) -> pl.DataFrame:
    return pl.DataFrame({"id": list(names)})


def remove_rows(lake: Lake) -> None:
    """What is read from now on is in memory."""
    for file in Path(lake.url, TABLE).glob("*.parquet"):
        file.unlink()


def ids(lake: Lake) -> list[str]:
    return sorted(lake.scan(TABLE).collect()["id"])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    lake.replace(TABLE, rows("a", "b"), key=["id"])
    return lake


def test_small_table_is_read_once(lake: Lake) -> None:
    assert ids(lake) == ["a", "b"]
    remove_rows(lake)
    assert ids(lake) == ["a", "b"]


def test_each_version_is_read(lake: Lake) -> None:
    assert ids(lake) == ["a", "b"]
    Lake(lake.url).replace(TABLE, rows("a", "c"), key=["id"])
    assert ids(lake) == ["a", "c"]


def test_large_table_is_read_each_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_tables, "MAX_CELLS", 1)
    assert ids(lake) == ["a", "b"]
    remove_rows(lake)
    with pytest.raises(LakeError, match="is missing"):
        lake.scan(TABLE)


def test_table_that_cannot_be_read_says_so_to_who_collects_it(lake: Lake) -> None:
    [file] = Path(lake.url, TABLE).glob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + bytes(len(whole) - 200) + whole[-196:])
    found = lake.scan(TABLE)
    with pytest.raises((PolarsError, PanicException, OSError)):
        found.collect()
