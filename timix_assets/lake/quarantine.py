"""Rows that could not be decoded, stored until the source is fixed.

`quarantine/<name>` holds what the latest read of each range of months rejected. A rejected row has no reliable month,
so it is stored under the range that was read. A read replaces the rows of earlier reads of the same range or of ranges within
it. The rows of a wider read stay, except those that are rejected again: a narrower read cannot tell which of them it has
seen fixed, the next read of the wider range can.
"""

from datetime import datetime

import polars as pl

from .months import Months
from .shrink_guard import ShrinkGuard
from .snapshots import NO_TABLE
from .table_store import TableStore, retry_on_conflict

_KEY = ["run_id", "first_month", "last_month", "number"]

DESCRIPTIONS = {
    "reason": "Why the row could not be decoded.",
    "column": "The column whose value is invalid; null if it is the whole row.",
    "value": "That value, as sent.",
    "record": "The whole record as sent, as JSON.",
    "run_id": "The last run that rejected it.",
    "seen_at": "When that run read it.",
    "first_month": "First month of the range that was read; null if everything was read.",
    "last_month": "Last month of that range.",
    "number": "The row's number among the rows that this read rejected.",
}


def quarantine(
    store: TableStore, name: str, rejected: pl.DataFrame, *, months: Months | None, run_id: str, seen_at: datetime
) -> bool:
    """Replaces the rows that earlier reads of the same months stored in `quarantine/<name>`.

    Args:
        rejected: Columns reason, column, value and record, all strings. No table is created while nothing was ever rejected.
        months: The months that were read; None if everything was read.
        seen_at: When it did; an instant with a time zone.

    Returns:
        Whether there is a table.

    Raises:
        WriteConflict: Other writers kept committing to the table.
        LakeError: See `TableStore.replace`.
    """
    table = f"quarantine/{name}"

    def write() -> bool:
        before = store.snapshot(table)
        if rejected.is_empty() and before == NO_TABLE:
            return False
        rows = _stamped(rejected, months, run_id, seen_at)
        if before != NO_TABLE:
            rows = pl.concat([_staying(store.scan(table), rejected, months), rows], how="diagonal")
        store.replace(
            table,
            rows,
            key=_KEY,
            guard=ShrinkGuard(accept=True),
            descriptions=DESCRIPTIONS,
            based_on=before,
        )
        return True

    return retry_on_conflict(write)


def _stamped(rejected: pl.DataFrame, months: Months | None, run_id: str, seen_at: datetime) -> pl.LazyFrame:
    return rejected.lazy().with_columns(
        pl.lit(run_id).alias("run_id"),
        pl.lit(seen_at).cast(pl.Datetime("us", "UTC")).alias("seen_at"),
        pl.lit(months.first if months else None, pl.Date).alias("first_month"),
        pl.lit(months.last if months else None, pl.Date).alias("last_month"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("number"),
    )


def _staying(stored: pl.LazyFrame, rejected: pl.DataFrame, months: Months | None) -> pl.LazyFrame:
    """The rows of reads that this one does not cover, without those that it rejected again."""
    if months is None:
        return stored.clear()
    covered = (pl.col("first_month") >= months.first) & (pl.col("last_month") <= months.last)
    again = pl.col("record").is_in(rejected["record"].unique().to_list())
    return stored.filter(~covered.fill_null(value=False) & ~again.fill_null(value=False))
