"""The budgets of running projects, with the names that a person knows them by, as the lake has them."""

from timix_assets.alerts.crossings import Budget
from timix_assets.lake.tables import Lake
from timix_assets.summary import budgets_of_running_projects


def read_budgets(lake: Lake) -> list[Budget]:
    """Every budget of the projects themselves (not of their tasks), the heaviest burn first. TableMissing."""
    found = (
        budgets_of_running_projects(lake)
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
