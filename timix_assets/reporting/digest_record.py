"""What the digest keeps in the lake: the tables' versions that each week's first digest read, and checks that failed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from timix_assets.lake.shrink_guard import ShrinkGuard
from timix_assets.lake.snapshots import Snapshot
from timix_assets.lake.tables import Lake

DIGESTS = "meta/digests"
FAILED_CHECKS = "meta/failed_checks"

DESCRIPTIONS = {
    DIGESTS: {
        "week": "The Monday of the week in which the digest was written; the first of a week is kept.",
        "as_of": "The last day that its figures include.",
        "table": "A table that it read.",
        "version": "The version of the table that it read.",
        "table_id": "The id of the table, which changes when it is created again.",
    },
    FAILED_CHECKS: {
        "table": "The asset.",
        "check": "A check of it whose latest evaluation failed, when the digest was last written.",
        "severity": "WARN or ERROR.",
        "message": "What the check found.",
    },
}
"""Table -> its columns and what they mean."""

_DIGESTS_SCHEMA = pl.Schema(
    {"week": pl.Date(), "as_of": pl.Date(), "table": pl.String(), "version": pl.Int64(), "table_id": pl.String()}
)
_CHECKS_SCHEMA = pl.Schema(
    {"table": pl.String(), "check": pl.String(), "severity": pl.String(), "message": pl.String()}
)
WEEKS_KEPT = 10
"""Maintenance keeps the versions of 30 days; a digest of an earlier week can hardly be compared with."""


@dataclass(frozen=True, slots=True)
class EarlierDigest:
    """The digest of an earlier week: the last day of its figures, and the versions that it read, by table."""

    as_of: date
    snapshots: dict[str, Snapshot]


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check whose latest evaluation failed."""

    table: str
    check: str
    severity: str
    message: str


def week_of(day: date) -> date:
    """Its Monday."""
    return day - timedelta(days=day.weekday())


def earlier_digest(lake: Lake, as_of: date) -> EarlierDigest | None:
    """The first digest of the latest week before that of as_of; None if there is none.

    The first of a week is the one that people read on Monday; later ones of the same week do not move what they compare with.
    """
    known = _rows(lake, DIGESTS, _DIGESTS_SCHEMA).filter(pl.col("week") < week_of(as_of))
    latest = known.filter(pl.col("week") == pl.col("week").max())
    if latest.is_empty():
        return None
    snapshots = {row["table"]: Snapshot(row["version"], row["table_id"]) for row in latest.iter_rows(named=True)}
    return EarlierDigest(latest["as_of"][0], snapshots)


def record_digest(lake: Lake, as_of: date, snapshots: dict[str, Snapshot]) -> None:
    """Keeps the versions of the week's first digest; of a later one of the same week, nothing."""
    known, week = _rows(lake, DIGESTS, _DIGESTS_SCHEMA), week_of(as_of)
    if week in known["week"]:
        return
    rows = [(week, as_of, table, each.version, each.table_id) for table, each in snapshots.items()]
    added = pl.DataFrame(rows, _DIGESTS_SCHEMA, orient="row")
    kept = pl.concat([known, added]).filter(pl.col("week") > week - timedelta(weeks=WEEKS_KEPT))
    lake.replace(DIGESTS, kept, key=["week", "table"], descriptions=DESCRIPTIONS[DIGESTS])


def record_failed_checks(lake: Lake, failed: Iterable[FailedCheck]) -> None:
    """Replaces what `failed_checks` reads."""
    rows = pl.DataFrame([(c.table, c.check, c.severity, c.message) for c in failed], _CHECKS_SCHEMA, orient="row")
    lake.replace(
        FAILED_CHECKS,
        rows,
        key=["table", "check"],
        # It may become empty at once, which is good news.
        guard=ShrinkGuard(accept=True),
        descriptions=DESCRIPTIONS[FAILED_CHECKS],
    )


def failed_checks(lake: Lake) -> list[FailedCheck] | None:
    """The checks that failed when the digest was last written by a run; None if none was."""
    if not lake.exists(FAILED_CHECKS):
        return None
    rows = _rows(lake, FAILED_CHECKS, _CHECKS_SCHEMA).sort("severity", "table", "check")
    return [FailedCheck(**row) for row in rows.iter_rows(named=True)]


def _rows(lake: Lake, table: str, schema: pl.Schema) -> pl.DataFrame:
    return lake.scan(table).select(schema.names()).collect() if lake.exists(table) else schema.to_frame()
