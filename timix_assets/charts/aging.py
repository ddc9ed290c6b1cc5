"""How long money has been waiting, by customer: for an invoice, and for its payment."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from timix_assets.text.figures import UNKNOWN, day_name, label, number
from timix_assets.text.wording import count_noun

from ..metrics.entries import bucket_labels
from ..metrics.params import RollupParams
from ..metrics.receivables import NOT_DUE, receivable_labels
from . import palette
from .axes import Scale, legend_column
from .palette import Colour
from .rendering import as_svg, grid, heading, left_out, panel_heading, row_middles
from .svg import Drawing, rectangles, text, together

MAX_CURRENCIES, MAX_CUSTOMERS = 4, 6

_NAME_LENGTH = 28
_BAR_WIDTH, _ROW_HEIGHT, _THICKNESS = 480, 20, 14
_BETWEEN_PANELS = 20


def unbilled_bars(*, unbilled_aging: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: unbilled money by age, stacked, a panel for each currency; None where no money is unbilled.

    In each panel the 6 customers with most, and the others together; the 4 currencies with most entries.
    """
    buckets = bucket_labels(params.firm.aging_buckets)
    unpriced = unbilled_aging.select(pl.col("hours").filter(pl.col("amount").is_null()).sum()).item()
    return _bars_by_age(
        unbilled_aging.with_columns(count="entry_count"),
        buckets,
        lambda entries, by_bucket: (
            f"{count_noun(entries, 'entry', 'entries')} not billed yet, {by_bucket.get(buckets[-1], 0):,} of them for "
            f"{buckets[-1]} days"
        ),
        f"Approved TM work without an invoice, by days of age on {day_name(params.as_of)}. Currencies are not added up.",
        f"{number(unpriced)} h without a customer rate are in no amount." if unpriced else "",
    )


def receivable_bars(*, receivables_aging: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: unpaid invoices by days overdue, stacked, a panel for each currency; None where nothing is owed.

    In each panel the 6 customers who owe most, and the others together; the 4 currencies with most invoices.
    """
    is_unknown = pl.col("outstanding").is_null()
    unknown = receivables_aging.select(pl.col("invoice_count").filter(is_unknown).sum()).item()
    return _bars_by_age(
        receivables_aging.with_columns(amount="outstanding", count="invoice_count"),
        receivable_labels(params.firm.aging_buckets),
        lambda invoices, by_bucket: (
            f"{count_noun(invoices, 'invoice')} not paid yet, {invoices - by_bucket.get(NOT_DUE, 0):,} of them overdue"
        ),
        f"Balances of invoices, tax included, by days overdue on {day_name(params.as_of)}. Currencies are not added up.",
        f"{count_noun(unknown, 'invoice')} of unknown total in no amount." if unknown else "",
    )


def _bars_by_age(
    rows: pl.DataFrame, buckets: Sequence[str], message: Callable[[int, Mapping[str, int]], str], *notes: str
) -> str | None:
    """A panel for each currency.

    Args:
        rows: customer_id, customer_name, bucket, currency, amount, count.
        buckets: From the youngest.
        message: Makes the title of the count of all rows with money, and of the counts by bucket.
        notes: Below the title.
    """
    money = rows.filter(pl.col("amount").fill_null(0) != 0).with_columns(pl.col("currency").fill_null(UNKNOWN))
    if money.is_empty():
        return None
    by_bucket = dict(money.group_by("bucket").agg(pl.col("count").sum()).iter_rows())
    ramp = dict(zip(buckets, palette.ages(len(buckets)), strict=True))
    colours = {bucket: ramp[bucket] for bucket in buckets if bucket in by_bucket}
    currencies = money.group_by("currency").agg(pl.col("count").sum())
    ranked = currencies.sort("count", "currency", descending=[True, False])["currency"].to_list()
    panels = [
        _panel(currency, money.filter(pl.col("currency") == currency), colours) for currency in ranked[:MAX_CURRENCIES]
    ]
    title = heading(message(sum(by_bucket.values()), by_bucket), *notes, left_out(ranked[MAX_CURRENCIES:]))
    chart = grid(panels, columns=1, column_width=0, between_rows=_BETWEEN_PANELS)
    words = {_in_words(bucket): colour for bucket, colour in colours.items()}
    return as_svg(together(chart, legend_column(words, chart.box[2] + 16, -panels[0].box[1], "days")), title)


def _panel(currency: str, money: pl.DataFrame, colours: Mapping[str, Colour]) -> Drawing:
    by_customer = (
        money.group_by("customer_id")
        .agg(pl.col("amount").sum(), pl.col("customer_name").first())
        .sort("amount", "customer_id", descending=[True, False])
    )
    placed = by_customer.with_row_index("row").with_columns(pl.col("row").clip(upper_bound=MAX_CUSTOMERS))
    rows = money.join(placed.select("customer_id", "row"), on="customer_id", nulls_equal=True)
    amounts = rows.group_by("row", "bucket").agg(pl.col("amount").sum().cast(pl.Float64))
    totals = rows.group_by("row").agg(pl.col("amount").sum()).sort("row")["amount"].to_list()
    by_bucket = dict(money.group_by("bucket").agg(pl.col("amount").sum()).iter_rows())
    parts = _stacked({(row, bucket): amount for row, bucket, amount in amounts.iter_rows()}, list(colours))
    x = Scale(min(0.0, *(p.low for p in parts)), max(p.high for p in parts) or 1.0, 0, _BAR_WIDTH)
    middles = row_middles(len(totals), _ROW_HEIGHT)
    ends = [max(x(p.high) for p in parts if p.row == row) for row in range(len(totals))]
    return together(
        panel_heading(
            f"{currency} {number(money.select(pl.col('amount').sum()).item())}",
            "By days: " + "; ".join(f"{_in_words(b)} {number(by_bucket[b])}" for b in colours if b in by_bucket),
        ),
        *(text(-6, middles[row], name, "right") for row, name in _names(placed).items()),
        *(
            rectangles(
                [(x(p.low), middles[p.row] - _THICKNESS / 2, x(p.high) - x(p.low), _THICKNESS)], colours[p.bucket]
            )
            for p in parts
        ),
        *(text(end + 6, y, number(total)) for end, y, total in zip(ends, middles, totals, strict=True)),
    )


class _Part(NamedTuple):
    """One bucket's part of a bar, from one amount to another."""

    row: int
    bucket: str
    low: float
    high: float


def _stacked(amounts: Mapping[tuple[int, str], float], buckets: Sequence[str]) -> list[_Part]:
    """The parts of each row, one after another from 0: positive ones upwards, negative ones downwards."""
    parts, tops, bottoms = [], defaultdict[int, float](float), defaultdict[int, float](float)
    for row, bucket in sorted(amounts, key=lambda key: (key[0], buckets.index(key[1]))):
        amount = amounts[row, bucket]
        ends = tops if amount >= 0 else bottoms
        low, high = sorted((ends[row], ends[row] + amount))
        ends[row] += amount
        parts.append(_Part(row, bucket, low, high))
    return parts


def _in_words(bucket: str) -> str:
    return bucket.replace("_", " ")


def _names(placed: pl.DataFrame) -> dict[int, str]:
    """The customer of each row, by its number; the last row may hold several."""
    first = placed.head(MAX_CUSTOMERS)
    names = {
        r["row"]: label(r["customer_name"], r["customer_id"], length=_NAME_LENGTH) for r in first.iter_rows(named=True)
    }
    others = placed.height - first.height
    return names | ({MAX_CUSTOMERS: count_noun(others, "other")} if others else {})
