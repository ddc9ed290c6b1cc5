"""Imports of time entries into the sandbox's small firm, and their rows."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from timix_assets.imports.entry import Entry
from timix_assets.imports.mapping import ImportMapping
from timix_assets.imports.plan import Line
from timix_assets.imports.time_entries import TimeEntryImporter
from timix_assets.imports.workspace import Workspace

from .importing import Cells, Importing

COLUMNS = ("reference", "person", "date", "hours", "text", "subtask")
PERSON = "000-0@meridian-bay.example"
OTHER = "001-2@meridian-bay.example"
SUBTASK = "Bright Harbor Dental / Cloud landing zone 2026 (Bright) / Quality / Bug fixing"
CAPPED = "Vantage Point Analytics / ERP migration 2026 (Vantage) / Analysis / Data model"
MONDAY = date(2026, 11, 9)


def row(reference: str, hours: object = "1.5", **other: Any) -> Cells:
    """A row that can be imported, but for what `other` says."""
    cells = {"reference": reference, "person": PERSON, "date": MONDAY.isoformat(), "hours": str(hours)}
    return {**cells, "text": f"Work {reference}", "subtask": SUBTASK, **other}


def month_of_rows(count: int = 40) -> list[Cells]:
    """Rows of October, on weekdays of two people."""
    days = [day for n in range(31) if (day := date(2026, 10, 1) + timedelta(days=n)).weekday() < 5]
    return [
        row(f"T-{n:03d}", "0.75", date=days[n % len(days)].isoformat(), person=(PERSON, OTHER)[n % 2])
        for n in range(count)
    ]


WRONG: Mapping[str, tuple[Cells, str]] = {
    "no hours": ({"hours": "0"}, "hours must be more than 0"),
    "too many hours": ({"hours": "25"}, "at most 24, not 25"),
    "hours in words": ({"hours": "eight"}, "“eight” is not a number"),
    "day of another format": ({"date": "31/10/2026"}, "“31/10/2026” is not a date like 2026-11-30"),
    "unknown person": ({"person": "nobody@example.com"}, "no person has the id, e-mail address or name"),
    "person who left": ({"person": "Anneliese Yıldız", "date": "2026-10-30"}, "left on 2026-10-24"),
    "unknown subtask": ({"subtask": "Bug"}, "no subtask is at “Bug”: there is no such subtask"),
    "several subtasks": ({"subtask": "Deployment"}, "2 subtasks fit “Deployment”: "),
    "completed subtask": ({"subtask": "sub-15314-1-1"}, "no time can be logged: "),
    "closed month": ({"date": "2026-09-30"}, "the month 2026-09 is closed"),
    "over budget": ({"subtask": CAPPED, "hours": "24", "date": "2026-10-18"}, "over budget: the subtask has "),
    "reference twice": ({"reference": "T-000"}, "the reference T-000 is in the file twice"),
    "long text": ({"text": "x" * 995}, "characters with its mark, more than 1,000"),
}
"""Kind -> what is wrong in the row, and what the reason says."""


def wrong_rows() -> list[Cells]:
    """One of each kind, to stand after `month_of_rows`."""
    return [{**row(f"W-{n:02d}", date="2026-10-15"), **wrong} for n, (wrong, _) in enumerate(WRONG.values(), start=1)]


def write_csv(path: Path, rows: Sequence[Cells]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


class Firm(Importing[Line, Entry, ImportMapping]):
    """Imports of time entries."""

    name = "october"
    importer = TimeEntryImporter
    workspace = Workspace
    mapping = ImportMapping

    def rows(self) -> list[Cells]:
        return month_of_rows(5)

    def created(self) -> list[dict[str, Any]]:
        """The entries that have a mark."""
        return [entry for entry in self.sandbox.workspace.rows("time_reports") if "[#" in (entry["text"] or "")]
