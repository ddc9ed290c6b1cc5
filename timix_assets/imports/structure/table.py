"""The table `imports/structure`: a line per row, with its plan and outcome."""

from collections.abc import Mapping

import polars as pl

from timix_assets.contract.schema import Column, Type

from ..outcome import FIRST, LAST
from ..steps import Step
from .levels import LEVELS
from .plan import ElementLine
from .tree import Change

COLUMNS = (
    *FIRST,
    Column("level", Type.TEXT, "customer, project, task or subtask; null where the row does not say."),
    *(Column(level, Type.TEXT, f"Name of the {level}; null below the element's level.") for level in LEVELS),
    Column("element_id", Type.ID, "The element; null while there is none."),
    Column("values", Type.TEXT, "What it shall have, as JSON; null for a refused row.", personal=True),
    Column("before", Type.TEXT, "What it has in Timix, as JSON; null for a new one.", personal=True),
    *LAST,
)


def values_of(line: ElementLine, record_id: str | None) -> Mapping[str, object]:
    """The columns of an element. record_id: of the one that was written."""
    return {
        "level": line.level or None,
        **dict(zip(LEVELS, [*line.path, *[None] * (len(LEVELS) - len(line.path))], strict=True)),
        "element_id": record_id or line.element_id,
        "values": line.values.as_json() if line.values else None,
        "before": line.before.as_json() if line.before else None,
    }


def changes(table: pl.DataFrame) -> list[Change]:
    """What the tree of changes is made from."""
    return [
        Change(
            row["row"],
            Step(row["step"]),
            tuple(row[level] for level in LEVELS if row[level] is not None),
            row["reason"] or "",
        )
        for row in table.iter_rows(named=True)
    ]
