"""An import of structure from beginning to end, and its rollback: what the asset and the tests call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from timix_assets.contract.schema import Column

from ..apply import Writer, settle
from ..errors import ImportRefused
from ..importer import Importer
from ..ledger import Kinds, Ledger, Outcome
from ..outcome import Planned
from ..pace import Pace
from ..sources import Table
from ..steps import Step, too_large
from .element import KINDS, Element
from .levels import LEVELS
from .logged_hours import LoggedHours
from .mapping import StructureMapping
from .plan import ElementLine, Facts, plan
from .rollback import rollback
from .rows import read_rows
from .table import COLUMNS, values_of
from .workspace import StructureWorkspace

PlannedElement = Planned[ElementLine, Element]


@dataclass(frozen=True)
class StructureImporter(Importer[StructureWorkspace, ElementLine, Element, StructureMapping]):
    """Imports customers, projects, tasks and subtasks."""

    table: str = "imports/structure"

    columns: ClassVar[Sequence[Column]] = COLUMNS
    values_of = staticmethod(values_of)

    @staticmethod
    def kinds() -> Kinds[Element]:
        return KINDS

    def plan(self, table: Table, mapping: StructureMapping, ledger: Ledger[Element]) -> list[PlannedElement]:
        columns, cells = table
        rows = read_rows(cells, columns, mapping)
        if refusal := self.workspace.key_owner().may_not_write_structure:
            raise ImportRefused(f"Nothing can be imported: {refusal}.")
        self.workspace.check_writable()
        settle(self.workspace, ledger, self.notify, self.settle_seconds)
        known = {reference: each for (source, reference), each in ledger.known().items() if source == mapping.source}
        facts = Facts(self.workspace.elements(), known, LoggedHours(self.lake).on, mapping.source)
        name = self.occasion.name
        return [Planned(line, mapping.source, line.write(name, mapping.source)) for line in plan(rows, name, facts)]

    def plan_rollback(self, selection: str, mapping: StructureMapping, ledger: Ledger[Element]) -> list[PlannedElement]:
        if refusal := self.workspace.key_owner().may_not_write_structure:
            raise ImportRefused(f"Nothing can be rolled back: {refusal}.")
        settle(self.workspace, ledger, self.notify, self.settle_seconds)
        name_of = {write.key: write.name for write in self._undone(selection, ledger)}
        lines = rollback(ledger.writes, selection, self.workspace.elements(), LoggedHours(self.lake).on)
        return [Planned(line, source, line.write(name_of[source, line.reference], source)) for line, source in lines]

    def apply(self, planned: Sequence[PlannedElement], ledger: Ledger[Element], pace: Pace, max_rows: int) -> None:
        if refusal := too_large([each.line for each in planned], max_rows, ("element", "elements")):
            raise ImportRefused(refusal)
        self.workspace.check_writable()
        writer = Writer(self.workspace, ledger, pace, self.notify, self.settle_seconds)
        for level in LEVELS:
            ids = self._written_ids(ledger)
            writes = []
            for each in planned:
                write, parent = each.write, each.line.parent
                if write is None or each.line.level != level or each.line.step is Step.DELETE:
                    continue
                if write.values is not None and parent is not None:
                    if (each.source, parent) not in ids:
                        # The element above was not created.
                        continue
                    write = replace(write, values=replace(write.values, parent_id=ids[each.source, parent]))
                writes.append(write)
            writer.apply(writes)
        self._delete(planned, ledger, writer)

    def _delete(self, planned: Sequence[PlannedElement], ledger: Ledger[Element], writer: Writer[Element]) -> None:
        """From the bottom up; an element stays where one below it does."""
        keep: set[tuple[str, str]] = set()
        for level in reversed([*LEVELS.values()]):
            writes = [
                each.write
                for each in planned
                if each.write and each.line.step is Step.DELETE and each.line.level == level.name
            ]
            writer.apply([write for write in writes if (level.name, write.record_id) not in keep])
            gone = {key for key, write in self.results(ledger).items() if write.outcome is Outcome.DONE}
            for write in writes:
                if write.key not in gone and write.before and level.parent:
                    keep.add((level.parent, write.before.parent_id))

    def _written_ids(self, ledger: Ledger[Element]) -> Mapping[tuple[str, str], str]:
        """(source, reference) -> id of the elements that this run wrote."""
        return {
            key: write.record_id
            for key, write in self.results(ledger).items()
            if write.outcome is Outcome.DONE and write.record_id
        }
