"""A table stays open until its log changes, whoever changes it."""

import os
import secrets
import shutil
from pathlib import Path

import polars as pl
import pytest

from timix_assets.lake.errors import WriteConflict
from timix_assets.lake.log_retention import LOG
from timix_assets.lake.open_tables import OpenTables
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake

from .s3 import store

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
    tables, url = OpenTables(str(tmp_path), {}), write(tmp_path, 1)
    first = tables.find(url)
    assert first is not None
    assert tables.find(url) is first
    write(tmp_path, 1, 2)
    second = tables.find(url)
    assert second is not None
    assert (first.version(), second.version()) == (0, 1)
    assert tables.find(url) is second


def test_commit_within_one_tick_of_the_clock_is_found(tmp_path: Path) -> None:
    tables, url = OpenTables(str(tmp_path), {}), write(tmp_path, 1)
    tables.find(url)
    before = Path(url, LOG).stat()
    write(tmp_path, 1, 2)
    same_time(url, before)
    assert (found := tables.find(url)) is not None
    assert found.version() == 1


def test_table_that_was_moved_away_is_missing_and_then_new(tmp_path: Path) -> None:
    tables, url = OpenTables(str(tmp_path), {}), write(tmp_path, 1)
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


def test_in_a_store_it_is_opened_once_a_version_by_one_request_a_use() -> None:
    with store() as (options, asked):
        lake, another = (Lake(url, options) for url in [f"s3://lakes/{secrets.token_hex(4)}"] * 2)
        another.replace(TABLE, rows(1), key=["id"])
        assert lake.version(TABLE) == 0
        asked.clear()
        assert lake.version(TABLE) == 0
        assert [method for method, _ in asked] == ["HEAD"]

        another.replace(TABLE, rows(1, 2), key=["id"])
        assert lake.version(TABLE) == 1
        assert lake.scan(TABLE).collect().height == 2


def test_in_a_store_a_table_that_was_made_again_is_noticed_by_who_writes() -> None:
    with store() as (options, _):
        url = f"s3://lakes/{secrets.token_hex(4)}"
        lake = Lake(url, options)
        for values in ((1,), (1, 2), (1, 2, 3)):
            lake.replace(TABLE, rows(*values), key=["id"])
        files = open_store(url, options)
        for batch in files.list():
            files.delete([each["path"] for each in batch])
        Lake(url, options).replace(TABLE, rows(9), key=["id"])
        with pytest.raises(WriteConflict):
            lake.replace(TABLE, rows(9, 10), key=["id"])
        lake.replace(TABLE, rows(9, 10), key=["id"])
        assert Lake(url, options).version(TABLE) == 1
