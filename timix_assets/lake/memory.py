"""What the lake knows of itself, stored with the data: whose it is, and which months of a table were read."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from .errors import OtherOrganization, WriteConflict
from .months import MONTH
from .replacement import NO_TABLE

if TYPE_CHECKING:
    from .tables import Lake

ORGANIZATION = "meta/organization"
MONTHS_READ = "meta/months_read"

_ORGANIZATION_SCHEMA = pl.Schema({"id": pl.String(), "name": pl.String()})
_MONTHS_SCHEMA = pl.Schema({"table": pl.String(), MONTH: pl.Date()})
_ATTEMPTS = 20


class Memory:
    """Small Delta tables beside the data; nothing is written when nothing is new."""

    def __init__(self, lake: "Lake") -> None:
        self._lake = lake

    def organization(self) -> str | None:
        """The id of the organization whose data the lake holds; None while it holds nobody's."""
        known = self._organization()
        return known[0] if known else None

    def remember_organization(self, id: str, name: str | None) -> None:
        row = pl.DataFrame({"id": [id], "name": [name]}, schema=_ORGANIZATION_SCHEMA)
        self._lake.replace(ORGANIZATION, row, key=["id"])

    def verify_organization(self, id: str, name: str | None) -> None:
        """Remembers the organization of an empty lake; OtherOrganization when the lake belongs to another one."""
        known = self._organization()
        if known is None:
            self.remember_organization(id, name)
        elif known[0] != id:
            raise OtherOrganization(
                f"The lake {self._lake.url} holds the data of {known[1] or 'an organization'} ({known[0]}) and the API "
                f"key belongs to {name or 'another one'} ({id}), so nothing was written; set TIMIX_LAKE to another "
                "place for this key."
            )

    def months_read(self, table: str) -> set[date]:
        """The months of `table` that were read, also those in which nothing was found."""
        if not self._lake.exists(MONTHS_READ):
            return set()
        read = self._lake.scan(MONTHS_READ).filter(pl.col("table") == table).select(MONTH).collect()
        return set(read[MONTH])

    def remember_months(self, table: str, months: Iterable[date]) -> None:
        wanted = set(months)
        for attempt in range(_ATTEMPTS):
            version = self._lake.version(MONTHS_READ) if self._lake.exists(MONTHS_READ) else NO_TABLE
            if wanted <= self.months_read(table):
                return
            try:
                self._add_months(table, wanted, version)
            except WriteConflict:
                if attempt + 1 == _ATTEMPTS:
                    raise

    def months_known(self, table: str) -> set[date]:
        """The months that were read, and those that have rows."""
        if not self._lake.exists(table):
            return self.months_read(table)
        return self.months_read(table) | set(self._lake.scan(table).select(pl.col(MONTH).unique()).collect()[MONTH])

    def _organization(self) -> tuple[str, str | None] | None:
        if not self._lake.exists(ORGANIZATION):
            return None
        (row,) = self._lake.scan(ORGANIZATION).collect().iter_rows()
        return row

    def _add_months(self, table: str, months: set[date], version: int) -> None:
        added = pl.DataFrame([(table, month) for month in sorted(months)], schema=_MONTHS_SCHEMA, orient="row")
        held = [self._lake.scan(MONTHS_READ)] if self._lake.exists(MONTHS_READ) else []
        rows = pl.concat([*held, added.lazy()]).unique()
        self._lake.replace(MONTHS_READ, rows, key=_MONTHS_SCHEMA.names(), read_began_at_version=version)
