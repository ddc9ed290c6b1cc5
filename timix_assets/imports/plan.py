"""The plan of an import: what becomes of every row, and why. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from timix_assets.text.wording import excerpt

from .directory import Directory, NoMatch, Person, Subtask
from .entry import TIME_ENTRY, Entry, Existing, mark_of, marked, unmarked
from .ledger import Action, Known, Write
from .mapping import NO_SOURCE, ImportMapping
from .permissions import KeyOwner
from .rows import Row
from .rules import Rules, closed_month
from .steps import PlanLine, RuleBroken, Step, correction


@dataclass(frozen=True, slots=True)
class Line(PlanLine):
    """One line of the plan.

    Attributes:
        entry: The values that the entry shall have; None for a refused row.
        before: The entry as it is in Timix.
        day, hours: Of a refused row, as far as they can be read.
    """

    person: str = ""
    subtask: str = ""
    entry: Entry | None = None
    before: Existing | None = None
    day: date | None = None
    hours: Decimal | None = None

    def write(self, name: str, source: str) -> Write[Entry] | None:
        """The write that the line asks for; None if it asks for none."""
        if self.step.value not in set(Action):
            return None
        before = self.before
        return Write(
            name=name,
            source=source,
            reference=self.reference,
            kind=TIME_ENTRY,
            action=Action(self.step.value),
            values=None if self.step is Step.DELETE else self.entry,
            before=before.entry if before and self.step is not Step.MATCH else None,
            record_id=before.id if before else None,
        )


@dataclass(frozen=True)
class Facts:
    """What a plan is made from, beside the rows.

    Attributes:
        existing: Id -> entry, of all days of the rows and of the entries that the ledger knows.
        known: Reference -> what the ledger knows, of the mapping's source.
        others: Entries that belong to rows of other sources.
        closed: The closed months; none where the mapping allows to change them.
        used: (level, id, scope) -> hours that count against the cap already; absent where unknown.
    """

    directory: Directory
    owner: KeyOwner
    existing: Mapping[str, Existing]
    known: Mapping[str, Known[Entry]]
    others: Set[str] = frozenset()
    closed: Set[date] = frozenset()
    used: Mapping[tuple[str, str, str], Decimal] = field(default_factory=dict)


def plan(
    rows: Sequence[Row], mapping: ImportMapping, name: str, facts: Facts, *, delete_removed: bool = False
) -> list[Line]:
    """What becomes of every row, in the order of the file, and of entries whose rows were removed.

    Args:
        name: The import's name: rows that it wrote before and that are missing now were removed.
        delete_removed: Delete the entries of removed rows, instead of listing them.
    """
    present = {row.reference for row in rows}
    removed = [*_removed(present, name, facts, delete_removed=delete_removed)]
    deleted = {line.before.id for line in removed if line.before and line.step is Step.DELETE}
    planner = _Planner(mapping, name, facts, present, deleted)
    return [*map(planner.line, rows), *removed]


def _removed(present: Set[str], name: str, facts: Facts, *, delete_removed: bool) -> Iterable[Line]:
    for reference, known in facts.known.items():
        current = facts.existing.get(known.record_id)
        if reference in present or known.name != name or current is None:
            continue
        subtask = facts.directory.by_id(known.values.subtask_id)
        step, reason = Step.REMOVED, "no longer in the file; the entry stays"
        if delete_removed and not known.created:
            reason = "no longer in the file; the entry stays, since the import did not create it"
        elif delete_removed and (why := current.fixed or closed_month([current.entry.date], facts.closed)):
            step, reason = Step.REFUSE, f"no longer in the file, but the entry stays: {why}"
        elif delete_removed and (changes := known.values.changes_to(current.entry)):
            why = f"changed in Timix since ({', '.join(changes)})"
            step, reason = Step.REFUSE, f"no longer in the file, but the entry stays: {why}"
        elif delete_removed:
            step, reason = Step.DELETE, "no longer in the file"
        person = facts.directory.name_of(known.values.user_id)
        yield Line(None, reference, step, reason, person, subtask.path if subtask else "", known.values, current)


_Work = tuple[str, str, date, str]


class _Planner:
    def __init__(self, mapping: ImportMapping, name: str, facts: Facts, present: Set[str], deleted: Set[str]) -> None:
        self._mapping = mapping
        self._name = name
        self._facts = facts
        self._rules = Rules(
            mapping,
            facts.owner,
            facts.directory.caps,
            facts.closed,
            facts.used,
            [e.entry for e in facts.existing.values()],
        )
        self._seen: set[str] = set()
        reference_of = {known.record_id: reference for reference, known in facts.known.items()}
        self._by_mark: dict[str, Existing] = {}
        self._imported: dict[_Work, list[tuple[Entry, str]]] = defaultdict(list)
        """Entries of rows that are not in the file, and where they come from."""
        self._unowned: dict[_Work, list[Existing]] = defaultdict(list)
        for each in facts.existing.values():
            imported = replace(each.entry, text=unmarked(each.entry.text))
            if each.id in deleted:
                # The row that replaces it may be equal to it, or need its hours.
                self._rules.release(each.entry, facts.directory.by_id(each.entry.subtask_id))
            elif each.id in facts.others:
                # Two tools may give the same work in two time zones.
                untimed = replace(imported, start_time=None)
                self._imported[_work(imported)].append((untimed, f"from another source already: {each.id}"))
            elif (reference := reference_of.get(each.id)) is None:
                self._by_mark[each.entry.text.rpartition(" ")[2]] = each
                self._unowned[_work(each.entry)].append(each)
            elif reference not in present:
                # With another mapping or column, as long as the row is its own reference.
                origin = f"under another reference: {excerpt(reference)}, {each.id}; roll that import back first"
                self._imported[_work(imported)].append((imported, origin))

    def line(self, row: Row) -> Line:
        person, subtask = None, None
        try:
            day, hours = self._checked(row)
            person = self._facts.directory.person(row.person)
            subtask = self._facts.directory.subtask(row.path)
            entry = Entry(person.id, subtask.id, day, hours, row.text, row.start_time or None, row.rate)
            return self._planned(row, entry, person, subtask)
        except (NoMatch, RuleBroken) as refused:
            return Line(
                row.number,
                row.reference,
                Step.REFUSE,
                str(refused),
                person.name if person else row.person,
                subtask.path if subtask else "",
                day=row.day,
                hours=row.hours,
            )

    def _checked(self, row: Row) -> tuple[date, Decimal]:
        """The row's day and hours."""
        if row.problems or row.day is None or row.hours is None:
            raise RuleBroken("; ".join(row.problems))
        if row.reference in self._seen:
            raise RuleBroken(f"the reference {excerpt(row.reference)} is in the file twice")
        self._seen.add(row.reference)
        return row.day, row.hours

    def _planned(self, row: Row, entry: Entry, person: Person, subtask: Subtask) -> Line:
        mark = mark_of(self._mapping.source, row.reference) if self._mapping.marker else ""
        known = self._facts.known.get(row.reference)
        plain = entry
        # An entry that was there before the import has no mark, and gets none.
        if not known or mark in known.values.text:
            entry = replace(entry, text=marked(row.text, mark))
        line = Line(row.number, row.reference, Step.CREATE, "", person.name, subtask.path, entry)
        if known is not None:
            copy = self._by_mark.get(mark) if mark else None
            found = self._of_known(line, entry, known, person, subtask)
            return (
                replace(found, reason=f"{found.reason}; its mark is also on {copy.id}, entered twice?")
                if copy
                else found
            )
        if mark and (current := self._by_mark.pop(mark, None)):
            if changes := entry.differences(current.entry):
                raise RuleBroken(
                    f"{current.id} has its mark and differs ({', '.join(changes)}), and the ledger does not know who changed "
                    "it; settle it in Timix"
                )
            return replace(line, step=Step.MATCH, reason=f"found in Timix by its mark: {current.id}", before=current)
        unowned, untimed = self._unowned[_work(plain)], replace(plain, start_time=None)
        if same := next((each for each in unowned if _is_same(untimed, each.entry)), None):
            unowned.remove(same)
            reason = f"the same entry is in Timix already: {same.id}"
            return replace(line, step=Step.MATCH, reason=reason, entry=plain, before=same)
        origin = next((origin for each, origin in self._imported[_work(plain)] if _is_same(plain, each)), None)
        if origin and self._mapping.other_sources == "refuse":
            raise RuleBroken(f"the same entry was imported {origin}")
        self._rules.check(entry, person, subtask, None, None)
        return line

    def _of_known(self, line: Line, entry: Entry, known: Known[Entry], person: Person, subtask: Subtask) -> Line:
        """The line of a row that was imported before."""
        current = self._facts.existing.get(known.record_id)
        if current is None:
            reason = f"its entry {known.record_id} was deleted in Timix, and is not created again"
            return replace(line, step=Step.LEAVE, reason=reason)
        step, reason = correction(entry, known.values, current.entry)
        if step is Step.UPDATE:
            self._check_import(line.reference, known, reason)
            return self._update(line, entry, current, reason, person, subtask)
        return replace(line, step=step, reason=reason, before=current)

    def _check_import(self, reference: str, known: Known[Entry], changes: str) -> None:
        """Files whose mapping names no source can have equal references by accident, such as 1, 2, 3."""
        if known.name != self._name and self._mapping.source == NO_SOURCE:
            raise RuleBroken(
                f"the import {excerpt(known.name)} has a row with the reference {excerpt(reference)}, whose entry this would "
                f"change ({changes}); import a correction under that name, or name this file's tool as the source in a mapping"
            )

    def _update(
        self, line: Line, entry: Entry, current: Existing, changes: str, person: Person, subtask: Subtask
    ) -> Line:
        if current.fixed:
            raise RuleBroken(f"cannot be corrected ({changes}): {current.fixed}")
        subtask_before = self._facts.directory.by_id(current.entry.subtask_id)
        self._rules.check(entry, person, subtask, current.entry, subtask_before)
        rate = current.entry.customer_rate
        if rate is not None and entry.over(current.entry).customer_rate is None:
            changes += f", customer_rate {rate.normalize():f} -> set by Timix"
        return replace(line, step=Step.UPDATE, reason=changes, before=current)


def unknown_budgets(lines: Iterable[Line], facts: Facts) -> int:
    """Entries to be written whose subtask has an hour cap of which nobody knows how much is used."""
    count = 0
    for line in lines:
        if line.step in (Step.CREATE, Step.UPDATE) and line.entry:
            subtask = facts.directory.by_id(line.entry.subtask_id)
            count += subtask is not None and any(
                budget in facts.directory.caps and budget not in facts.used for budget in subtask.budgets
            )
    return count


def _work(entry: Entry) -> _Work:
    """What equal entries share, but for their hours, which Timix may have rounded, and a start time."""
    return entry.user_id, entry.subtask_id, entry.date, " ".join(entry.text.split())


def _is_same(entry: Entry, other: Entry) -> bool:
    """Whether two entries are the same work. A start time tells them apart only where both have one."""
    start_time = entry.start_time if other.start_time else None
    return not replace(entry, start_time=start_time, customer_rate=None).differences(other)
