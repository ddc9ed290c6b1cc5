"""What somebody changes in Timix between two refreshes."""

from decimal import Decimal

from timix_assets.sandbox.server import Sandbox


def edit_an_entry(sandbox: Sandbox) -> None:
    """A quarter of an hour more or less on the youngest draft up to today: no count changes, and every rollup does."""
    entry = next(
        row
        for row in reversed(sandbox.workspace.rows("time_reports"))
        if row["status"] == "Draft" and row["date"] <= sandbox.firm.today
    )
    hours = entry["hours"] + Decimal("0.25" if entry["hours"] < 1 else "-0.25")
    sandbox.workspace.update("time_reports", entry["id"], {"hours": hours})
