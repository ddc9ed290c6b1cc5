"""The organization's live state: a firm's tables, and everything that can change them while the sandbox runs."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from threading import RLock
from typing import Any, overload

from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS
from timix_assets.contract.schema import Endpoint, Shape

from .firm import Firm
from .serialization import Visibility, body, record
from .write_validation import InvalidWrite, RowNotFound, validated_row

Row = dict[str, Any]

LISTS = tuple(endpoint for endpoint in ENDPOINTS if endpoint.shape is Shape.LIST)
DAYS_TO_PAY = 30
AFTER_EVERY_ID = "\U0010ffff"
COPY = "~"


@dataclass(frozen=True, slots=True)
class Copies(Sequence[str]):
    """Each id repeated under new names, generated on demand, so that millions of rows need no memory."""

    ids: Sequence[str]
    times: int

    def __len__(self) -> int:
        return len(self.ids) * self.times

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        if at >= len(self):
            raise IndexError(at)
        copy, n = divmod(at, len(self.ids))
        return f"{self.ids[n]}{COPY}{copy}" if copy else self.ids[n]


class Listing:
    """The rows of one endpoint in page order, with cached JSON. Rows are replaced, never modified."""

    def __init__(self, endpoint: Endpoint, rows: Iterable[Row], copies: int = 1) -> None:
        self.endpoint = endpoint
        self._copies = copies
        self._by_id = {row["id"]: row for row in rows}
        self._order = sorted(self._place(row) for row in self._by_id.values())
        self._json: dict[Visibility, dict[str, bytes]] = {visibility: {} for visibility in Visibility}
        self._windows: dict[tuple[date | None, date | None], Sequence[str]] = {}

    def _place(self, row: Row) -> tuple[date, str]:
        return (row[self.endpoint.date_column] if self.endpoint.date_column else date.min, row["id"])

    def __len__(self) -> int:
        return len(self._order)

    def rows(self) -> list[Row]:
        return [self._by_id[row_id] for _, row_id in self._order]

    def get(self, row_id: str) -> Row | None:
        return self._by_id.get(row_id)

    def put(self, row: Row) -> None:
        self.remove(row["id"])
        self._by_id[row["id"]] = row
        insort(self._order, self._place(row))
        self._windows.clear()

    def remove(self, row_id: str) -> Row | None:
        row = self._by_id.pop(row_id, None)
        if row is not None:
            del self._order[bisect_left(self._order, self._place(row))]
            self._windows.clear()
            for kept in self._json.values():
                kept.pop(row_id, None)
        return row

    def window(self, start: date | None, end: date | None) -> list[Row]:
        """The rows of a window, once each."""
        return [self._by_id[row_id] for row_id in self._within(start, end)]

    def within(self, start: date | None, end: date | None) -> Sequence[str]:
        """Ids of the rows of a window, both days included; a window means the endpoint's date column, or an invoice's issue."""
        if (start, end) not in self._windows:
            ids = self._within(start, end)
            self._windows[start, end] = ids if self._copies == 1 else Copies(ids, self._copies)
        return self._windows[start, end]

    def _within(self, start: date | None, end: date | None) -> list[str]:
        if self.endpoint.date_column:
            low = bisect_left(self._order, (start, "")) if start else 0
            high = bisect_right(self._order, (end, AFTER_EVERY_ID)) if end else len(self._order)
            return [row_id for _, row_id in self._order[low:high]]
        if (start or end) and self.endpoint.name == "invoices":
            first, last = start or date.min, end or date.max
            return [row["id"] for row in self.rows() if first <= (row["issue_date"] or row["period_end"]) <= last]
        return [row_id for _, row_id in self._order]

    def json(self, ids: Iterable[str], visibility: Visibility) -> list[bytes]:
        """The JSON of some rows; rendered once for each sight."""
        return [self._render(row_id, visibility) for row_id in ids]

    def _render(self, row_id: str, visibility: Visibility) -> bytes:
        kept = self._json[visibility]
        original, _, copy = row_id.partition(COPY)
        if original not in kept:
            kept[original] = body(record(self.endpoint, self._by_id[original], visibility))
        if not copy:
            return kept[original]
        return kept[original].replace(f'"{original}"'.encode(), f'"{row_id}"'.encode(), 1)


class Workspace:
    """One organization. Every change moves `version`, after which reports are recomputed. Thread-safe.

    now: the clock of `createdAt` and `updatedAt`. copies: each time entry is listed so many times, and counted once in reports.
    on_change: called with the table, the row's id and `created`, `updated` or `deleted`; it must not wait.
    Changes that break a rule raise `InvalidWrite`.
    """

    def __init__(
        self,
        firm: Firm,
        now: Callable[[], datetime],
        *,
        copies: int = 1,
        on_change: Callable[[str, str, str], object] | None = None,
    ) -> None:
        self.firm = firm
        self._on_change = on_change or (lambda name, row_id, what: None)
        self.today = firm.today
        self.version = 0
        self.lock = RLock()
        self._now = now
        self._listings = {
            e.name: Listing(e, firm.tables[e.name], copies if e.name == "time_reports" else 1) for e in LISTS
        }
        self._bin: dict[tuple[str, str], Row] = {}
        self._numbers = count(1)

    def warm(self) -> None:
        """Render every entry, so that the first pages are as fast as later ones."""
        entries = self._listings["time_reports"]
        entries.json([row["id"] for row in entries.rows()], Visibility.EVERYTHING)

    def listing(self, name: str) -> Listing:
        return self._listings[name]

    def rows(self, name: str) -> list[Row]:
        """All rows of a table, in the order of its pages."""
        with self.lock:
            return self._listings[name].rows() if name in self._listings else self.firm.tables[name]

    def entries(self, start: date | None, end: date | None) -> list[Row]:
        """The time entries of a window, both days included, by date."""
        with self.lock:
            return self._listings["time_reports"].window(start, end)

    @property
    def organization(self) -> Row:
        return self.firm.tables["organization"][0]

    def find(self, name: str, row_id: str) -> Row:
        """One row; raises `RowNotFound` if it does not exist or was deleted."""
        row = self._listings[name].get(row_id)
        if row is None:
            raise RowNotFound(f"There is no {BY_NAME[name].path}/{row_id}.")
        return row

    def find_including_deleted(self, name: str, row_id: str | None) -> Mapping[str, Any]:
        """One row, including deleted ones; empty if it never existed."""
        if row_id is None:
            return {}
        return self._listings[name].get(row_id) or self._bin.get((name, row_id)) or {}

    def project_of(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        """The project that an entry's subtask belongs to."""
        task_id = self.find_including_deleted("subtasks", entry["subtask_id"]).get("task_id")
        return self.find_including_deleted("projects", self.find_including_deleted("tasks", task_id).get("project_id"))

    def create(self, name: str, fields: Mapping[str, Any]) -> Row:
        """Add a row made of the JSON fields of a request; the row as it is kept."""
        with self.lock:
            row = validated_row(self, name, fields, None)
            row |= {"id": f"{row_prefix(name)}-new-{next(self._numbers):05d}", "created_at": self._now()}
            return self._put(name, row)

    def update(self, name: str, row_id: str, fields: Mapping[str, Any]) -> Row:
        """Change the named fields of a row and keep the others."""
        with self.lock:
            return self._put(name, validated_row(self, name, fields, self.find(name, row_id)))

    def delete(self, name: str, row_id: str) -> None:
        """Move a row to the recycle bin."""
        with self.lock:
            if self.find(name, row_id).get("invoice_id"):
                raise InvalidWrite(f"{BY_NAME[name].path}/{row_id} is on an invoice; void the invoice first.")
            self.discard(name, [row_id])

    def restore(self, name: str, row_id: str) -> Row:
        """Bring a row back from the recycle bin, with the id that it had."""
        with self.lock:
            if (name, row_id) not in self._bin:
                raise RowNotFound(f"There is no {BY_NAME[name].path}/{row_id} in the recycle bin.")
            return self._put(name, self._bin.pop((name, row_id)))

    def issue(self, invoice_id: str, on: date | None = None) -> Row:
        """Issue a draft: it gets the next number of its month, and its hours become Invoiced."""
        with self.lock:
            invoice, day = self._invoice(invoice_id, "Draft"), on or self.today
            taken = [i for i in self.rows("invoices") if i["number"] and i["number"].startswith(f"{day:%Y-%m}-")]
            self._mark(invoice_id, {"status": "Invoiced"})
            due = day + timedelta(days=DAYS_TO_PAY)
            number = f"{day:%Y-%m}-{len(taken) + 1:03d}"
            return self._put(
                "invoices", {**invoice, "status": "Issued", "number": number, "issue_date": day, "due_date": due}
            )

    def void(self, invoice_id: str) -> Row:
        """Void an invoice that was issued or sent: its hours return to Approved, on no invoice."""
        with self.lock:
            invoice = self._invoice(invoice_id, "Issued", "Sent")
            self._mark(invoice_id, {"status": "Approved", "invoice_id": None})
            return self._put("invoices", {**invoice, "status": "Void"})

    def insert_first(self, name: str, likes: Sequence[Row]) -> None:
        """Add rows like those given, under new ids that sort before all others of their day."""
        with self.lock:
            for like in likes:
                self._put(name, {**like, "id": f"add-{next(self._numbers):05d}"})

    def discard(self, name: str, ids: Sequence[str]) -> None:
        """Move rows to the recycle bin, whatever state they are in."""
        with self.lock:
            for row_id in ids:
                self._bin[name, row_id] = self._listings[name].remove(row_id) or {}
                self._on_change(name, row_id, "deleted")
            self.version += 1

    def _put(self, name: str, row: Row) -> Row:
        row = {column: row[column] for column in (c.name for c in BY_NAME[name].columns) if column in row}
        if "updated_at" in (c.name for c in BY_NAME[name].columns):
            row["updated_at"] = self._now()
        what = "updated" if self._listings[name].get(row["id"]) else "created"
        self._listings[name].put(row)
        self.version += 1
        self._on_change(name, row["id"], what)
        return row

    def _invoice(self, invoice_id: str, *allowed: str) -> Row:
        invoice = self.find("invoices", invoice_id)
        if invoice["status"] not in allowed:
            raise InvalidWrite(f"Invoice {invoice_id} is {invoice['status']}; this needs {' or '.join(allowed)}.")
        return invoice

    def _mark(self, invoice_id: str, change: Row) -> None:
        for entry in self.rows("time_reports"):
            if entry["invoice_id"] == invoice_id:
                self._put("time_reports", {**entry, **change})


def row_prefix(name: str) -> str:
    return {"customers": "cus", "projects": "prj", "tasks": "tsk", "subtasks": "sub", "time_reports": "tim"}[name]
