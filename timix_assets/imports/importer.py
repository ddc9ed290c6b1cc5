"""An import from its plan to its outcome: what imports of every kind share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import polars as pl

from timix_assets.contract.schema import Column
from timix_assets.lake.tables import Lake

from .apply import SETTLE_SECONDS, Notify
from .connection import Connection
from .errors import ImportRefused
from .ledger import Kinds, Ledger, V, Write
from .mapping import M
from .outcome import L, Occasion, Planned, frame_of, store
from .pace import Pace
from .rollback import writes_to_undo
from .sources import Table

C = TypeVar("C", bound=Connection)


@dataclass(frozen=True)
class Importer(ABC, Generic[C, L, V, M]):
    """Plans and applies imports into one workspace.

    Args:
        workspace: Timix.
        lake: Where the ledger and the outcome are, and what past hours are read from.
        occasion: This run.
        notify: Called with messages for the run's log.
        warn: Called with what a person must know who reads the plan.
        table, description: The outcome table.
        settle_seconds: How long after a lost response the server may still commit.
    """

    workspace: C
    lake: Lake
    occasion: Occasion
    notify: Notify
    warn: Notify
    table: str
    description: str = ""
    settle_seconds: float = SETTLE_SECONDS

    columns: ClassVar[Sequence[Column]]

    @staticmethod
    @abstractmethod
    def kinds() -> Kinds[V]:
        """The kinds of record that it writes."""

    @staticmethod
    @abstractmethod
    def values_of(line: L, record_id: str | None) -> Mapping[str, object]:
        """The columns of the outcome table that are of this import only."""

    @abstractmethod
    def plan(self, table: Table, mapping: M, ledger: Ledger[V]) -> list[Planned[L, V]]:
        """What becomes of the rows of a table. Reads Timix; writes nothing but, to the ledger, what became of earlier writes.

        Raises:
            ImportRefused: The columns do not fit the mapping, a column cannot be written, or the key may not write.
            TimixError, LakeError: Something cannot be read.
        """

    @abstractmethod
    def plan_rollback(self, selection: str, mapping: M, ledger: Ledger[V]) -> list[Planned[L, V]]:
        """What undoes an import.

        Args:
            selection: The import's name, or the beginning of a run's id.
            mapping: Says which rules are off.

        Raises:
            ImportRefused: The ledger has no such import, or the key may not write.
        """

    @abstractmethod
    def apply(self, planned: Sequence[Planned[L, V]], ledger: Ledger[V], pace: Pace, max_rows: int) -> None:
        """Sends what a plan writes.

        Raises:
            ImportRefused: The plan writes more than `max_rows` records, or a column cannot be written.
            ImportStopped: It ended early.
        """

    def ledger(self) -> Ledger[V]:
        """The ledger of these kinds, for this run."""
        return Ledger(self.lake, self.occasion.run_id, self.kinds())

    def results(self, ledger: Ledger[V]) -> dict[tuple[str, str], Write[V]]:
        """(source, reference) -> what this run wrote."""
        return {write.key: write for write in ledger.writes if write.run_id == self.occasion.run_id}

    def frame(self, planned: Sequence[Planned[L, V]], ledger: Ledger[V]) -> pl.DataFrame:
        """Plan and outcome, a line per row."""
        return frame_of(planned, self.results(ledger), self.occasion, self.columns, self.values_of)

    def store(self, planned: Sequence[Planned[L, V]], ledger: Ledger[V]) -> None:
        """Stores plan and outcome."""
        store(self.lake, self.table, self.frame(planned, ledger), self.columns, self.description)

    def _undone(self, selection: str, ledger: Ledger[V]) -> list[Write[V]]:
        """The applied writes of an import; ImportRefused if the ledger has none."""
        writes = ledger.writes
        if undone := writes_to_undo(writes, selection):
            return undone
        names = sorted({write.name for write in writes})
        raise ImportRefused(
            f"The ledger has no import {selection}; it has {', '.join(names[-5:]) or 'none'}. The table imports/ledger "
            "lists names and runs."
        )
