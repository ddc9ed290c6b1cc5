"""Closed months: what they said when they were closed, and what the same months say now. docs/metrics.md, 7."""

import polars as pl

from . import columns
from .amounts import amount
from .columns import BILLING, COST, COUNTED, CURRENCY, PROJECT, REVENUE, raw
from .earnings import CURRENCY_OF_ENTRIES, counted_work, total_of, total_revenue
from .entries import TM
from .invoices import is_billed
from .params import RollupParams
from .rollup import Column, Preview, Rollup, rollup

FIGURES = ("hours", "revenue", "cost", "invoiced_value")
PROTECTED = ("hours", "revenue", "cost")
"""The figures that a closed month must keep. Work is invoiced after its month is closed: `invoiced_value` is expected to grow."""

_KEY = ("month", "project_id", "user_id", "currency")
_INVOICED = REVENUE + raw("time_reports", "invoice_id") + raw("invoices", "status")


def _figures(prefix: str, when: str) -> dict[str, Column]:
    return {
        "hours": columns.hours(f"{prefix}hours", f"Counted hours without time off, {when}.", COUNTED),
        "revenue": columns.money(f"{prefix}revenue", f"TM hours × customer rate, {when}.", REVENUE),
        "cost": columns.money(f"{prefix}cost", f"Hours × cost rate, {when}.", COST),
        "invoiced_value": columns.money(
            f"{prefix}invoiced_value",
            f"TM hours × customer rate of work on invoices Issued, Sent or Paid, {when}.",
            _INVOICED,
        ),
    }


_IDENTITY = (
    columns.date("month", "First day of the closed month.", raw("time_reports", "date")),
    columns.text("project_id", "The project; null for hours whose project is unknown.", PROJECT),
    columns.text("user_id", "The person.", raw("time_reports", "user_id")),
    columns.text("currency", CURRENCY_OF_ENTRIES, CURRENCY + BILLING),
    columns.date("closed_on", "The as-of date of the run that closed the month.", raw("time_reports", "date")),
)

CLOSED_MONTHS = Rollup(
    "closed_months",
    group="closing",
    key=_KEY,
    description="What did each month say when it was closed? The job close_month writes a month once and never changes it: "
    "one row per closed month, project, person and currency. A month without work has one row without project, person and "
    "currency.",
    columns=(
        *_IDENTITY,
        *_figures("", "when the month was closed").values(),
    ),
    preview=Preview(
        sort=("-month", "-revenue"),
        columns=(
            "month",
            "project_name",
            "user_name",
            "currency",
            "hours",
            "revenue",
            "cost",
            "invoiced_value",
            "closed_on",
        ),
    ),
)
"""The table `meta/closed_months`; not a rollup, since it is never computed again."""


def month_figures(person_months: pl.LazyFrame, invoices: pl.LazyFrame) -> pl.LazyFrame:
    """month, project_id, user_id, currency, and the figures of a month as they are now; null where no price is known."""
    billed = invoices.filter(is_billed()).select(pl.col("id").alias("invoice_id"), pl.lit(True).alias("is_billed"))
    work = counted_work(person_months).join(billed, on="invoice_id", how="left")
    is_invoiced = pl.col("is_billed").fill_null(False) & (pl.col("billing_type") == TM)
    return work.group_by(pl.col("period").alias("month"), *_KEY[1:]).agg(
        pl.col("hours").sum(),
        total_revenue().alias("revenue"),
        total_of("cost", "costed", pl.lit(True)).alias("cost"),
        total_of("amount", "rated", is_invoiced).alias("invoiced_value"),
    )


RESTATEMENTS = Rollup(
    "restatements",
    group="closing",
    key=_KEY,
    description="Did a closed month change afterwards? One row per closed month, project, person and currency: the figures when "
    "the month was closed (meta/closed_months), now, and the difference. Timix's past can change; nothing else protects a closed "
    "month.",
    columns=(
        *_IDENTITY,
        *(
            column
            for name in FIGURES
            for column in (
                _figures("closed_", "when the month was closed")[name],
                _figures("", "now")[name],
                (columns.hours if name == "hours" else columns.money)(
                    f"{name}_difference",
                    "Now less when closed; null where either is unknown.",
                    _figures("", "")[name].lineage,
                ),
            )
        ),
        columns.flag(
            "is_restated",
            "True when hours or revenue differ, or cost where both are known: another key may hide it. The invoiced value does "
            "not count, since work is invoiced after its month is closed.",
            COUNTED + REVENUE + COST,
        ),
    ),
    preview=Preview(
        sort=("-is_restated", "-month"),
        columns=(
            "month",
            "project_name",
            "user_name",
            "currency",
            "hours_difference",
            "revenue_difference",
            "cost_difference",
            "is_restated",
        ),
    ),
)


@rollup(RESTATEMENTS)
def restatements(
    *, closed_months: pl.LazyFrame, person_months: pl.LazyFrame, invoices: pl.LazyFrame, params: RollupParams
) -> pl.LazyFrame:
    """What closed months said then and now. Source: docs/metrics.md, 7.

    Returns:
        One row per closed month, project, person and currency, of then or now; hours and money, Decimal(38, 10). A month of
        which every entry is gone has its rows of then.
    """
    # An earlier as-of cuts its own month short: only months before it can be compared.
    over = closed_months.filter(pl.col("month") < params.as_of.replace(day=1), pl.col("month").is_in(params.months))
    months = over.group_by("month").agg(pl.col("closed_on").max())
    closed = over.select(*_KEY, *(pl.col(name).alias(f"closed_{name}") for name in FIGURES))
    now = month_figures(person_months.join(months, left_on="period", right_on="month", how="semi"), invoices)
    # A month without any entry today is compared too, if it was read; one that was not read says nothing.
    then = closed.filter(pl.col("user_id").is_not_null())
    both = then.with_columns(pl.lit(True).alias("was")).join(
        now.with_columns(pl.lit(True).alias("is")), on=_KEY, how="full", coalesce=True, nulls_equal=True
    )
    return (
        both.with_columns(
            *(pl.when("was").then(f"closed_{name}").otherwise(amount(0)).alias(f"closed_{name}") for name in FIGURES),
            *(pl.when("is").then(name).otherwise(amount(0)).alias(name) for name in FIGURES),
        )
        .with_columns(
            *((pl.col(name) - pl.col(f"closed_{name}")).alias(f"{name}_difference") for name in FIGURES),
            _is_restated().alias("is_restated"),
        )
        .join(months, on="month", how="left")
    )


def _is_restated() -> pl.Expr:
    hours, revenue, cost = PROTECTED
    differs = [pl.col(name).ne_missing(pl.col(f"closed_{name}")) for name in (hours, revenue)]
    return pl.any_horizontal(*differs, (pl.col(cost) != pl.col(f"closed_{cost}")).fill_null(False))
