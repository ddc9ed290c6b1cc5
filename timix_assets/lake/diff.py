"""Hashes of a table's rows: for fingerprints, and for counting what a replacement adds, changes and removes.

Each row has one 64-bit hash of all its columns and one of its key, so that millions of rows are compared in a few dozen MB.
Polars' hash has a fixed seed, covers nulls, lists and structs, and is the same in every process of one Polars version.
After an upgrade of Polars a fingerprint can differ once although the content is the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

import polars as pl

from .key_hashes import key_hash
from .months import MONTH

_ROW_SEED, _MIX_SEED = 23, 47

ROWS_COMPARED_AT_ONCE = 100_000
_NO_ROWS = pl.DataFrame(schema={"part": pl.Date, "key": pl.UInt64, "row": pl.UInt64})

Part = date | None
"""A month of a partitioned table; None for the only part of any other table."""


@dataclass(frozen=True, slots=True)
class ContentHashes:
    """rows: one line for each row with `part` (Date), `key` and `row` (UInt64 hashes). digests: one hash of each part's rows."""

    rows: pl.DataFrame
    digests: Mapping[Part, str]

    def fingerprint(self, schema: pl.Schema, only: Part = None) -> str:
        """One hash of all rows and of the columns' names and types, independent of the order of rows, columns and files.

        Args:
            only: Hash the rows of this month alone.
        """
        columns = sorted(f"{name} {dtype}" for name, dtype in schema.items())
        parts = sorted(f"{part} {digest}" for part, digest in self.digests.items() if only in {None, part})
        return _digest([*columns, *parts])

    def rows_by_part(self) -> dict[Part, int]:
        return _by_part(self.rows)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of rows, by key."""

    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two contents.

    Args:
        total: Over all parts; a row that moved to another part is changed.
        by_part: For each part that differs; a row that moved is added in one part and removed in the other.
    """

    total: Counts
    by_part: Mapping[Part, Counts]


def hash_content(parts: Iterable[tuple[Part, pl.LazyFrame]], schema: pl.Schema, key: Sequence[str]) -> ContentHashes:
    """Hashes the rows of the given parts, one part at a time; a column of `schema` that a frame lacks is null."""
    rows, digests = [_NO_ROWS], {}
    for part, frame in parts:
        hashed = _hashed(frame, pl.lit(part, pl.Date), schema, key)
        if not hashed.is_empty():
            rows.append(hashed)
            digests[part] = _digest_of(hashed["row"])
    return ContentHashes(pl.concat(rows, rechunk=False), digests)


def hash_content_by_month(frame: pl.LazyFrame, schema: pl.Schema, key: Sequence[str]) -> ContentHashes:
    """The same of a table whose parts are its months, in one scan: one scan for each month looks at every file each time."""
    rows = _hashed(frame, pl.col(MONTH), schema, key)
    digests = {part: _digest_of(of["row"]) for (part,), of in rows.partition_by("part", as_dict=True).items()}
    return ContentHashes(rows, digests)


def _hashed(frame: pl.LazyFrame, part: pl.Expr, schema: pl.Schema, key: Sequence[str]) -> pl.DataFrame:
    present = frame.collect_schema().names()
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in present]
    hashes = frame.with_columns(missing).select(
        part.alias("part"),
        key_hash(key).alias("key"),
        pl.struct(sorted(schema.names())).hash(_ROW_SEED).alias("row"),
    )
    return hashes.collect(engine="streaming")


def _digest_of(rows: pl.Series) -> str:
    """Sums of UInt64 wrap around and do not depend on the order of rows; two of them, one over mixed hashes, are 128 bits."""
    return _digest(map(str, (len(rows), rows.sum(), rows.hash(_MIX_SEED).sum())))


def diff_content(new: ContentHashes, old: ContentHashes) -> Diff:
    """The changes that turn `old` into `new`."""
    parts = [part for part in {*new.digests, *old.digests} if new.digests.get(part) != old.digests.get(part)]
    # Keys are unique within each side, so the keys of a part that is the same on both are in no other part.
    differs = pl.col("part").is_in(parts, nulls_equal=True)
    in_place: Counter[Part] = Counter()
    changed: Counter[Part] = Counter()
    moved = 0
    slices = 1 + max(new.rows.height, old.rows.height) // ROWS_COMPARED_AT_ONCE
    for at in range(slices if parts and not old.rows.is_empty() else 0):
        of_slice = differs & (pl.col("key") % slices == at)
        pairs = new.rows.filter(of_slice).join(old.rows.filter(of_slice), on="key")
        here = pairs.filter(pl.col("part").eq_missing(pl.col("part_right")))
        in_place.update(_by_part(here))
        changed.update(_by_part(here.filter(pl.col("row") != pl.col("row_right"))))
        moved += pairs.height - here.height
    now, before = new.rows_by_part(), old.rows_by_part()
    by_part = {
        part: Counts(now.get(part, 0) - in_place[part], changed[part], before.get(part, 0) - in_place[part])
        for part in parts
    }
    total = Counts(
        sum(counts.added for counts in by_part.values()) - moved,
        changed.total() + moved,
        sum(counts.removed for counts in by_part.values()) - moved,
    )
    return Diff(total, by_part)


def _by_part(rows: pl.DataFrame) -> dict[Part, int]:
    return dict(rows.group_by("part").len().iter_rows())


def _digest(lines: Iterable[str]) -> str:
    return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
