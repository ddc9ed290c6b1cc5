"""Rows for the sandbox's small firm, and an importer over it."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from timix_assets.api import Limits, TimixClient
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.imports.entry import Entry
from timix_assets.imports.ledger import Ledger
from timix_assets.imports.mapping import ImportMapping, own_columns
from timix_assets.imports.outcome import Occasion, outcome_of
from timix_assets.imports.pace import Pace
from timix_assets.imports.sources import Table
from timix_assets.imports.time_entries import PlannedEntry, TimeEntryImporter
from timix_assets.imports.workspace import Workspace
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.server import Sandbox

COLUMNS = ("reference", "person", "date", "hours", "text", "subtask")
PERSON = "000-0@meridian-bay.example"
OTHER = "001-2@meridian-bay.example"
SUBTASK = "Bright Harbor Dental / Cloud landing zone 2026 (Bright) / Quality / Bug fixing"
CAPPED = "Vantage Point Analytics / ERP migration 2026 (Vantage) / Analysis / Data model"
MONDAY = date(2026, 11, 9)

Cells = dict[str, Any]


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
    "two people of one name": ({"person": "Emre Yıldız", "subtask": "nowhere"}, "no subtask is at “nowhere”"),
    "half a path": ({"subtask": "Bug"}, "no subtask is at “Bug”: there is no such subtask"),
    "completed subtask": ({"subtask": "sub-15314-1-1"}, "no time can be logged: "),
    "closed month": ({"date": "2026-09-30"}, "the month 2026-09 is closed"),
    "over budget": ({"subtask": CAPPED, "hours": "24", "date": "2026-10-18"}, "over budget: the subtask has "),
    "long text": ({"text": "x" * 995}, "characters with its mark, more than 1,000"),
}
"""Kind -> what is wrong in the row, and what the reason says."""


def wrong_rows() -> list[Cells]:
    return [
        row(f"W-{n:02d}", **{"date": "2026-10-15", **wrong}) for n, (wrong, _) in enumerate(WRONG.values(), start=1)
    ]


def write_csv(path: Path, rows: Sequence[Cells]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@dataclass
class Firm:
    """A sandbox and a lake, and imports into them without Dagster."""

    sandbox: Sandbox
    lake: Lake
    limits: Limits = field(default_factory=Limits)
    runs: int = 0

    def entries(self) -> list[dict[str, Any]]:
        """The sandbox's time entries that have a mark."""
        return [entry for entry in self.sandbox.workspace.rows("time_reports") if "[#" in (entry["text"] or "")]

    def run(self, rows: Iterable[Cells], *, apply: bool = True, key: str | None = None, **options: Any) -> "Run":
        """One import, by a run of its own."""
        rows = list(rows)
        table: Table = list(rows[0] if rows else COLUMNS), rows
        mapping = options.pop("mapping", None) or own_columns(table[0])
        return self._run(
            lambda importer, ledger: importer.plan(table, mapping, ledger, **options), apply=apply, key=key
        )

    def roll_back(self, selection: str, *, apply: bool = True) -> "Run":
        return self._run(lambda importer, ledger: importer.plan_rollback(selection, ledger), apply=apply, key=None)

    def _run(self, plan: Any, *, apply: bool, key: str | None) -> "Run":
        self.runs += 1
        run_id = f"run-{self.runs:04d}"
        with TimixClient(
            self.sandbox.base_url, key or self.sandbox.key, limits=self.limits, read_only=not apply
        ) as client:
            occasion = Occasion("october", run_id, datetime.now(UTC), applied=apply)
            importer = TimeEntryImporter(
                Workspace(client, BY_NAME.__getitem__), self.lake, occasion, lambda _: None, settle_seconds=0
            )
            ledger = importer.ledger()
            planned = plan(importer, ledger)
            try:
                if apply:
                    importer.apply(planned, ledger, Pace(1000, 1, "", datetime.now), max_rows=1000)
            finally:
                importer.store(planned, ledger)
            return Run(planned, ledger, importer, client.stats.requests)


@dataclass
class Run:
    planned: list[PlannedEntry]
    ledger: Ledger[Entry]
    importer: TimeEntryImporter
    requests: int

    def steps(self) -> dict[str, str]:
        """Reference -> step."""
        return {each.line.reference: each.line.step.value for each in self.planned}

    def reasons(self) -> dict[str, str]:
        """Reference -> reason."""
        return {each.line.reference: each.line.reason for each in self.planned}

    def outcomes(self) -> dict[str, str | None]:
        """Reference -> outcome."""
        results = self.importer.results(self.ledger)
        return {
            each.line.reference: outcome_of(each, results.get((each.source, each.line.reference)), applied=True)
            for each in self.planned
        }


def with_marks(mapping: ImportMapping, *, marker: bool) -> ImportMapping:
    return mapping.model_copy(update={"marker": marker})
