"""What becomes of the rows of an import, and of a row that was imported before. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from timix_assets.text.wording import count_noun

from .values import Values

V = TypeVar("V", bound=Values)


class RuleBroken(Exception):  # noqa: N818  it reads as what happened
    """A rule that a row breaks; the message is the reason to refuse it."""


class Step(StrEnum):
    """What becomes of a row. REMOVED: in the ledger, no longer in the file."""

    CREATE = "create"
    UPDATE = "update"
    MATCH = "match"
    LEAVE = "leave"
    REFUSE = "refuse"
    REMOVED = "removed"
    DELETE = "delete"


WORDS = {
    Step.CREATE: "to create",
    Step.UPDATE: "to update",
    Step.DELETE: "to delete",
    Step.MATCH: "in Timix already",
    Step.LEAVE: "left alone",
    Step.REMOVED: "removed from the file",
    Step.REFUSE: "refused",
}
"""The steps for people, in the order in which they are counted: what is refused last."""

UNCHANGED = "unchanged"
"""The reason of a row that is left alone because nothing changed."""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One line of a plan.

    Attributes:
        row: The row's number in the file; None for what is not in the file.
        reason: Why, for people.
    """

    row: int | None
    reference: str
    step: Step
    reason: str = ""


def correction(wanted: V, written: V, current: V) -> tuple[Step, str]:
    """Whether a record that the import wrote gets new values, is unchanged, or was changed in Timix and is left.

    Args:
        wanted: What the row says now.
        written: What the import wrote last.
        current: What Timix has.

    Raises:
        RuleBroken: The row and Timix have both changed.
    """
    changes, theirs = wanted.differences(current), written.changes_to(current)
    if not changes:
        return Step.LEAVE, UNCHANGED
    if not wanted.differences(written):
        return Step.LEAVE, f"changed in Timix since: {', '.join(theirs)}"
    if theirs:
        raise RuleBroken(f"changed both in the file and in Timix ({', '.join(theirs)}); settle it in Timix")
    return Step.UPDATE, ", ".join(changes)


def counts(lines: Iterable[PlanLine]) -> str:
    """`40 to create, 2 to update, 12 refused`, in the order of the steps; of those that there are."""
    found = Counter(line.step for line in lines)
    return ", ".join(f"{found[step]:,} {words}" for step, words in WORDS.items() if found[step]) or "nothing to do"


def size(lines: Iterable[PlanLine]) -> int:
    """How many records the plan writes."""
    return sum(line.step in (Step.CREATE, Step.UPDATE, Step.DELETE) for line in lines)


def too_large(lines: Collection[PlanLine], max_rows: int, noun: tuple[str, str]) -> str:
    """Why the plan is not applied as a whole; empty when it may be. noun: of what it writes, in singular and plural."""
    writes = size(lines)
    if writes <= max_rows:
        return ""
    return (
        f"The plan writes {count_noun(writes, *noun)}, more than the limit of {max_rows:,}; nothing was written. "
        "Raise import_max_rows (TIMIX_IMPORT_MAX_ROWS), or split the file."
    )
