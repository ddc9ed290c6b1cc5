"""In a process of its own: the bare loop as an asset of a minimal Dagster project, which records the same events as ours.

The floor for anything that Dagster runs: 24 months in one run, as many checks and steps, this project's run storage.
Its checks look at nothing and its IO manager writes the one Parquet file.
"""

import sys
from collections.abc import Iterator
from typing import Any

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSelection,
    BackfillPolicy,
    DagsterInstance,
    Definitions,
    InputContext,
    IOManager,
    MonthlyPartitionsDefinition,
    Output,
    OutputContext,
    asset,
    asset_check,
    define_asset_job,
)

from . import stand_in
from .bare_loop import FILE, read
from .child import report, timed

KEY = "time_reports"
CHECKS_IN_STEP, CHECK_STEPS = 6, 5
"""As many as timix/time_reports has."""


class OneFile(IOManager):
    def handle_output(self, context: OutputContext, obj: pl.DataFrame) -> None:
        obj.write_parquet(FILE)

    def load_input(self, context: InputContext) -> Any:
        raise NotImplementedError("nothing here reads a table")


def definitions(rows: int) -> Definitions:
    names = [f"check_{number}" for number in range(CHECKS_IN_STEP)]

    @asset(
        name=KEY,
        partitions_def=MonthlyPartitionsDefinition(start_date=f"{stand_in.FIRST_MONTH}-01"),
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=[AssetCheckSpec(name, asset=KEY) for name in names],
    )
    def time_reports(context: AssetExecutionContext) -> Iterator[Any]:
        yield Output(read(rows))
        for name in names:
            yield AssetCheckResult(passed=True, check_name=name)

    def check(number: int) -> Any:
        @asset_check(asset=AssetKey(KEY), name=f"look_{number}")
        def passed() -> AssetCheckResult:
            return AssetCheckResult(passed=True)

        return passed

    return Definitions(
        assets=[time_reports],
        asset_checks=[check(number) for number in range(CHECK_STEPS)],
        jobs=[define_asset_job("refresh", AssetSelection.all())],
        resources={"io_manager": OneFile()},
    )


def main(rows: int) -> None:
    defs = definitions(rows)
    DagsterInstance.get().dispose()
    with timed() as cost, DagsterInstance.get() as instance:
        # Resolved here, as ours is.
        defs.resolve_job_def("refresh").execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": f"{stand_in.FIRST_MONTH}-01",
                "dagster/asset_partition_range_end": f"{stand_in.LAST_MONTH}-01",
            },
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    found = pl.scan_parquet(FILE).select(pl.len()).collect().item()
    if found != rows:
        sys.exit(f"{found:,} rows came, and {rows:,} were due.")
    report(cost())


if __name__ == "__main__":
    main(int(sys.argv[1]))
