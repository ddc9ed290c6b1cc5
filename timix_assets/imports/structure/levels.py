"""The four levels of the structure, and the columns that an import may set on each: from the contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import Column

SERVER_MANAGED = ("id", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Level:
    """One level.

    Attributes:
        name: `customer`, `project`, `task` or `subtask`.
        endpoint: The endpoint of its records.
        parent: The level above; None for customers.
    """

    name: str
    endpoint: str
    parent: str | None

    @property
    def parent_column(self) -> str | None:
        """The column with the id of the element above."""
        return f"{self.parent}_id" if self.parent else None

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns that an import may set, by name."""
        managed = (*SERVER_MANAGED, self.parent_column)
        return {column.name: column for column in BY_NAME[self.endpoint].columns if column.name not in managed}

    @property
    def written(self) -> Iterator[str]:
        """All columns that an import writes."""
        if self.parent_column:
            yield self.parent_column
        yield from self.columns


LEVELS: Mapping[str, Level] = {
    level.name: level
    for level in (
        Level("customer", "customers", None),
        Level("project", "projects", "customer"),
        Level("task", "tasks", "project"),
        Level("subtask", "subtasks", "task"),
    )
}
"""From the top down."""

COLUMNS: Mapping[str, Column] = {name: column for level in LEVELS.values() for name, column in level.columns.items()}
"""The columns of all levels. One that several levels have means the same on each; the words of a status may differ."""
