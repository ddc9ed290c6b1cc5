"""The table of an import's plan and outcome, a line per row, such as `imports/time_entries`: what all of them share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import polars as pl

from timix_assets.contract.schema import Column, Type
from timix_assets.lake.shrink_guard import ShrinkGuard
from timix_assets.lake.tables import Lake

from .ledger import Action, Outcome, V, Write
from .steps import PlanLine

L = TypeVar("L", bound=PlanLine)

FIRST = (
    Column("number", Type.INTEGER, "The line's number in the plan.", required=True),
    Column(
        "row", Type.INTEGER, "The row's number in the file, whose header is row 1; null for what is not in the file."
    ),
    Column("reference", Type.ID, "What identifies the row in the tool that it comes from."),
    Column(
        "step",
        Type.TEXT,
        "The plan: create, update, match (in Timix already), leave, refuse, removed (from the file; listed only), delete.",
    ),
    Column(
        "outcome",
        Type.TEXT,
        "What was done: created, updated, deleted, matched, refused by Timix, not sent, not written (the reason says why), "
        "in doubt; planned where nothing was applied; null where there is nothing to do.",
    ),
    Column("reason", Type.TEXT, "Why, or what differs."),
)
LAST = (
    Column("import_name", Type.TEXT, "The name of the import."),
    Column("source", Type.TEXT, "The tool that the rows come from."),
    Column("run_id", Type.ID, "The run that planned it."),
    Column("planned_at", Type.INSTANT, "When it was planned."),
)
"""The columns of every import's table, before and after those of what is imported."""

_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.DELETE: "deleted", Action.MATCH: "matched"}
_REFUSED, _NOT_SENT, _NOT_WRITTEN, _IN_DOUBT = "refused by Timix", "not sent", "not written", "in doubt"
UNWRITTEN = (_REFUSED, _NOT_SENT, _NOT_WRITTEN, _IN_DOUBT)
"""The outcomes of an applied plan that leave a row unwritten, as far as is known."""


@dataclass(frozen=True, slots=True)
class Planned(Generic[L, V]):
    """A line with the source of its reference, and the write that it asks for."""

    line: L
    source: str
    write: Write[V] | None


@dataclass(frozen=True, slots=True)
class Occasion:
    """Which import, which run, when."""

    name: str
    run_id: str
    at: datetime
    applied: bool


def outcome_of(planned: Planned[L, V], result: Write[V] | None, *, applied: bool) -> str | None:
    """What became of a line, by its write in the ledger."""
    if planned.write is None:
        return None
    if not applied:
        return "planned"
    if result is None:
        return _NOT_SENT
    return {
        Outcome.DONE: _DONE[result.action],
        Outcome.REFUSED: _REFUSED,
        Outcome.ABSENT: _NOT_SENT if result.message == "not sent" else _NOT_WRITTEN,
        Outcome.INTENDED: _IN_DOUBT,
    }[result.outcome]


def frame_of(
    planned: Sequence[Planned[L, V]],
    results: Mapping[tuple[str, str], Write[V]],
    occasion: Occasion,
    columns: Sequence[Column],
    values_of: Callable[[L, str | None], Mapping[str, object]],
) -> pl.DataFrame:
    """The table's rows.

    Args:
        results: (source, reference) -> the write of this run.
        columns: All columns of the table.
        values_of: The columns between FIRST and LAST, from the line and the id of the record that was written.
    """
    rows = []
    for number, each in enumerate(planned, start=1):
        line, result = each.line, results.get((each.source, each.line.reference))
        rows.append(
            {
                "number": number,
                "row": line.row,
                "reference": line.reference,
                "step": line.step.value,
                "outcome": outcome_of(each, result, applied=occasion.applied),
                "reason": (result.message if result else None) or line.reason or None,
                **values_of(line, result.record_id if result else None),
                "import_name": occasion.name,
                "source": each.source,
                "run_id": occasion.run_id,
                "planned_at": occasion.at,
            }
        )
    return pl.DataFrame(rows, schema={column.name: column.dtype for column in columns})


def store(lake: Lake, table: str, frame: pl.DataFrame, columns: Sequence[Column], description: str) -> None:
    """Replaces the table: it shows the latest import; earlier ones are its earlier versions, and in the ledger."""
    lake.replace(
        table,
        frame,
        key=["number"],
        guard=ShrinkGuard(accept=True),
        comment=description,
        descriptions={column.name: column.description for column in columns},
    )
