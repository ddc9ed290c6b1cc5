"""What Dagster is told when an asset is stored: figures, descriptions, refusals."""

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

from timix_assets.failures import sentence_of
from timix_assets.lake.io_manager import KEY_METADATA, DeltaIOManagerFactory, LakeResource
from timix_assets.lake.spool import Spool

from .rows import FEBRUARY, JANUARY, MARCH, entries, numbered

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
            resources={"io_manager": DeltaIOManagerFactory(lake=lake)},
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
        metadata={KEY_METADATA: ["id"]},
        partitions_def=MonthlyPartitionsDefinition(JANUARY.isoformat()) if by_month else None,
        backfill_policy=BackfillPolicy.single_run(),
    )
    def stored() -> Any:
        if not read:
            return rows
        spool = Spool(rows.schema, ["id"])
        spool.add(rows)
        return spool.finish()

    return stored


def told(result: ExecuteInProcessResult, *names: str) -> dict[str | None, tuple[Any, ...]]:
    """Partition -> the values of its metadata with these names; None where one is not there."""
    return {
        event.partition: tuple(event.metadata[name].value if name in event.metadata else None for name in names)
        for event in result.asset_materializations_for_node("timix__entries")
    }


def refusal(result: ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    return sentence_of(event.step_failure_data.error)


FIGURES = ("rows_added", "rows_changed", "rows_removed")


def test_each_month_of_a_run_has_its_own_figures_and_the_runs_sums_go_by_another_name(store: Store) -> None:
    store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 1), ("c", FEBRUARY, 1)), by_month=True)

    result = store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 2), ("d", MARCH, 1), ("e", MARCH, 1)), by_month=True)

    january, february, march = WINTER_KEYS
    assert told(result, "dagster/partition_row_count", *FIGURES) == {
        january: (1, 0, 0, 0),
        february: (1, 0, 1, 1),
        march: (2, 2, 0, 0),
    }
    assert set(told(result, *(f"{name}_in_run" for name in FIGURES)).values()) == {(2, 1, 1)}


def test_a_month_that_did_not_change_keeps_its_fingerprint(store: Store) -> None:
    before = told(store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 1)), by_month=True), "fingerprint")
    after = told(store(entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), by_month=True), "fingerprint")
    january, february, march = WINTER_KEYS
    assert (after[january], after[march]) == (before[january], before[march])
    assert after[february] != before[february]


def test_a_table_that_is_not_kept_by_month_has_the_figures_of_all_of_it(store: Store) -> None:
    store(numbered(JANUARY, 3))
    result = store(numbered(JANUARY, 4, hours=2))
    assert told(result, *FIGURES, "rows_added_in_run") == {None: (1, 3, 0, None)}


@pytest.mark.parametrize("by_month", [True, False])
def test_a_table_says_what_its_asset_says(store: Store, tmp_path: Path, by_month: bool) -> None:
    store(numbered(JANUARY, 1), by_month=by_month)
    assert DeltaTable(tmp_path / "lake" / "timix" / "entries").metadata().description == "Hours of people."


def test_a_read_in_which_a_column_lost_every_value_is_refused(store: Store) -> None:
    store(numbered(JANUARY, 20), by_month=True, read=True)
    result = store(numbered(JANUARY, 20).with_columns(hours=pl.lit(None, pl.Int64)), by_month=True, read=True)
    assert "hours would lose every value" in refusal(result)


def test_what_is_computed_may_lose_a_columns_values_for_settings_and_dates_decide_it(store: Store) -> None:
    store(numbered(JANUARY, 20))
    assert store(numbered(JANUARY, 20).with_columns(hours=pl.lit(None, pl.Int64))).success


def test_a_lake_that_can_be_nowhere_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    lake = LakeResource(url="foo://lake", state_folder=str(tmp_path / "state"))
    result = materialize(
        [_asset(numbered(JANUARY, 1), by_month=False, read=False)],
        resources={"io_manager": DeltaIOManagerFactory(lake=lake)},
        run_config=QUIET,
        raise_on_error=False,
    )
    assert "TIMIX_LAKE is foo://lake" in refusal(result)
