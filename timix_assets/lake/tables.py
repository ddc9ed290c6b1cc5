"""The lake: Delta tables below one folder or object-store URL, read lazily and replaced whole or by months."""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from deltalake import DeltaTable

from .columns import delta_schema, schema_of, stored_type
from .errors import LakeError, MonthsMissing, TableMissing, UnstorableColumn, WriteFailed
from .exports import Exported, put_export
from .memory import Memory
from .months import MONTH, Months
from .quarantine import quarantine
from .replacement import Change, Replacement, ShrinkGuard, version_of
from .staging import stage
from .storage import causes, check_place, is_full_disk, located, open_table, scan_table

__all__ = ["Change", "Lake", "ShrinkGuard"]

_TABLE_NAME = re.compile(r"\w+(/\w+)*", re.ASCII)


class Lake:
    """The Delta tables of one organization: the table `timix/customers` is `<url>/timix/customers`.

    storage_options: as the deltalake library names them (`AWS_ENDPOINT_URL`, …); the environment counts too.
    temporary: where rows are staged on their way in; the system's temporary folder (TMPDIR) unless given.
    """

    def __init__(
        self, url: str, storage_options: Mapping[str, str] | None = None, *, temporary: Path | None = None
    ) -> None:
        self.url = located(url)
        self._options = dict(storage_options or {})
        self._temporary = temporary

    def check(self) -> None:
        """LakeError when the lake cannot be where `url` says. Asks no object store, and makes no folder."""
        check_place(self.url)

    def scan(self, table: str, months: Months | None = None) -> pl.LazyFrame:
        """The table as it is at this moment, lazily; only the given months of it. TableMissing if it is not there."""
        frame = scan_table(self._open(table), self._options)
        return frame.filter(pl.col(MONTH).is_between(months.first, months.last)) if months else frame

    def exists(self, table: str) -> bool:
        return self._found(table) is not None

    def schema(self, table: str) -> pl.Schema:
        return schema_of(self._open(table))

    def version(self, table: str) -> int:
        """The number of the table's last commit; that of the first is 0."""
        return self._open(table).version()

    @cached_property
    def memory(self) -> Memory:
        """What the lake knows of itself: whose data it holds, and which months were read."""
        return Memory(self)

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
        read_began_at: datetime | None = None,
        read_began_at_version: int | None = None,
    ) -> Change:
        """Replaces the whole table, or exactly the given months of one that is kept by month, atomically.

        key: the columns that identify a row; no two rows of the frame may share one.
        months: given exactly for a table kept by month (Date column `month`); a month without rows becomes empty.
        partitioned: the table is kept by month, so that a call without months is refused even before its first write.
        guard: ShrinkGuard() unless given. comment, descriptions: what the table and its columns mean, stored with them.
        read_began_at: when the read of the source began, by the real clock; rows committed later are never replaced.
        read_began_at_version: in its place, the version of this table that the rows were computed from (-1: none);
        the one at the beginning of this call unless given.

        A table that is not there is made. A column that the table lacks is added; one that the frame lacks, or has as
        Polars' type Null, becomes null. Unsigned integers are stored signed, instants as UTC with microseconds,
        categories as text. A month whose content is the same keeps its files; when all do, there is no new version.

        LakeError: MonthsMissing, RowsOutsideRange, DuplicateKeys, UnstorableColumn, SchemaChanged, ShrinkRefused,
        WriteConflict, WriteFailed. What the table held before is then unchanged.
        """
        url = self._url(table)
        rows = frame.lazy()
        held = self._found(table)
        _check_months(table, months, partitioned, held)
        storable = _storable(table, rows.collect_schema(), held)
        _check_columns(table, storable, key, months)
        rows = rows.select(pl.col(name).cast(dtype) for name, dtype in storable.items())
        with self._staging_folder(table) as folder:
            staged = stage(table, rows, storable, Path(folder), months)
            return Replacement(
                table=table,
                url=url,
                options=self._options,
                staged=staged,
                key=key,
                months=months,
                guard=guard or ShrinkGuard(),
                comment=comment,
                descriptions=descriptions or {},
                read_began_at=read_began_at,
                read_began_at_version=version_of(held) if read_began_at_version is None else read_began_at_version,
            ).commit()

    def quarantine(
        self, name: str, rejected: pl.DataFrame, *, months: Months | None, run_id: str, seen_at: datetime
    ) -> None:
        """Keeps the rows that the latest read of `months` (or of the whole resource) rejected. See `quarantine`."""
        quarantine(self, name, rejected, months=months, run_id=run_id, seen_at=seen_at)

    def put_export(self, path: str, data: bytes) -> Exported:
        """Stores `data` byte for byte as `<url>/exports/<path>`, whole or not at all."""
        return put_export(self.url, self._options, path, data)

    def _staging_folder(self, table: str) -> TemporaryDirectory[str]:
        try:
            return TemporaryDirectory(prefix=f"timix-staging-{os.getpid()}-", dir=self._temporary)
        except OSError as error:
            place = f" in {Path(error.filename).parent}" if error.filename else ""
            said = causes(error) if is_full_disk(error) else error.strerror
            raise WriteFailed(
                f"{table}: no temporary folder for its rows could be made{place} ({said}), so nothing was "
                "replaced; free space there or point TMPDIR to a folder that can be written, and run it again."
            ) from error

    def _url(self, table: str) -> str:
        if not _TABLE_NAME.fullmatch(table):
            raise LakeError(f"{table!r} is no name of a table; write it like timix/customers.")
        return f"{self.url}/{table}"

    def _found(self, table: str) -> DeltaTable | None:
        return open_table(self._url(table), self._options)

    def _open(self, table: str) -> DeltaTable:
        found = self._found(table)
        if found is None:
            raise TableMissing(
                f"There is no table {table} in the lake {self.url}; run `timix-assets refresh` or materialize it first, "
                "or check TIMIX_LAKE."
            )
        return found


def _check_months(table: str, months: Months | None, partitioned: bool, held: DeltaTable | None) -> None:
    by_month = MONTH in held.metadata().partition_columns if held is not None else partitioned
    if by_month and months is None:
        raise MonthsMissing(
            f"{table} is kept by month and no months were named, so nothing was written; materialize it for a month or "
            "a range of months."
        )
    if held is not None and not by_month and months is not None:
        raise MonthsMissing(
            f"{table} is not kept by month, so the months {months} alone cannot be replaced; replace it whole, or move "
            "it away and materialize it again by month."
        )


def _storable(table: str, sent: pl.Schema, held: DeltaTable | None) -> pl.Schema:
    """The columns to write, in their stored types, without those of type Null that the table knows the type of."""
    known = schema_of(held) if held is not None else {}
    storable = pl.Schema(
        {name: stored_type(dtype) for name, dtype in sent.items() if not (dtype == pl.Null and name in known)}
    )
    delta_schema(table, storable, {})
    return storable


def _check_columns(table: str, schema: pl.Schema, key: Sequence[str], months: Months | None) -> None:
    missing = [name for name in key if name not in schema]
    if missing or not key:
        raise UnstorableColumn(
            f"{table}: the key column {', '.join(missing) or '(none was named)'} is not in what is to be written; name "
            "columns that identify a row."
        )
    if months is not None and schema.get(MONTH) != pl.Date:
        raise UnstorableColumn(
            f"{table}: a table kept by month needs the Date column {MONTH}, and it is "
            f"{schema.get(MONTH, 'not there')}; add the first day of each row's month."
        )
