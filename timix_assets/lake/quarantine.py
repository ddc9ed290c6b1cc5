"""Rows that could not be read, kept where people find them until the source is mended.

`quarantine/<name>` holds what the latest read of each range of months rejected. A rejected row has no reliable month,
so it is kept under the range that was read. A read replaces what earlier reads of its range, or of ranges within it,
left. What a wider read left stays, except rows that are rejected again now: a narrower read cannot tell which of them
it has seen mended, the next read of the wider range can.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from .errors import WriteConflict
from .months import Months
from .replacement import NO_TABLE, ShrinkGuard

if TYPE_CHECKING:
    from .tables import Lake

_KEY = ["run_id", "first_month", "last_month", "number"]
_ATTEMPTS = 20

DESCRIPTIONS = {
    "reason": "Why the row could not be read.",
    "column": "The column whose value is at fault; null when it is the row.",
    "value": "That value, as it was sent.",
    "record": "The whole record as it was sent, as JSON.",
    "run_id": "The run that met it last.",
    "seen_at": "When that was.",
    "first_month": "First month of the range that was being read; null when it was everything.",
    "last_month": "Last month of that range.",
    "number": "The row's number among those that this read rejected.",
}


def quarantine(
    lake: "Lake", name: str, rejected: pl.DataFrame, *, months: Months | None, run_id: str, seen_at: datetime
) -> None:
    """Replaces what earlier reads of `months` (None: of everything) left in `quarantine/<name>`.

    rejected: reason, column, value, record. No table is made while nothing was ever rejected.
    """
    table = f"quarantine/{name}"
    for attempt in range(_ATTEMPTS):
        version = lake.version(table) if lake.exists(table) else NO_TABLE
        if rejected.is_empty() and version == NO_TABLE:
            return
        rows = _stamped(rejected, months, run_id, seen_at)
        if version != NO_TABLE:
            rows = pl.concat([_staying(lake.scan(table), rejected, months), rows], how="diagonal")
        try:
            lake.replace(
                table,
                rows,
                key=_KEY,
                guard=ShrinkGuard(accept=True),
                descriptions=DESCRIPTIONS,
                read_began_at_version=version,
            )
        except WriteConflict:
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            return


def _stamped(rejected: pl.DataFrame, months: Months | None, run_id: str, seen_at: datetime) -> pl.LazyFrame:
    return rejected.lazy().with_columns(
        pl.lit(run_id).alias("run_id"),
        pl.lit(seen_at).cast(pl.Datetime("us", "UTC")).alias("seen_at"),
        pl.lit(months.first if months else None, pl.Date).alias("first_month"),
        pl.lit(months.last if months else None, pl.Date).alias("last_month"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("number"),
    )


def _staying(held: pl.LazyFrame, rejected: pl.DataFrame, months: Months | None) -> pl.LazyFrame:
    """The rows of reads that this one does not cover, without those that it rejected again."""
    if months is None:
        return held.clear()
    covered = (pl.col("first_month") >= months.first) & (pl.col("last_month") <= months.last)
    again = pl.col("record").is_in(rejected["record"].unique().to_list())
    return held.filter(~covered.fill_null(value=False) & ~again.fill_null(value=False))
