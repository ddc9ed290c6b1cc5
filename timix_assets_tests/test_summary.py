"""What the summary and the weekly message say, and which budgets they and the alerts speak of."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.tables import Lake
from timix_assets.metrics.tables import BUDGET_HEALTH, ORGANIZATION_KPIS, UNBILLED_AGING, Rollup
from timix_assets.summary import budgets_of_running_projects, summarize

from .conftest import TODAY


def put(lake: Lake, table: Rollup, *rows: Mapping[str, Any]) -> None:
    frame = pl.DataFrame([{"as_of": TODAY, **row} for row in rows], schema=table.schema)
    lake.replace(f"rollups/{table.name}", frame, key=table.key)


def test_unbilled_work_that_nobody_can_price_is_unknown_money_and_not_0(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for name in ("organization", "projects", "customers"):
        lake.replace(f"timix/{name}", BY_NAME[name].schema.to_frame(), key=["id"])
    lake.replace("timix/organization", pl.DataFrame({"id": ["o"], "name": ["Firm"]}), key=["id"])
    put(lake, BUDGET_HEALTH)
    put(lake, ORGANIZATION_KPIS, {"month": date(2026, 11, 1), "total_hours": 0, "capacity_hours": 0})
    unpriced = {"bucket": "0-30", "currency": "EUR", "hours": 2, "amount": None}
    waiting = {"bucket": "0-30", "currency": "EUR", "hours": 0, "amount": 0, "unapproved_hours": 3}
    priced = {"bucket": "31-60", "currency": "EUR", "hours": 1, "amount": 90}
    also_unpriced = {"bucket": "31-60", "currency": "EUR", "hours": 4, "amount": None}
    rows = [{**row, "project_id": f"p{n}"} for n, row in enumerate((unpriced, waiting, priced, also_unpriced))]
    put(lake, UNBILLED_AGING, *rows)

    unbilled = summarize(lake, TODAY).unbilled.sort("bucket")
    assert unbilled["hours"].to_list() == [Decimal(2), Decimal(5)]
    assert unbilled["amount"].to_list() == [None, Decimal(90)]


def test_a_budget_matters_until_its_project_is_known_to_be_over(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    words = ["Active", "OnHold", "Completed", "Cancelled", "Parked", None]
    ids = [f"{word}" for word in words]
    projects = pl.DataFrame({"id": ids, "name": ids, "status": pl.Series(words, dtype=pl.String)})
    lake.replace("timix/projects", projects, key=["id"])
    lake.replace("timix/customers", pl.DataFrame({"id": ["c"], "name": ["Acme"]}), key=["id"])
    budgets = pl.DataFrame({"project_id": [*ids, "new"], "customer_id": "c", "level": "project"})
    lake.replace("rollups/budget_health", budgets, key=["project_id"])

    found = budgets_of_running_projects(lake).collect()
    assert sorted(found["project_id"]) == ["Active", "None", "OnHold", "Parked", "new"]
    assert set(found["customer"]) == {"Acme"}
