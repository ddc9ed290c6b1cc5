"""In a process of its own: fills a lake with the raw tables of a firm that is as large as asked."""

import sys
from datetime import date

import polars as pl

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import MONTH
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.firm import Firm
from timix_assets.settings import Settings

TODAY = date(2026, 11, 24)
ENTRIES_OF_A_FIRM = 100_000
"""The sandbox's firm has 40 people; each of its copies in the lake logs this many entries, some five a day and person."""

ENTRIES_BETWEEN = 7
"""Of a person, between an entry and the one on whose day its repeat is: some three days of work."""

STRUCTURE = ("org_users", "customers", "projects", "tasks", "subtasks", "invoices", "budget_health_report")
SHARED = ("organization", "holiday_profiles")
IDS = ("id", "user_id", "customer_id", "project_id", "task_id", "subtask_id", "invoice_id", "manager_id")


def main(rows: int) -> None:
    firm = Firm.generate(today=TODAY)
    lake = Lake(Settings.from_environment().lake)
    copies = max(1, rows // ENTRIES_OF_A_FIRM)
    for name in SHARED:
        lake.replace(f"timix/{name}", _frame(firm, name), key=BY_NAME[name].key)
    for name in STRUCTURE:
        one = _frame(firm, name)
        lake.replace(f"timix/{name}", pl.concat(_of_copy(one, copy) for copy in range(copies)), key=BY_NAME[name].key)

    entries = _frame(firm, "time_reports").with_columns(pl.col("date").dt.month_start().alias(MONTH))
    again = [_repeated(entries, time) for time in range(-(-ENTRIES_OF_A_FIRM // entries.height))]
    one = pl.concat(again).head(ENTRIES_OF_A_FIRM)
    months = Months(min(one[MONTH]), max(one[MONTH]))
    for month in months:
        of_month = one.filter(pl.col(MONTH) == month)
        lake.replace(
            "timix/time_reports",
            pl.concat(_of_copy(of_month, copy) for copy in range(copies)),
            key=["id"],
            months=Months(month, month),
        )
    lake.metadata.add_months_read("timix/time_reports", months)


def _frame(firm: Firm, name: str) -> pl.DataFrame:
    schema = BY_NAME[name].schema
    rows = [{column: row.get(column) for column in schema} for row in firm.tables.get(name, [])]
    return pl.DataFrame(rows, schema=schema)


def _repeated(entries: pl.DataFrame, time: int) -> pl.DataFrame:
    """The entries under other ids, each on another day of the month on which that person worked.

    On the same day, a repeat and its original would be in the same group of every rollup.
    """
    if not time:
        return entries
    moved = (pl.int_range(pl.len()) + time * ENTRIES_BETWEEN) % pl.len()
    return entries.with_columns(
        pl.concat_str("id", pl.lit(f"-again{time}")).alias("id"),
        pl.col("date").gather(moved).over("user_id", MONTH),
    )


def _of_copy(frame: pl.DataFrame, copy: int) -> pl.DataFrame:
    """The rows of one more firm: the same, under ids of its own."""
    return frame.with_columns(
        pl.concat_str(pl.lit(f"{copy}-"), name).alias(name) for name in IDS if name in frame.columns
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
