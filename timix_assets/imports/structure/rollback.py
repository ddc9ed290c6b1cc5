"""The plan that undoes an import of structure, from the ledger. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..ledger import Write, state_after
from ..rollback import histories, undoing
from ..steps import Step
from .element import Element
from .levels import LEVELS
from .plan import ElementLine, Elements, path_of


def rollback(
    writes: Sequence[Write[Element]], selection: str, existing: Elements, hours_on: Callable[[str], str]
) -> list[tuple[ElementLine, str]]:
    """What undoes the import: for each element a line, and the source of its reference.

    An element that the import created is deleted, unless something else is below it or hours are logged on it; one that it
    changed gets its earlier values.

    Args:
        writes: The whole ledger, in order.
        selection: The name of an import, or the beginning of a run's id.
        existing: What Timix has.
        hours_on: Why hours may be logged on a subtask; empty when there are none.
    """
    found = [_line(history, selection, existing) for history in histories(writes, selection)]
    deleted: set[tuple[str, str | None]] = set()
    lines: list[tuple[ElementLine, str]] = []
    # From the bottom up: what stays keeps everything above it.
    levels = list(LEVELS)
    for line, source in sorted(found, key=lambda each: -levels.index(each[0].level)):
        checked = line
        if line.step is Step.DELETE and line.element_id and (why := _stays(line, existing, deleted, hours_on)):
            checked = replace(line, step=Step.REFUSE, reason=f"{line.element_id} stays: {why}")
        if checked.step is Step.DELETE:
            deleted.add((line.level, line.element_id))
        lines.append((checked, source))
    return lines[::-1]


def _line(history: Sequence[Write[Element]], selection: str, existing: Elements) -> tuple[ElementLine, str]:
    key, level = history[0].key, history[0].kind
    now = state_after(history).get(key)
    shown = now.values if now else next(each for write in reversed(history) if (each := write.values or write.before))
    current = existing[level].get(now.record_id) if now else None
    step, reason, earlier = undoing(history, selection, current)
    path = path_of(now.record_id, current, existing) if now and current else (shown.name,)
    line = ElementLine(
        None,
        key[1],
        step,
        reason,
        level,
        path,
        earlier if earlier and step is Step.UPDATE else shown,
        element_id=now.record_id if now else None,
        before=current,
    )
    return line, key[0]


def _stays(
    line: ElementLine,
    existing: Elements,
    deleted: set[tuple[str, str | None]],
    hours_on: Callable[[str], str],
) -> str:
    below = next((level.name for level in LEVELS.values() if level.parent == line.level), None)
    if below is None:
        return hours_on(line.element_id or "")
    for element_id, element in existing[below].items():
        if element.parent_id == line.element_id and (below, element_id) not in deleted:
            return f"the {below} {element.name or element_id} is below it"
    return ""
