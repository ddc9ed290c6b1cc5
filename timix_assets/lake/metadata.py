"""Metadata of the lake, stored with the data: its organization, and the months of each table that were read."""

from collections.abc import Iterable
from datetime import date

import polars as pl

from .errors import LakeError, OtherOrganization
from .months import MONTH
from .table_store import TableStore, retry_on_conflict

ORGANIZATION = "meta/organization"
MONTHS_READ = "meta/months_read"

DESCRIPTIONS = {
    ORGANIZATION: {"id": "The organization that the lake belongs to.", "name": "Its name."},
    MONTHS_READ: {"table": "A table that is read by month.", MONTH: "A month of it that was read, even without rows."},
}
"""Table -> its columns and what they mean."""

_ORGANIZATION_SCHEMA = pl.Schema({"id": pl.String(), "name": pl.String()})
_MONTHS_SCHEMA = pl.Schema({"table": pl.String(), MONTH: pl.Date()})


class LakeMetadata:
    """Small Delta tables beside the data. Nothing is written if nothing is new."""

    def __init__(self, store: TableStore) -> None:
        self._store = store

    def organization(self) -> str | None:
        """The id of the organization that the lake belongs to; None for a new lake."""
        known = self._organization()
        return known[0] if known else None

    def organization_name(self) -> str | None:
        """Its name; None where it is unknown."""
        known = self._organization()
        return known[1] if known else None

    def set_organization(self, id: str, name: str | None) -> None:
        """Stores the organization that the lake belongs to."""
        row = pl.DataFrame({"id": [id], "name": [name]}, schema=_ORGANIZATION_SCHEMA)
        self._store.replace(ORGANIZATION, row, key=["id"])

    def verify_organization(self, id: str, name: str | None) -> None:
        """Checks that the lake belongs to the organization; a new lake belongs to it from now on.

        Raises:
            OtherOrganization: It belongs to another one.
        """
        known = self._organization()
        if known is None:
            self.set_organization(id, name)
        elif known[0] != id:
            raise OtherOrganization(
                f"The lake {self._store.url} belongs to {known[1] or 'an organization'} ({known[0]}), but the API key belongs "
                f"to {name or 'another one'} ({id}); nothing was written. Set TIMIX_LAKE to another location for this key."
            )

    def months_read(self, table: str) -> set[date]:
        """The months of `table` that were read, including those without rows."""
        read = self._rows(MONTHS_READ, _MONTHS_SCHEMA)
        return set(read.filter(pl.col("table") == table)[MONTH].drop_nulls())

    def add_months_read(self, table: str, months: Iterable[date]) -> None:
        """Records that these months of `table` were read."""
        new = set(months)

        def add() -> None:
            before = self._store.snapshot(MONTHS_READ)
            if new <= self.months_read(table):
                return
            added = pl.DataFrame([(table, month) for month in sorted(new)], schema=_MONTHS_SCHEMA, orient="row")
            rows = pl.concat([self._rows(MONTHS_READ, _MONTHS_SCHEMA), added]).unique()
            self._store.replace(MONTHS_READ, rows, key=_MONTHS_SCHEMA.names(), based_on=before)

        retry_on_conflict(add)

    def months_known(self, table: str) -> set[date]:
        """The months of `table` that were read, and those that have rows."""
        if not self._store.exists(table):
            return self.months_read(table)
        return self.months_read(table) | set(self._store.scan(table).select(pl.col(MONTH).unique()).collect()[MONTH])

    def _organization(self) -> tuple[str, str | None] | None:
        rows = self._rows(ORGANIZATION, _ORGANIZATION_SCHEMA).filter(pl.col("id").is_not_null())
        if rows.height > 1:
            raise LakeError(
                f"{ORGANIZATION} names {rows.height} organizations ({', '.join(rows['id'])}), but a lake belongs to one. "
                f"Restore its earlier version (docs/operations.md), or move {self._store.url}/{ORGANIZATION} away: the next "
                "run stores the organization of its key."
            )
        return next(rows.iter_rows(), None)

    def _rows(self, table: str, schema: pl.Schema) -> pl.DataFrame:
        """The rows of one of these tables, none if it does not exist; LakeError if somebody changed its columns."""
        if not self._store.exists(table):
            return schema.to_frame()
        rows = self._store.scan(table)
        stored = rows.collect_schema()
        if wrong := [name for name, dtype in schema.items() if stored.get(name) != dtype]:
            raise LakeError(
                f"{table}: the column {', '.join(wrong)} is missing or has another type. Restore the table's earlier version "
                f"(docs/operations.md), or move {self._store.url}/{table} away: the next run creates it again, and months "
                "without rows count as not read until they are read again."
            )
        return rows.select(schema.names()).collect()
