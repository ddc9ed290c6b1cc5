"""The machine that wrote a commit."""

from pathlib import Path

from timix_assets.lake.tables import Lake
from timix_assets.lake.writers import writer_id

from .rows import JANUARY, numbered

TABLE = "timix/customers"


def test_state_folder_keeps_its_id(tmp_path: Path) -> None:
    assert writer_id(tmp_path / "one") == writer_id(tmp_path / "one") != writer_id(tmp_path / "two")


def test_damaged_id_is_created_again(tmp_path: Path) -> None:
    for damaged in (b"", b"\x00\x00", b"\xff"):
        (tmp_path / "writer-id").write_bytes(damaged)
        made = writer_id(tmp_path)
        assert made.isalnum()
        assert writer_id(tmp_path) == made


def test_only_another_writers_commit_is_reported(lake: Lake) -> None:
    ours, theirs, nameless = Lake(lake.url, writer="ours"), Lake(lake.url, writer="theirs"), Lake(lake.url)
    told = [
        each.replace(TABLE, numbered(JANUARY, count), key=["id"]).another_wrote_at is not None
        for count, each in enumerate((ours, ours, theirs, theirs, nameless, ours, nameless), start=1)
    ]
    assert told == [False, False, True, False, False, False, False]
