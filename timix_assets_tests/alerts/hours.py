"""What people do in Timix that an alert is about."""

import math
from datetime import date
from decimal import Decimal

from timix_assets.lake.tables import Lake
from timix_assets.sandbox.server import Sandbox

LONG_DAY = 20


def log_hours_over_a_cap(sandbox: Sandbox, lake: Lake, day: date) -> str:
    """The name of a running project whose hour cap is now used up by entries of its own people, made in Timix."""
    timix = sandbox.workspace
    running = {row["id"]: row["name"] for row in timix.rows("projects") if row["status"] == "Active"}
    health = lake.scan("rollups/budget_health").filter(level="project", scope="TM", status="on_track").collect()
    budget = min(
        (row for row in health.iter_rows(named=True) if row["project_id"] in running), key=lambda row: row["remaining"]
    )
    like = next(
        entry
        for entry in timix.rows("time_reports")
        if entry["project_id"] == budget["project_id"] and entry["billing_type"] == "TM"
    )
    for _ in range(math.ceil(budget["remaining"] / LONG_DAY)):
        entry = {"userId": like["user_id"], "subtaskId": like["subtask_id"], "date": day.isoformat()}
        timix.create("time_reports", {**entry, "hours": Decimal(LONG_DAY)})
    return str(running[budget["project_id"]])
