"""A lake of a few rows for the rules of checks: rows on the screen, columns typed as the lake's."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl

from timix_assets.assets.rollup_context import RollupContext, table_path
from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS
from timix_assets.lake.tables import Lake
from timix_assets.metrics import BY_NAME as ROLLUPS
from timix_assets.metrics.params import RollupParams
from timix_assets.settings.firm import FirmConfig

from ..conftest import TODAY

Row = dict[str, Any]


def empty_lake(folder: Path) -> Lake:
    """A lake in which every raw table is there, without rows."""
    lake = Lake(str(folder / "lake"))
    for endpoint in ENDPOINTS:
        put(lake, endpoint.name)
    return lake


def put(lake: Lake, table: str, *rows: Row) -> None:
    """Replaces a table; columns left out are null."""
    declared = ROLLUPS.get(table) or BY_NAME[table]
    lake.replace(table_path(table), pl.DataFrame(list(rows), schema=declared.schema), key=declared.key)


def rollup_context(lake: Lake, firm: FirmConfig | None = None, as_of: date = TODAY) -> RollupContext:
    """What a rule gets, for a lake with every month from January to as-of."""
    months = tuple(date(as_of.year, month, 1) for month in range(1, as_of.month + 1))
    params = RollupParams(as_of, months, None, firm or FirmConfig())

    settings = SimpleNamespace(today=lambda: TODAY, as_of_date=lambda: as_of, recent_months=2)
    context = SimpleNamespace(params=params, firm=params.firm, settings=settings)
    return cast(RollupContext, context)
