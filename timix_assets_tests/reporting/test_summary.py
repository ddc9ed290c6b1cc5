"""The figures of the summary, and which budgets it and the alerts include."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.errors import LakeError
from timix_assets.lake.tables import Lake
from timix_assets.metrics import Rollup
from timix_assets.metrics.budget_health import BUDGET_HEALTH
from timix_assets.metrics.organization import ORGANIZATION_KPIS
from timix_assets.metrics.organization_money import ORGANIZATION_MONEY
from timix_assets.metrics.receivables import WORKING_CAPITAL
from timix_assets.metrics.timesheets import TIMESHEET_COMPLIANCE
from timix_assets.metrics.unbilled import UNBILLED_AGING
from timix_assets.reporting.summary import budgets_of_running_projects, summarize
from timix_assets_tests.conftest import TODAY


def put(lake: Lake, table: Rollup, *rows: Mapping[str, Any]) -> None:
    dated = {"as_of": TODAY} if "as_of" in table.schema else {}
    frame = pl.DataFrame([{**dated, **row} for row in rows], schema=table.schema)
    lake.replace(f"rollups/{table.name}", frame, key=table.key)


def test_unbilled_work_without_price_is_null_not_0(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for name in ("organization", "projects", "customers", "unbilled_time_report"):
        lake.replace(f"timix/{name}", BY_NAME[name].schema.to_frame(), key=BY_NAME[name].key)
    lake.replace("timix/organization", pl.DataFrame({"id": ["o"], "name": ["Firm"]}), key=["id"])
    for table in (BUDGET_HEALTH, ORGANIZATION_MONEY, WORKING_CAPITAL, TIMESHEET_COMPLIANCE):
        put(lake, table)
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


def test_budgets_count_until_project_is_closed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    words = ["Active", "OnHold", "Completed", "Cancelled", "Parked", None]
    ids = [f"{word}" for word in words]
    projects = pl.DataFrame({"id": ids, "name": ids, "status": pl.Series(words, dtype=pl.String)})
    lake.replace("timix/projects", projects, key=["id"])
    budgets = pl.DataFrame(
        {"project_id": [*ids, "new"], "project_name": "P", "customer_name": "Acme", "level": "project"}
    )
    lake.replace("rollups/budget_health", budgets, key=["project_id"])

    found = budgets_of_running_projects(lake).collect()
    assert sorted(found["project_id"]) == ["Active", "None", "OnHold", "Parked", "new"]
    assert set(found["customer_name"]) == {"Acme"}

    lake.replace("rollups/budget_health", budgets.drop("project_name"), key=["project_id"], exact_columns=True)
    with pytest.raises(LakeError, match="was computed by an earlier version; run `timix-assets refresh`"):
        budgets_of_running_projects(lake)
