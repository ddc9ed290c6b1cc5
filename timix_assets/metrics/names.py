"""The names that stand beside the ids of every rollup."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from .lookup import lookup


@dataclass(frozen=True, slots=True)
class Name:
    """The name of what an id column identifies.

    Args:
        column: The column of the name.
        table: The raw table of what is named.
        sources: Its columns, the first that is known.
        description: For people, with a full stop.
    """

    column: str
    table: str
    description: str
    sources: tuple[str, ...] = ("name",)

    def beside(self, id_column: str, named: pl.LazyFrame) -> pl.Expr:
        """The name of what `id_column` says. named: the raw table."""
        names = named.select("id", pl.coalesce(self.sources).alias(self.column))
        return lookup(id_column, names, self.column).alias(self.column)


NAMES: Mapping[str, Name] = {
    "user_id": Name("user_name", "org_users", "The person's name, else the e-mail address.", ("name", "email")),
    "customer_id": Name("customer_name", "customers", "The customer's name."),
    "project_id": Name("project_name", "projects", "The project's name."),
    "task_id": Name("task_name", "tasks", "The task's name."),
    "subtask_id": Name("subtask_name", "subtasks", "The subtask's name."),
}
"""By the id column that each stands beside."""
