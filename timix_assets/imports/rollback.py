"""The plan that undoes an import, from the ledger. Pure."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date

from .directory import Directory
from .entry import Entry, Existing
from .ledger import Action, Outcome, V, Write, state_after
from .plan import Line
from .rules import closed_month
from .steps import Step


def is_selected(write: Write[V], selection: str) -> bool:
    """Whether a write belongs to the import of that name, or to that run (by the beginning of its id)."""
    return write.name == selection or (len(selection) >= 8 and write.run_id.startswith(selection))


def writes_to_undo(writes: Sequence[Write[V]], selection: str) -> list[Write[V]]:
    """The writes of an import that Timix applied."""
    return [write for write in writes if write.outcome is Outcome.DONE and is_selected(write, selection)]


def histories(writes: Iterable[Write[V]], selection: str) -> list[list[Write[V]]]:
    """The applied writes of each row that the import has written, those of other imports included, in order."""
    by_key: dict[tuple[str, str], list[Write[V]]] = {}
    for write in writes:
        if write.outcome is Outcome.DONE:
            by_key.setdefault(write.key, []).append(write)
    return [history for history in by_key.values() if any(is_selected(write, selection) for write in history)]


def rollback(
    writes: Sequence[Write[Entry]],
    selection: str,
    existing: Mapping[str, Existing],
    directory: Directory,
    closed: Set[date] = frozenset(),
) -> list[tuple[Line, str]]:
    """What undoes the import: for each entry a line, and the source of its reference.

    An entry that the import created is deleted; one that it changed gets its earlier values. What somebody changed since, or
    what Timix no longer lets change, stays.

    Args:
        writes: The whole ledger, in order.
        selection: The name of an import, or the beginning of a run's id.
        existing: Id -> entry in Timix.
        closed: The closed months, of which nothing is changed.
    """
    return [
        (_line(history, selection, existing, directory, closed), history[0].source)
        for history in histories(writes, selection)
    ]


def _line(
    history: Sequence[Write[Entry]],
    selection: str,
    existing: Mapping[str, Existing],
    directory: Directory,
    closed: Set[date],
) -> Line:
    key = history[0].key
    now = state_after(history).get(key)
    shown = now.values if now else next(w.values or w.before for w in reversed(history))
    current = existing.get(now.record_id) if now else None
    there, fixed = (current.entry, current.fixed) if current else (None, "")
    step, reason, earlier = undoing(history, selection, there, fixed)
    restored = earlier if step is Step.UPDATE else None
    days = [entry.date for entry in (there, restored) if entry]
    if current and step in (Step.UPDATE, Step.DELETE) and (why := closed_month(days, closed)):
        step, reason, restored = Step.REFUSE, f"{current.id} stays: {why}", None
    subtask = directory.by_id(shown.subtask_id) if shown else None
    person = directory.name_of(shown.user_id) if shown else ""
    return Line(None, key[1], step, reason, person, subtask.path if subtask else "", restored or shown, current)


def undoing(
    history: Sequence[Write[V]], selection: str, current: V | None, fixed: str = ""
) -> tuple[Step, str, V | None]:
    """What to do with a record, why, and the values that it had before the import.

    Args:
        history: Its applied writes.
        current: What Timix has; None if it is not there.
        fixed: Why it may not change; empty when it may.
    """
    first = next(n for n, write in enumerate(history) if is_selected(write, selection))
    key, changed = history[0].key, next((write.before for write in history[first:] if write.before), None)
    now, known_before = state_after(history).get(key), state_after(history[:first]).get(key)
    # The ledger's values are those that rows set; what stood beside them was there before as well.
    earlier = changed or (known_before.values if known_before else None)
    if now is None or current is None:
        what = history[0].kind.replace("_", " ").removeprefix("time ")
        gone = f"the {what} is no longer in Timix; what is deleted stays in its recycle bin for 30 days"
        return Step.LEAVE, gone, earlier
    last = history[-1]
    left = last.values.over(last.before) if last.values and last.before else now.values
    if why := _refusal(history[first:], selection, left.changes_to(current), fixed):
        return Step.REFUSE, f"{now.record_id} {why}", earlier
    if now.created and known_before is None:
        return Step.DELETE, "created by the import", earlier
    if earlier is None:
        return Step.LEAVE, "was there before the import", earlier
    changes = earlier.differences(current)
    return (Step.UPDATE, ", ".join(changes), earlier) if changes else (Step.LEAVE, "has its earlier values", earlier)


def _refusal(later: Iterable[Write[V]], selection: str, changes: Sequence[str], fixed: str) -> str:
    """Why a record is not changed back; empty when it may be. later: its writes from the import's first one on."""
    if not all(is_selected(write, selection) or write.action is Action.MATCH for write in later):
        return "was changed by a later import, which must be rolled back first"
    if fixed:
        return f"stays: {fixed}"
    return f"stays: changed in Timix since ({', '.join(changes)})" if changes else ""
