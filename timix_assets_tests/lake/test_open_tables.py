"""A table stays open until its log changes, whoever changes it."""

import os
import shutil
from pathlib import Path

import polars as pl

from timix_assets.lake.log_retention import LOG
from timix_assets.lake.open_tables import OpenTables
from timix_assets.lake.tables import Lake

TABLE = "timix/customers"


def rows(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"c{value}" for value in values]})


def write(folder: Path, *values: int) -> str:
    """Writes through another `Lake`, as another process would; returns the table's URL."""
    Lake(str(folder)).replace(TABLE, rows(*values), key=["id"])
    return f"{folder}/{TABLE}"


def same_time(url: str, as_of: os.stat_result) -> None:
    os.utime(f"{url}/{LOG}", ns=(as_of.st_atime_ns, as_of.st_mtime_ns))


def test_is_opened_once_a_version(tmp_path: Path) -> None:
    tables, url = OpenTables({}), write(tmp_path, 1)
    first = tables.find(url)
    assert first is not None
    assert tables.find(url) is first
    write(tmp_path, 1, 2)
    second = tables.find(url)
    assert second is not None
    assert (first.version(), second.version()) == (0, 1)
    assert tables.find(url) is second


def test_commit_within_one_tick_of_the_clock_is_found(tmp_path: Path) -> None:
    tables, url = OpenTables({}), write(tmp_path, 1)
    tables.find(url)
    before = Path(url, LOG).stat()
    write(tmp_path, 1, 2)
    same_time(url, before)
    assert (found := tables.find(url)) is not None
    assert found.version() == 1


def test_table_that_was_moved_away_is_missing_and_then_new(tmp_path: Path) -> None:
    tables, url = OpenTables({}), write(tmp_path, 1)
    first = tables.find(url)
    shutil.move(url, tmp_path / "away")
    assert tables.find(url) is None
    write(tmp_path, 2)
    again = tables.find(url)
    assert first is not None
    assert again is not None
    assert again.metadata().id != first.metadata().id


def test_scan_stays_at_its_version(tmp_path: Path) -> None:
    write(tmp_path, 1)
    lake = Lake(str(tmp_path))
    before = lake.scan(TABLE)
    lake.replace(TABLE, rows(1, 2), key=["id"])
    assert (before.collect().height, lake.scan(TABLE).collect().height) == (1, 2)
