"""Which budgets the summary and the alerts speak of."""

from pathlib import Path

import polars as pl

from timix_assets.lake.tables import Lake
from timix_assets.summary import budgets_of_running_projects


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
