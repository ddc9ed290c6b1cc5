"""The firm's money per month and currency: earned, spent, invoiced, paid, owed and unbilled. docs/metrics.md, 6."""

import polars as pl

from . import columns, earnings
from .amounts import sum_of_known
from .columns import CURRENCY, UNBILLED, derived, raw
from .earnings import COLUMNS, MARGIN, counted_work
from .invoices import PAID, in_currency, is_billed, net
from .params import RollupParams
from .project_profitability import margins
from .receivables import open_invoices, side_by_side
from .rollup import Preview, Rollup, rollup
from .unbilled import is_unbilled, total_unbilled, unbilled_work

_ISSUED = raw("invoices", "total", "status", "issue_date")
_EARNED = derived("project_profitability", "fixed_earned", "unearned_hours")
_MONTH = ("month", "currency")

ORGANIZATION_MONEY = Rollup(
    "organization_money",
    group="organization",
    key=_MONTH,
    description="What did the firm earn, invoice and collect? One row per loaded month and currency with work, an invoice or "
    "unbilled work. Currencies are never added up. 0 where nothing happened, null where a value is unknown.",
    columns=(
        columns.date(
            "month", "First day of the month.", raw("time_reports", "date") + raw("invoices", "issue_date", "paid_date")
        ),
        columns.text("currency", "ISO 4217 currency of the row's money.", CURRENCY + raw("invoices", "currency")),
        COLUMNS["revenue"],
        COLUMNS["approved_revenue"],
        COLUMNS["cost"],
        COLUMNS["tm_cost"],
        COLUMNS["uncosted_hours"],
        columns.ratio(
            "margin",
            "(Revenue − cost) ÷ revenue, TM revenue against all cost; null without revenue, and where more than 5 % (a setting) "
            "of the hours have no known cost.",
            MARGIN,
        ),
        columns.ratio("tm_margin", "(Revenue − TM cost) ÷ revenue; null likewise, of the TM hours.", MARGIN),
        columns.money("fixed_earned", "What fixed-price work earned: the sum of project_profitability's.", _EARNED),
        columns.hours("unearned_hours", "Fix hours that earn nothing there.", _EARNED),
        columns.money("earned_revenue", "Revenue + fixed earned; null if either is.", MARGIN + _EARNED),
        columns.ratio(
            "earned_margin",
            "(Earned revenue − cost) ÷ earned revenue; null likewise, and where more than 5 % of the hours earn nothing.",
            MARGIN + _EARNED,
        ),
        columns.money("invoiced", "Total, tax included, of invoices Issued, Sent or Paid, by issue date.", _ISSUED),
        columns.money(
            "invoiced_net",
            "The same without tax: the subtotal, else total − tax.",
            _ISSUED + raw("invoices", "subtotal", "tax_amount"),
        ),
        columns.money(
            "paid",
            "Total, tax included, of Paid invoices, by payment date.",
            raw("invoices", "total", "status", "paid_date"),
        ),
        columns.money(
            "outstanding",
            "What is owed as of the as-of date on the invoices issued in the month: total less what is paid of it.",
            _ISSUED + raw("invoices", "amount_paid", "paid_date"),
        ),
        columns.money(
            "unbilled",
            "Approved TM work that no invoice bills yet, by the date of the work, within the loaded months.",
            UNBILLED + raw("time_reports", "customer_rate"),
        ),
        columns.money(
            "on_draft_invoice_amount",
            "Of the unbilled, what is on an invoice that is a Draft.",
            UNBILLED + raw("time_reports", "customer_rate"),
        ),
    ),
    preview=Preview(
        sort=("-month", "currency"),
        columns=(
            "month",
            "currency",
            "revenue",
            "cost",
            "margin",
            "earned_revenue",
            "earned_margin",
            "invoiced",
            "paid",
            "outstanding",
            "unbilled",
        ),
    ),
)


@rollup(ORGANIZATION_MONEY)
def organization_money(
    *,
    person_months: pl.LazyFrame,
    work_months: pl.LazyFrame,
    project_profitability: pl.LazyFrame,
    invoices: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """The firm's money by month. Source: docs/metrics.md, 6.

    Returns:
        One row per month and currency with work, invoices or unbilled work; money and hours, Decimal(38, 10), margins, Float64.
    """
    work = counted_work(work_months).rename({"period": "month"}).group_by(_MONTH).agg(*earnings.sums().values())
    earned = project_profitability.group_by(_MONTH).agg(sum_of_known("fixed_earned"), pl.col("unearned_hours").sum())
    unbilled = (
        unbilled_work(person_months, invoices)
        .rename({"period": "month"})
        .filter(is_unbilled(), params.is_loaded(pl.col("month")))
        .group_by(_MONTH)
        .agg(
            total_unbilled().alias("unbilled"),
            total_unbilled(pl.col("on_draft_invoice")).alias("on_draft_invoice_amount"),
        )
    )
    billed = in_currency(invoices, customers=customers, organization=organization)
    issued = billed.filter(is_billed()).with_columns(net().alias("net"))
    parts = (
        work,
        earned,
        _dated(issued, "issue_date", params).agg(
            sum_of_known("total").alias("invoiced"), sum_of_known("net").alias("invoiced_net")
        ),
        _dated(billed.filter(pl.col("status") == PAID), "paid_date", params).agg(sum_of_known("total").alias("paid")),
        _dated(open_invoices(billed, params), "issue_date", params).agg(sum_of_known("balance").alias("outstanding")),
        unbilled,
    )
    return side_by_side(parts, list(_MONTH)).with_columns(margins(params))


def _dated(invoices: pl.LazyFrame, date: str, params: RollupParams) -> "pl.lazyframe.group_by.LazyGroupBy":
    """The invoices grouped by the month of that date and their currency, if it is in a loaded month to as-of."""
    month = pl.col(date).dt.month_start().alias("month")
    return invoices.filter(params.is_loaded_to_as_of(pl.col(date))).with_columns(month).group_by(_MONTH)
