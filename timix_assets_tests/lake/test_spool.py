"""A listing is spooled without duplicates, and its files are deleted."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from timix_assets.lake.errors import LakeError, WriteFailed
from timix_assets.lake.snapshots import Snapshot
from timix_assets.lake.spool import FILE_ROWS, Spool

SCHEMA = pl.Schema({"id": pl.String(), "hours": pl.Int64(), "updated_at": pl.Datetime("us", "UTC")})


def rows(*entries: tuple[str, int, int | None]) -> pl.DataFrame:
    """Entries with id, hours and the day of January on which they were last changed."""
    dated = [(id, hours, datetime(2025, 1, day, tzinfo=UTC) if day else None) for id, hours, day in entries]
    return pl.DataFrame(dated, schema=SCHEMA, orient="row")


def numbered(start: int, stop: int, hours: int = 1) -> pl.DataFrame:
    return pl.select(id=pl.int_range(start, stop).cast(pl.String), hours=pl.lit(hours, pl.Int64), updated_at=None).cast(
        SCHEMA
    )  # type: ignore[arg-type]


def test_short_listing_stays_in_memory(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool:
        spool.add(rows(("a", 1, 1)))
        spool.add(rows(("b", 2, 1)))
        spooled = spool.finish()
        assert (spooled.rows, spooled.duplicates, spooled.conflicting) == (2, 0, ())
        assert spooled.frame.collect()["id"].to_list() == ["a", "b"]
        assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    with (
        Spool(SCHEMA, ["id"], parent=tmp_path / "gone") as spool,
        pytest.raises(WriteFailed, match=r"Cannot buffer the rows of the listing in .*/gone \(.*No such file"),
    ):
        spool.add(numbered(0, FILE_ROWS))


def test_empty_listing_has_its_columns(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool:
        assert spool.finish().frame.collect().schema == SCHEMA


def test_long_listing_goes_to_disk_and_leaves_no_files(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool:
        for start in range(0, 3 * FILE_ROWS, FILE_ROWS // 2):
            spool.add(numbered(start, start + FILE_ROWS // 2))
        spool.add(numbered(3 * FILE_ROWS, 3 * FILE_ROWS + 1))
        spooled = spool.finish()
        assert len(list(tmp_path.glob("*/*.parquet"))) == 4
        assert (spooled.rows, spooled.frame.select(pl.col("id").n_unique()).collect().item()) == (60_001, 60_001)
    assert list(tmp_path.iterdir()) == []


def test_files_are_deleted_after_a_failure(tmp_path: Path) -> None:
    spool = Spool(SCHEMA, ["id"], parent=tmp_path)
    with suppress(ConnectionError), spool:
        spool.add(numbered(0, FILE_ROWS))
        assert list(tmp_path.iterdir()) != []
        raise ConnectionError
    assert list(tmp_path.iterdir()) == []


def test_row_with_the_later_change_wins(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool:
        spool.add(rows(("a", 1, 2), ("b", 1, 1)))
        spool.add(rows(("a", 9, 1), ("b", 9, 2)))
        spooled = spool.finish()
        assert sorted(spooled.frame.select("id", "hours").collect().rows()) == [("a", 1), ("b", 9)]
        assert (spooled.rows, spooled.duplicates, spooled.conflicting) == (2, 2, ("a", "b"))


def test_row_that_arrived_later_wins_a_tie(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool:
        spool.add(rows(("a", 1, 1), ("b", 1, None), ("c", 1, None), ("a", 2, 1), ("b", 2, None), ("c", 2, 1)))
        spool.add(rows(("c", 3, None)))
        assert sorted(spool.finish().frame.select("id", "hours").collect().rows()) == [("a", 2), ("b", 2), ("c", 2)]


def test_identical_duplicate_is_dropped_without_conflict(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool:
        spool.add(rows(("a", 1, 1), ("b", 2, 1), ("a", 1, 1), ("a", 1, 1)))
        spooled = spool.finish()
        assert (spooled.rows, spooled.duplicates, spooled.conflicting) == (2, 2, ())


def test_duplicates_are_found_across_files(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool:
        spool.add(numbered(0, FILE_ROWS))
        spool.add(numbered(FILE_ROWS, 2 * FILE_ROWS))
        spool.add(numbered(7, 9, hours=5))
        spooled = spool.finish()
        assert (spooled.rows, spooled.duplicates, spooled.conflicting) == (2 * FILE_ROWS, 2, ("7", "8"))
        found = spooled.frame.filter(pl.col("id").is_in(["6", "7", "8"])).select("id", "hours").collect()
        assert sorted(found.rows()) == [("6", 1), ("7", 5), ("8", 5)]
        assert spooled.frame.select(pl.len()).collect().item() == spooled.rows


def test_composite_key_is_compared_as_a_whole(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id", "hours"], newer=None, parent=tmp_path) as spool:
        spool.add(rows(("a", 1, 1), ("a", 2, 1), ("a", 1, 2)))
        spooled = spool.finish()
        assert (spooled.rows, spooled.duplicates, spooled.conflicting) == (2, 1, ("a / 1",))


def test_restart_drops_all_rows_and_keeps_the_target(tmp_path: Path) -> None:
    target = Snapshot(3, "a table")
    with Spool(SCHEMA, ["id"], target=target, parent=tmp_path) as spool:
        spool.add(numbered(0, FILE_ROWS))
        spool.restart()
        assert list(tmp_path.iterdir()) == []
        spool.add(rows(("a", 1, 1)))
        spooled = spool.finish()
        assert (spooled.rows, spooled.frame.collect()["id"].to_list()) == (1, ["a"])
        assert spooled.target == target


def test_frame_with_other_columns_is_refused(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], parent=tmp_path) as spool, pytest.raises(LakeError, match="hours"):
        spool.add(rows(("a", 1, 1)).with_columns(hours=pl.lit(5.5)))


def test_a_hundred_thousand_rows_of_one_id_become_the_newest(tmp_path: Path) -> None:
    with Spool(SCHEMA, ["id"], newer="updated_at", parent=tmp_path) as spool:
        for start in range(0, 100_000, 10_000):
            newest = datetime(2025, 1, 31 if start == 30_000 else 1, tzinfo=UTC)
            spool.add(numbered(start, start + 10_000, hours=start).with_columns(id=pl.lit("a"), updated_at=newest))
        spooled = spool.finish()
        assert (spooled.rows, spooled.duplicates, spooled.conflicting) == (1, 99_999, ("a",))
        assert spooled.frame.collect()["hours"].to_list() == [30_000]
