"""Replacements that remove too many rows or values are refused."""

import polars as pl
import pytest

from timix_assets.lake.errors import ShrinkRefused
from timix_assets.lake.tables import Lake, ShrinkGuard

from .rows import FEBRUARY, JANUARY, MARCH, WINTER, entries, numbered, only

TABLE = "timix/time_reports"


def test_removing_most_rows_is_refused(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 20), key=["id"], months=only(JANUARY))
    with pytest.raises(ShrinkRefused, match=r"would remove 11 of 20 rows \(limit 50%\).*--accept-shrink"):
        lake.replace(TABLE, numbered(JANUARY, 9), key=["id"], months=only(JANUARY))
    assert lake.scan(TABLE).collect().height == 20
    accepted = lake.replace(TABLE, entries(), key=["id"], months=only(JANUARY), guard=ShrinkGuard(accept=True))
    assert accepted.removed == 20


def test_emptying_a_column_is_refused_unless_accepted(lake: Lake) -> None:
    full = numbered(JANUARY, 20).with_columns(pl.lit("60.00").alias("rate"), pl.lit("x").alias("_rescued_data"))
    lake.replace(TABLE, full, key=["id"], months=only(JANUARY))
    hidden = full.with_columns(pl.lit(None, pl.String).alias("rate"), pl.lit(None, pl.String).alias("_rescued_data"))

    with pytest.raises(ShrinkRefused, match=r"would remove every value of rate \(20 in the first\).*--accept-shrink"):
        lake.replace(TABLE, hidden, key=["id"], months=only(JANUARY))
    assert lake.scan(TABLE).collect()["rate"].null_count() == 0

    lake.replace(TABLE, full.with_columns(pl.lit("x").alias("rate")).head(19), key=["id"], months=only(JANUARY))
    lake.replace(TABLE, hidden, key=["id"], months=only(JANUARY), guard=ShrinkGuard(accept=True))
    assert lake.scan(TABLE).collect()["rate"].null_count() == 20


def test_field_no_longer_sent_is_refused(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 20), key=["id"], months=WINTER)
    emptied = numbered(JANUARY, 20).with_columns(hours=pl.lit(None, pl.Int64))
    with pytest.raises(ShrinkRefused, match=r"would remove every value of hours .*no field was renamed"):
        lake.replace(TABLE, emptied, key=["id"], months=WINTER)


def test_column_with_a_value_in_the_range_is_not_empty(lake: Lake) -> None:
    lake.replace(TABLE, pl.concat([numbered(JANUARY, 20), numbered(FEBRUARY, 1)]), key=["id"], months=WINTER)
    january = numbered(JANUARY, 20).with_columns(hours=pl.lit(None, pl.Int64))
    lake.replace(TABLE, pl.concat([january, numbered(FEBRUARY, 1)]), key=["id"], months=WINTER)
    assert lake.scan(TABLE).collect()["hours"].null_count() == 20


def test_column_with_few_values_can_be_emptied(lake: Lake) -> None:
    few = (
        numbered(JANUARY, 40).with_row_index().with_columns(invoice=pl.when(pl.col("index") < 19).then(pl.lit("INV-1")))
    )
    lake.replace(TABLE, few.drop("index"), key=["id"], months=WINTER)
    void = few.with_columns(invoice=pl.lit(None, pl.String)).drop("index")
    assert lake.replace(TABLE, void, key=["id"], months=WINTER).changed == 19


def test_guard_compares_keys_not_counts(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 20), key=["id"], months=WINTER)
    with pytest.raises(ShrinkRefused):
        lake.replace(TABLE, numbered(MARCH, 40), key=["id"], months=WINTER)


def test_guard_allows_half_and_ignores_small_scopes(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 20), key=["id"], months=only(JANUARY))
    assert lake.replace(TABLE, numbered(JANUARY, 10), key=["id"], months=only(JANUARY)).removed == 10
    assert lake.replace(TABLE, entries(), key=["id"], months=only(JANUARY)).removed == 10
