"""How long approved work has been waiting for an invoice, and whose."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from timix_assets.wording import counted

from ..metrics.entries import bucket_labels
from ..metrics.settings import Settings
from . import palette
from .picture import as_png, heading, panel_heading
from .text import UNKNOWN, day_name, label, left_out, looked_up, number

if TYPE_CHECKING:
    import altair as alt

MOST_CURRENCIES, MOST_CUSTOMERS = 4, 6

_NAME_LENGTH = 28
_NAME_WIDTH, _BAR_WIDTH, _ROW_HEIGHT = 200, 480, 20


def unbilled_bars(*, unbilled_aging: pl.DataFrame, customers: pl.DataFrame, settings: Settings) -> bytes | None:
    """PNG: unbilled money by age, stacked, a panel for each currency; None where no money is unbilled.

    In each panel the 6 customers with most, and the others together; the 4 currencies with most entries.
    """
    import altair as alt  # noqa: PLC0415

    money = unbilled_aging.filter(pl.col("amount").fill_null(0) != 0).with_columns(
        pl.col("currency").fill_null(UNKNOWN)
    )
    if money.is_empty():
        return None
    buckets = bucket_labels(settings.aging)
    ramp = dict(zip(buckets, palette.ages(len(buckets)), strict=True))
    colours = {bucket: ramp[bucket] for bucket in buckets if bucket in set(money["bucket"])}
    currencies = money.group_by("currency").agg(pl.col("entry_count").sum())
    ranked = currencies.sort("entry_count", "currency", descending=[True, False])["currency"].to_list()
    panels = [
        _panel(currency, money.filter(pl.col("currency") == currency), customers, colours)
        for currency in ranked[:MOST_CURRENCIES]
    ]
    return as_png(
        alt.vconcat(*panels, spacing=20).properties(
            title=heading(
                _message(money, buckets[-1]),
                "Approved TM work without an invoice, by days of age on "
                f"{day_name(settings.as_of)}. Currencies are not added up.",
                _unpriced(unbilled_aging),
                left_out(ranked[MOST_CURRENCIES:]),
            )
        )
    )


def _message(money: pl.DataFrame, oldest: str) -> str:
    entries, old = money.select(
        pl.col("entry_count").sum(), pl.col("entry_count").filter(pl.col("bucket") == oldest).sum().alias("old")
    ).row(0)
    return f"{counted(entries, 'entry', 'entries')} not billed yet, {old:,} of them for {oldest} days"


def _unpriced(unbilled_aging: pl.DataFrame) -> str:
    hours = unbilled_aging.select(pl.col("hours").filter(pl.col("amount").is_null()).sum()).item()
    return f"{number(hours)} h without a customer rate are in no amount." if hours else ""


def _panel(
    currency: str, money: pl.DataFrame, customers: pl.DataFrame, colours: Mapping[str, str]
) -> "alt.LayerChart | alt.FacetChart":
    import altair as alt  # noqa: PLC0415

    by_customer = (
        money.group_by("customer_id")
        .agg(pl.col("amount").sum())
        .sort("amount", "customer_id", descending=[True, False])
    )
    placed = by_customer.with_row_index("row").with_columns(pl.col("row").clip(upper_bound=MOST_CUSTOMERS))
    rows = money.join(placed.select("customer_id", "row"), on="customer_id", nulls_equal=True)
    parts = (
        rows.group_by("row", "bucket")
        .agg(pl.col("amount").sum().cast(pl.Float64))
        .with_columns(
            pl.col("bucket").replace_strict({b: i for i, b in enumerate(colours)}, return_dtype=pl.Int64).alias("order")
        )
    )
    totals = rows.group_by("row").agg(pl.col("amount").sum()).sort("row")
    ends = totals.select("row", pl.col("amount").cast(pl.Float64).clip(lower_bound=0)).with_columns(
        pl.Series("figure", [number(a) for a in totals["amount"]], pl.String)
    )
    axis = alt.Axis(
        labelExpr=looked_up(_names(placed, customers)),
        ticks=False,
        domain=False,
        minExtent=_NAME_WIDTH,
        maxExtent=_NAME_WIDTH,
        labelPadding=6,
    )
    y = alt.Y("row:O", title=None, axis=axis).scale(domain=totals["row"].to_list())
    x = alt.X("amount:Q", title=None, axis=None)
    ages = alt.Color(
        "bucket:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(title="days", symbolType="square", offset=16),
    )
    by_age = money.group_by("bucket").agg(pl.col("amount").sum())
    amounts = dict(by_age.iter_rows())
    total = money.select(pl.col("amount").sum()).item()
    return alt.layer(
        alt.Chart(parts).mark_bar(height=_ROW_HEIGHT - 6).encode(x, y, ages, order="order:Q"),
        alt.Chart(ends).mark_text(align="left", dx=6).encode(x, y, text="figure:N"),
    ).properties(
        width=_BAR_WIDTH,
        height=alt.Step(_ROW_HEIGHT),
        title=panel_heading(
            f"{currency} {number(total)}",
            "By days: " + "; ".join(f"{bucket} {number(amounts[bucket])}" for bucket in colours if bucket in amounts),
        ),
    )


def _names(placed: pl.DataFrame, customers: pl.DataFrame) -> dict[str, str]:
    """The customer of each row, by its number; the last row may hold several."""
    named = customers.select(pl.col("id").alias("customer_id"), "name").unique("customer_id")
    first = placed.head(MOST_CUSTOMERS).join(named, on="customer_id", how="left")
    names = {
        str(r["row"]): label(r["name"], r["customer_id"], length=_NAME_LENGTH) for r in first.iter_rows(named=True)
    }
    others = placed.height - first.height
    return names | ({str(MOST_CUSTOMERS): counted(others, "other")} if others else {})
