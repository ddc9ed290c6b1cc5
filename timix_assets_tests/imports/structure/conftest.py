"""Rows of structure for the sandbox's small firm, and imports of them without Dagster."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from timix_assets.api import Limits, TimixClient
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.imports.ledger import Ledger
from timix_assets.imports.outcome import Occasion, outcome_of
from timix_assets.imports.pace import Pace
from timix_assets.imports.structure.element import Element
from timix_assets.imports.structure.importer import PlannedElement, StructureImporter
from timix_assets.imports.structure.levels import LEVELS
from timix_assets.imports.structure.mapping import own_columns
from timix_assets.imports.structure.table import changes
from timix_assets.imports.structure.tree import tree
from timix_assets.imports.structure.workspace import StructureWorkspace
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.server import Sandbox

QUICK = Limits(backoff_base_seconds=0.001, backoff_cap_seconds=0.005, attempts=2)

Cells = dict[str, Any]

ACME: list[Cells] = [
    {"path": "Acme", "currency": "EUR"},
    {"path": "Acme / Website", "billing_types": "TM, OVH", "tm_hour_limit": "120", "currency": "EUR"},
    {"path": "Acme / Website / Build", "tm_hour_limit": "80"},
    {"path": "Acme / Website / Build / Design", "billing_type": "T&M", "hour_limit": "40"},
    {"path": "Acme / Website / Build / Meetings", "billing_type": "overhead"},
]
"""A new customer, with everything below it; the references are the paths."""


@dataclass
class Run:
    planned: list[PlannedElement]
    ledger: Ledger[Element]
    importer: StructureImporter

    def steps(self) -> list[str]:
        return [each.line.step.value for each in self.planned]

    def reasons(self) -> list[str]:
        return [each.line.reason for each in self.planned]

    def outcomes(self) -> list[str | None]:
        results = self.importer.results(self.ledger)
        return [
            outcome_of(each, results.get((each.source, each.line.reference)), applied=True) for each in self.planned
        ]

    def tree(self) -> list[str]:
        return tree(changes(self.importer.frame(self.planned, self.ledger)))


@dataclass
class Structure:
    """A sandbox and a lake."""

    sandbox: Sandbox
    lake: Lake
    runs: int = 0

    def made(self) -> list[dict[str, Any]]:
        """The elements that were created after the sandbox began, from customers down."""
        rows = [row for level in LEVELS.values() for row in self.sandbox.workspace.rows(level.endpoint)]
        return [row for row in rows if "-new-" in row["id"]]

    def names(self) -> list[str]:
        return [row["name"] for row in self.made()]

    def run(self, rows: Iterable[Cells], *, apply: bool = True, key: str | None = None) -> Run:
        """One import, by a run of its own. Cells that a row lacks are empty."""
        rows = list(rows)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        mapping = own_columns(columns)
        return self._run(lambda importer, ledger: importer.plan((columns, rows), mapping, ledger), apply, key)

    def roll_back(self, selection: str, *, apply: bool = True) -> Run:
        return self._run(lambda importer, ledger: importer.plan_rollback(selection, ledger), apply, None)

    def _run(self, plan: Any, apply: bool, key: str | None) -> Run:
        self.runs += 1
        key = key or self.sandbox.key
        with TimixClient(self.sandbox.base_url, key, limits=QUICK, read_only=not apply) as client:
            occasion = Occasion("acme", f"run-{self.runs:04d}", datetime.now(UTC), applied=apply)
            workspace = StructureWorkspace(client, BY_NAME.__getitem__)
            importer = StructureImporter(workspace, self.lake, occasion, lambda _: None, settle_seconds=0)
            ledger = importer.ledger()
            planned = plan(importer, ledger)
            try:
                if apply:
                    importer.apply(planned, ledger, Pace(1000, 1, "", datetime.now), max_rows=1000)
            finally:
                importer.store(planned, ledger)
            return Run(planned, ledger, importer)


@pytest.fixture
def structure(sandbox: Sandbox, tmp_path: Path) -> Structure:
    return Structure(sandbox, Lake(str(tmp_path / "lake")))
