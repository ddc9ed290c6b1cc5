"""Concurrent writers and readers, and writers that are killed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest
from deltalake import DeltaTable

from timix_assets.lake.errors import WriteConflict
from timix_assets.lake.months import Months
from timix_assets.lake.snapshots import Snapshot
from timix_assets.lake.tables import Lake, ShrinkGuard

from .rows import FEBRUARY, JANUARY, WINTER, entries, numbered, only, sorted_rows

TABLE = "timix/time_reports"
ANY = ShrinkGuard(accept=True)
YEAR = Months(date(2025, 1, 1), date(2025, 12, 1))


def meanwhile(rows: pl.DataFrame, event: Callable[[], object]) -> pl.LazyFrame:
    """The rows as a frame whose evaluation triggers the event, once."""
    pending = [event]

    def evaluated(frame: pl.DataFrame) -> pl.DataFrame:
        while pending:
            pending.pop()()
        return frame

    return rows.lazy().map_batches(evaluated, schema=rows.schema)


def replace(lake: Lake, rows: pl.DataFrame | pl.LazyFrame, months: Months, based_on: Snapshot | None = None) -> bool:
    return lake.replace(TABLE, rows, key=["id"], months=months, guard=ANY, based_on=based_on).written


def at_once(writes: Sequence[Callable[[], object]]) -> list[object]:
    """The results of concurrent writes: what each returned, or its WriteConflict."""
    start = Barrier(len(writes))

    def one(write: Callable[[], object]) -> object:
        start.wait()
        try:
            return write()
        except WriteConflict as lost:
            return lost

    with ThreadPoolExecutor(len(writes)) as pool:
        return list(pool.map(one, writes))


def test_writer_of_another_month_does_not_conflict(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    other = meanwhile(numbered(JANUARY, 3), lambda: replace(lake, numbered(FEBRUARY, 1), only(FEBRUARY)))
    assert replace(lake, other, only(JANUARY))
    assert lake.scan(TABLE).collect().height == 4


def test_older_data_does_not_replace_newer(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    before = lake.snapshot(TABLE)
    older = meanwhile(numbered(JANUARY, 9), lambda: replace(lake, numbered(JANUARY, 3), only(JANUARY)))
    with pytest.raises(WriteConflict, match=r"committed by another writer .* older data must not replace newer"):
        replace(lake, older, only(JANUARY), before)
    assert lake.scan(TABLE).collect().height == 3


def test_write_without_snapshot_conflicts_with_a_commit(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    with pytest.raises(WriteConflict):
        replace(lake, meanwhile(numbered(JANUARY, 9), lambda: replace(lake, numbered(JANUARY, 3), WINTER)), WINTER)
    assert lake.scan(TABLE).collect().height == 3


def test_read_after_the_last_commit_replaces_it(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    replace(lake, numbered(JANUARY, 3), WINTER)
    assert replace(lake, numbered(JANUARY, 9), WINTER, lake.snapshot(TABLE))
    assert lake.scan(TABLE).collect().height == 9


def test_read_before_the_last_commit_conflicts_at_any_age(lake: Lake) -> None:
    before = lake.snapshot(TABLE)
    replace(lake, numbered(JANUARY, 2), WINTER)
    with pytest.raises(WriteConflict):
        replace(lake, numbered(JANUARY, 3), WINTER, before)


def test_conflict_is_found_below_commits_of_other_months(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    before = lake.snapshot(TABLE)
    replace(lake, numbered(JANUARY, 3), only(JANUARY))
    replace(lake, numbered(FEBRUARY, 3), only(FEBRUARY))
    with pytest.raises(WriteConflict, match=r"version 1"):
        replace(lake, numbered(JANUARY, 9), only(JANUARY), before)


@pytest.mark.parametrize("commits_before", [1, 3])
def test_table_recreated_since_the_read_conflicts(lake: Lake, commits_before: int) -> None:
    for hours in range(commits_before):
        replace(lake, numbered(JANUARY, 2, hours), WINTER)
    before = lake.snapshot(TABLE)
    shutil.rmtree(Path(lake.url, TABLE))
    replace(lake, numbered(JANUARY, 3), only(JANUARY))
    with pytest.raises(WriteConflict):
        replace(lake, numbered(JANUARY, 9), only(JANUARY), before)
    assert replace(lake, numbered(FEBRUARY, 9), only(FEBRUARY), before)


@pytest.mark.long
def test_table_restored_from_backup_since_the_read_conflicts(lake: Lake, tmp_path: Path) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    shutil.copytree(lake.url, tmp_path / "backup")
    replace(lake, numbered(JANUARY, 3), WINTER)
    before = lake.snapshot(TABLE)
    shutil.rmtree(lake.url)
    shutil.copytree(tmp_path / "backup", lake.url)
    with pytest.raises(WriteConflict):
        replace(lake, numbered(JANUARY, 9), WINTER, before)


def test_table_moved_away_since_the_read_is_created(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    before = lake.snapshot(TABLE)
    shutil.rmtree(Path(lake.url, TABLE))
    assert replace(lake, numbered(JANUARY, 9), WINTER, before)


def test_commit_missing_from_the_log_conflicts(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    before = lake.snapshot(TABLE)
    replace(lake, numbered(FEBRUARY, 1), only(FEBRUARY))
    replace(lake, numbered(FEBRUARY, 2), only(FEBRUARY))
    DeltaTable(Path(lake.url, TABLE)).create_checkpoint()
    Path(lake.url, TABLE, "_delta_log", f"{1:020}.json").unlink()
    with pytest.raises(WriteConflict):
        replace(lake, numbered(JANUARY, 9), only(JANUARY), before)


def test_same_content_does_not_conflict(lake: Lake) -> None:
    before = lake.snapshot(TABLE)
    replace(lake, numbered(JANUARY, 2), WINTER)
    assert not replace(lake, numbered(JANUARY, 2), WINTER, before)


def test_first_commit_by_another_writer_conflicts(lake: Lake) -> None:
    first = meanwhile(numbered(JANUARY, 9), lambda: replace(lake, numbered(JANUARY, 3), WINTER))
    with pytest.raises(WriteConflict):
        replace(lake, first, WINTER)
    assert lake.scan(TABLE).collect().height == 3


def test_concurrent_first_writers_leave_one_valid_table(lake: Lake) -> None:
    outcomes = at_once([lambda n=n: replace(lake, numbered(JANUARY, 5, hours=n), WINTER) for n in range(4)])
    table = lake.scan(TABLE).collect()
    assert table.height == 5
    assert table["hours"].n_unique() == 1
    assert outcomes[table["hours"][0]] is True


def test_concurrent_writers_of_different_months_succeed(lake: Lake) -> None:
    months = list(YEAR)[:6]
    outcomes = at_once([lambda m=month: replace(lake, numbered(m, 3), only(m)) for month in months])
    assert outcomes == [True] * 6
    assert sorted_rows(lake.scan(TABLE).group_by("month").len()) == [(month, 3) for month in months]


def test_concurrent_writers_of_one_month_leave_rows_of_one(lake: Lake) -> None:
    replace(lake, numbered(FEBRUARY, 1), WINTER)
    outcomes = at_once([lambda n=n: replace(lake, numbered(JANUARY, 5, hours=n), only(JANUARY)) for n in range(4)])
    january = lake.scan(TABLE, only(JANUARY)).collect()
    assert january.height == 5
    assert january["hours"].n_unique() == 1
    assert outcomes[january["hours"][0]] is True


def test_reader_during_a_write_sees_one_version(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 50, hours=0), WINTER)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [replace(lake, numbered(JANUARY, 50, hours=n), WINTER) for n in range(1, 25)])
        seen = set()
        while not writing.done():
            table = lake.scan(TABLE).collect()
            assert (table.height, table["hours"].n_unique()) == (50, 1)
            seen.add(table["hours"][0])
    assert len(seen) > 1


def test_scanned_frame_keeps_its_version(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    before = lake.scan(TABLE)
    replace(lake, numbered(JANUARY, 9), WINTER)
    assert before.collect().height == 2


WRITER = """
import sys
import polars as pl
from timix_assets.lake.tables import Lake, ShrinkGuard
from timix_assets_tests.lake.rows import JANUARY, WINTER, numbered
lake = Lake(sys.argv[1])
for hours in range(1, 1000):
    lake.replace("timix/time_reports", numbered(JANUARY, 3000, hours), key=["id"], months=WINTER)
    print(hours, flush=True)
"""


@pytest.mark.long
def test_killed_writer_leaves_a_complete_version(lake: Lake, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    for commits in (0, 1, 2, 5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, lake.url], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(commits + 1)]
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        table = lake.scan(TABLE).collect()
        assert (table.height, table["hours"].n_unique()) == (3000, 1)
        assert table["hours"][0] >= int(said[-1])
    assert replace(lake, numbered(JANUARY, 3000, hours=-1), WINTER)
    assert lake.scan(TABLE).select(pl.col("hours").unique()).collect().item() == -1


def one_month(url: str, month: date) -> str:
    return Lake(url).replace(TABLE, numbered(month, 3), key=["id"], months=only(month)).fingerprint


def test_processes_compute_equal_fingerprints(lake: Lake, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        urls = [lake.url, str(tmp_path / "another")]
        january = [pool.submit(one_month, url, JANUARY) for url in urls]
        february = pool.submit(one_month, lake.url, FEBRUARY)
        assert len({future.result() for future in january}) == 1
        assert february.result() != january[0].result()
    assert lake.scan(TABLE).collect().height == 6
    assert not replace(lake, entries(), only(date(2025, 3, 1)))
