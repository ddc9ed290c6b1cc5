"""Money that is owed, and the days from work to cash. docs/metrics.md, 5."""

import polars as pl

from timix_assets.settings.firm import AgingBuckets

from . import columns
from .amounts import amount, ratio, sum_of_known
from .columns import AS_OF, CURRENCY, REVENUE, UNBILLED, derived, raw
from .earnings import counted_work, total_revenue
from .entries import FUTURE, bucket_ranges
from .invoices import balance, in_currency, is_billed
from .params import MIN_LOCKUP_DAYS, RollupParams
from .rollup import Preview, Rollup, rollup
from .unbilled import is_unbilled, total_unbilled, unbilled_work

NOT_DUE = "not_due"

_CURRENCY_OF_INVOICE = (
    raw("invoices", "currency", "customer_id") + raw("customers", "currency") + raw("organization", "currency")
)
_OWED = raw("invoices", "status", "total", "amount_paid", "paid_date", "issue_date")
_DUE = raw("invoices", "due_date", "issue_date")

RECEIVABLES_AGING = Rollup(
    "receivables_aging",
    group="money",
    key=("customer_id", "bucket", "currency"),
    description="What is invoiced and not paid, and how late is it? One row per customer, bucket of days overdue and currency, "
    "as of the as-of date: the balances of all invoices in the lake, tax included.",
    columns=(
        columns.text("customer_id", "The customer.", raw("invoices", "customer_id")),
        columns.text("bucket", "Days overdue on the as-of date: not_due, 1-30, 31-60, 61-90, 91+ (a setting).", _DUE),
        columns.text(
            "currency", "The invoice's currency, else the customer's, the organization's.", _CURRENCY_OF_INVOICE
        ),
        columns.money(
            "outstanding",
            "Total less what is paid of it, of invoices Issued or Sent or Paid after as-of; null when no total is known.",
            _OWED,
        ),
        columns.count("invoice_count", "Number of unpaid invoices, those of unknown total included.", _OWED),
        columns.date(
            "oldest_due_date", "The earliest due date, else issue date, of the invoices whose total is known.", _DUE
        ),
        columns.as_of(raw("invoices", "issue_date")),
    ),
    preview=Preview(
        sort=("-outstanding",),
        columns=("customer_name", "bucket", "outstanding", "currency", "invoice_count", "oldest_due_date"),
    ),
)


@rollup(RECEIVABLES_AGING)
def receivables_aging(
    *, invoices: pl.LazyFrame, customers: pl.LazyFrame, organization: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """What is invoiced and not paid, by how late it is. Source: docs/metrics.md, 5.

    Returns:
        One row per customer, bucket and currency with an unpaid invoice; money, Decimal(38, 10).
    """
    due = pl.coalesce("due_date", "issue_date")
    return (
        in_currency(open_invoices(invoices, params), customers=customers, organization=organization)
        .with_columns(due.alias("due"), _bucket(due, params).alias("bucket"))
        .group_by("customer_id", "bucket", "currency")
        .agg(
            sum_of_known("balance").alias("outstanding"),
            pl.len().cast(pl.Int64).alias("invoice_count"),
            pl.when(pl.col("balance").is_not_null()).then("due").min().alias("oldest_due_date"),
        )
        .with_columns(pl.lit(params.as_of).alias(AS_OF))
    )


def open_invoices(invoices: pl.LazyFrame, params: RollupParams) -> pl.LazyFrame:
    """The invoices on which something is owed as of the as-of date, or of which the total is unknown; with `balance`."""
    return invoices.with_columns(balance(params.as_of).alias("balance")).filter(
        (pl.col("balance") != 0).fill_null(True)
    )


def receivable_labels(aging: AgingBuckets) -> tuple[str, ...]:
    """not_due, 1-30, 31-60, 61-90, 91+."""
    return (NOT_DUE, *bucket_ranges(1, aging))


def _bucket(due: pl.Expr, params: RollupParams) -> pl.Expr:
    aging = params.firm.aging_buckets
    overdue = (pl.lit(params.as_of) - due).dt.total_days().fill_null(0)
    number = pl.sum_horizontal((overdue > last).cast(pl.Int8) for last in (0, *aging.upper_days))
    return number.replace_strict(dict(enumerate(receivable_labels(aging))), return_dtype=pl.String)


_RECEIVABLES = derived("receivables_aging", "outstanding", "bucket")
_UNBILLED = UNBILLED + raw("time_reports", "customer_rate")
_INVOICED = raw("invoices", "total", "status", "issue_date")

WORKING_CAPITAL = Rollup(
    "working_capital",
    group="money",
    key=("currency",),
    description="How many days lie between work and cash? Unbilled work and receivables as days of the revenue and the invoices "
    "of the last 90 days (a setting), per currency, as of the as-of date.",
    columns=(
        columns.text("currency", "ISO 4217 currency of the row's money.", CURRENCY + _CURRENCY_OF_INVOICE),
        columns.money(
            "unbilled", "Approved work that is not billed yet, without entries dated after as-of.", _UNBILLED
        ),
        columns.money("outstanding", "What is invoiced and not paid.", _RECEIVABLES),
        columns.money("overdue", "Of that, what is past its due date.", _RECEIVABLES),
        columns.money("revenue_in_window", "TM hours × customer rate of the window's entries.", REVENUE),
        columns.money("invoiced_in_window", "Total of the invoices issued in the window.", _INVOICED),
        columns.count("window_days", "Days of the window that are in loaded months.", raw("time_reports", "date")),
        columns.quotient(
            "wip_days",
            "Unbilled ÷ revenue in the window × its days: work without invoice.",
            _UNBILLED + REVENUE,
            "days",
        ),
        columns.quotient(
            "debtor_days",
            "Outstanding ÷ invoiced in the window × its days: invoices that wait for their payment.",
            _RECEIVABLES + _INVOICED,
            "days",
        ),
        columns.quotient(
            "lockup_days",
            f"WIP days + debtor days. All three are null with fewer than {MIN_LOCKUP_DAYS} loaded days.",
            _UNBILLED + REVENUE + _RECEIVABLES + _INVOICED,
            "days",
        ),
        columns.as_of(),
    ),
    preview=Preview(
        sort=("-lockup_days",),
        columns=("currency", "unbilled", "outstanding", "overdue", "wip_days", "debtor_days", "lockup_days"),
    ),
)


@rollup(WORKING_CAPITAL)
def working_capital(
    *,
    receivables_aging: pl.LazyFrame,
    person_months: pl.LazyFrame,
    work_months: pl.LazyFrame,
    invoices: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """How many days lie between work and cash. Source: docs/metrics.md, 5.

    Returns:
        One row per currency with unbilled work, receivables, or work or invoices in the window; money, Decimal(38, 10), days,
        Float64.
    """
    in_window = pl.col("issue_date").is_between(*params.lockup_window) & params.is_loaded_to_as_of(pl.col("issue_date"))
    issued = in_currency(invoices.filter(is_billed(), in_window), customers=customers, organization=organization)
    is_due = pl.col("bucket") != NOT_DUE
    parts = (
        unbilled_work(person_months, invoices)
        .filter(is_unbilled(), pl.col("bucket") != FUTURE)
        .group_by("currency")
        .agg(total_unbilled().alias("unbilled")),
        receivables_aging.group_by("currency").agg(sum_of_known("outstanding")),
        receivables_aging.filter(is_due).group_by("currency").agg(sum_of_known("outstanding").alias("overdue")),
        counted_work(work_months)
        .filter("in_lockup_window")
        .group_by("currency")
        .agg(total_revenue().alias("revenue_in_window")),
        issued.group_by("currency").agg(sum_of_known("total").alias("invoiced_in_window")),
    )
    days = params.lockup_days
    return (
        side_by_side(parts, ["currency"])
        .with_columns(
            pl.lit(days, pl.Int64).alias("window_days"),
            pl.lit(params.as_of).alias(AS_OF),
            _in_days("unbilled", "revenue_in_window", days).alias("wip_days"),
            _in_days("outstanding", "invoiced_in_window", days).alias("debtor_days"),
        )
        .with_columns((pl.col("wip_days") + pl.col("debtor_days")).alias("lockup_days"))
    )


def _in_days(what: str, flow: str, days: int) -> pl.Expr:
    enough = pl.lit(days >= MIN_LOCKUP_DAYS)
    return pl.when(enough).then(ratio(pl.col(what) * amount(days), pl.col(flow)))


def side_by_side(parts: tuple[pl.LazyFrame, ...], key: list[str]) -> pl.LazyFrame:
    """The parts joined on the key: 0 where a part has no row, null where the value in its row is null.

    parts: Frames of the key and columns of amounts.
    """
    joined = pl.concat([part.select(key) for part in parts]).unique()
    for part in parts:
        names = [name for name in part.collect_schema() if name not in key]
        there = f"has_{names[0]}"
        joined = joined.join(
            part.with_columns(pl.lit(True).alias(there)), on=key, how="left", nulls_equal=True
        ).with_columns(pl.when(there).then(c).otherwise(amount(0)).alias(c) for c in names)
    return joined
