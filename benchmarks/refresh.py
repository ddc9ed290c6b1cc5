"""In a process of its own: `timix-assets refresh --only timix/time_reports`, timed, from a stand-in into an empty lake.

--quick-minutes: a million rows are 5,000 requests, five minutes of a Business plan; the pacer's minute lasts a second then.
--in-memory: the same run without the project's run storage, to see what that costs.
"""

import sys
from functools import partial
from typing import TYPE_CHECKING
from unittest.mock import patch

import polars as pl
from rich.console import Console

from . import stand_in
from .child import report, timed

if TYPE_CHECKING:
    from timix_assets.lake.months import Months

TABLE = "timix/time_reports"


def main(rows: int, *, quick_minutes: bool, in_memory: bool) -> None:
    # What is imported and opened up to the timed part is no part of it.
    from dagster import DagsterInstance  # noqa: PLC0415

    from timix_assets import definitions  # noqa: F401, PLC0415
    from timix_assets.api.limits import Limits  # noqa: PLC0415
    from timix_assets.commands import project, refresh  # noqa: PLC0415
    from timix_assets.lake.tables import Lake  # noqa: PLC0415

    settings = project.enter_project_dir(dotenv=False)
    DagsterInstance.get().dispose()
    if quick_minutes:
        quick = partial(Limits, window_seconds=1, window_margin_seconds=0)
        patch("timix_assets.ingest.connection.Limits", quick).start()
    months = refresh.months_between(settings, stand_in.FIRST_MONTH, stand_in.LAST_MONTH)
    with timed() as cost:
        if in_memory:
            _run_in_memory(months)
        else:
            outcome = refresh.run(settings, months, [TABLE], Console(file=sys.stderr))
            if outcome.failures:
                sys.exit("\n".join(f"{asset}: {message}" for asset, message in outcome.failures))
    # Rows are counted in the lake, independent of what the run reports.
    found = Lake(settings.lake).scan(TABLE).select(pl.len()).collect().item()
    if found != rows:
        sys.exit(f"{found:,} rows are in {TABLE}, and {rows:,} were due.")
    report(cost())


def _run_in_memory(months: "Months") -> None:
    from dagster import AssetKey, DagsterInstance  # noqa: PLC0415

    from timix_assets.definitions import defs  # noqa: PLC0415
    from timix_assets.partitions import range_tags  # noqa: PLC0415

    defs.resolve_job_def("refresh_everything").execute_in_process(
        instance=DagsterInstance.ephemeral(),
        tags=range_tags(months),
        asset_selection=[AssetKey.from_user_string(TABLE)],
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), quick_minutes="--quick-minutes" in sys.argv, in_memory="--in-memory" in sys.argv)
