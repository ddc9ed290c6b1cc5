"""Unbilled work by age: what is approved and on no invoice that bills it. docs/metrics.md, 5."""

import polars as pl

from . import columns
from .columns import AS_OF, CURRENCY, CUSTOMER, PROJECT, UNBILLED, raw
from .earnings import CURRENCY_OF_ENTRIES, summed, total_of
from .entries import FIX, OPEN_APPROVED, OPEN_UNAPPROVED, TM
from .invoices import is_billed, is_draft
from .params import RollupParams
from .rollup import Preview, Rollup, rollup

_UNBILLED_AMOUNT = UNBILLED + raw("time_reports", "customer_rate")


def unbilled_work(person_months: pl.LazyFrame, invoices: pl.LazyFrame) -> pl.LazyFrame:
    """Work that waits to be billed or approved and that no invoice bills, without time off; with `on_draft_invoice`."""
    states = invoices.select(
        pl.col("id").alias("invoice_id"), is_billed().alias("is_billed"), is_draft().alias("on_draft_invoice")
    )
    return (
        person_months.filter(pl.col("open_state").is_not_null(), ~pl.col("is_time_off"))
        .join(states, on="invoice_id", how="left")
        .filter(~pl.col("is_billed").fill_null(False))
        .with_columns(pl.col("on_draft_invoice").fill_null(False))
    )


def is_unbilled() -> pl.Expr:
    """Approved TM work that no invoice bills yet."""
    return (pl.col("open_state") == OPEN_APPROVED) & (pl.col("billing_type") == TM)


def total_unbilled(condition: pl.Expr | None = None) -> pl.Expr:
    """Σ hours × customer rate of unbilled entries; null when there are some and none has a rate."""
    return total_of("amount", "rated", is_unbilled() if condition is None else is_unbilled() & condition)


UNBILLED_AGING = Rollup(
    "unbilled_aging",
    group="money",
    key=("customer_id", "project_id", "bucket", "currency"),
    description="What is approved and not billed, and how old is it? Approved TM work that is on no invoice Issued, Sent or "
    "Paid, by its age on the as-of date; hours on a Draft or Void invoice are still to be billed. Work waiting for approval and "
    "approved fixed-price work have columns of their own and are never in the total. Entries dated after as-of are in the "
    "bucket `future`.",
    columns=(
        columns.text("customer_id", "The customer.", CUSTOMER),
        columns.text("project_id", "The project.", PROJECT),
        columns.text(
            "bucket",
            "Age on the as-of date, in days: future, 0-30, 31-60, 61-90, 91+ (a setting).",
            raw("time_reports", "date"),
        ),
        columns.text("currency", CURRENCY_OF_ENTRIES, CURRENCY),
        columns.hours("hours", "Unbilled hours: Approved, TM, on no invoice that is Issued, Sent or Paid.", UNBILLED),
        columns.money(
            "amount",
            "Unbilled hours × customer rate; null when there are such hours and none has a rate.",
            _UNBILLED_AMOUNT,
        ),
        columns.count("entry_count", "Number of unbilled entries.", UNBILLED),
        columns.date("oldest_date", "Date of the oldest unbilled entry; null when there is none.", UNBILLED),
        columns.hours(
            "on_draft_invoice_hours", "Of the unbilled hours, those on an invoice that is a Draft.", UNBILLED
        ),
        columns.money("on_draft_invoice_amount", "Of the amount, that of those hours.", _UNBILLED_AMOUNT),
        columns.hours(
            "unapproved_hours",
            "Not in the total: TM hours still Draft or Submitted, on no invoice that bills them.",
            UNBILLED,
        ),
        columns.hours(
            "fixed_price_hours",
            "Not in the total: approved Fix hours on no invoice that bills them; the contract bills these.",
            UNBILLED,
        ),
        columns.as_of(),
    ),
    preview=Preview(
        sort=("-amount",),
        columns=("customer_name", "project_name", "bucket", "hours", "amount", "currency", "oldest_date"),
    ),
)


@rollup(UNBILLED_AGING)
def unbilled_aging(*, person_months: pl.LazyFrame, invoices: pl.LazyFrame, params: RollupParams) -> pl.LazyFrame:
    """Approved work that is not billed yet, by age. Source: docs/metrics.md, 5.

    Returns:
        One row per customer, project, bucket and currency with open hours (unbilled, unapproved or fixed-price); hours and
        money, Decimal(38, 10).
    """
    state, billing_type = pl.col("open_state"), pl.col("billing_type")
    is_unapproved = (state == OPEN_UNAPPROVED) & (billing_type == TM)
    is_fixed_price = (state == OPEN_APPROVED) & (billing_type == FIX)
    return (
        unbilled_work(person_months, invoices)
        .filter(is_unbilled() | is_unapproved | is_fixed_price)
        .group_by("customer_id", "project_id", "bucket", "currency")
        .agg(
            summed("hours", is_unbilled()).alias("hours"),
            total_unbilled().alias("amount"),
            summed("entries", is_unbilled()).alias("entry_count"),
            pl.when(is_unbilled()).then("first_date").min().alias("oldest_date"),
            summed("hours", is_unbilled() & pl.col("on_draft_invoice")).alias("on_draft_invoice_hours"),
            total_unbilled(pl.col("on_draft_invoice")).alias("on_draft_invoice_amount"),
            summed("hours", is_unapproved).alias("unapproved_hours"),
            summed("hours", is_fixed_price).alias("fixed_price_hours"),
        )
        .with_columns(pl.lit(params.as_of).alias(AS_OF))
    )
