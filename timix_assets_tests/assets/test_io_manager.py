"""Metadata, descriptions and refusals when an asset is stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import (
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    DagsterInstance,
    ExecuteInProcessResult,
    MonthlyPartitionsDefinition,
    asset,
    materialize,
)
from deltalake import DeltaTable

from timix_assets.assets.io_manager import PRIMARY_KEY_METADATA, DeltaIOManager, ReadRows
from timix_assets.lake.spool import Spool
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import error_message
from timix_assets_tests.lake.rows import FEBRUARY, JANUARY, MARCH, entries, numbered

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
WINTER_KEYS = [month.isoformat() for month in (JANUARY, FEBRUARY, MARCH)]
WHOLE_WINTER = {
    "dagster/asset_partition_range_start": WINTER_KEYS[0],
    "dagster/asset_partition_range_end": WINTER_KEYS[-1],
}

Store = Callable[..., ExecuteInProcessResult]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Stores a frame as the table of one asset, `timix/entries`, by month or not; a read or what was computed."""
    lake = LakeResource(url=str(tmp_path / "lake"), state_folder=str(tmp_path / "state"))
    instance = DagsterInstance.ephemeral()

    def run(rows: pl.DataFrame, *, by_month: bool = False, read: bool = False) -> ExecuteInProcessResult:
        return materialize(
            [_asset(rows, by_month=by_month, read=read)],
            resources={"io_manager": DeltaIOManager(lake=lake)},
            instance=instance,
            tags=WHOLE_WINTER if by_month else {},
            run_config=QUIET,
            raise_on_error=False,
        )

    return run


def _asset(rows: pl.DataFrame, *, by_month: bool, read: bool) -> AssetsDefinition:
    @asset(
        key=AssetKey(["timix", "entries"]),
        description="Hours of people.",
        metadata={PRIMARY_KEY_METADATA: ["id"]},
        partitions_def=MonthlyPartitionsDefinition(JANUARY.isoformat()) if by_month else None,
        backfill_policy=BackfillPolicy.single_run(),
    )
    def stored() -> Any:
        if not read:
            return rows
        spool = Spool(rows.schema, ["id"])
        spool.add(rows)
        return ReadRows(spool.finish(), {})

    return stored


def told(result: ExecuteInProcessResult, *names: str) -> dict[str | None, tuple[Any, ...]]:
    """Partition -> the values of its metadata with these names; None where one is not there."""
    return {
        event.partition: tuple(event.metadata[name].value if name in event.metadata else None for name in names)
        for event in result.asset_materializations_for_node("timix__entries")
    }


def refusal(result: ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    return error_message(event.step_failure_data.error)


FIGURES = ("rows_added", "rows_changed", "rows_removed")


def test_each_month_of_a_run_has_its_own_row_counts(store: Store) -> None:
    store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 1), ("c", FEBRUARY, 1)), by_month=True)

    result = store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 2), ("d", MARCH, 1), ("e", MARCH, 1)), by_month=True)

    january, february, march = WINTER_KEYS
    assert told(result, "dagster/partition_row_count", *FIGURES) == {
        january: (1, 0, 0, 0),
        february: (1, 0, 1, 1),
        march: (2, 2, 0, 0),
    }
    assert set(told(result, *(f"{name}_in_run" for name in FIGURES)).values()) == {(2, 1, 1)}


def test_unchanged_month_keeps_its_fingerprint(store: Store) -> None:
    before = told(store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 1)), by_month=True), "fingerprint")
    after = told(store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), by_month=True), "fingerprint")
    january, february, march = WINTER_KEYS
    assert (after[january], after[march]) == (before[january], before[march])
    assert after[february] != before[february]


def test_unpartitioned_table_has_row_counts_of_the_whole(store: Store) -> None:
    store(numbered(JANUARY, 3))
    result = store(numbered(JANUARY, 4, hours=2))
    assert told(result, *FIGURES, "rows_added_in_run") == {None: (1, 3, 0, None)}


@pytest.mark.parametrize("by_month", [True, False])
def test_table_stores_the_descriptions_of_its_asset(store: Store, tmp_path: Path, by_month: bool) -> None:
    store(numbered(JANUARY, 1), by_month=by_month)
    assert DeltaTable(tmp_path / "lake" / "timix" / "entries").metadata().description == "Hours of people."


def test_read_that_empties_a_column_is_refused(store: Store) -> None:
    store(numbered(JANUARY, 20), by_month=True, read=True)
    result = store(numbered(JANUARY, 20).with_columns(hours=pl.lit(None, pl.Int64)), by_month=True, read=True)
    assert "would remove every value of hours" in refusal(result)


def test_computed_column_can_be_emptied(store: Store) -> None:
    store(numbered(JANUARY, 20))
    assert store(numbered(JANUARY, 20).with_columns(hours=pl.lit(None, pl.Int64))).success


def test_computed_table_losing_most_rows_names_possible_causes(store: Store) -> None:
    store(numbered(JANUARY, 30))
    assert "the as-of date (TIMIX_AS_OF) and the settings are as intended" in refusal(store(numbered(JANUARY, 5)))


def test_impossible_lake_is_refused_before_writing(tmp_path: Path) -> None:
    lake = LakeResource(url="foo://lake", state_folder=str(tmp_path / "state"))
    result = materialize(
        [_asset(numbered(JANUARY, 1), by_month=False, read=False)],
        resources={"io_manager": DeltaIOManager(lake=lake)},
        run_config=QUIET,
        raise_on_error=False,
    )
    assert "TIMIX_LAKE: foo://lake" in refusal(result)
