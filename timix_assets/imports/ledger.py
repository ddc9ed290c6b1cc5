"""The ledger: every write of every import, in the table `imports/ledger` of the lake.

A write is recorded as intended before it is sent, and with its outcome after it. What a killed run leaves intended is in
doubt: the next run looks in Timix whether it was applied, before anything else is written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic, TypeVar

import polars as pl

from timix_assets.lake.errors import LakeError
from timix_assets.lake.shrink_guard import ShrinkGuard
from timix_assets.lake.snapshots import NO_TABLE, Snapshot
from timix_assets.lake.table_store import TableStore, retry_on_conflict

from .errors import ImportStopped
from .values import Values

TABLE = "imports/ledger"

V = TypeVar("V", bound=Values)

Kinds = Mapping[str, Callable[[str], V]]
"""Kind of record -> what reads its values from JSON."""


class Action(StrEnum):
    """What a write does to a record. MATCH writes nothing: the record was there already."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    MATCH = "match"


class Outcome(StrEnum):
    """INTENDED: sent, or about to be; in doubt after a killed run. REFUSED: by Timix. ABSENT: it was never applied."""

    INTENDED = "intended"
    DONE = "done"
    REFUSED = "refused"
    ABSENT = "absent"


DESCRIPTIONS = {
    "number": "The write's number in this ledger.",
    "at": "When its outcome was recorded; of an intended one, when it was about to be sent.",
    "run_id": "The run that wrote it.",
    "name": "The name of the import.",
    "source": "The tool that the row came from.",
    "reference": "What identifies the row in that tool.",
    "kind": "What was written: time_entry, customer, project, task or subtask.",
    "action": "create, update, delete; match where the record was there already.",
    "outcome": "intended (in doubt after a killed run), done, refused by Timix, or absent (found not to be applied).",
    "record_id": "The record's id in Timix; null until it is known.",
    "values": "The values that were written, as JSON; null for a deletion.",
    "before": "The values that the record had before, as JSON; null for a new one.",
    "message": "Why it was refused or not written, or what Timix stored otherwise than it was sent.",
}

_SCHEMA = pl.Schema(
    {
        "number": pl.Int64(),
        "at": pl.Datetime("us", "UTC"),
        **dict.fromkeys(list(DESCRIPTIONS)[2:], pl.String()),
    }
)


@dataclass(frozen=True, slots=True)
class Write(Generic[V]):
    """One write. The attributes are the columns of the ledger; `values` and `before` as `Values`."""

    name: str
    source: str
    reference: str
    kind: str
    action: Action
    values: V | None
    before: V | None = None
    record_id: str | None = None
    outcome: Outcome = Outcome.INTENDED
    run_id: str = ""
    message: str | None = None
    number: int = 0
    at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.reference


@dataclass(frozen=True, slots=True)
class Known(Generic[V]):
    """What the ledger knows of a reference: its record, and the values that it has by the last write."""

    record_id: str
    values: V
    name: str
    created: bool


class Ledger(Generic[V]):
    """The writes of some kinds of record in one lake.

    They are loaded once, and again when somebody else has written; every `record` commits.

    Args:
        store: The lake's tables.
        run_id: The run that writes.
        kinds: The kinds; writes of others are kept and not read.
    """

    def __init__(self, store: TableStore, run_id: str, kinds: Kinds[V]) -> None:
        self._kinds = kinds
        self._store = store
        self._run_id = run_id
        self._rows = _SCHEMA.to_frame()
        self._writes: dict[int, Write[V]] = {}
        self._seen: Snapshot | None = None
        self._planned_until = 0
        """The last write that was there when the ledger was first read."""

    @property
    def writes(self) -> Sequence[Write[V]]:
        """Every write, in order."""
        if self._seen is None:
            self._load()
        return [self._writes[number] for number in sorted(self._writes)]

    @property
    def in_doubt(self) -> list[Write[V]]:
        """Writes that a killed run may have applied or not."""
        return [write for write in self.writes if write.outcome is Outcome.INTENDED]

    def known(self) -> dict[tuple[str, str], Known[V]]:
        """(source, reference) -> the record that it has now."""
        return state_after(self.writes)

    def record(self, writes: Iterable[Write[V]]) -> list[Write[V]]:
        """Stores writes in one commit: new ones get a number, others replace what is stored under theirs.

        Raises:
            ImportStopped: Another run is writing the same rows.
            LakeError: The ledger cannot be written.
        """
        given = list(writes)
        if not given:
            return []
        stored: list[Write[V]] = []

        def commit() -> None:
            before = self._load()
            self._refuse_others(given)
            first = self._last + 1
            now = datetime.now(UTC)
            stored[:] = [
                replace(write, number=write.number or number, run_id=write.run_id or self._run_id, at=now)
                for number, write in enumerate(given, start=first)
            ]
            self._commit(stored, before)

        retry_on_conflict(commit)
        return stored

    def _commit(self, stored: Sequence[Write[V]], before: Snapshot) -> None:
        numbers = [write.number for write in stored]
        new = pl.DataFrame([_row(write) for write in stored], schema=_SCHEMA)
        rows = pl.concat([self._rows.filter(~pl.col("number").is_in(numbers)), new])
        change = self._store.replace(
            TABLE,
            rows,
            key=["number"],
            guard=ShrinkGuard(accept=True),
            comment="Every write of every import. Do not edit: it is what keeps a repeated import from writing twice.",
            descriptions=DESCRIPTIONS,
            based_on=before,
        )
        self._rows = rows
        self._writes |= {write.number: write for write in stored}
        # The first commit has created the table.
        self._seen = Snapshot(change.version, before.table_id or self._store.snapshot(TABLE).table_id)

    def _refuse_others(self, given: Iterable[Write[V]]) -> None:
        """Another machine may have begun the same import since this run has planned."""
        foreign = {w.key for n, w in self._writes.items() if n > self._planned_until and w.run_id != self._run_id}
        clash = [write for write in given if not write.number and write.key in foreign]
        if clash:
            raise ImportStopped(
                f"Another run wrote the row with the reference {clash[0].reference} meanwhile; nothing more was written. Run "
                "imports into one lake from one machine, and start this one again."
            )

    def _load(self) -> Snapshot:
        """Reads the ledger if it is not the one that was read last; the snapshot that it is based on."""
        snapshot = self._store.snapshot(TABLE)
        if snapshot == self._seen:
            return snapshot
        if snapshot == NO_TABLE:
            self._rows = _SCHEMA.to_frame()
        else:
            rows = self._store.scan(TABLE)
            stored = rows.collect_schema()
            if wrong := [name for name, dtype in _SCHEMA.items() if stored.get(name) != dtype]:
                raise LakeError(
                    f"{TABLE}: the column {', '.join(wrong)} is missing or has another type, so it is not known what was "
                    "imported; the ledger was not changed. Restore the table's earlier version (docs/operations.md)."
                )
            self._rows = rows.select(_SCHEMA.names()).collect()
        ours = self._rows.filter(pl.col("kind").is_in(list(self._kinds)))
        try:
            self._writes = {row["number"]: self._write(row) for row in ours.iter_rows(named=True)}
        except (ValueError, KeyError, ArithmeticError) as error:
            raise LakeError(
                f"{TABLE}: a row has a value that no import writes ({error}), so it is not known what was imported; the "
                "ledger was not changed. Restore the table's earlier version (docs/operations.md)."
            ) from error
        if self._seen is None:
            self._planned_until = self._last
        self._seen = snapshot
        return snapshot

    @property
    def _last(self) -> int:
        """The highest number of a write, of whatever kind."""
        return int(str(self._rows["number"].max() or 0))

    def _write(self, row: Mapping[str, object]) -> Write[V]:
        values, before, kind = row["values"], row["before"], str(row["kind"])
        read = self._kinds[kind]
        return Write(
            name=str(row["name"]),
            source=str(row["source"]),
            reference=str(row["reference"]),
            kind=kind,
            action=Action(str(row["action"])),
            values=read(values) if isinstance(values, str) else None,
            before=read(before) if isinstance(before, str) else None,
            record_id=row["record_id"] if isinstance(row["record_id"], str) else None,
            outcome=Outcome(str(row["outcome"])),
            run_id=str(row["run_id"]),
            message=row["message"] if isinstance(row["message"], str) else None,
            number=int(str(row["number"])),
            at=row["at"] if isinstance(row["at"], datetime) else None,
        )


def state_after(writes: Iterable[Write[V]]) -> dict[tuple[str, str], Known[V]]:
    """(source, reference) -> the record that it has after these writes, in order."""
    known: dict[tuple[str, str], Known[V]] = {}
    for write in writes:
        if write.outcome is not Outcome.DONE:
            continue
        if write.action is Action.DELETE or write.values is None or write.record_id is None:
            known.pop(write.key, None)
            continue
        before = known.get(write.key)
        known[write.key] = Known(
            write.record_id,
            write.values,
            before.name if before else write.name,
            before.created if before else write.action is Action.CREATE,
        )
    return known


def _row(write: Write[V]) -> dict[str, object]:
    return {
        "number": write.number,
        "at": write.at,
        "run_id": write.run_id,
        "name": write.name,
        "source": write.source,
        "reference": write.reference,
        "kind": write.kind,
        "action": write.action.value,
        "outcome": write.outcome.value,
        "record_id": write.record_id,
        "values": write.values.as_json() if write.values else None,
        "before": write.before.as_json() if write.before else None,
        "message": write.message,
    }
