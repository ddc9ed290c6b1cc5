"""Replacing a table, or a range of its months, in one commit.

Why not `write_delta` or `write_deltalake`: they held 650 to 980 MB for a million rows, cast types silently, and cannot
say what a replacement changed. Here a frame is evaluated once, by Polars' streaming engine, into Parquet files by month
(`staging`); these are compared with the table (`content`); those of the months that differ are put into the table's
folder; and one transaction adds them and removes what they replace.

The commit is a compare-and-swap: it succeeds only on the version that was compared, also when that is no table at all.
Who loses looks at what came between, and tries again only when none of it concerns his rows, or all of it is older than
his read of the source. Readers see the version before or the one after. A writer that dies leaves files that no version
names.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from uuid import uuid4

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from timix_assets import bounds
from timix_assets.wording import numbered

from .columns import delta_schema, merged, schema_of
from .commits import Commit, newest_first
from .content import Content, Counts, Difference, Part, content_of, difference
from .errors import DuplicateKeys, LakeError, ShrinkRefused, WriteConflict, WriteFailed
from .months import MONTH, Months
from .staging import Staged
from .storage import causes, open_store, open_table, scan_table
from .versions import KEEP_THE_LOG

MAX_ATTEMPTS = 20
"""Commits tried while other writers keep winning with other months."""

NO_TABLE = -1
_WRITE_ID, _MONTHS = "timixWrite", "timixMonths"


_TO_ACCEPT = (
    "run it once with `timix-assets refresh --accept-shrink`, or with the run's tag timix/accept_shrink set to true"
)


@dataclass(frozen=True, slots=True)
class ShrinkGuard:
    """Refuses a replacement that removes more than `max_removed_share` of the scope's rows, by key, or empties a column.

    from_rows: scopes with fewer rows, and columns with fewer values, are not looked at.
    keep_columns: whether a column that held values in the scope must still hold one. Off for what is computed, where
    settings and dates may rightly empty a column. One whose name begins with an underscore tells of a read, and may.
    accept: let it through; meant for one run.
    """

    max_removed_share: float = bounds.MAX_REMOVED_SHARE.default
    from_rows: int = int(bounds.GUARD_FROM_ROWS.default)
    keep_columns: bool = True
    accept: bool = False

    def check(self, where: str, rows: int, removed: int) -> None:
        """ShrinkRefused when too many of the `rows` would be removed."""
        if not self.accept and rows >= self.from_rows and removed > self.max_removed_share * rows:
            raise ShrinkRefused(
                f"{where}: this would remove {removed:,} of {rows:,} rows, more than the {self.max_removed_share:.0%} "
                "that the guard allows, so nothing was replaced; make sure that the key still sees everything, and if "
                f"the rows are really gone, {_TO_ACCEPT}."
            )

    def looks_at(self, column: str) -> bool:
        return self.keep_columns and not self.accept and not column.startswith("_")

    def check_emptied(self, where: str, emptied: Mapping[str, int]) -> None:
        """ShrinkRefused for columns that would hold no value. emptied: how many values each holds now."""
        lost = {column: values for column, values in emptied.items() if values >= self.from_rows}
        if lost:
            raise ShrinkRefused(
                f"{where}: {', '.join(lost)} would lose every value (the first had {next(iter(lost.values())):,}), so "
                "nothing was replaced; make sure that the key's role still sees them and that no field was renamed, and "
                f"if the values are really gone, {_TO_ACCEPT}."
            )


@dataclass(frozen=True, slots=True)
class MonthChange:
    """What a replacement did to one month: as if that month alone had been replaced.

    A row that moved to another month is removed from its old month and added to its new one.
    """

    rows: int
    added: int
    changed: int
    removed: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a replacement did to its scope: the whole table, or the range of months.

    rows: rows of the scope now. added, changed, removed: by key, against the version that was replaced; a row that
    moved from one month of the range to another is changed.
    version: the table's version now. written: False when the content was the same already.
    fingerprint: of the scope's content, whatever the order of rows and files. by_month: every month of the range.
    """

    rows: int
    added: int
    changed: int
    removed: int
    version: int
    written: bool
    fingerprint: str
    by_month: Mapping[date, MonthChange] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Staged rows that are to become a table, or the given months of one; `Lake.replace` says what the fields mean."""

    table: str
    url: str
    options: Mapping[str, str]
    staged: Staged
    key: Sequence[str]
    months: Months | None
    guard: ShrinkGuard
    comment: str | None
    descriptions: Mapping[str, str]
    read_began_at: datetime | None
    read_began_at_version: int

    write_id: str = field(default_factory=lambda: uuid4().hex, init=False)
    stored: dict[Part, list[AddAction]] = field(default_factory=dict, init=False)

    def commit(self) -> Change:
        """Compares and commits, again after a race that was lost to writers of other rows or of older data."""
        for _ in range(MAX_ATTEMPTS):
            table = open_table(self.url, self.options)
            change, parts, schema = self._compare(table)
            if not change.written:
                return change
            if table is not None:
                self._refuse_to_replace_newer(table)
                self.guard.check(self._where, change.rows + change.removed - change.added, change.removed)
                self._refuse_to_empty_columns(table, change)
            if self._write(table, parts, schema):
                return change
        raise WriteConflict(f"{self._where}: other writers committed {MAX_ATTEMPTS} times in between; run it again.")

    def _store(self) -> ObjectStore:
        return open_store(self.url, self.options)

    @property
    def _where(self) -> str:
        return f"{self.table} ({self.months})" if self.months else self.table

    @property
    def _partition_columns(self) -> list[str]:
        return [MONTH] if self.months else []

    def _compare(self, table: DeltaTable | None) -> tuple[Change, frozenset[Part], pl.Schema]:
        """The change that this would be, the parts to write for it, and the columns that the table has then."""
        sent = self.staged.schema
        held = schema_of(table) if table is not None else None
        schema = merged(self.table, self.url, sent, held) if held is not None else sent
        new = content_of(self.staged.parts(), schema, self.key)
        self._refuse_duplicate_keys(new)
        with self._reading_what_is_held():
            old = content_of(self._held_parts(table), schema, self.key)
        differs = difference(new, old)
        # A new column without a row in it can wait: no commit for nothing.
        grown = held is None or (schema != held and bool(new.digests))
        total = differs.total
        change = Change(
            rows=new.rows.height,
            added=total.added,
            changed=total.changed,
            removed=total.removed,
            version=version_of(table) + bool(grown or differs.parts),
            written=grown or bool(differs.parts),
            fingerprint=new.fingerprint(schema),
            by_month=self._by_month(new, differs, schema),
        )
        return change, frozenset(new.digests) | differs.parts if grown else differs.parts, schema

    def _by_month(self, new: Content, differs: Difference, schema: pl.Schema) -> dict[date, MonthChange]:
        rows = new.rows_by_part()
        return {
            month: MonthChange(rows.get(month, 0), of.added, of.changed, of.removed, new.fingerprint(schema, month))
            for month in self.months or ()
            for of in [differs.by_part.get(month, Counts())]
        }

    def _refuse_to_empty_columns(self, table: DeltaTable, change: Change) -> None:
        """Reads of the table only the columns that would be empty; where no row would be, that is not their matter."""
        if change.rows == 0:
            return
        sent = _values_in(self.staged.parts(), self.staged.schema.names())
        empty = [name for name in schema_of(table).names() if not sent[name] and self.guard.looks_at(name)]
        if empty:
            with self._reading_what_is_held():
                held = _values_in(self._held_parts(table), empty)
            self.guard.check_emptied(self._where, {name: held[name] for name in empty})

    def _held_parts(self, table: DeltaTable | None) -> Iterator[tuple[Part, pl.LazyFrame]]:
        if table is None:
            return
        rows = scan_table(table, self.options)
        if self.months is None:
            yield None, rows
        for month in self.months or ():
            yield month, rows.filter(pl.col(MONTH) == month)

    @contextmanager
    def _reading_what_is_held(self) -> Iterator[None]:
        """LakeError when a file of the version that is to be replaced is gone, damaged or out of reach."""
        try:
            yield
        except (OSError, pl.exceptions.ComputeError) as error:
            raise LakeError(
                f"{self._where}: what the table holds cannot be read ({causes(error)}), so nothing was replaced; make the "
                f"store reachable, or put a file that is gone back from a backup, or move {self.url} away and read the "
                "table again, with all its months."
            ) from error

    def _refuse_duplicate_keys(self, new: Content) -> None:
        if new.rows["key"].n_unique() == new.rows.height:
            return
        rows = pl.concat([rows for _, rows in self.staged.parts()])
        double = rows.group_by(self.key).len().filter(pl.col("len") > 1).sort(self.key).collect()
        if double.is_empty():  # two keys with one hash
            return
        first = ", ".join(f"{name} {value}" for name, value in double.select(self.key).row(0, named=True).items())
        raise DuplicateKeys(
            f"{self._where}: {numbered(double.height, '[key is|keys are]')} on more than one row (the first: {first}), so "
            "nothing was written; each key must be there once."
        )

    def _refuse_to_replace_newer(self, table: DeltaTable) -> None:
        """WriteConflict when rows of our scope were committed after our read began, by the clock or else by version."""
        for commit in newest_first(self._store(), table.version()):
            if self.read_began_at is not None:
                newer, began = commit.at > self.read_began_at, f"at {self.read_began_at:%Y-%m-%d %H:%M:%S}"
            else:
                newer, began = commit.version > self.read_began_at_version, "before"
            if not newer:
                return
            if self._touched_by(commit):
                raise WriteConflict(
                    f"{self._where}: another writer replaced these rows at {commit.at:%Y-%m-%d %H:%M:%S} UTC and our read "
                    f"of the source began {began}, so nothing was written, for older data must not replace newer; run it "
                    "again."
                )

    def _touched_by(self, commit: Commit) -> bool:
        replaced = commit.info.get(_MONTHS)
        if not commit.changes_rows or self.months is None or not replaced:
            return commit.changes_rows
        return self.months.overlaps(Months(*map(date.fromisoformat, replaced.split("/"))))

    def _write(self, table: DeltaTable | None, parts: frozenset[Part], schema: pl.Schema) -> bool:
        """Puts the files of `parts` and commits on top of `table`; False when another writer was first."""
        base = table.schema() if table is not None else None
        columns = delta_schema(self.table, schema, self.descriptions, base)
        try:
            additions = [action for part in sorted(parts, key=str) for action in self._put(part)]
            if table is None:
                create_table_with_add_actions(
                    self.url,
                    columns,
                    additions,
                    partition_by=self._partition_columns,
                    description=self.comment,
                    configuration=KEEP_THE_LOG,
                    storage_options=dict(self.options),
                    commit_properties=self._commit_properties,
                )
            else:
                table.create_write_transaction(
                    [*additions],
                    "overwrite",
                    columns,
                    self._partition_columns,
                    [(MONTH, "in", [str(part) for part in parts])] if self.months else None,
                    commit_properties=self._commit_properties,
                )
        except (DeltaError, BaseError, OSError) as error:
            return self._landed_after(error, version_of(table))
        return True

    @property
    def _commit_properties(self) -> CommitProperties:
        months = f"{self.months.first}/{self.months.last}" if self.months else ""
        # No retries: delta-rs would rebase onto a version that was never compared.
        return CommitProperties({_WRITE_ID: self.write_id, _MONTHS: months}, max_commit_retries=0)

    def _landed_after(self, error: Exception, base: int) -> bool:
        """True when the commit was made although its answer got lost, False when the race was; else WriteFailed."""
        table = open_table(self.url, self.options)
        if table is None or table.version() == base:
            raise WriteFailed(
                f"{self._where}: it could not be written to {self.url} ({causes(error)}), and what it held before "
                "is unchanged; make room or make the store reachable, then run it again."
            ) from error
        ours = (commit.info.get(_WRITE_ID) == self.write_id for commit in newest_first(self._store(), table.version()))
        return any(islice(ours, MAX_ATTEMPTS))

    def _put(self, part: Part) -> list[AddAction]:
        """Copies the part's files into the table's folder, once however often the commit is tried."""
        if part not in self.stored:
            store = self._store()
            self.stored[part] = [_put_file(store, part, file) for file in self.staged.files.get(part, ())]
        return self.stored[part]


def _values_in(parts: Iterable[tuple[Part, pl.LazyFrame]], columns: Sequence[str]) -> Counter[str]:
    """Column -> how many values that are not null it has, over all parts."""
    values: Counter[str] = Counter()
    for _, frame in parts:
        values.update(frame.select(pl.col(columns).count()).collect(engine="streaming").row(0, named=True))
    return values


def _put_file(store: ObjectStore, part: Part, file: Path) -> AddAction:
    name = f"{uuid4().hex}.parquet"
    path = f"{MONTH}={part}/{name}" if part else name
    store.put(path, file)
    rows = pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()
    values = {MONTH: str(part)} if part else {}
    now = int(datetime.now(UTC).timestamp() * 1000)
    return AddAction(path, file.stat().st_size, values, now, data_change=True, stats=json.dumps({"numRecords": rows}))


def version_of(table: DeltaTable | None) -> int:
    return NO_TABLE if table is None else table.version()
