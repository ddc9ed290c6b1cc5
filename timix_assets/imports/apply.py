"""Sends the writes of a plan to Timix, each exactly once, and records them in the ledger."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, Protocol

from timix_assets.api.errors import Conflict, Forbidden, Invalid, NotFound, StatusError, TimixError
from timix_assets.text.wording import count_noun

from .errors import ImportStopped
from .ledger import Action, Ledger, Outcome, V, Write
from .pace import Pace

BATCH = 50
"""Writes per commit of the ledger: a killed run leaves at most so many in doubt."""

MAX_TRIES = 3
"""Requests for one write whose responses are lost."""

SETTLE_SECONDS = 10.0
"""How long after a lost response a look finds what the server has committed meanwhile."""

_REFUSALS = (Invalid, Conflict, NotFound)

Notify = Callable[[str], None]


RecordKey = tuple[str, str]
"""Kind and id: ids of different kinds can be equal."""


class Target(Protocol[V]):
    """What is written to, and where a look finds what became of a write."""

    def create(self, values: V) -> tuple[str, V]:
        """Creates a record; its id, and what Timix stored."""
        ...

    def update(self, record_id: str, values: V, before: V | None) -> V:
        """Replaces a record; what Timix stored. values: the whole record; before: as it is in Timix."""
        ...

    def delete(self, record_id: str, kind: str) -> None:
        """Deletes a record; one that is gone already counts as deleted."""
        ...

    def look(self, writes: Sequence[Write[V]]) -> Mapping[RecordKey, V]:
        """Kind and id -> values of all records that these writes may have made, changed or deleted."""
        ...

    def fixed(self, record: RecordKey) -> str:
        """Why a record that the last look has found may not be changed; empty when it may."""
        ...

    def is_made_by(self, write: Write[V], values: V) -> bool:
        """Whether a record with these values is the one that the write creates."""
        ...


@dataclass
class Writer(Generic[V]):
    """Applies writes.

    Args:
        target: Timix.
        ledger: Where every write is recorded, before and after.
        pace: Waits between writes.
        notify: Called with a message for each write.
        settle_seconds: See SETTLE_SECONDS.
    """

    target: Target[V]
    ledger: Ledger[V]
    pace: Pace
    notify: Notify
    settle_seconds: float = SETTLE_SECONDS
    _is_recognizable: bool = field(default=False, init=False)
    """Whether a new record has come back as it was sent, so that a look finds such records."""

    def apply(self, writes: Sequence[Write[V]]) -> None:
        """Sends the writes in order; the ledger has their outcomes.

        Raises:
            ImportStopped: Timix cannot be reached or no longer accepts the key; the writes before stand.
        """
        for start in range(0, len(writes), BATCH):
            batch = self.ledger.record(self._checked(writes[start : start + BATCH]))
            results = {write.number: write for write in batch}
            try:
                self._send([write for write in batch if write.outcome is Outcome.INTENDED], results)
            finally:
                self.ledger.record(results.values())

    def _checked(self, writes: Sequence[Write[V]]) -> list[Write[V]]:
        """The writes; ABSENT are those whose record somebody has changed since the plan, which takes minutes to apply."""
        changing = [write for write in writes if write.before is not None]
        try:
            existing = self.target.look(changing) if changing else {}
        except TimixError as error:
            raise self._stopped(error) from error
        return [self._unless_changed(write, existing) for write in writes]

    def _send(self, batch: Sequence[Write[V]], results: dict[int, Write[V]]) -> None:
        """Sends a batch; `results` has the outcomes so far, also when this raises."""
        due = list(batch)
        forbidden: list[Write[V]] = []
        for _ in range(MAX_TRIES):
            doubts: list[Write[V]] = []
            for position, write in enumerate(due):
                try:
                    results[write.number] = self._once(write)
                    self._check_stored(results[write.number])
                except Forbidden as error:
                    results[write.number] = self._refused(write, error)
                    forbidden.append(results[write.number])
                except TimixError as error:
                    if not error.maybe_applied:
                        results |= _not_sent(due[position:])
                        raise self._stopped(error, write) from error
                    self.notify(f"{write.reference}: {error}")
                    doubts.append(write)
                except ImportStopped as error:
                    results |= _not_sent(due[position + 1 :])
                    self._look(doubts, results)
                    raise self._stopped(error, write) from error
            if not doubts:
                break
            due = self._look(doubts, results)
            try:
                for write in doubts:
                    self._check_stored(results[write.number])
                for write in due:
                    self._check_repeatable(write)
            except ImportStopped as error:
                raise self._stopped(error, write) from error
        else:
            self._give_up(due, batch, results)
        # One record may be another team's; all of them are not.
        if len(forbidden) == sum(write.action is not Action.MATCH for write in batch) > 1:
            raise ImportStopped(
                f"The import stopped: the server answered 403 for each of {len(forbidden)} writes, {forbidden[0].reference} "
                f"first: {forbidden[0].message} Use a key that may write them. What was written before is in the ledger."
            )

    def _give_up(self, due: Sequence[Write[V]], batch: Sequence[Write[V]], results: dict[int, Write[V]]) -> None:
        """Records writes that were sent in vain."""
        for write in due:
            results[write.number] = replace(
                write, outcome=Outcome.ABSENT, message=f"not carried out in {MAX_TRIES} tries"
            )
        if len(due) == len(batch) > 1:
            raise ImportStopped(
                f"The import stopped: Timix carried out none of {len(due)} writes in {MAX_TRIES} tries each. What was written "
                "before is in the ledger. Run it again later to continue."
            )

    def _look(self, doubts: Sequence[Write[V]], results: dict[int, Write[V]]) -> list[Write[V]]:
        """Finds out what became of writes; those to send again, which nobody overtook meanwhile."""
        if not doubts:
            return []
        time.sleep(self.settle_seconds)
        try:
            existing = self.target.look(doubts)
        except TimixError as error:
            raise self._stopped(error) from error
        # Of identical rows without a mark, the entry that this batch created for one is not that of the next.
        found = settled(doubts, existing, [*self.ledger.writes, *results.values()], self.target)
        results |= {write.number: _compared(write, existing) for write in found if write.outcome is Outcome.DONE}
        absent = [write for write in doubts if results[write.number].outcome is not Outcome.DONE]
        results |= {write.number: self._unless_changed(write, existing) for write in absent}
        return [write for write in absent if results[write.number].outcome is Outcome.INTENDED]

    def _unless_changed(self, write: Write[V], existing: Mapping[RecordKey, V]) -> Write[V]:
        record = (write.kind, write.record_id or "")
        current = existing.get(record)
        if write.before is None or (current is None and write.action is Action.DELETE):
            return write
        if current is None:
            why = "deleted in Timix since the plan"
        elif changes := write.before.changes_to(current):
            why = f"changed in Timix since the plan ({', '.join(changes)})"
        elif fixed := self.target.fixed(record):
            why = f"{fixed} since the plan"
        else:
            return write
        return replace(write, outcome=Outcome.ABSENT, message=why)

    def _once(self, write: Write[V]) -> Write[V]:
        """Sends one write; a refusal is an outcome."""
        if write.action is not Action.MATCH:
            self.pace.wait()
        try:
            done = self._request(write)
        except _REFUSALS as error:
            return self._refused(write, error)
        self.notify(f"{write.reference}: {_PAST[write.action]} {done.record_id}")
        return replace(done, outcome=Outcome.DONE)

    def _refused(self, write: Write[V], error: StatusError) -> Write[V]:
        refusal = error.server_message or str(error)
        self.notify(f"{write.reference}: refused by Timix: {refusal}")
        return replace(write, outcome=Outcome.REFUSED, message=refusal)

    def _check_stored(self, done: Write[V]) -> None:
        """ImportStopped if Timix stored something else than what was sent: it would do so with every record."""
        if done.outcome is not Outcome.DONE:
            return
        if done.message:
            raise ImportStopped(
                f"{done.message}. Where the workspace has another name for a field, set it in TIMIX_OVERRIDES; a rollback undoes "
                "what was written."
            )
        self._is_recognizable |= done.action is Action.CREATE

    def _check_repeatable(self, write: Write[V]) -> None:
        """ImportStopped if a record would be created again of which nobody knows whether a look can find it."""
        if write.action is Action.CREATE and not self._is_recognizable:
            raise ImportStopped(
                "its response was lost, and it is not found in Timix. It is not sent again before a new record has come back "
                "as it was sent: stored without what it is recognized by, it would be there twice. Look for it in Timix, then "
                "run the import again."
            )

    def _request(self, write: Write[V]) -> Write[V]:
        """Sends one write. What it gives has the record's id and, where Timix stored something else, that and a message."""
        match write.action, write.values, write.record_id:
            case Action.CREATE, values, None if values is not None:
                record_id, stored = self.target.create(values)
                return _as_stored(replace(write, record_id=record_id), values, stored)
            case Action.UPDATE, values, str() if values is not None:
                whole = _whole(values, write.before)
                return _as_stored(write, whole, self.target.update(write.record_id, whole, write.before))
            case Action.DELETE, _, str():
                self.target.delete(write.record_id, write.kind)
            case _:
                pass
        return write

    def _stopped(self, error: TimixError | ImportStopped, at: Write[V] | None = None) -> ImportStopped:
        where = f"{at.reference}: " if at else ""
        hint = "" if isinstance(error, Forbidden | ImportStopped) else " Run it again to continue."
        return ImportStopped(f"The import stopped: {where}{error} What was written before is in the ledger.{hint}")


def _not_sent(writes: Iterable[Write[V]]) -> dict[int, Write[V]]:
    return {write.number: replace(write, outcome=Outcome.ABSENT, message="not sent") for write in writes}


def _whole(values: V, before: V | None) -> V:
    return values.over(before) if before else values


def _compared(write: Write[V], existing: Mapping[RecordKey, V]) -> Write[V]:
    """A write that a look has found applied, as `_as_stored`."""
    current = existing.get((write.kind, write.record_id or ""))
    return _as_stored(write, _whole(write.values, write.before), current) if write.values and current else write


def _as_stored(write: Write[V], sent: V, stored: V) -> Write[V]:
    """The write with what is in Timix now, so that it can be undone, and a message, if that is not what was sent."""
    changes = ", ".join(sent.changes_to(stored))
    return replace(write, values=stored, message=f"Timix stored it otherwise: {changes}") if changes else write


_PAST = {Action.CREATE: "created", Action.UPDATE: "updated", Action.DELETE: "deleted", Action.MATCH: "found"}


def settle(target: Target[V], ledger: Ledger[V], notify: Notify, settle_seconds: float = SETTLE_SECONDS) -> None:
    """Finds out what became of the writes that killed runs left in doubt, and records it.

    Raises:
        TimixError: Timix cannot be asked; they stay in doubt.
    """
    doubts = ledger.in_doubt
    if not doubts:
        return
    newest = max(write.at or datetime.min.replace(tzinfo=UTC) for write in doubts)
    time.sleep(min(settle_seconds, max(0.0, settle_seconds - (datetime.now(UTC) - newest).total_seconds())))
    found = settled(doubts, target.look(doubts), ledger.writes, target)
    applied = sum(write.outcome is Outcome.DONE for write in found)
    notify(
        f"{count_noun(len(found), 'write')} of an interrupted run: {applied:,} found in Timix, {len(found) - applied:,} not"
    )
    ledger.record(found)


def settled(
    doubts: Sequence[Write[V]], existing: Mapping[RecordKey, V], writes: Iterable[Write[V]], target: Target[V]
) -> list[Write[V]]:
    """Each write as DONE or ABSENT.

    Args:
        existing: What a look after them has found.
        writes: All writes so far, of other runs too: the records of those that are DONE are taken.
    """
    owned = {(write.kind, write.record_id) for write in writes if write.record_id and write.outcome is Outcome.DONE}
    return list(_settled(doubts, existing, owned, target))


def _settled(
    doubts: Iterable[Write[V]], existing: Mapping[RecordKey, V], owned: Set[RecordKey], target: Target[V]
) -> Iterable[Write[V]]:
    free = {key: values for key, values in existing.items() if key not in owned}
    for write in doubts:
        record_id = write.record_id
        current = existing.get((write.kind, record_id or ""))
        match write.action:
            case Action.CREATE:
                made = next((key for key, values in free.items() if target.is_made_by(write, values)), None)
                applied = made is not None
                if made is not None:
                    record_id = made[1]
                    del free[made]
            case Action.DELETE:
                applied = current is None
            case _:
                applied = current is not None and write.values is not None and not write.values.differences(current)
        yield replace(write, outcome=Outcome.DONE if applied else Outcome.ABSENT, record_id=record_id)
