"""Delta tables below one folder or object-store URL, read lazily and replaced whole or by months."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import polars as pl
from deltalake import DeltaTable
from polars.exceptions import PolarsError

from .commit import Change, ReplaceCommit
from .errors import LakeError, MonthsMissing, TableMissing, UnstorableColumn, WriteConflict, WriteFailed
from .lease import Lease
from .months import MONTH, Months
from .open_tables import OpenTables
from .schema import Column, columns_of, delta_schema, schema_of, stored_type
from .shrink_guard import ShrinkGuard
from .small_tables import SmallTables
from .snapshots import Snapshot, snapshot_of
from .staging import stage
from .storage import (
    check_folder,
    describe_storage_error,
    is_folder,
    is_full_disk,
    normalize_url,
    open_table,
    reject_wrong_location,
    scan_table,
)
from .table_details import TableDetails, details_of, rows_of

T = TypeVar("T")

MAX_ATTEMPTS = 20
"""Writes of a small table that several runs add to, while other writers keep winning."""

_TABLE_NAME = re.compile(r"\w+(/\w+)*", re.ASCII)


class TableStore:
    """Delta tables: the table `timix/customers` is `<url>/timix/customers`.

    Args:
        url: A folder, or the URL of an object store (`s3://bucket/lake`).
        storage_options: Options of the store, as the deltalake library names them (`AWS_ENDPOINT_URL`, …). Those of the
            environment apply as well.
        temporary: The folder where rows are staged before they are written; by default the system's (TMPDIR).
        writer: The id of this machine in the tables' commits (`writers.writer_id`); by default none.

    Attributes:
        lease: The lease of the lake, which each write needs; None where there is none.

    Raises:
        WrongLocation: No lake can be at the URL.
    """

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        temporary: Path | None = None,
        writer: str | None = None,
    ) -> None:
        self.url = normalize_url(url)
        reject_wrong_location(self.url)
        self._options = dict(storage_options or {})
        self._tables = OpenTables(self.url, self._options)
        self._small = SmallTables(self._options)
        self._temporary = temporary
        self.writer = writer
        self.lease: Lease | None = None

    def require_lease(self) -> None:
        """Called before each write. LeaseLost if this process had the lease of the lake and may have lost it."""
        if self.lease is not None:
            self.lease.require()

    def check(self) -> None:
        """Checks that tables can be written, without a request and without creating a folder.

        Raises:
            LakeError: The folder cannot be written.
        """
        if is_folder(self.url):
            check_folder(Path(self.url))

    def scan(self, table: str, months: Months | None = None) -> pl.LazyFrame:
        """Reads a table lazily, at its current version.

        Args:
            table: Its name, such as `timix/customers`.
            months: Only the rows of these months; by default all rows.

        Raises:
            TableMissing: The table does not exist.
            LakeError: It cannot be opened, or one of its files is missing or damaged.
        """
        found = self._open(table)
        return scan_table(found, self._options, months) if months else self._small.scan(found)

    def exists(self, table: str) -> bool:
        """Whether the table exists. LakeError if the store cannot be reached."""
        return self._find(table) is not None

    def schema(self, table: str) -> pl.Schema:
        """The table's columns and their types. TableMissing if it does not exist."""
        return schema_of(self._open(table))

    def columns(self, table: str) -> list[Column]:
        """The table's columns with their types and descriptions. TableMissing if it does not exist."""
        return columns_of(self._open(table))

    def version(self, table: str) -> int:
        """The number of the table's last commit, from 0. TableMissing if it does not exist."""
        return self._open(table).version()

    def details(self, table: str) -> TableDetails:
        """Its rows, size and last change, without reading its rows. TableMissing if it does not exist."""
        return details_of(self._open(table), self._url(table), self._options)

    def rows(self, table: str) -> int:
        """The number of its rows, without reading them where the log has it. TableMissing if it does not exist."""
        known = rows_of(self._open(table))
        return known if known is not None else int(self.scan(table).select(pl.len()).collect().item())

    def snapshot(self, table: str) -> Snapshot:
        """The table's current state; take it before you read what will replace it. NO_TABLE if it does not exist."""
        return snapshot_of(self._find(table))

    def read_at(self, table: str, snapshot: Snapshot, columns: Sequence[str]) -> pl.DataFrame | None:
        """Columns of a table as it was at an earlier snapshot.

        Returns:
            None where that version can no longer be read (maintenance deletes those older than 30 days), lacked a column, or
            is not of this table.
        """
        current = self._find(table)
        if current is None or snapshot.last_version_in(current) < 0:
            return None
        try:
            earlier = open_table(self._url(table), self._options, version=snapshot.version)
            return None if earlier is None else scan_table(earlier, self._options).select(columns).collect()
        except (LakeError, PolarsError, OSError):
            return None

    def replace(
        self,
        table: str,
        frame: pl.LazyFrame | pl.DataFrame,
        *,
        key: Sequence[str],
        months: Months | None = None,
        partitioned: bool = False,
        guard: ShrinkGuard | None = None,
        comment: str | None = None,
        descriptions: Mapping[str, str] | None = None,
        exact_columns: bool = False,
        based_on: Snapshot | None = None,
    ) -> Change:
        """Replaces the whole table, or exactly the given months of a table that is partitioned by month, atomically.

        A table that does not exist is created. A column that the table lacks is added. A column that the frame lacks becomes
        null, which the guard refuses while it has values. A column of Polars' type Null gets the type of the table. Unsigned
        integers are stored signed, instants as UTC with microseconds, categories as text. A month whose content is unchanged
        keeps its files; if every month is unchanged, no version is written.

        Args:
            table: Its name, such as `timix/customers`.
            frame: The new rows of the table or of the months.
            key: The columns that identify a row; two rows must not have the same key.
            months: Given exactly if the table is partitioned by month (Date column `month`); a month without rows becomes
                empty.
            partitioned: The table is partitioned by month, so that a call without months fails even before its first write.
            guard: Limits what may be removed; by default `ShrinkGuard()`.
            comment: The description of the table, stored with it.
            descriptions: The descriptions of its columns, stored with it.
            exact_columns: Drop columns that the frame lacks; for a table that is replaced whole.
            based_on: The table's snapshot from before the rows were read or computed: rows that were committed after it are
                never replaced. By default the snapshot at the start of this call.

        Returns:
            What was added, changed and removed, by key.

        Raises:
            MonthsMissing: `months` are missing, or given for a table that is not partitioned.
            RowsOutsideRange: A row's month is not one of `months`.
            DuplicateKeys: Two rows have the same key.
            UnstorableColumn: A key column is missing, or a type has no counterpart in Delta.
            SchemaChanged: A column's type differs from the table's.
            ShrinkRefused: The guard refused.
            WriteConflict: Another writer committed the same rows after `based_on`.
            WriteFailed: The store did not accept the write.
            StoreUnfit: The store has no conditional writes.
            LakeError: The table's current content cannot be read. After each of these errors the table is unchanged.
        """
        url = self._url(table)
        rows = frame.lazy()
        existing = self._find(table)
        _check_months(table, months, partitioned, existing)
        storable = _storable(table, rows.collect_schema(), existing)
        _check_columns(table, storable, key, months)
        rows = rows.select(pl.col(name).cast(dtype) for name, dtype in storable.items())
        with self._staging_folder(table) as folder:
            staged = stage(table, rows, storable, Path(folder), months)
            return ReplaceCommit(
                table=table,
                url=url,
                options=self._options,
                tables=self._tables,
                staged=staged,
                key=key,
                months=months,
                guard=guard or ShrinkGuard(),
                comment=comment,
                descriptions=descriptions or {},
                exact_columns=exact_columns,
                writer=self.writer,
                require_lease=self.require_lease,
                based_on=based_on or snapshot_of(existing),
            ).commit()

    def _staging_folder(self, table: str) -> TemporaryDirectory[str]:
        try:
            return TemporaryDirectory(prefix=f"timix-staging-{os.getpid()}-", dir=self._temporary)
        except OSError as error:
            place = f" in {Path(error.filename).parent}" if error.filename else ""
            reason = describe_storage_error(error) if is_full_disk(error) else error.strerror
            raise WriteFailed(
                f"{table}: cannot create a temporary folder for its rows{place} ({reason}); table left unchanged. Free "
                "space there or point TMPDIR to a writable folder, then run it again."
            ) from error

    def _url(self, table: str) -> str:
        if not _TABLE_NAME.fullmatch(table):
            raise LakeError(f"{table!r} is not a table name; write it like timix/customers.")
        return f"{self.url}/{table}"

    def _find(self, table: str) -> DeltaTable | None:
        return self._tables.find(self._url(table))

    def _open(self, table: str) -> DeltaTable:
        found = self._find(table)
        if found is None:
            raise TableMissing(
                f"The table {table} does not exist in the lake {self.url}; run `timix-assets refresh` or materialize it "
                "first, or check TIMIX_LAKE."
            )
        return found


def retry_on_conflict(write: Callable[[], T]) -> T:
    """Calls `write`, again while it raises WriteConflict, at most MAX_ATTEMPTS times in all.

    Args:
        write: Reads the table's snapshot and what it holds, then writes.
    """
    for _ in range(MAX_ATTEMPTS - 1):
        with suppress(WriteConflict):
            return write()
    return write()


def _check_months(table: str, months: Months | None, partitioned: bool, existing: DeltaTable | None) -> None:
    by_month = MONTH in existing.metadata().partition_columns if existing is not None else partitioned
    if by_month and months is None:
        raise MonthsMissing(
            f"{table}: table is partitioned by month but no months were given; nothing was written. Materialize it for a "
            "month or a range of months."
        )
    if existing is not None and not by_month and months is not None:
        raise MonthsMissing(
            f"{table}: table is not partitioned by month, so the months {months} cannot be replaced alone. Replace it "
            "whole, or move it away and materialize it again by month."
        )


def _storable(table: str, sent: pl.Schema, existing: DeltaTable | None) -> pl.Schema:
    """The columns to write, in their stored types; one of type Null has the type of the table's column."""
    known = schema_of(existing) if existing is not None else {}
    storable = pl.Schema(
        {
            name: known[name] if dtype == pl.Null and name in known else stored_type(dtype)
            for name, dtype in sent.items()
        }
    )
    delta_schema(table, storable, {})
    return storable


def _check_columns(table: str, schema: pl.Schema, key: Sequence[str], months: Months | None) -> None:
    missing = [name for name in key if name not in schema]
    if missing or not key:
        raise UnstorableColumn(
            f"{table}: key column {', '.join(missing) or '(none given)'} is not among the columns to write; name columns "
            "that identify a row."
        )
    if months is not None and schema.get(MONTH) != pl.Date:
        raise UnstorableColumn(
            f"{table}: a table partitioned by month needs the Date column {MONTH}, which is {schema.get(MONTH, 'missing')}; "
            "add the first day of each row's month."
        )
