"""Lock-up at past month-ends: `working_capital` over time, as today's entries and invoices show it. docs/metrics.md, 5."""

import calendar
from datetime import date

import polars as pl

from timix_assets.contract.schema import AMOUNT

from .amounts import ratio, sum_of_known
from .earnings import total_of
from .entries import OPEN_APPROVED, TM
from .invoices import PAID, balance, in_currency, is_billed
from .params import MIN_LOCKUP_DAYS, RollupParams
from .receivables import side_by_side
from .rollup import pre_aggregate

LOCKUP_MONTHS = pl.Schema(
    {
        "month": pl.Date(),
        "currency": pl.String(),
        "wip_days": pl.Float64(),
        "debtor_days": pl.Float64(),
        "lockup_days": pl.Float64(),
    }
)
"""The columns of `lockup_months`."""

_DAYS_PER_MONTH = 30
_KEY = ("month", "currency")
_PERIODS = pl.Schema({"month": pl.Date(), "first_month": pl.Date(), "last_day": pl.Date(), "window_days": pl.Int64()})


@pre_aggregate
def lockup_months(
    *,
    person_months: pl.LazyFrame,
    invoices: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """The days from work to cash at the end of each loaded month before as-of. Source: docs/metrics.md, 5.

    Timix keeps no history of approvals, part payments and voided invoices, so those count as they are today; invoices without
    an issue date are left out. The window is whole months, about as long as the setting (90 days: 3 months).

    Returns:
        `LOCKUP_MONTHS`: month (its first day), currency; wip_days, debtor_days and their sum. wip_days is null where work of the
        window was billed on an unknown date, debtor_days where an invoice of the window was paid on one. A row per month and
        currency with work or invoices until then.
    """
    periods = pl.LazyFrame(_periods(params), _PERIODS, orient="row")
    billed = in_currency(invoices, customers=customers, organization=organization)
    issued = billed.filter(is_billed(), params.is_loaded_to_as_of(pl.col("issue_date")))
    in_window = pl.col("issue_date").is_between("first_month", "last_day")
    paid_unknown = (pl.col("status") == PAID) & pl.col("paid_date").is_null()
    owed = (
        billed.join(periods, how="cross")
        .filter(pl.col("issue_date") <= pl.col("last_day"))
        .with_columns(
            balance(pl.col("last_day")).alias("balance"), is_undated=(paid_unknown & in_window).fill_null(False)
        )
    )
    parts = (
        _work(person_months, invoices, periods),
        owed.group_by(_KEY).agg(
            pl.when(~pl.col("is_undated").any()).then(sum_of_known("balance")).alias("outstanding")
        ),
        issued.join(periods, how="cross").filter(in_window).group_by(_KEY).agg(sum_of_known("total").alias("invoiced")),
    )
    return (
        side_by_side(parts, list(_KEY))
        .join(periods.select("month", "window_days"), on="month")
        .with_columns(
            _in_days("unbilled", "revenue").alias("wip_days"), _in_days("outstanding", "invoiced").alias("debtor_days")
        )
        .select(*_KEY, "wip_days", "debtor_days", lockup_days=pl.col("wip_days") + pl.col("debtor_days"))
        .sort(_KEY)
    )


def window_months(params: RollupParams) -> int:
    """How many months the window of a month-end has."""
    return max(round(params.firm.money_policy.lockup_window_days / _DAYS_PER_MONTH), 1)


def _work(person_months: pl.LazyFrame, invoices: pl.LazyFrame, periods: pl.LazyFrame) -> pl.LazyFrame:
    """month, currency, unbilled at its end (null where unknown), revenue of the window."""
    states = invoices.select(
        pl.col("id").alias("invoice_id"),
        is_billed().alias("is_billed"),
        pl.col("issue_date").dt.month_start().alias("billed_in"),
    )
    waits = pl.col("is_waiting") | (pl.col("is_approved") & (pl.col("billed_in") > pl.col("month")).fill_null(False))
    in_window = pl.col("is_counted") & (pl.col("period") >= pl.col("first_month"))
    is_undated = pl.col("is_approved") & ~pl.col("is_waiting") & pl.col("billed_in").is_null()
    return (
        person_months.filter(pl.col("billing_type") == TM, ~pl.col("is_time_off"))
        .join(states, on="invoice_id", how="left")
        .with_columns(pl.col("is_billed").fill_null(False))
        .with_columns(
            pl.when("is_billed").then("billed_in").alias("billed_in"),
            is_waiting=(pl.col("open_state") == OPEN_APPROVED).fill_null(False) & ~pl.col("is_billed"),
        )
        # A few rows a month, before each meets every month.
        .group_by("period", "currency", "billing_type", "is_counted", "is_approved", "is_waiting", "billed_in")
        .agg(pl.col("amount", "entries", "rated").sum())
        .join(periods, how="cross")
        .filter(pl.col("period") <= pl.col("month"))
        .group_by(_KEY)
        .agg(
            pl.when(~(is_undated & in_window).any()).then(total_of("amount", "rated", waits)).alias("unbilled"),
            total_of("amount", "rated", in_window).alias("revenue"),
        )
    )


def _periods(params: RollupParams) -> list[tuple[date, date, date, int]]:
    """Each loaded month that ended before as-of, the first month of its window, its last day, the window's loaded days."""
    length = window_months(params)
    ended = [month for month in params.loaded_months if _last_day(month) < params.as_of]
    windows = [(month, _months_before(month, length - 1)) for month in ended]
    return [
        (month, first, _last_day(month), sum(_last_day(each).day for each in ended if first <= each <= month))
        for month, first in windows
    ]


def _months_before(month: date, count: int) -> date:
    years, index = divmod(month.year * 12 + month.month - 1 - count, 12)
    return date(years, index + 1, 1)


def _last_day(month: date) -> date:
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


def _in_days(what: str, flow: str) -> pl.Expr:
    days = pl.col("window_days")
    return pl.when(days >= MIN_LOCKUP_DAYS).then(ratio(pl.col(what) * days.cast(AMOUNT), pl.col(flow)))
