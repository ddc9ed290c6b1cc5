"""How many requests a run of each job should make, by the rows of a firm."""

import math

from dagster import AssetKey

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import Endpoint, Shape, Window
from timix_assets.definitions import defs
from timix_assets.lake.months import Months
from timix_assets.sandbox.firm import Firm
from timix_assets.vendor import MAX_PAGE_SIZE


def read_by(job: str) -> list[AssetKey]:
    """The assets of a job that ask Timix; /me is asked once by every run, with or without its table."""
    keys = defs.resolve_job_def(job).asset_layer.executable_asset_keys
    return sorted(key for key in keys if key.path[0] in ("timix", "exports"))


def requests_due(job: str, months: Months, firm: Firm) -> int:
    """One for /me, one for every 200 rows of a table (one at least), one a month for a dated report or export."""
    return 1 + sum(_due(key, months, firm) for key in read_by(job) if key.path[1] != "me")


def _due(key: AssetKey, months: Months, firm: Firm) -> int:
    endpoint = BY_NAME[key.path[1]]
    if endpoint.window is Window.MONTH:
        return len(list(months))
    if key.path[0] == "exports" or endpoint.shape is not Shape.LIST:
        return 1
    return max(1, math.ceil(_rows(endpoint, months, firm) / MAX_PAGE_SIZE))


def _rows(endpoint: Endpoint, months: Months, firm: Firm) -> int:
    rows = firm.tables[endpoint.name]
    if endpoint.window is Window.NONE:
        return len(rows)
    return sum(row[endpoint.date_column].replace(day=1) in set(months) for row in rows)
