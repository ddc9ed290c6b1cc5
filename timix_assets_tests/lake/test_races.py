"""Several writers and readers at once, and writers that die."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest

from timix_assets.lake.errors import WriteConflict
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake, ShrinkGuard

from .rows import FEBRUARY, JANUARY, WINTER, entries, held, numbered, only

TABLE = "timix/time_reports"
ANY = ShrinkGuard(accept=True)
YEAR = Months(date(2025, 1, 1), date(2025, 12, 1))


def meanwhile(rows: pl.DataFrame, event: Callable[[], object]) -> pl.LazyFrame:
    """The rows, as a frame during whose evaluation the event takes place, once."""
    pending = [event]

    def evaluated(frame: pl.DataFrame) -> pl.DataFrame:
        while pending:
            pending.pop()()
        return frame

    return rows.lazy().map_batches(evaluated, schema=rows.schema)


def replace(lake: Lake, rows: pl.DataFrame | pl.LazyFrame, months: Months, began: datetime | None = None) -> bool:
    return lake.replace(TABLE, rows, key=["id"], months=months, guard=ANY, read_began_at=began).written


def at_once(writes: Sequence[Callable[[], object]]) -> list[object]:
    """The outcomes of writes that start together: what each returned, or the WriteConflict that it met."""
    start = Barrier(len(writes))

    def one(write: Callable[[], object]) -> object:
        start.wait()
        try:
            return write()
        except WriteConflict as lost:
            return lost

    with ThreadPoolExecutor(len(writes)) as pool:
        return list(pool.map(one, writes))


def test_a_writer_of_another_month_in_between_does_not_matter(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    other = meanwhile(numbered(JANUARY, 3), lambda: replace(lake, numbered(FEBRUARY, 1), only(FEBRUARY)))
    assert replace(lake, other, only(JANUARY), datetime.now(UTC))
    assert lake.scan(TABLE).collect().height == 4


def test_older_data_never_replaces_newer(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    began = datetime.now(UTC) - timedelta(seconds=1)
    older = meanwhile(numbered(JANUARY, 9), lambda: replace(lake, numbered(JANUARY, 3), only(JANUARY)))
    with pytest.raises(WriteConflict, match=r"another writer replaced these rows .* older data must not replace newer"):
        replace(lake, older, only(JANUARY), began)
    assert lake.scan(TABLE).collect().height == 3


def test_without_the_time_of_the_read_a_writer_in_between_is_a_conflict(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    with pytest.raises(WriteConflict):
        replace(lake, meanwhile(numbered(JANUARY, 9), lambda: replace(lake, numbered(JANUARY, 3), WINTER)), WINTER)
    assert lake.scan(TABLE).collect().height == 3


def test_a_read_that_began_after_the_winners_commit_replaces_it(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 2), WINTER)
    newer = meanwhile(numbered(JANUARY, 9), lambda: replace(lake, numbered(JANUARY, 3), WINTER))
    assert replace(lake, newer, WINTER, datetime.now(UTC) + timedelta(minutes=1))
    assert lake.scan(TABLE).collect().height == 9


def test_a_read_that_began_before_the_last_write_is_refused_however_long_ago_that_was(lake: Lake) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    replace(lake, numbered(JANUARY, 2), WINTER)
    with pytest.raises(WriteConflict):
        replace(lake, numbered(JANUARY, 3), WINTER, began)


def test_the_same_content_is_no_conflict(lake: Lake) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    replace(lake, numbered(JANUARY, 2), WINTER)
    assert not replace(lake, numbered(JANUARY, 2), WINTER, began)


def test_a_first_writer_in_between_is_noticed(lake: Lake) -> None:
    first = meanwhile(numbered(JANUARY, 9), lambda: replace(lake, numbered(JANUARY, 3), WINTER))
    with pytest.raises(WriteConflict):
        replace(lake, first, WINTER)
    assert lake.scan(TABLE).collect().height == 3


def test_first_writers_at_once_leave_one_right_table(lake: Lake) -> None:
    outcomes = at_once([lambda n=n: replace(lake, numbered(JANUARY, 5, hours=n), WINTER) for n in range(4)])
    table = lake.scan(TABLE).collect()
    assert table.height == 5
    assert table["hours"].n_unique() == 1
    assert outcomes[table["hours"][0]] is True


def test_writers_of_different_months_at_once_all_succeed(lake: Lake) -> None:
    months = list(YEAR)[:6]
    outcomes = at_once([lambda m=month: replace(lake, numbered(m, 3), only(m), datetime.now(UTC)) for month in months])
    assert outcomes == [True] * 6
    assert held(lake.scan(TABLE).group_by("month").len()) == [(month, 3) for month in months]


def test_writers_of_the_same_month_at_once_leave_the_rows_of_one(lake: Lake) -> None:
    replace(lake, numbered(FEBRUARY, 1), WINTER)
    outcomes = at_once([lambda n=n: replace(lake, numbered(JANUARY, 5, hours=n), only(JANUARY)) for n in range(4)])
    january = lake.scan(TABLE, only(JANUARY)).collect()
    assert january.height == 5
    assert january["hours"].n_unique() == 1
    assert outcomes[january["hours"][0]] is True


def test_a_reader_during_a_write_sees_one_version_whole(lake: Lake) -> None:
    replace(lake, numbered(JANUARY, 50, hours=0), WINTER)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [replace(lake, numbered(JANUARY, 50, hours=n), WINTER) for n in range(1, 25)])
        seen = set()
        while not writing.done():
            table = lake.scan(TABLE).collect()
            assert (table.height, table["hours"].n_unique()) == (50, 1)
            seen.add(table["hours"][0])
    assert len(seen) > 1


def test_a_frame_scanned_before_a_write_keeps_showing_that_version(lake: Lake) -> None:
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


def test_a_writer_killed_at_any_point_leaves_a_whole_version(lake: Lake, tmp_path: Path) -> None:
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
    return (
        Lake(url)
        .replace(TABLE, numbered(month, 3), key=["id"], months=only(month), read_began_at=datetime.now(UTC))
        .fingerprint
    )


def test_processes_agree_on_fingerprints_and_write_side_by_side(lake: Lake, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        urls = [lake.url, str(tmp_path / "another")]
        january = [pool.submit(one_month, url, JANUARY) for url in urls]
        february = pool.submit(one_month, lake.url, FEBRUARY)
        assert len({future.result() for future in january}) == 1
        assert february.result() != january[0].result()
    assert lake.scan(TABLE).collect().height == 6
    assert not replace(lake, entries(), only(date(2025, 3, 1)))
