"""The tree of changes that a plan of structure makes, as lines of text. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..directory import folded
from ..steps import Step

SIGNS = {
    Step.CREATE: "+",
    Step.UPDATE: "~",
    Step.DELETE: "-",
    Step.REFUSE: "!",
}
"""What stands before an element that changes, or that is refused."""

INDENT = "  "


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one element. path: its names, from the customer down; empty where the row has none."""

    row: int | None
    step: Step
    path: tuple[str, ...]
    reason: str


def tree(changes: Iterable[Change]) -> list[str]:
    """The elements that would change or are refused, each below those above it, and what changes.

    `+` is created, `~` updated, `-` deleted, `!` refused; what has no sign is only there to show where the others are.
    """
    shown = sorted((each for each in changes if each.step in SIGNS), key=lambda each: (not each.path, _key(each.path)))
    lines: list[str] = []
    last: tuple[str, ...] = ()
    for each in shown:
        path = _key(each.path)
        depth = max(0, len(path) - 1)
        for level in range(_common(path, last), depth):
            lines.append(f"{INDENT * (level + 1)}{each.path[level]}")
        name = [*each.path[-1:], *([f"row {each.row}"] if each.step is Step.REFUSE and each.row else [])]
        lines.append(f"{SIGNS[each.step]} {INDENT * depth}{', '.join(name)}{': ' if each.reason else ''}{each.reason}")
        last = path
    return lines


def _common(path: Sequence[str], other: Sequence[str]) -> int:
    """How many names they have in common from the start."""
    for count, (mine, theirs) in enumerate(zip(path, other, strict=False)):
        if mine != theirs:
            return count
    return min(len(path), len(other))


def _key(path: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(folded, path))
