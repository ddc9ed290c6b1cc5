"""Imports of structure into the sandbox's small firm, and their rows."""

from typing import Any

from timix_assets.imports.structure.element import Element
from timix_assets.imports.structure.importer import StructureImporter
from timix_assets.imports.structure.levels import LEVELS
from timix_assets.imports.structure.mapping import StructureMapping
from timix_assets.imports.structure.plan import ElementLine
from timix_assets.imports.structure.table import changes
from timix_assets.imports.structure.tree import tree
from timix_assets.imports.structure.workspace import StructureWorkspace

from .importing import Cells, Importing, Run

ACME: list[Cells] = [
    {"path": "Acme", "currency": "EUR"},
    {"path": "Acme / Website", "billing_types": "TM, OVH", "tm_hour_limit": "120", "currency": "EUR"},
    {"path": "Acme / Website / Build", "tm_hour_limit": "80"},
    {"path": "Acme / Website / Build / Design", "billing_type": "T&M", "hour_limit": "40"},
    {"path": "Acme / Website / Build / Meetings", "billing_type": "overhead"},
]
"""A new customer, with everything below it; the references are the paths."""


class Structure(Importing[ElementLine, Element, StructureMapping]):
    """Imports of customers, projects, tasks and subtasks."""

    name = "acme"
    importer = StructureImporter
    workspace = StructureWorkspace
    mapping = StructureMapping

    def rows(self) -> list[Cells]:
        return ACME

    def created(self) -> list[dict[str, Any]]:
        """From customers down."""
        rows = [row for level in LEVELS.values() for row in self.sandbox.workspace.rows(level.endpoint)]
        return [row for row in rows if "-new-" in row["id"]]

    def names(self) -> list[str]:
        return [row["name"] for row in self.created()]


def tree_of(run: Run[ElementLine, Element]) -> list[str]:
    return tree(changes(run.importer.frame(run.planned, run.ledger)))
