"""Exports are stored byte for byte; replaced files stay for the retention."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from timix_assets.lake.errors import LakeError, WriteFailed
from timix_assets.lake.exports import Exports
from timix_assets.lake.tables import Lake

CSV = b'\xef\xbb\xbfname,note\r\n"Acme","=cmd()\nsecond line"\r\n'
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MONTH = "revenue_report/2025-01.csv"


def kept(lake: Lake) -> dict[str, bytes]:
    """The replaced exports: path below the folder -> content."""
    folder = Path(lake.url, "exports", ".replaced")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_export_is_stored_byte_for_byte_and_replaced_whole(lake: Lake) -> None:
    lake.exports.put(MONTH, b"old and longer than the new one" * 9, now=NOON)
    stored = lake.exports.put(MONTH, CSV, now=NOON)
    assert Path(stored.url).read_bytes() == CSV
    assert stored.url == f"{lake.url}/exports/revenue_report/2025-01.csv"
    assert (stored.size, stored.sha256) == (len(CSV), sha256(CSV).hexdigest())
    assert [file.name for file in Path(stored.url).parent.iterdir()] == ["2025-01.csv"]


def test_replaced_export_is_kept_outside_csv_globs(lake: Lake) -> None:
    first = lake.exports.put(MONTH, b"first", now=NOON)
    second = lake.exports.put(MONTH, b"second", now=NOON + timedelta(days=1))
    assert first.replaced is None
    assert second.replaced is not None
    assert Path(second.replaced).read_bytes() == b"first"
    assert kept(lake) == {f"{MONTH}.20261125T120000.000000Z": b"first"}
    assert list(Path(lake.url).glob("**/*.csv")) == [Path(lake.url, "exports", MONTH)]
    assert lake.exports.of_report("revenue_report") == [MONTH]


def test_unchanged_export_is_not_written(lake: Lake) -> None:
    lake.exports.put(MONTH, CSV, now=NOON)
    file = Path(lake.url, "exports", MONTH)
    written = file.stat()
    assert lake.exports.put(MONTH, CSV, now=NOON).replaced is None
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (written.st_mtime_ns, written.st_ino)
    assert kept(lake) == {}


def test_only_replaced_exports_beyond_retention_are_deleted(lake: Lake) -> None:
    for day in range(4):
        lake.exports.put(MONTH, f"version {day}".encode(), now=NOON + timedelta(days=day))
    mine = Path(lake.url, "exports", ".replaced", "revenue_report", "2025-01.csv.mine")
    mine.write_bytes(b"mine")
    assert lake.exports.delete_replaced(before=NOON + timedelta(days=2)) == 1
    assert sorted(kept(lake).values()) == [b"mine", b"version 1", b"version 2"]
    assert Path(lake.url, "exports", MONTH).read_bytes() == b"version 3"


def test_lake_without_exports_has_nothing_to_delete(lake: Lake) -> None:
    assert lake.exports.delete_replaced(before=NOON) == 0
    assert lake.exports.of_report("revenue_report") == []
    assert lake.exports.get(MONTH) is None


def test_exports_are_listed_latest_month_first(lake: Lake) -> None:
    for month in ("2025-02", "2024-12", "2025-11"):
        lake.exports.put(f"revenue_report/{month}.csv", CSV, now=NOON)
    lake.exports.put("revenue_report/notes.txt", CSV, now=NOON)
    assert lake.exports.of_report("revenue_report") == [
        f"revenue_report/{month}.csv" for month in ("2025-11", "2025-02", "2024-12")
    ]


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "", "a//b", ".hidden"])
def test_export_path_cannot_leave_the_exports_folder(lake: Lake, path: str) -> None:
    with pytest.raises(LakeError, match="is not an export path"):
        lake.exports.put(path, CSV, now=NOON)


def test_unwritable_export_raises_write_failed(lake: Lake) -> None:
    lake.exports.put("revenue_report", CSV, now=NOON)
    with pytest.raises(WriteFailed, match=r"Cannot write the export .*exports/revenue_report/2025-01\.csv"):
        lake.exports.put(MONTH, CSV, now=NOON)


def test_drafts_of_killed_writes_are_removed_when_old(lake: Lake) -> None:
    lake.exports.put(MONTH, CSV, now=NOON)
    folder = Path(lake.url, "exports", "revenue_report")
    old, young, mine = (folder / name for name in (f".2025-01.csv.{'a' * 32}", f".2025-01.csv.{'b' * 32}", ".mine.csv"))
    for file, age in ((old, 2), (young, 0), (mine, 2)):
        file.write_bytes(b"half")
        at = (NOON - timedelta(days=age)).timestamp()
        os.utime(file, (at, at))
    assert lake.exports.remove_drafts(before=NOON - timedelta(days=1)) == 1
    assert sorted(folder.iterdir()) == sorted([young, mine, folder / "2025-01.csv"])
    assert Exports(f"{lake.url}/none", {}).remove_drafts(before=NOON) == 0
