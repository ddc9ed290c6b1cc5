"""Collects the rows of a listing for a table: on disk, without duplicates, in bounded memory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Self

import polars as pl

from .errors import LakeError, WriteFailed
from .key_hashes import key_hash, repeated
from .snapshots import Snapshot
from .storage import describe_storage_error, is_full_disk

FILE_ROWS = 20_000
"""Rows that are buffered in memory before they are written to a file; a shorter listing never touches the disk."""

_ARRIVED = "__arrived"


@dataclass(frozen=True, slots=True)
class Spooled:
    """A complete listing; valid while its spool is open.

    Args:
        frame: Its rows, each key once.
        rows: Their number.
        duplicates: The number of rows that were dropped because their key came again.
        conflicting: The keys whose rows differed, as text, with their parts joined by " / ".
        target: See Spool.
    """

    frame: pl.LazyFrame
    rows: int
    duplicates: int
    conflicting: tuple[str, ...]
    target: Snapshot | None


class Spool:
    """Collects the frames of one listing; a context manager that deletes its files.

    Args:
        newer: Of two rows with the same key the one with the later value in this column is kept (null is the earliest),
            then the one that arrived later.
        target: The snapshot of the table that the rows will replace, from before the first of them was read.
        parent: Where the folder for the files is created; by default the system's temporary folder.
    """

    def __init__(
        self,
        schema: pl.Schema,
        key: Sequence[str],
        *,
        newer: str | None = "updated_at",
        target: Snapshot | None = None,
        parent: Path | None = None,
    ) -> None:
        self._schema = schema
        self._key = list(key)
        self._newer = newer if newer in schema else None
        self._target = target
        self._parent = parent
        self._folder: TemporaryDirectory[str] | None = None
        self._reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_files()

    def add(self, frame: pl.DataFrame) -> None:
        """Adds the next rows of the listing; LakeError if their columns are not the spool's."""
        if frame.schema != self._schema:
            differing = sorted(set(frame.schema.items()) ^ set(self._schema.items()), key=str)
            raise LakeError(
                f"The rows do not have the columns of their table (differing: {differing or 'the order'}); decode them with the "
                "same contract."
            )
        self._buffer.append(frame)
        self._buffered_rows += frame.height
        self._hashes.append(frame.select(key_hash(self._key)).to_series())
        if self._buffered_rows >= FILE_ROWS:
            self._write()

    def restart(self) -> None:
        """Drops every row, because the listing is read again from its start."""
        self._drop_files()
        self._reset()

    def finish(self) -> Spooled:
        """All rows, each key once; none can be added afterwards."""
        if self._files and self._buffer:
            self._write()
        if self._files:
            rows = pl.scan_parquet(self._files, glob=False)
        else:
            rows = pl.concat([self._schema.to_frame(), *self._buffer], rechunk=False).lazy()
        hashes = pl.concat(self._hashes) if self._hashes else pl.Series(dtype=pl.UInt64)
        # Not kept while the rows are committed: 8 bytes a row.
        self._hashes.clear()
        suspects = repeated(hashes)
        if suspects.is_empty():
            return Spooled(rows, len(hashes), 0, (), self._target)
        return self._once_each(rows, len(hashes), suspects)

    def _reset(self) -> None:
        self._buffer: list[pl.DataFrame] = []
        self._buffered_rows = 0
        self._files: list[Path] = []
        self._hashes: list[pl.Series] = []

    def _write(self) -> None:
        try:
            if self._folder is None:
                self._folder = TemporaryDirectory(prefix=f"timix-spool-{os.getpid()}-", dir=self._parent)
            file = Path(self._folder.name) / f"{len(self._files):06d}.parquet"
            pl.concat(self._buffer, rechunk=False).write_parquet(file, compression_level=1)
        except (OSError, pl.exceptions.ComputeError) as error:
            if not isinstance(error, OSError) and not is_full_disk(error):
                raise
            raise WriteFailed(
                f"Cannot buffer the rows of the listing in {self._place} ({describe_storage_error(error)}). Free space there or "
                "point TMPDIR to another folder, then run it again."
            ) from error
        self._files.append(file)
        self._buffer, self._buffered_rows = [], 0

    @property
    def _place(self) -> str:
        return self._folder.name if self._folder else str(self._parent or gettempdir())

    def _drop_files(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _once_each(self, rows: pl.LazyFrame, total: int, suspects: pl.Series) -> Spooled:
        """Drops the duplicates among the rows whose key hashes came more than once. Hashes only find them; keys decide."""
        numbered = rows.with_row_index(_ARRIVED)
        duplicates = numbered.filter(key_hash(self._key).is_in(suspects.implode())).collect(engine="streaming")
        order = [*([self._newer] if self._newer else []), _ARRIVED]
        ranked = duplicates.sort(order, nulls_last=False)
        winners = ranked.unique(self._key, keep="last", maintain_order=True)
        losers = ranked.join(winners.select(_ARRIVED), on=_ARRIVED, how="anti")[_ARRIVED]
        frame = numbered.filter(~pl.col(_ARRIVED).is_in(losers.implode())).drop(_ARRIVED)
        return Spooled(frame, total - len(losers), len(losers), self._conflicting(duplicates), self._target)

    def _conflicting(self, duplicates: pl.DataFrame) -> tuple[str, ...]:
        versions = duplicates.drop(_ARRIVED).unique()
        several = versions.group_by(self._key).len().filter(pl.col("len") > 1).sort(self._key)
        named = several.select(pl.concat_str(pl.col(self._key).cast(pl.String), separator=" / ", ignore_nulls=True))
        return tuple(named.to_series())
