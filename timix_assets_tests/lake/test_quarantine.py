"""Rejected rows are stored until the source is fixed."""

from datetime import UTC, datetime

import polars as pl

from timix_assets.lake.months import Months
from timix_assets.lake.quarantine import quarantine
from timix_assets.lake.tables import Lake

from .rows import FEBRUARY, JANUARY, MARCH, WINTER, only

TABLE = "quarantine/time_reports"
NOW = datetime(2025, 4, 1, 8, tzinfo=UTC)


def rejected(*ids: str) -> pl.DataFrame:
    rows = [("hours cannot be read", "hours", "oops", f'{{"id": "{id}"}}') for id in ids]
    return pl.DataFrame(rows, schema=dict.fromkeys(["reason", "column", "value", "record"], pl.String), orient="row")


def read(lake: Lake, months: Months | None, *ids: str, run: str = "run") -> None:
    quarantine(lake, "time_reports", rejected(*ids), months=months, run_id=run, seen_at=NOW)


def kept(lake: Lake) -> list[str]:
    return sorted(lake.scan(TABLE).select(pl.col("record").str.json_path_match("$.id")).collect().to_series())


def test_rejected_row_is_stored_with_reason_run_and_range(lake: Lake) -> None:
    read(lake, WINTER, "a")
    (row,) = lake.scan(TABLE).collect().rows(named=True)
    assert row == {
        "reason": "hours cannot be read",
        "column": "hours",
        "value": "oops",
        "record": '{"id": "a"}',
        "run_id": "run",
        "seen_at": NOW,
        "first_month": JANUARY,
        "last_month": MARCH,
        "number": 0,
    }


def test_no_table_is_created_without_rejected_rows(lake: Lake) -> None:
    read(lake, WINTER)
    assert not lake.exists(TABLE)


def test_quarantine_is_empty_after_the_source_is_fixed(lake: Lake) -> None:
    read(lake, WINTER, "a", "b", run="first")
    read(lake, WINTER, "b", run="second")
    assert kept(lake) == ["b"]
    read(lake, WINTER, run="third")
    assert kept(lake) == []
    read(lake, WINTER, run="fourth")
    assert lake.version(TABLE) == 2


def test_full_read_replaces_the_whole_quarantine(lake: Lake) -> None:
    read(lake, None, "a")
    read(lake, None, "b")
    assert kept(lake) == ["b"]
    read(lake, None)
    assert kept(lake) == []


def test_read_keeps_rejected_rows_of_other_months(lake: Lake) -> None:
    read(lake, only(JANUARY), "a")
    read(lake, only(FEBRUARY), "b")
    read(lake, only(FEBRUARY))
    assert kept(lake) == ["a"]


def test_wider_read_replaces_rows_of_narrower_reads(lake: Lake) -> None:
    read(lake, only(JANUARY), "a")
    read(lake, only(FEBRUARY), "b")
    read(lake, WINTER, "c")
    assert kept(lake) == ["c"]


def test_narrower_read_keeps_rows_of_wider_reads_once(lake: Lake) -> None:
    read(lake, WINTER, "a", "b")
    read(lake, only(JANUARY), "b")
    assert kept(lake) == ["a", "b"]
    read(lake, WINTER)
    assert kept(lake) == []


def test_record_rejected_twice_in_one_read_is_stored_twice(lake: Lake) -> None:
    read(lake, WINTER, "a", "a")
    assert kept(lake) == ["a", "a"]
