"""The plan of an import of structure: what becomes of every row, and why. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from timix_assets.text.wording import count_noun, excerpt

from ..directory import SEPARATOR, folded
from ..ledger import Action, Known, Write
from ..mapping import NO_SOURCE
from ..steps import PlanLine, RuleBroken, Step, correction
from .element import Element
from .levels import LEVELS
from .rows import StructureRow
from .rules import Rules

Elements = Mapping[str, Mapping[str, Element]]
"""Level -> id -> element, of everything in Timix."""


@dataclass(frozen=True, slots=True)
class ElementLine(PlanLine):
    """One line of the plan.

    Attributes:
        level: The level of the element; empty where the row does not say.
        path: Its names, from the customer down.
        values: What it shall have; None for a refused row.
        parent: The reference of the line that creates the element above; None when that is in Timix.
        element_id: Its id; None while there is none.
        before: The element as it is in Timix.
    """

    level: str = ""
    path: tuple[str, ...] = ()
    values: Element | None = None
    parent: str | None = None
    element_id: str | None = None
    before: Element | None = None

    def write(self, name: str, source: str) -> Write[Element] | None:
        """The write that the line asks for; None if it asks for none."""
        if self.step.value not in set(Action):
            return None
        return Write(
            name=name,
            source=source,
            reference=self.reference,
            kind=self.level,
            action=Action(self.step.value),
            values=None if self.step is Step.DELETE else self.values,
            before=None if self.step is Step.MATCH else self.before,
            record_id=self.element_id,
        )


@dataclass(frozen=True)
class Facts:
    """What a plan is made from, beside the rows.

    Attributes:
        existing: What Timix has.
        known: Reference -> what the ledger knows, of the mapping's source.
        hours_on: Why hours may be logged on a subtask, by its id; empty when there are none.
        source: Of the mapping.
    """

    existing: Elements
    known: Mapping[str, Known[Element]]
    hours_on: Callable[[str], str]
    source: str = NO_SOURCE


@dataclass(eq=False, slots=True)
class _Node:
    """An element of the tree as it will be. reference: of the line that creates it; row: that is about it."""

    element: Element
    id: str | None = None
    reference: str | None = None
    row: int | None = None
    children: dict[str, list["_Node"]] = field(default_factory=lambda: defaultdict(list))


def plan(rows: Sequence[StructureRow], name: str, facts: Facts) -> list[ElementLine]:
    """What becomes of every row, in the order of the file, and which elements are no longer in it.

    Args:
        name: The import's name: rows that it wrote before and that are missing now were removed.
    """
    planner = _Planner(name, facts)
    # Parents before children; and those that the ledger knows first, whose elements no other row can be about.
    ordered = sorted(rows, key=lambda row: (len(row.path), row.reference not in facts.known, row.number))
    lines = sorted(map(planner.line, ordered), key=lambda line: line.row or 0)
    return [*lines, *_removed(rows, name, facts)]


def path_of(element_id: str, element: Element, existing: Elements) -> tuple[str, ...]:
    """The names from the customer down to an element in Timix."""
    parent_level = LEVELS[element.level].parent
    parent = existing[parent_level].get(element.parent_id) if parent_level else None
    above = path_of(element.parent_id, parent, existing) if parent else ()
    return (*above, element.name or element_id)


def _removed(rows: Iterable[StructureRow], name: str, facts: Facts) -> Iterable[ElementLine]:
    present = {row.reference for row in rows}
    for reference, known in facts.known.items():
        current = facts.existing[known.values.level].get(known.record_id)
        if reference in present or known.name != name or current is None:
            continue
        yield ElementLine(
            None,
            reference,
            Step.REMOVED,
            f"no longer in the file; the {current.level} stays",
            current.level,
            path_of(known.record_id, current, facts.existing),
            known.values,
            element_id=known.record_id,
            before=current,
        )


class _Planner:
    def __init__(self, name: str, facts: Facts) -> None:
        self._name = name
        self._facts = facts
        self._rules = Rules(facts.existing, facts.hours_on)
        self._seen: set[str] = set()
        self._refused: dict[tuple[str, ...], int] = {}
        self._root = _Node(Element("", "", {}))
        self._nodes: dict[tuple[str, str], _Node] = {}
        for level in LEVELS.values():
            for element_id, element in facts.existing[level.name].items():
                node = self._nodes[level.name, element_id] = _Node(element, element_id)
                # One whose parent is not listed cannot be found by its path.
                if parent := self._nodes.get((level.parent, element.parent_id)) if level.parent else self._root:
                    parent.children[folded(element.name)].append(node)

    def line(self, row: StructureRow) -> ElementLine:
        level = row.level if row.path else ""
        try:
            self._check_row(row)
            return self._planned(row)
        except RuleBroken as refused:
            self._refused.setdefault(_folded_path(row.path), row.number)
            return ElementLine(row.number, row.reference, Step.REFUSE, str(refused), level, row.path)

    def _check_row(self, row: StructureRow) -> None:
        if row.problems:
            raise RuleBroken("; ".join(row.problems))
        if row.reference in self._seen:
            raise RuleBroken(f"the reference {excerpt(row.reference)} is in the file twice")
        self._seen.add(row.reference)

    def _planned(self, row: StructureRow) -> ElementLine:
        known = self._facts.known.get(row.reference)
        if known and known.values.level != row.level:
            raise RuleBroken(f"the reference {excerpt(row.reference)} is that of a {known.values.level} already")
        line = ElementLine(row.number, row.reference, Step.LEAVE, "", row.level, row.path)
        if known and (row.level, known.record_id) not in self._nodes:
            reason = f"its {row.level} {known.record_id} was deleted in Timix, and is not created again"
            return replace(line, reason=reason, element_id=known.record_id)
        above = self._above(row)
        parent = above[-1] if above else self._root
        wanted = Element(row.level, parent.id or "", {"name": row.path[-1], **row.columns})
        line = replace(line, values=wanted, parent=parent.reference)
        if known:
            self._check_import(row, known)
            return self._of_node(line, wanted, known.values, self._nodes[row.level, known.record_id], above)
        same = parent.children[folded(row.path[-1])]
        if len(same) > 1:
            ids = ", ".join(str(node.id) for node in same[:3])
            raise RuleBroken(f"{count_noun(len(same), row.level)} of that name are there: {ids}; rename one in Timix")
        if same:
            return self._of_node(line, wanted, None, same[0], above)
        self._rules.check(wanted, [each.element for each in above])
        node = _Node(wanted, reference=row.reference, row=row.number)
        parent.children[folded(wanted.name)].append(node)
        return replace(line, step=Step.CREATE, reason=_shown(wanted))

    def _check_import(self, row: StructureRow, known: Known[Element]) -> None:
        """Files whose mapping names no source can have equal references by accident, such as 1, 2, 3."""
        is_renamed = folded(row.path[-1]) != folded(known.values.name)
        if is_renamed and known.name != self._name and self._facts.source == NO_SOURCE:
            raise RuleBroken(
                f"the import {excerpt(known.name)} has the {row.level} “{excerpt(known.values.name)}” with the reference "
                f"{excerpt(row.reference)}; rename it under that name, or name this file's tool as the source in a mapping"
            )

    def _of_node(
        self, line: ElementLine, wanted: Element, written: Element | None, node: _Node, above: Sequence[_Node]
    ) -> ElementLine:
        """The line of a row whose element is in the tree. written: what the import wrote there before."""
        if node.row is not None:
            raise RuleBroken(f"row {node.row} is about the same {line.level}")
        node.row = line.row
        current, parent = node.element, above[-1] if above else self._root
        if above and parent.id not in (current.parent_id, written.parent_id if written else None):
            raise RuleBroken(f"it is below another {parent.element.level} in Timix; move it there")
        if folded(wanted.name) == folded(current.name):
            wanted = wanted.named(current.name)
        line = replace(line, values=wanted, element_id=node.id, before=current)
        if written is None:
            changes = wanted.differences(current)
            step, reason = (Step.UPDATE, ", ".join(changes)) if changes else (Step.MATCH, "")
        else:
            step, reason = correction(wanted, written, current)
        if step is Step.MATCH:
            return replace(line, step=step, reason=f"in Timix already: {node.id}")
        if step is Step.UPDATE:
            siblings = parent.children[folded(wanted.name)]
            if any(each is not node for each in siblings):
                raise RuleBroken(f"another {line.level} of that name is there")
            self._rules.check(wanted.over(current), [each.element for each in above], node.id, current)
            node.element = wanted.over(current)
        if node not in parent.children[folded(wanted.name)]:
            # Rows below find it by the name in the file; nobody else gets the one in Timix.
            parent.children[folded(wanted.name)].append(node)
        return replace(line, step=step, reason=reason)

    def _above(self, row: StructureRow) -> list[_Node]:
        """The elements above the row's, from the customer down; RuleBroken where one is not there."""
        nodes = [self._root]
        for depth, (level, name) in enumerate(zip(LEVELS, row.path[:-1], strict=False), start=1):
            found = nodes[-1].children[folded(name)]
            if len(found) > 1:
                raise RuleBroken(f"{count_noun(len(found), level)} are called “{excerpt(name)}”; rename one in Timix")
            if not found:
                above = row.path[:depth]
                if refused := self._refused.get(_folded_path(above)):
                    raise RuleBroken(f"its {level} is refused (row {refused})")
                shown = excerpt(SEPARATOR.join(above))
                raise RuleBroken(f"there is no {level} “{shown}” in Timix, nor a row that creates it")
            nodes.append(found[0])
        return nodes[1:]


def _folded_path(path: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(folded, path))


def _shown(element: Element) -> str:
    """What a new element has: `billing_type TM, hour_limit 80`."""
    nothing = Element(element.level, element.parent_id, {"name": element.name})
    return ", ".join(each.replace(" nothing ->", "") for each in element.differences(nothing))
