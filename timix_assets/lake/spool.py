"""Rows on their way from a listing into a table: on disk, each key once, in bounded memory however long the listing."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import TracebackType
from typing import Self

import polars as pl

from .errors import LakeError, WriteFailed
from .storage import causes, is_full_disk

FILE_ROWS = 20_000
"""Rows that are held in memory before they are written to a file; a listing with fewer never touches the disk."""

_KEY_SEED = 11
_ARRIVED = "__arrived"


@dataclass(frozen=True, slots=True)
class Spooled:
    """A listing, complete; valid as long as its spool is open.

    frame: its rows, each key once. rows: how many. duplicates: rows that were dropped because their key came again.
    conflicting: the keys whose rows differed, as text, parts joined by " / ". read_began_at: when the listing began.
    """

    frame: pl.LazyFrame
    rows: int
    duplicates: int
    conflicting: tuple[str, ...]
    read_began_at: datetime


class Spool:
    """Collects the frames of one listing; a context manager, whose files are gone when it is left.

    schema: of every frame. key: the columns that identify a row.
    newer: of two rows with one key, the one with the later value here wins (null is the earliest), then the one that
    arrived later. parent: where the private folder for the files is made; the system's temporary folder unless given.
    """

    def __init__(
        self, schema: pl.Schema, key: Sequence[str], *, newer: str | None = "updated_at", parent: Path | None = None
    ) -> None:
        self._schema = schema
        self._key = list(key)
        self._newer = newer if newer in schema else None
        self._parent = parent
        self._folder: TemporaryDirectory[str] | None = None
        self._began()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop_files()

    def add(self, frame: pl.DataFrame) -> None:
        """Takes the next rows of the listing; LakeError when their columns are not the spool's."""
        if frame.schema != self._schema:
            differing = sorted(set(frame.schema.items()) ^ set(self._schema.items()), key=str)
            raise LakeError(
                "The rows to be spooled do not have the columns of their table (differing: "
                f"{differing or 'the order'}); decode them by the same contract."
            )
        self._held.append(frame)
        self._held_rows += frame.height
        self._hashes.append(frame.select(pl.struct(self._key).hash(_KEY_SEED)).to_series())
        if self._held_rows >= FILE_ROWS:
            self._write()

    def restart(self) -> None:
        """Throws away every row: the listing is read again from its start."""
        self._drop_files()
        self._began()

    def finish(self) -> Spooled:
        """All rows, each key once. More rows may be added afterwards and finish called again."""
        if self._files and self._held:
            self._write()
        rows = pl.scan_parquet(self._files, glob=False) if self._files else self._in_memory()
        hashes = pl.concat(self._hashes).sort() if self._hashes else pl.Series(dtype=pl.UInt64)
        suspects = hashes.filter(hashes == hashes.shift(1)).unique()
        if suspects.is_empty():
            return Spooled(rows, len(hashes), 0, (), self._read_began_at)
        return self._once_each(rows, len(hashes), suspects)

    def _began(self) -> None:
        self._read_began_at = datetime.now(UTC)
        self._held: list[pl.DataFrame] = []
        self._held_rows = 0
        self._files: list[Path] = []
        self._hashes: list[pl.Series] = []

    def _in_memory(self) -> pl.LazyFrame:
        return pl.concat([self._schema.to_frame(), *self._held], rechunk=False).lazy()

    def _write(self) -> None:
        try:
            if self._folder is None:
                self._folder = TemporaryDirectory(prefix=f"timix-spool-{os.getpid()}-", dir=self._parent)
            file = Path(self._folder.name) / f"{len(self._files):06d}.parquet"
            pl.concat(self._held, rechunk=False).write_parquet(file, compression_level=1)
        except (OSError, pl.exceptions.ComputeError) as error:
            if not isinstance(error, OSError) and not is_full_disk(error):
                raise
            raise WriteFailed(
                f"Its rows could not be kept in {self._place} until all are read ({causes(error)}); free space there or point "
                "TMPDIR elsewhere, and run it again."
            ) from error
        self._files.append(file)
        self._held, self._held_rows = [], 0

    @property
    def _place(self) -> str:
        return self._folder.name if self._folder else str(self._parent or gettempdir())

    def _drop_files(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _once_each(self, rows: pl.LazyFrame, total: int, suspects: pl.Series) -> Spooled:
        """Without the losers among rows whose keys' hashes came more than once. Hashes only find them; keys decide."""
        numbered = rows.with_row_index(_ARRIVED)
        hashed = pl.struct(self._key).hash(_KEY_SEED)
        doubles = numbered.filter(hashed.is_in(suspects.implode())).collect(engine="streaming")
        order = [*([self._newer] if self._newer else []), _ARRIVED]
        ranked = doubles.sort(order, nulls_last=False)
        winners = ranked.unique(self._key, keep="last", maintain_order=True)
        losers = ranked.join(winners.select(_ARRIVED), on=_ARRIVED, how="anti")[_ARRIVED]
        frame = numbered.filter(~pl.col(_ARRIVED).is_in(losers.implode())).drop(_ARRIVED)
        return Spooled(frame, total - len(losers), len(losers), self._conflicting(doubles), self._read_began_at)

    def _conflicting(self, doubles: pl.DataFrame) -> tuple[str, ...]:
        versions = doubles.drop(_ARRIVED).unique()
        several = versions.group_by(self._key).len().filter(pl.col("len") > 1).sort(self._key)
        named = several.select(pl.concat_str(pl.col(self._key).cast(pl.String), separator=" / ", ignore_nulls=True))
        return tuple(named.to_series())
