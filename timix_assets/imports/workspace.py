"""What an import reads from Timix and from the lake, and how it writes an entry to Timix."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.contract.endpoints import BILLING_TYPES
from timix_assets.contract.schema import Endpoint
from timix_assets.lake.tables import Lake
from timix_assets.metrics.budget_health import BUDGET_HEALTH
from timix_assets.metrics.restatements import CLOSED_MONTHS

from .apply import RecordKey
from .connection import Connection
from .directory import Directory, Person, subtasks_of
from .entry import TIME_ENTRY, Entry, Existing, mark_of
from .ledger import Write

WRITTEN = ("user_id", "subtask_id", "date", "start_time", "hours", "text", "customer_rate")
STRUCTURE = ("customers", "projects", "tasks", "subtasks")

BUDGETS = f"rollups/{BUDGET_HEALTH.name}"
CLOSED = f"meta/{CLOSED_MONTHS.name}"
TIME_REPORTS = "timix/time_reports"


class Workspace(Connection):
    """The Timix side of an import of time entries."""

    def __init__(self, client: TimixClient, endpoint: Callable[[str], Endpoint]) -> None:
        super().__init__(client, endpoint)
        self._entries = self.records("time_reports", WRITTEN)
        self._read: dict[str, Existing] = {}
        """The entries, as they were last read."""

    def directory(self) -> Directory:
        """The people, the subtasks and their hour caps, as they are now."""
        tables = {name: self.records(name).list().to_dicts() for name in STRUCTURE}
        people = [
            Person(
                row["id"],
                row["email"] or "",
                row["name"] or "",
                row["status"] in ("Active", None),
                row["start_date"],
                row["end_date"],
            )
            for row in self.records("org_users").list().iter_rows(named=True)
        ]
        caps: dict[tuple[str, str, str], Decimal] = {}
        for level, name in (("project", "projects"), ("task", "tasks")):
            for row in tables[name]:
                caps |= {(level, row["id"], kind): row[f"{kind.lower()}_hour_limit"] for kind in BILLING_TYPES}
        caps |= {("subtask", row["id"], "hours"): row["hour_limit"] for row in tables["subtasks"]}
        # Timix keeps 0 for unlimited.
        return Directory(people, subtasks_of(*tables.values()), {key: cap for key, cap in caps.items() if cap})

    def entries_on(self, days: Iterable[date]) -> dict[str, Existing]:
        """The entries of these days, by id, and others; of each month one listing, from the first day to the one after the last.

        Where the server excludes the day of endDate, an entry of the last day would be missing and written again.
        """
        found: dict[str, Existing] = {}
        for first, last in _ranges(days):
            names = self._entries.endpoint.parameters
            end = min(last, date.max - timedelta(days=1)) + timedelta(days=1)
            params = {names["startDate"]: first.isoformat(), names["endDate"]: end.isoformat()}
            found |= {each.id: each for each in self._existing(self._entries.list(params))}
        return found

    def entry(self, entry_id: str) -> Existing | None:
        """One entry; None when it does not exist or was deleted."""
        return next(self._existing(self._entries.one(entry_id)), None)

    def check_writable(self) -> None:
        """ImportRefused if an override computes a column that imports write."""
        self._entries.check_writable()

    def create(self, values: Entry) -> tuple[str, Entry]:
        stored = self._entries.create(values.items())
        return stored["id"], _entry_of(stored)

    def update(self, record_id: str, values: Entry, before: Entry | None) -> Entry:
        has_lost_rate = before is not None and before.customer_rate is not None and values.customer_rate is None
        columns = values.items()
        if self._entries.is_writable("status"):
            # A record that is replaced without its status might become a draft again.
            columns["status"] = self._read[record_id].status
        return _entry_of(self._entries.update(record_id, columns, emptied=["customer_rate"] if has_lost_rate else ()))

    def delete(self, record_id: str, kind: str) -> None:
        self._entries.delete(record_id)

    def look(self, writes: Sequence[Write[Entry]]) -> Mapping[RecordKey, Entry]:
        existing = self.entries_on({entry.date for write in writes for entry in (write.values, write.before) if entry})
        for entry_id in {write.record_id for write in writes if write.record_id} - existing.keys():
            if (elsewhere := self.entry(entry_id)) is not None:
                existing[entry_id] = elsewhere
        return {(TIME_ENTRY, entry_id): each.entry for entry_id, each in existing.items()}

    def fixed(self, record: RecordKey) -> str:
        return self._read[record[1]].fixed

    def is_made_by(self, write: Write[Entry], values: Entry) -> bool:
        """By the mark; by equal values where rows have no marks."""
        if write.values is None:
            return False
        mark = mark_of(write.source, write.reference)
        return values.text.endswith(mark) if write.values.text.endswith(mark) else not write.values.differences(values)

    def _existing(self, rows: pl.DataFrame) -> Iterator[Existing]:
        for row in rows.iter_rows(named=True):
            existing = Existing(row["id"], _entry_of(row), row["status"], row["invoice_id"])
            self._read[existing.id] = existing
            yield existing


def closed_months(lake: Lake) -> set[date]:
    """The months that close_month has closed."""
    if not lake.exists(CLOSED):
        return set()
    return set(lake.scan(CLOSED).select(pl.col("month").unique()).collect()["month"].drop_nulls())


def used_hours(lake: Lake) -> dict[tuple[str, str, str], Decimal]:
    """(level, id, scope) -> hours used at the last refresh; empty when budgets were never computed."""
    if not lake.exists(BUDGETS):
        return {}
    rows = lake.scan(BUDGETS).filter(pl.col("scope").is_in([*BILLING_TYPES, "hours"])).collect()
    return {
        (row["level"], row[f"{row['level']}_id"], row["scope"]): row["used"]
        for row in rows.iter_rows(named=True)
        if row["used"] is not None
    }


def refreshed_ids(lake: Lake, ids: Sequence[str]) -> set[str]:
    """Which of these entries the last refresh has read, so that budgets contain them."""
    if not ids or not lake.exists(TIME_REPORTS):
        return set()
    return set(lake.scan(TIME_REPORTS).filter(pl.col("id").is_in(list(ids))).select("id").collect()["id"])


def _entry_of(row: Mapping[str, Any]) -> Entry:
    return Entry(**{name: row[name] for name in WRITTEN if name != "text"}, text=row["text"] or "")


def _ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    by_month: dict[tuple[int, int], list[date]] = {}
    for day in sorted(set(days)):
        by_month.setdefault((day.year, day.month), []).append(day)
    return [(each[0], each[-1]) for each in by_month.values()]
