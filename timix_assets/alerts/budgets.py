"""The budgets of running projects, with the names that a person knows them by, as the lake has them."""

import polars as pl

from timix_assets.alerts.crossings import Budget
from timix_assets.lake.tables import Lake
from timix_assets.summary import BUDGETS, RUNNING


def read_budgets(lake: Lake) -> list[Budget]:
    """Every budget of the projects themselves (not of their tasks), the heaviest burn first. TableMissing."""
    projects = lake.scan("timix/projects").select(
        pl.col("id").alias("project_id"), pl.col("name").alias("project"), pl.col("status").alias("project_status")
    )
    customers = lake.scan("timix/customers").select(pl.col("id").alias("customer_id"), pl.col("name").alias("customer"))
    found = (
        lake.scan(BUDGETS)
        .filter(pl.col("level") == "project")
        .join(projects, on="project_id", how="left")
        .filter(pl.col("project_status").is_in(RUNNING).fill_null(True))
        .join(customers, on="customer_id", how="left")
        .sort("burn", "project_id", "scope", descending=[True, False, False], nulls_last=True)
        .collect()
    )
    return [
        Budget(
            project_id=row["project_id"],
            scope=row["scope"],
            project=row["project"] or row["project_id"],
            customer=row["customer"] or row["customer_id"] or "",
            status=row["status"],
            used=row["used"],
            cap=row["cap"],
            currency=row["currency"],
            exhaustion_date=row["exhaustion_date"],
        )
        for row in found.iter_rows(named=True)
    ]
