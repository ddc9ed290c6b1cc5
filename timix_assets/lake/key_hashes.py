"""Hashes of keys: duplicates among millions of rows are found in 8 bytes a row, where keys themselves take hundreds of MB."""

from collections.abc import Sequence

import polars as pl

_SEED = 11


def key_hash(key: Sequence[str]) -> pl.Expr:
    """A row's key as UInt64: the same in every process of one Polars version."""
    return pl.struct(key).hash(_SEED)


def repeated(hashes: pl.Series) -> pl.Series:
    """The hashes that occur more than once. Keys decide: two of them can have the same hash."""
    ordered = hashes.sort()
    return ordered.filter(ordered == ordered.shift(1)).unique()


def suspected_duplicates(rows: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """The rows whose key may occur more than once: all that do, and hardly any other."""
    suspects = repeated(rows.select(key_hash(key)).collect(engine="streaming").to_series())
    return rows.limit(0) if suspects.is_empty() else rows.filter(key_hash(key).is_in(suspects.implode()))
