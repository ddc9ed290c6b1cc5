"""What people earn, cost and get billed, month by month and currency by currency. docs/metrics.md, 4."""

import polars as pl

from . import columns, earnings
from .amounts import EXACT, amount, exact_share, ratio, round_places, rounded
from .columns import BILLING, COST, CURRENCY, REVENUE, raw
from .earnings import COLUMNS, CURRENCY_OF_ENTRIES, MARGIN, counted_work
from .entries import TM
from .invoices import in_currency, is_billed, net
from .params import RollupParams
from .rollup import Preview, Rollup, rollup

_INVOICED = (
    REVENUE
    + CURRENCY
    + raw("time_reports", "invoice_id")
    + raw("invoices", "status", "currency", "subtotal", "total", "tax_amount")
)


PERSON_ECONOMICS = Rollup(
    "person_economics",
    group="money",
    key=("user_id", "month", "currency"),
    description="What does each person earn and cost, and how much of the worked value is billed? One row per person, month and "
    "currency with counted hours, without time off. Cost and margins are null for an API key whose role hides cost.",
    columns=(
        columns.text("user_id", "The person.", raw("time_reports", "user_id")),
        columns.date("month", "First day of the month.", raw("time_reports", "date")),
        columns.text("currency", CURRENCY_OF_ENTRIES, CURRENCY),
        *(
            COLUMNS[name]
            for name in (
                "logged_hours",
                "billable_hours",
                "tm_hours",
                "unrated_hours",
                "uncosted_hours",
                "revenue",
                "approved_revenue",
                "cost",
                "tm_cost",
            )
        ),
        columns.ratio(
            "tm_margin",
            "(Revenue − TM cost) ÷ revenue; null where more than 5 % (a setting) of the TM hours have no known cost.",
            MARGIN + BILLING,
        ),
        columns.quotient(
            "average_rate",
            "Revenue ÷ the TM hours that have a rate.",
            REVENUE,
            "money per hour, in the row's currency",
        ),
        columns.quotient(
            "cost_per_hour", "Cost ÷ the hours whose cost is known.", COST, "money per hour, in the row's currency"
        ),
        columns.money(
            "invoiced_value",
            "TM hours × customer rate of the work on invoices Issued, Sent or Paid, in their currency and of known net amount.",
            _INVOICED,
        ),
        columns.money(
            "billed_value",
            "That work's share of the invoices' net amounts, at most its value: an invoice above the value of its hours also "
            "bills something else. Rounded to 4 places.",
            _INVOICED,
        ),
        columns.ratio("realization", "Billed value ÷ invoiced value; null where nothing is invoiced.", _INVOICED),
    ),
    preview=Preview(
        sort=("-month", "-revenue"),
        columns=("user_name", "month", "currency", "logged_hours", "billable_hours", "revenue", "cost", "realization"),
    ),
)


@rollup(PERSON_ECONOMICS)
def person_economics(
    *,
    person_months: pl.LazyFrame,
    invoices: pl.LazyFrame,
    customers: pl.LazyFrame,
    organization: pl.LazyFrame,
    params: RollupParams,
) -> pl.LazyFrame:
    """What people earn, cost and get billed. Source: docs/metrics.md, 4.

    Returns:
        One row per user, month and currency with counted hours; hours and money, Decimal(38, 10), ratios and rates, Float64.
    """
    key = ["user_id", "period", "currency"]
    work = counted_work(person_months)
    billed = _billed(work, in_currency(invoices, customers=customers, organization=organization))
    value = pl.col("invoiced_value")
    return (
        work.group_by(key)
        .agg(*earnings.sums().values())
        .join(billed, on=key, how="left", nulls_equal=True)
        .with_columns(pl.col("invoiced_value", "billed_value").fill_null(amount(0)))
        .with_columns(
            pl.col("period").alias("month"),
            earnings.tm_margin(params.firm.money_policy).alias("tm_margin"),
            earnings.average_rate().alias("average_rate"),
            ratio(pl.col("cost"), pl.col("logged_hours") - pl.col("uncosted_hours")).alias("cost_per_hour"),
            ratio(pl.col("billed_value"), value).alias("realization"),
        )
    )


def _billed(work: pl.LazyFrame, invoices: pl.LazyFrame) -> pl.LazyFrame:
    """user_id, period, currency, invoiced_value, billed_value of the work on invoices that bill it."""
    nets = invoices.filter(is_billed()).select(
        pl.col("id").alias("invoice_id"), "currency", net().cast(EXACT).alias("net")
    )
    worked = (
        work.filter(pl.col("invoice_id").is_not_null(), pl.col("billing_type") == TM, pl.col("rated") > 0)
        .join(nets.drop_nulls("net"), on=["invoice_id", "currency"], nulls_equal=True)
        .group_by("user_id", "period", "currency", "invoice_id")
        .agg(pl.col("amount").sum().alias("value"), pl.col("net").first())
        .with_columns(pl.col("value").sum().over("invoice_id").alias("whole"))
        .filter(pl.col("whole") != 0)
    )
    net_of_it, whole = pl.col("net"), pl.col("whole")
    is_above = pl.when(whole > 0).then(net_of_it >= whole).otherwise(net_of_it <= whole)
    billed = pl.when(is_above).then("value").otherwise(exact_share(net_of_it, pl.col("value"), whole))
    return worked.group_by("user_id", "period", "currency").agg(
        rounded(pl.col("value").sum()).alias("invoiced_value"),
        round_places(billed.sum()).alias("billed_value"),
    )
