"""Whether hours may be logged on a subtask, by the last refresh and by what was imported since."""

from functools import cached_property

import polars as pl

from timix_assets.lake.tables import Lake

from ..entry import KINDS
from ..ledger import Ledger


class LoggedHours:
    """Reads the lake when it is first asked: to ask Timix would take every entry ever logged."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def on(self, subtask_id: str) -> str:
        """Why hours may be logged on a subtask; empty when there are none."""
        if subtask_id not in self._refreshed:
            return "it is not known whether hours are logged on it; run `timix-assets refresh` first"
        return "hours are logged on it" if subtask_id in self._used else ""

    @cached_property
    def _refreshed(self) -> set[str]:
        """The subtasks that the last refresh has read; none where no entries were read."""
        return self._values("timix/subtasks", "id") if self._lake.exists("timix/time_reports") else set()

    @cached_property
    def _used(self) -> set[str]:
        imported = {each.values.subtask_id for each in Ledger(self._lake, "", KINDS).known().values()}
        return self._values("timix/time_reports", "subtask_id") | imported

    def _values(self, table: str, column: str) -> set[str]:
        if not self._lake.exists(table):
            return set()
        return set(self._lake.scan(table).select(pl.col(column).unique()).collect()[column])
