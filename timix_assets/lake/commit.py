"""Replaces a table, or a range of its months, in one commit.

Why not `write_delta` or `write_deltalake`: they used 650 to 980 MB for a million rows, cast types silently, and cannot
report what a replacement changed. Here Polars' streaming engine writes the rows into Parquet files by month (`staging`); these
are compared with the table (`diff`); the files of the months that differ are uploaded; and one transaction adds them and
removes what they replace.

The commit is a compare-and-swap: it succeeds only on the version that was compared, also if there is no table yet.
The losing writer inspects the commits since its read of the source started, by version, and retries only if none touches its
months. Readers see the version before or the one after. A writer that dies leaves files that no version names.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from timix_assets.interrupts import interrupts_deferred
from timix_assets.state.files import sync
from timix_assets.state.permissions import explain_denied, is_permission_error
from timix_assets.text.wording import count_noun

from .conditional_puts import require_conditional_puts
from .delta_log import Commit, commits_newest_first
from .diff import ContentHashes, Counts, Diff, Part, diff_content, hash_content, hash_content_by_month
from .errors import DuplicateKeys, LakeError, WriteConflict, WriteFailed
from .key_hashes import repeated
from .log_retention import LOG, LOG_PROPERTIES, log_files
from .months import MONTH, Months
from .open_tables import OpenTables
from .schema import delta_schema, merged_schema, schema_of
from .shrink_guard import ShrinkGuard
from .snapshots import Snapshot, snapshot_of
from .staging import Staged
from .storage import describe_storage_error, is_folder, open_store, open_table, scan_table
from .writers import WRITER, is_from_another_machine

MAX_ATTEMPTS = 20
"""Attempts to commit while other writers keep winning with other months."""

_WRITE_ID, _MONTHS = "timixWrite", "timixMonths"


@dataclass(frozen=True, slots=True)
class MonthChange:
    """What a replacement changed in one month, as if that month alone had been replaced.

    A row that moved to another month is removed from its old month and added to its new one.
    """

    rows: int
    added: int
    changed: int
    removed: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a replacement changed in its scope: the whole table, or the range of months.

    Args:
        rows: Rows of the scope now.
        added: Rows with a new key.
        changed: Rows with a known key and other values, or in another month of the range.
        removed: Rows whose key is gone.
        version: The table's version now.
        written: False if the content was already the same.
        fingerprint: A hash of the scope's content, independent of the order of rows and files.
        another_wrote_at: When another machine wrote to this table, if that was the last commit before this and is recent.
        by_month: The change of every month of the range.
    """

    rows: int
    added: int
    changed: int
    removed: int
    version: int
    written: bool
    fingerprint: str
    another_wrote_at: datetime | None = None
    by_month: Mapping[date, MonthChange] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Compared:
    """change: what this would change; its version is the one compared with. parts: to write. schema: of the table then."""

    change: Change
    parts: frozenset[Part]
    schema: pl.Schema


@dataclass(slots=True)
class ReplaceCommit:
    """Staged rows that will become a table, or the given months of one; for the fields see `TableStore.replace`."""

    table: str
    url: str
    options: Mapping[str, str]
    tables: OpenTables
    staged: Staged
    key: Sequence[str]
    months: Months | None
    guard: ShrinkGuard
    comment: str | None
    descriptions: Mapping[str, str]
    exact_columns: bool
    writer: str | None
    require_lease: Callable[[], None]
    based_on: Snapshot

    write_id: str = field(default_factory=lambda: uuid4().hex, init=False)
    uploaded: dict[Part, list[AddAction]] = field(default_factory=dict, init=False)

    def commit(self) -> Change:
        """Compares and commits, again after losing a race to writers of other rows."""
        for _ in range(MAX_ATTEMPTS):
            table = self.tables.open_anew(self.url)
            compared = self._compare(table)
            change = compared.change
            if change.written:
                if table is not None:
                    self._refuse_append_only(table)
                    self._refuse_to_replace_newer(table)
                    self.guard.check_rows(self._scope, change.rows + change.removed - change.added, change.removed)
                    self._refuse_to_empty_columns(table, change)
                version = self._write(table, compared.parts, compared.schema)
                if version is None:
                    continue
                change = replace(change, version=version)
            self._sync_log(table, since=change.version)
            return change
        raise WriteConflict(
            f"{self._scope}: write conflict: other writers committed during all {MAX_ATTEMPTS} attempts; run it again."
        )

    def _store(self) -> ObjectStore:
        return open_store(self.url, self.options)

    @property
    def _scope(self) -> str:
        return f"{self.table} ({self.months})" if self.months else self.table

    @property
    def _partition_columns(self) -> list[str]:
        return [MONTH] if self.months else []

    def _compare(self, table: DeltaTable | None) -> _Compared:
        sent = self.staged.schema
        stored = schema_of(table) if table is not None else None
        schema = sent
        if stored is not None:
            schema = merged_schema(self.table, self.url, sent, stored, exact=self.exact_columns)
        new = hash_content(self.staged.parts(), schema, self.key)
        self._refuse_duplicate_keys(new)
        with self._reading_stored_rows():
            old = self._stored_content(table, schema)
        differs = diff_content(new, old)
        # A new column without a row needs no commit of its own.
        dropped = stored is not None and not set(stored) <= set(schema)
        rewritten = stored is None or dropped or (schema != stored and bool(new.digests))
        total = differs.total
        change = Change(
            rows=new.rows.height,
            added=total.added,
            changed=total.changed,
            removed=total.removed,
            version=snapshot_of(table).version,
            written=rewritten or bool(differs.by_part),
            fingerprint=new.fingerprint(schema),
            another_wrote_at=self._another_wrote_at(table),
            by_month=self._by_month(new, differs, schema),
        )
        parts = frozenset(differs.by_part) | frozenset(new.digests if rewritten else ())
        return _Compared(change, parts, schema)

    def _another_wrote_at(self, table: DeltaTable | None) -> datetime | None:
        if table is None or self.writer is None:
            return None
        [newest] = commits_newest_first(self._store(), table.version(), after=table.version() - 1)
        return newest.at if is_from_another_machine(newest, self.writer, now=datetime.now(UTC)) else None

    def _by_month(self, new: ContentHashes, differs: Diff, schema: pl.Schema) -> dict[date, MonthChange]:
        rows = new.rows_by_part()
        return {
            month: MonthChange(rows.get(month, 0), of.added, of.changed, of.removed, new.fingerprint(schema, month))
            for month in self.months or ()
            for of in [differs.by_part.get(month, Counts())]
        }

    def _refuse_to_empty_columns(self, table: DeltaTable, change: Change) -> None:
        """Reads only those columns of the table that would be empty; a scope without rows is checked by its rows."""
        if change.rows == 0 or not self.guard.checks_columns:
            return
        written = self.staged.schema
        sent = _values_in(self.staged.parts(), written.names())
        staying = [name for name in schema_of(table).names() if name in written or not self.exact_columns]
        empty = [name for name in staying if not sent[name]]
        if empty:
            with self._reading_stored_rows():
                stored = _values_in([(None, scan_table(table, self.options, self.months))], empty)
            self.guard.check_unknown(self._scope, {name: stored[name] for name in empty if name not in written})
            self.guard.check_emptied(self._scope, {name: stored[name] for name in empty if name in written})

    def _stored_content(self, table: DeltaTable | None, schema: pl.Schema) -> ContentHashes:
        if table is None:
            return hash_content([], schema, self.key)
        rows = scan_table(table, self.options, self.months)
        if self.months is None:
            return hash_content([(None, rows)], schema, self.key)
        return hash_content_by_month(rows, schema, self.key)

    @contextmanager
    def _reading_stored_rows(self) -> Iterator[None]:
        """LakeError if a file of the version that is to be replaced is missing, damaged or out of reach."""
        try:
            with interrupts_deferred():
                yield
        except (OSError, pl.exceptions.ComputeError, pl.exceptions.PanicException) as error:
            raise LakeError(
                f"{self._scope}: cannot read the table's current rows ({describe_storage_error(error)}); table left unchanged. "
                "Make the store reachable, or restore a missing file from a backup, or move "
                f"{self.url} away and read the table again, with all its months."
            ) from error

    def _refuse_duplicate_keys(self, new: ContentHashes) -> None:
        if repeated(new.rows["key"]).is_empty():
            return
        rows = pl.concat([rows for _, rows in self.staged.parts()])
        duplicates = rows.group_by(self.key).len().filter(pl.col("len") > 1).sort(self.key).collect()
        if duplicates.is_empty():  # two keys with the same hash
            return
        first = ", ".join(f"{name} {value}" for name, value in duplicates.select(self.key).row(0, named=True).items())
        raise DuplicateKeys(
            f"{self._scope}: {count_noun(duplicates.height, 'duplicate key')} (first: {first}); nothing was written. Each key "
            "must be on one row only."
        )

    def _refuse_to_replace_newer(self, table: DeltaTable) -> None:
        """WriteConflict if rows of our scope were committed after our read started."""
        since = self.based_on.last_version_in(table)
        for commit in commits_newest_first(self._store(), table.version(), after=since):
            if self._conflicts_with(commit):
                at = f" at {commit.at:%Y-%m-%d %H:%M:%S} UTC by its clock" if commit.at else ""
                other = self.writer is not None and commit.info.get(WRITER) not in {None, self.writer}
                raise WriteConflict(
                    f"{self._scope}: write conflict: these rows were committed by another "
                    f"{'machine' if other else 'writer'}{at} (version {commit.version}) after this read started; nothing "
                    "was written, because older data must not replace newer. Run it again."
                )

    def _refuse_append_only(self, table: DeltaTable) -> None:
        if table.metadata().configuration.get("delta.appendOnly", "").lower() == "true":
            raise LakeError(
                f"{self._scope}: the table property delta.appendOnly is true, so rows cannot be replaced. Unset it in "
                f"Python with DeltaTable({self.url!r}).alter.set_table_properties({{'delta.appendOnly': 'false'}})."
            )

    def _conflicts_with(self, commit: Commit) -> bool:
        replaced = commit.info.get(_MONTHS)
        if not commit.changes_rows or self.months is None or not replaced:
            return commit.changes_rows
        return self.months.overlaps(Months(*map(date.fromisoformat, replaced.split("/"))))

    def _write(self, table: DeltaTable | None, parts: frozenset[Part], schema: pl.Schema) -> int | None:
        """Uploads the files of `parts` and commits on top of `table`: the new version, or None if another writer was first."""
        require_conditional_puts(self.url.removesuffix(f"/{self.table}"), self.options)
        self.require_lease()
        base = snapshot_of(table).version
        columns = delta_schema(self.table, schema, self.descriptions, table.schema() if table is not None else None)
        try:
            additions = [action for part in sorted(parts, key=str) for action in self._upload(part)]
            self._sync_files(table, additions)
            self.require_lease()
            if table is None:
                create_table_with_add_actions(
                    self.url,
                    columns,
                    additions,
                    partition_by=self._partition_columns,
                    description=self.comment,
                    configuration=LOG_PROPERTIES,
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
            return self._committed_despite(error, base)
        # The commit fails on any other version.
        return base + 1

    @property
    def _commit_properties(self) -> CommitProperties:
        months = f"{self.months.first}/{self.months.last}" if self.months else ""
        # No retries: delta-rs would rebase onto a version that was never compared.
        info = {_WRITE_ID: self.write_id, _MONTHS: months, **({WRITER: self.writer} if self.writer else {})}
        return CommitProperties(info, max_commit_retries=0)

    def _committed_despite(self, error: Exception, base: int) -> int | None:
        """The version, if the commit was made although its response was lost; None if the race was lost; else WriteFailed."""
        table = open_table(self.url, self.options)
        if table is None or table.version() == base:
            if is_folder(self.url) and is_permission_error(error) and (why := explain_denied(Path(self.url))):
                raise WriteFailed(f"{self._scope}: cannot write the table, which is unchanged: {why}.") from error
            raise WriteFailed(
                f"{self._scope}: cannot write to {self.url} ({describe_storage_error(error)}); table left unchanged. Free space "
                "there or make the store reachable, then run it again."
            ) from error
        since = commits_newest_first(self._store(), table.version(), after=base)
        return next((commit.version for commit in since if commit.info.get(_WRITE_ID) == self.write_id), None)

    def _sync_files(self, table: DeltaTable | None, additions: Sequence[AddAction]) -> None:
        """Syncs the files and the last log entry before the commit, so that no entry names a file that a power cut removed."""
        if is_folder(self.url):
            folder = Path(self.url)
            below = [] if table is None else log_files(folder, since=table.version())
            sync([*(folder / action.path for action in additions), *below], below=self._made_in(table))

    def _sync_log(self, table: DeltaTable | None, *, since: int) -> None:
        """Syncs the log before the table is reported as written. table: the version below the commit."""
        if is_folder(self.url):
            folder = Path(self.url)
            try:
                sync(log_files(folder, since=since), below=self._made_in(table, folder / LOG))
            except OSError as error:
                raise WriteFailed(
                    f"{self._scope}: written to {self.url}, but the disk does not confirm it "
                    f"({describe_storage_error(error)}), so a power cut could undo it. Check the disk, then run it again."
                ) from error

    def _made_in(self, table: DeltaTable | None, folder: Path | None = None) -> Path:
        """The topmost folder that may be new: for a first commit any folder above the table."""
        return Path(Path(self.url).anchor) if table is None else folder or Path(self.url)

    def _upload(self, part: Part) -> list[AddAction]:
        """Copies the part's files into the table's folder, once for all attempts to commit."""
        if part not in self.uploaded:
            store = self._store()
            self.uploaded[part] = [_upload_file(store, part, file) for file in self.staged.files.get(part, ())]
        return self.uploaded[part]


def _values_in(parts: Iterable[tuple[Part, pl.LazyFrame]], columns: Sequence[str]) -> Counter[str]:
    """Column -> its number of values that are not null, over all parts."""
    values: Counter[str] = Counter()
    for _, frame in parts:
        values.update(frame.select(pl.col(columns).count()).collect(engine="streaming").row(0, named=True))
    return values


def _upload_file(store: ObjectStore, part: Part, file: Path) -> AddAction:
    name = f"{uuid4().hex}.parquet"
    path = f"{MONTH}={part}/{name}" if part else name
    store.put(path, file)
    rows = pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()
    values = {MONTH: str(part)} if part else {}
    now = int(datetime.now(UTC).timestamp() * 1000)
    return AddAction(path, file.stat().st_size, values, now, data_change=True, stats=json.dumps({"numRecords": rows}))
