"""The rows on an asset's page: the first ones by the rollup's own order, as people read them."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from timix_assets.assets.preview import raw_preview, rollup_preview
from timix_assets.contract.endpoints import ENDPOINTS, TIME_REPORTS
from timix_assets.contract.schema import Endpoint
from timix_assets.metrics import BY_NAME, ROLLUPS, Preview, Rollup
from timix_assets.metrics.restatements import CLOSED_MONTHS


@pytest.mark.parametrize("table", [*ROLLUPS, CLOSED_MONTHS], ids=lambda table: table.name)
def test_preview_names_columns_of_the_table(table: Rollup) -> None:
    named = {name.removeprefix("-") for name in table.preview.sort} | set(table.preview.columns)
    assert named <= set(table.schema)
    assert rollup_preview(table, table.schema.to_frame()) == "*no rows*"


def test_preview_sorts_null_last_and_keeps_the_order_of_equal_rows() -> None:
    rows = pl.DataFrame({"id": ["a", "b", "c", "d", "e"], "burn": [0.5, None, 2.0, 0.5, 1.0]})
    assert Preview(("-burn",), ("id",)).first_rows(rows, 4)["id"].to_list() == ["c", "e", "a", "d"]
    assert Preview(("burn",), ("id",)).first_rows(rows, 9)["id"].to_list() == ["a", "d", "e", "c", "b"]


def test_preview_shows_percentages_and_thousands() -> None:
    table = BY_NAME["organization_money"]
    values = {"currency": "EUR", "revenue": Decimal("1234567.8"), "cost": Decimal("-7.25"), "margin": 0.838}
    rows = (
        table.schema.to_frame()
        .clear(1)
        .with_columns(pl.lit(value).cast(table.schema[name]).alias(name) for name, value in values.items())
    )
    [*_, line] = rollup_preview(table, rows).splitlines()
    assert line.startswith("|  | EUR | 1,234,568 | −7.2 | 84\u00a0% |")


def test_raw_preview_shows_the_newest_rows_with_names() -> None:
    entries = [
        {"id": str(day), "user_id": user, "subtask_id": "s", "date": date(2026, 11, day), "hours": Decimal("1.50")}
        for day, user in ((3, "u"), (9, "v"), (5, "u"))
    ]
    rows = pl.DataFrame(entries, TIME_REPORTS.schema).lazy()
    named = {
        "org_users": pl.LazyFrame(
            {"id": ["u"], "name": ["Ann"], "email": [None]}, {"id": str, "name": str, "email": str}
        )
    }
    assert raw_preview(TIME_REPORTS, rows, named).splitlines() == [
        "| id | user\\_name | subtask\\_id | date | hours |",
        "| --- | --- | --- | --- | ---: |",
        "| 9 |  | s | 2026-11-09 | 1\\.5 |",
        "| 5 | Ann | s | 2026-11-05 | 1\\.5 |",
        "| 3 | Ann | s | 2026-11-03 | 1\\.5 |",
    ]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_raw_preview_of_an_empty_table(endpoint: Endpoint) -> None:
    assert raw_preview(endpoint, endpoint.schema.to_frame().lazy(), {}) == "*no rows*"
