"""The weekly digest: what a partner reads on Monday. Every figure comes from the rollups, and from `summary` where it has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from timix_assets.charts import CHARTS
from timix_assets.lake.months import Months
from timix_assets.lake.snapshots import Snapshot
from timix_assets.lake.tables import Lake
from timix_assets.metrics.amounts import sum_of_known
from timix_assets.metrics.entries import FUTURE, bucket_labels
from timix_assets.metrics.params import RollupParams
from timix_assets.metrics.receivables import NOT_DUE, receivable_labels
from timix_assets.settings.firm import FirmConfig
from timix_assets.text.figures import number
from timix_assets.text.wording import count_noun

from .digest_changes import COMPARED, Changes, changes_since
from .digest_record import FailedCheck, earlier_digest, failed_checks
from .rollup_tables import scan_rollup
from .summary import KPIS, MONEY, ROLLUPS, UNBILLED, Summary, summarize

RECEIVABLES = "rollups/receivables_aging"
RESTATEMENTS = "rollups/restatements"
TIME_REPORTS = "timix/time_reports"
SHOWN_CHARTS = (
    "organization_kpis",
    "utilization_weekly",
    "organization_money",
    "unbilled_aging",
    "receivables_aging",
)
"""Charts on the page, each of the rollup of that name alone."""

ROLLUPS_READ = tuple(
    dict.fromkeys([*ROLLUPS, RECEIVABLES, RESTATEMENTS, *(f"rollups/{name}" for name in SHOWN_CHARTS)])
)

MAX_CUSTOMERS = 3
"""The largest customers of each currency that are listed."""
MAX_CHECKS = 12
"""Failed checks that are listed; the others are counted."""


@dataclass(frozen=True, slots=True)
class Debtor:
    """A customer and an amount. oldest: date of the oldest work, or the earliest due date; None where it is unknown."""

    name: str
    amount: Decimal
    oldest: date | None


@dataclass(frozen=True, slots=True)
class Aging:
    """Money of one currency by age.

    Args:
        total: Of all buckets but work dated in the future; None where no amount is known.
        by_bucket: An amount for each bucket of the table, None where no amount is known.
        customers: The largest first.
        others: How many customers are not listed.
    """

    currency: str | None
    total: Decimal | None
    by_bucket: list[Decimal | None]
    customers: list[Debtor]
    others: int


@dataclass(frozen=True, slots=True)
class AgingTable:
    """One aging for each currency. buckets: their headings, youngest first."""

    buckets: list[str]
    currencies: list[Aging]


@dataclass(frozen=True, slots=True)
class Digest:
    """The weekly digest.

    Args:
        charts: Rollup -> SVG, of those of SHOWN_CHARTS that have something to draw.
        changes: None before the second week's digest.
        notes: What limits these figures, one sentence each.
        checks: Those that failed when a run last wrote the digest; None if no run did.
    """

    summary: Summary
    charts: Mapping[str, str]
    unbilled: AgingTable
    receivables: AgingTable
    changes: Changes | None
    notes: list[str]
    checks: list[FailedCheck] | None


def read_digest(lake: Lake, today: date, firm: FirmConfig) -> Digest:
    """Reads the digest from the tables as they are.

    Args:
        today: Only to say how old the figures are.
        firm: The buckets' order and the charts' target.

    Raises:
        TableMissing: A table that it reads does not exist, and not for lack of invoices.
        OutdatedRollup: An earlier version computed one of them.
    """
    summary = summarize(lake, today)
    earlier = earlier_digest(lake, summary.as_of)
    return Digest(
        summary=summary,
        charts=_charts(lake, RollupParams(summary.as_of, (), None, firm)),
        unbilled=_aging(lake, UNBILLED, "amount", "oldest_date", bucket_labels(firm.aging_buckets)),
        receivables=_aging(lake, RECEIVABLES, "outstanding", "oldest_due_date", receivable_labels(firm.aging_buckets)),
        changes=changes_since(earlier, lake, summary.money) if earlier else None,
        notes=_notes(lake, summary),
        checks=failed_checks(lake),
    )


def tables_compared(lake: Lake) -> dict[str, Snapshot]:
    """The snapshots of the tables that a later digest compares with its own."""
    return {table: lake.snapshot(table) for table in COMPARED if lake.exists(table)}


def _charts(lake: Lake, params: RollupParams) -> dict[str, str]:
    drawn = {}
    for name in SHOWN_CHARTS:
        rows = scan_rollup(lake, f"rollups/{name}").collect()
        if svg := CHARTS[name](**{name: rows}, params=params):
            drawn[name] = svg
    return drawn


def _aging(lake: Lake, table: str, amount: str, oldest: str, labels: Sequence[str]) -> AgingTable:
    rows = (
        scan_rollup(lake, table)
        .select("customer_id", "customer_name", "bucket", "currency", amount=amount, oldest=oldest)
        # 0: only work that waits for approval or is of a fixed price.
        .filter(pl.col("amount").is_null() | (pl.col("amount") != 0))
        .collect()
    )
    there = set(rows["bucket"])
    # After a change of the setting, until the next refresh, the table has buckets of before.
    buckets = [label for label in labels if label in there or label != FUTURE] + sorted(there - set(labels))
    currencies = rows["currency"].unique().sort(nulls_last=True)
    return AgingTable(
        [_heading(bucket) for bucket in buckets],
        [_of_currency(rows.filter(pl.col("currency").eq_missing(pl.lit(c, pl.String))), buckets) for c in currencies],
    )


def _heading(bucket: str) -> str:
    return {FUTURE: "dated ahead", NOT_DUE: "not due"}.get(bucket, f"{bucket} days")


def _of_currency(rows: pl.DataFrame, buckets: Sequence[str]) -> Aging:
    by_bucket = dict(rows.group_by("bucket").agg(sum_of_known("amount")).iter_rows())
    customers = (
        rows.group_by("customer_id")
        .agg(pl.col("customer_name").first(), sum_of_known("amount"), pl.col("oldest").min())
        .filter(pl.col("amount").is_not_null())
        .sort("amount", "customer_id", descending=[True, False])
    )
    return Aging(
        currency=rows["currency"][0],
        total=rows.filter(pl.col("bucket") != FUTURE).select(sum_of_known("amount")).item(),
        by_bucket=[by_bucket.get(bucket, Decimal(0)) for bucket in buckets],
        customers=[
            Debtor(row["customer_name"] or row["customer_id"] or "unknown customer", row["amount"], row["oldest"])
            for row in customers.head(MAX_CUSTOMERS).iter_rows(named=True)
        ],
        others=max(customers.height - MAX_CUSTOMERS, 0),
    )


def _notes(lake: Lake, summary: Summary) -> list[str]:
    late = summary.late_start
    return [
        note
        for note in (
            summary.age,
            summary.missing,
            _months_never_read(lake, summary.as_of),
            late.budgets_message if late else "",
            late.unbilled_message if late else "",
            _unpriced(lake),
            _uncosted(lake, summary.as_of),
            _restated(lake),
        )
        if note
    ]


def _months_never_read(lake: Lake, as_of: date) -> str:
    first = lake.scan(KPIS).select(pl.col("month").min()).collect().item()
    known = lake.metadata.months_read(TIME_REPORTS) | set(lake.scan(KPIS).select("month").collect()["month"])
    missing = [month for month in Months(first, as_of.replace(day=1)) if month not in known] if first else []
    names = ", ".join(f"{month:%Y-%m}" for month in missing)
    return f"Never read, so in no figure: {names}. Refresh these months." if missing else ""


def _unpriced(lake: Lake) -> str:
    hours = (
        scan_rollup(lake, UNBILLED).select(pl.col("hours").filter(pl.col("amount").is_null()).sum()).collect().item()
    )
    return f"{number(hours)} unbilled hours have no customer rate and are in no amount." if hours else ""


def _uncosted(lake: Lake, as_of: date) -> str:
    last = scan_rollup(lake, MONEY).filter(pl.col("month") < as_of.replace(day=1))
    hours = (
        last.filter(pl.col("month") == pl.col("month").max())
        .select(pl.col("uncosted_hours", "unearned_hours").sum())
        .collect()
        .row(0, named=True)
    )
    parts = [
        f"{number(hours['uncosted_hours'])} h have no known cost" if hours["uncosted_hours"] else "",
        f"{number(hours['unearned_hours'])} fixed-price h earn nothing" if hours["unearned_hours"] else "",
    ]
    found = " and ".join(filter(None, parts))
    return f"In the last full month {found}; beyond a tolerance the margin is unknown." if found else ""


def _restated(lake: Lake) -> str:
    months = (
        scan_rollup(lake, RESTATEMENTS).filter("is_restated").select(pl.col("month").unique()).collect()["month"].sort()
    )
    names = ", ".join(f"{month:%Y-%m}" for month in months)
    return f"{count_noun(len(months), 'closed month')} changed after closing: {names}." if names else ""
