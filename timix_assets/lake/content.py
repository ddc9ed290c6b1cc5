"""What a table holds, as hashes: for fingerprints, and for telling what a replacement adds, changes and removes.

A row is one 64-bit number over all its columns, a key another, so that millions of rows are compared in a few dozen MB.
Polars' hash has a fixed seed, covers nulls, lists and structs, and is the same in every process of one Polars version.
After an upgrade of Polars a fingerprint may differ once although the content does not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

import polars as pl

_KEY_SEED, _ROW_SEED, _MIX_SEED = 11, 23, 47

ROWS_COMPARED_AT_ONCE = 100_000
_NO_ROWS = pl.DataFrame(schema={"part": pl.Date, "key": pl.UInt64, "row": pl.UInt64})

Part = date | None
"""A month of a table that is partitioned; None, once, for a table that is not."""


@dataclass(frozen=True, slots=True)
class Content:
    """rows: one line per row with `part` (Date), `key` and `row` (hashes). digests: one hash of each part's rows."""

    rows: pl.DataFrame
    digests: Mapping[Part, str]

    def fingerprint(self, schema: pl.Schema, only: Part = None) -> str:
        """One hash of all rows and of the columns' names and types, whatever the order of rows, columns and files.

        only: the hash of that month's rows alone.
        """
        columns = sorted(f"{name} {dtype}" for name, dtype in schema.items())
        parts = sorted(f"{part} {digest}" for part, digest in self.digests.items() if only in {None, part})
        return _digest([*columns, *parts])

    def rows_by_part(self) -> dict[Part, int]:
        return _by_part(self.rows)


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows, by key."""

    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """total: over all parts, where a row that moved from one part to another is changed.

    by_part: for each part whose content differs, what it went through itself: there such a row is added and removed.
    """

    total: Counts
    by_part: Mapping[Part, Counts]

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset(self.by_part)


def content_of(parts: Iterable[tuple[Part, pl.LazyFrame]], schema: pl.Schema, key: Sequence[str]) -> Content:
    """The content of the given parts as rows of `schema`; a column that a frame lacks is null. One part is read at a time."""
    rows, digests = [_NO_ROWS], {}
    for part, frame in parts:
        hashed = _hashed(frame, part, schema, key)
        if not hashed.is_empty():
            rows.append(hashed)
            digests[part] = _digest_of(hashed["row"])
    return Content(pl.concat(rows, rechunk=False), digests)


def _hashed(frame: pl.LazyFrame, part: Part, schema: pl.Schema, key: Sequence[str]) -> pl.DataFrame:
    held = frame.collect_schema().names()
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in held]
    hashes = frame.with_columns(missing).select(
        pl.lit(part, pl.Date).alias("part"),
        pl.struct(key).hash(_KEY_SEED).alias("key"),
        pl.struct(sorted(schema.names())).hash(_ROW_SEED).alias("row"),
    )
    return hashes.collect(engine="streaming")


def _digest_of(rows: pl.Series) -> str:
    """Sums of u64 wrap around: the order of rows does not matter, and two of them, one over mixed hashes, are 128 bits."""
    return _digest(map(str, (len(rows), rows.sum(), rows.hash(_MIX_SEED).sum())))


def difference(new: Content, old: Content) -> Difference:
    """What turns `old` into `new`."""
    parts = [part for part in {*new.digests, *old.digests} if new.digests.get(part) != old.digests.get(part)]
    # Keys are unique within each side, so a part that is the same on both has no key elsewhere.
    differs = pl.col("part").is_in(parts, nulls_equal=True)
    kept: Counter[Part] = Counter()
    changed: Counter[Part] = Counter()
    moved = 0
    slices = 1 + max(new.rows.height, old.rows.height) // ROWS_COMPARED_AT_ONCE
    for at in range(slices if parts else 0):
        of_slice = differs & (pl.col("key") % slices == at)
        pairs = new.rows.filter(of_slice).join(old.rows.filter(of_slice), on="key")
        here = pairs.filter(pl.col("part").eq_missing(pl.col("part_right")))
        kept.update(_by_part(here))
        changed.update(_by_part(here.filter(pl.col("row") != pl.col("row_right"))))
        moved += pairs.height - here.height
    now, before = new.rows_by_part(), old.rows_by_part()
    by_part = {
        part: Counts(now.get(part, 0) - kept[part], changed[part], before.get(part, 0) - kept[part]) for part in parts
    }
    total = Counts(
        sum(counts.added for counts in by_part.values()) - moved,
        changed.total() + moved,
        sum(counts.removed for counts in by_part.values()) - moved,
    )
    return Difference(total, by_part)


def _by_part(rows: pl.DataFrame) -> dict[Part, int]:
    return dict(rows.group_by("part").len().iter_rows())


def _digest(lines: Iterable[str]) -> str:
    return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
