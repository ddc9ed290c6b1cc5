"""Invoices as the formulas read them: which ones bill work, what is owed on them, and in which currency."""

from datetime import date

import polars as pl

from timix_assets.contract.endpoints import INVOICE_STATUSES

from .amounts import amount
from .hierarchy import with_customer_currency

DRAFT, ISSUED, SENT, PAID, _VOID = INVOICE_STATUSES
BILLED = (ISSUED, SENT, PAID)
"""Hours on such an invoice are billed; those on a Draft, Void or unknown one are still to be billed."""

UNPAID = (ISSUED, SENT)


def is_billed() -> pl.Expr:
    """Whether an invoice bills its hours."""
    return pl.col("status").is_in(BILLED).fill_null(False)


def is_draft() -> pl.Expr:
    """Whether an invoice is a draft."""
    return (pl.col("status") == DRAFT).fill_null(False)


def net() -> pl.Expr:
    """An invoice without tax: the subtotal, else total − tax; null when neither is known."""
    return pl.coalesce("subtotal", pl.col("total") - pl.col("tax_amount"))


def balance(as_of: date | pl.Expr) -> pl.Expr:
    """What is owed on an invoice as of the as-of date: 0 where nothing is, null where the total is unknown. docs/metrics.md, 5.

    as_of: a date, or an expression of one, such as the end of the row's month.
    """
    status = pl.col("status")
    paid_later = (status == PAID) & (pl.col("paid_date") > as_of)
    owed = (
        pl.when(status.is_in(UNPAID))
        .then(pl.col("total") - pl.col("amount_paid").fill_null(amount(0)))
        .when(paid_later)
        .then("total")
        .otherwise(amount(0))
    )
    return pl.when(pl.col("issue_date") > as_of).then(amount(0)).otherwise(owed)


def in_currency(invoices: pl.LazyFrame, *, customers: pl.LazyFrame, organization: pl.LazyFrame) -> pl.LazyFrame:
    """The invoices with their currency filled in: the customer's, else the organization's."""
    return with_customer_currency(invoices, customers=customers, organization=organization)
