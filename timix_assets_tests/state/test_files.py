"""Files are replaced whole, and synced in an order that a power cut cannot undo."""

import os
import stat
import sys
from pathlib import Path

import pytest

from timix_assets.state.files import write_atomically
from timix_assets_tests.lake.test_commit_durability import Synced


def test_new_content_replaces_the_old(tmp_path: Path) -> None:
    file = tmp_path / "new" / "state.json"
    for content in (b"first", b"second, longer"):
        write_atomically(file, content)
        assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_mode_applies_to_the_new_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "secret", b"", mode=0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_failed_write_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "folder" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "folder", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file a descriptor is of")
def test_content_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "new" / "file.csv"
    synced = Synced(file)
    monkeypatch.setattr(os, "fsync", synced)

    write_atomically(file, b"rows", fsync=True)

    [draft] = synced.before
    assert draft.name.startswith(".file.csv.")
    assert synced.after == [file, file.parent, tmp_path]
    assert list(file.parent.iterdir()) == [file]


def test_failed_sync_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.csv"
    write_atomically(file, b"before", fsync=True)

    def broken(opened: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomically(file, b"after", fsync=True)
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (b"before", [file])
