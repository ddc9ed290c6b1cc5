"""What is synced and in which order. reliability/test_power_cut.py shows on a disk that it is sufficient."""

import os
import sys
from pathlib import Path

import pytest

from timix_assets.lake.tables import Lake

from .rows import FEBRUARY, JANUARY, WINTER, numbered, only

TABLE = "timix/time_reports"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file a descriptor is of")


class Synced:
    """before, after: the files and folders that were synced while the commit's entry was not yet there, and later."""

    def __init__(self, entry: Path) -> None:
        self.before: list[Path] = []
        self.after: list[Path] = []
        self._entry = entry
        self._fsync = os.fsync

    def __call__(self, opened: int) -> None:
        self._fsync(opened)
        (self.after if self._entry.exists() else self.before).append(Path(f"/proc/self/fd/{opened}").readlink())


def entry_of(lake: Lake, version: int) -> Path:
    return Path(lake.url, TABLE, "_delta_log", f"{version:020}.json")


def test_first_commit_syncs_files_then_entry_and_folders_above(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = Synced(entry_of(lake, 0))
    monkeypatch.setattr(os, "fsync", synced)

    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=WINTER)

    folder = Path(lake.url, TABLE)
    [file] = folder.rglob("*.parquet")
    assert {file, file.parent, folder} <= set(synced.before)
    assert {entry_of(lake, 0), folder / "_delta_log", *folder.parents} - {folder} <= set(synced.after)
    assert len(synced.before) == len(set(synced.before))


def test_later_commit_syncs_the_previous_entry_first(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=WINTER)
    synced = Synced(entry_of(lake, 1))
    monkeypatch.setattr(os, "fsync", synced)

    lake.replace(TABLE, numbered(FEBRUARY, 2), key=["id"], months=only(FEBRUARY))

    folder = Path(lake.url, TABLE)
    [file] = folder.rglob("month=2025-02-01/*.parquet")
    assert set(synced.before) == {file, file.parent, folder, folder / "_delta_log", entry_of(lake, 0)}
    assert set(synced.after) == {entry_of(lake, 1), folder / "_delta_log"}


def test_unchanged_table_has_its_entry_synced(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=WINTER)
    synced = Synced(entry_of(lake, 0))
    monkeypatch.setattr(os, "fsync", synced)
    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=WINTER)
    assert set(synced.after) == {entry_of(lake, 0), entry_of(lake, 0).parent}
