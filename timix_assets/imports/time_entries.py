"""An import of time entries from beginning to end, and its rollback: what the asset and the tests call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar

from timix_assets.contract.schema import Column
from timix_assets.text.wording import count_noun

from .apply import Writer, settle
from .directory import Directory
from .entry import KINDS, Entry, Existing
from .entry_table import COLUMNS, values_of
from .errors import ImportRefused
from .importer import Importer
from .ledger import Kinds, Known, Ledger
from .mapping import ImportMapping
from .outcome import Planned
from .pace import Pace
from .permissions import KeyOwner
from .plan import Facts, Line, plan, unknown_budgets
from .rollback import rollback
from .rows import Row, read_rows
from .sources import Table
from .steps import Step, too_large
from .workspace import Workspace, closed_months, refreshed_ids, used_hours

PlannedEntry = Planned[Line, Entry]


@dataclass(frozen=True)
class TimeEntryImporter(Importer[Workspace, Line, Entry, ImportMapping]):
    """Imports time entries.

    Args:
        delete_removed: Delete the entries of rows that are no longer in the file.
    """

    table: str = "imports/time_entries"
    delete_removed: bool = False

    columns: ClassVar[Sequence[Column]] = COLUMNS
    values_of = staticmethod(values_of)

    @staticmethod
    def kinds() -> Kinds[Entry]:
        return KINDS

    def plan(self, table: Table, mapping: ImportMapping, ledger: Ledger[Entry]) -> list[PlannedEntry]:
        columns, cells = table
        rows = read_rows(cells, columns, mapping)
        owner = self.workspace.key_owner()
        if owner.may_not_write:
            raise ImportRefused(f"Nothing can be imported: {owner.may_not_write}.")
        self.workspace.check_writable()
        settle(self.workspace, ledger, self.notify, self.settle_seconds)
        facts = self._facts(rows, mapping, ledger, owner)
        lines = plan(rows, mapping, self.occasion.name, facts, delete_removed=self.delete_removed)
        if mapping.over_budget == "refuse" and (unknown := unknown_budgets(lines, facts)):
            why = "no refresh has seen their subtasks" if facts.used else f"the lake {self.lake.url} has no refresh yet"
            self.warn(
                f"Hour caps were not checked for {count_noun(unknown, 'entry', 'entries')}: {why}. Run `timix-assets refresh` "
                "first."
            )
        return [Planned(line, mapping.source, line.write(self.occasion.name, mapping.source)) for line in lines]

    def plan_rollback(self, selection: str, mapping: ImportMapping, ledger: Ledger[Entry]) -> list[PlannedEntry]:
        if refusal := self.workspace.key_owner().may_not_write:
            raise ImportRefused(f"Nothing can be rolled back: {refusal}.")
        settle(self.workspace, ledger, self.notify, self.settle_seconds)
        name_of = {write.key: write.name for write in self._undone(selection, ledger)}
        existing = self._entries_of((), [each for key, each in ledger.known().items() if key in name_of])
        return [
            Planned(line, source, line.write(name_of[source, line.reference], source))
            for line, source in rollback(
                ledger.writes, selection, existing, self.workspace.directory(), self._closed(mapping)
            )
        ]

    def apply(self, planned: Sequence[PlannedEntry], ledger: Ledger[Entry], pace: Pace, max_rows: int) -> None:
        if refusal := too_large([each.line for each in planned], max_rows, ("entry", "entries")):
            raise ImportRefused(refusal)
        self.workspace.check_writable()
        matches = [each.write for each in planned if each.write and each.line.step is Step.MATCH]
        sent = [each.write for each in planned if each.write and each.line.step is not Step.MATCH]
        Writer(self.workspace, ledger, pace, self.notify, self.settle_seconds).apply([*matches, *sent])

    def _facts(self, rows: Sequence[Row], mapping: ImportMapping, ledger: Ledger[Entry], owner: KeyOwner) -> Facts:
        everything = ledger.known()
        known = {reference: each for (source, reference), each in everything.items() if source == mapping.source}
        directory = self.workspace.directory()
        references = {row.reference for row in rows}
        concerned = [each for name, each in known.items() if name in references or each.name == self.occasion.name]
        return Facts(
            directory=directory,
            owner=owner,
            existing=self._entries_of([row.day for row in rows if row.day], concerned),
            known=known,
            others={each.record_id for (source, _), each in everything.items() if source != mapping.source},
            closed=self._closed(mapping),
            used=self._used(directory, everything.values()),
        )

    def _closed(self, mapping: ImportMapping) -> set[date]:
        """The months in which nothing may be changed."""
        return closed_months(self.lake) if mapping.closed_months == "refuse" else set()

    def _entries_of(self, days: Iterable[date], known: Iterable[Known[Entry]]) -> dict[str, Existing]:
        known = list(known)
        existing = self.workspace.entries_on([*days, *(each.values.date for each in known)])
        for entry_id in sorted({each.record_id for each in known} - existing.keys()):
            # Moved to another day in Timix, or deleted.
            if (elsewhere := self.workspace.entry(entry_id)) is not None:
                existing[entry_id] = elsewhere
        return existing

    def _used(self, directory: Directory, known: Iterable[Known[Entry]]) -> Mapping[tuple[str, str, str], Decimal]:
        """The hours used at the last refresh, and those that imports have created since."""
        used = used_hours(self.lake)
        created = {each.record_id: each.values for each in known if each.created}
        for entry_id in created.keys() - refreshed_ids(self.lake, list(created)):
            subtask = directory.by_id(created[entry_id].subtask_id)
            for budget in subtask.budgets if subtask else ():
                if budget in used:
                    used[budget] += created[entry_id].hours
        return used
