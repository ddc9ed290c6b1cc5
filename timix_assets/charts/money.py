"""What the firm earns, month by month, and what is left of it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from timix_assets.wording import counted

from ..metrics.amounts import ratio
from ..metrics.settings import Settings
from . import palette
from .periods import MONTH, MOST_MONTHS, is_running, iso, latest
from .picture import as_png, heading, panel_heading
from .text import PERCENT, UNKNOWN, day_name, left_out, looked_up, month_name, month_texts, number, percent

if TYPE_CHECKING:
    import altair as alt

MOST_CURRENCIES = 4

_WIDTH_OF_ONE, _WIDTH_OF_SEVERAL = 800, 370
_REVENUE_HEIGHT, _MARGIN_HEIGHT = 110, 60
_WIDEST_BAR = 30
_AXIS = 58
"""Pixels that the labels of either axis take, so that the panels of a currency stand one below the other."""
_LOWEST_MARGIN = -1.0


def revenue_and_margin(*, organization_money: pl.DataFrame, settings: Settings) -> bytes | None:
    """PNG: revenue by month as bars and the margin below as a line, a panel for each currency; None where nothing was earned.

    The latest 24 months, the 4 currencies with most months of revenue. Months without a margin are gaps, not 0 %.
    """
    import altair as alt  # noqa: PLC0415

    money = organization_money.with_columns(pl.col("currency").fill_null(UNKNOWN))
    earned = money.filter(pl.col("revenue").fill_null(0) != 0)
    if earned.is_empty():
        return None
    months = latest(earned["month"], MONTH, MOST_MONTHS)
    recent = money.filter(pl.col("month").is_between(months[0], months[-1])).sort("month")
    by_currency = earned.filter(pl.col("month") >= months[0]).group_by("currency").len()
    currencies = by_currency.sort("len", "currency", descending=[True, False])["currency"].to_list()
    shown = {c: recent.filter(pl.col("currency") == c) for c in currencies[:MOST_CURRENCIES]}
    width = _WIDTH_OF_ONE if len(shown) == 1 else _WIDTH_OF_SEVERAL
    panels = [_panel(currency, rows, months, width, settings.as_of) for currency, rows in shown.items()]
    beyond = any(rows["margin"].lt(_LOWEST_MARGIN).any() for rows in shown.values())
    return as_png(
        alt.concat(*panels, columns=2, spacing=24).properties(
            title=heading(
                f"{_message(shown)} in {counted(len(months), 'month')} to {month_name(months[-1])}",
                "Bars: TM hours × customer rate, per month. Line: margin, (revenue − cost) ÷ revenue, a gap where it is unknown.",
                f"Paler: month counted to {day_name(settings.as_of)}."
                if is_running(months[-1], settings.as_of)
                else "",
                f"Margins below {percent(_LOWEST_MARGIN)} are drawn at {percent(_LOWEST_MARGIN)}." if beyond else "",
                left_out(currencies[MOST_CURRENCIES:]),
            )
        )
    )


def _message(shown: Mapping[str, pl.DataFrame]) -> str:
    """The margin of the currency, or the lowest and the highest of several."""
    known = {c: margin for c, rows in shown.items() if (margin := _margin(rows)) is not None}
    if not known:
        return "Revenue, margin unknown,"
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if percent(known[low]) == percent(known[high]):
        return f"Margin {percent(known[low])} ({', '.join(known)})"
    return f"Margin from {percent(known[low])} ({low}) to {percent(known[high])} ({high})"


def _margin(rows: pl.DataFrame) -> float | None:
    """Of the months in which revenue and cost are known."""
    both = rows.filter(pl.col("revenue").is_not_null(), pl.col("cost").is_not_null())
    margin: float | None = both.select(
        ratio(pl.col("revenue").sum() - pl.col("cost").sum(), pl.col("revenue").sum())
    ).item()
    return margin


def _panel(
    currency: str, rows: pl.DataFrame, months: Sequence[date], width: int, as_of: date
) -> "alt.VConcatChart | alt.Chart":
    import altair as alt  # noqa: PLC0415

    drawn = rows.select(
        iso("month").alias("month"),
        pl.col("revenue").cast(pl.Float64),
        pl.col("margin").clip(_LOWEST_MARGIN),
        pl.Series("is_running", [is_running(m, as_of) for m in rows["month"]], pl.Boolean),
    )
    domain = [m.isoformat() for m in months]
    plain = alt.Axis(labels=False, ticks=False)
    named = alt.Axis(labelExpr=looked_up(month_texts(months, width=width)), ticks=False)
    has_margin = drawn["margin"].is_not_null().any()
    x = alt.X("month:O", title=None).scale(domain=domain)
    total = _margin(rows)
    title = panel_heading(
        f"{currency} {number(rows.select(pl.col('revenue').sum()).item())}",
        "margin unknown: cost is hidden or missing" if total is None else f"margin {percent(total)}",
    )
    bar = alt.condition("datum.is_running", alt.value(palette.REVENUE_SO_FAR), alt.value(palette.REVENUE))
    money = alt.Axis(format=",.0f", tickCount=4, domain=False, minExtent=_AXIS)
    bars = alt.Chart(drawn, width=width, height=_REVENUE_HEIGHT).mark_bar(
        size=min(width / len(months) - 2, _WIDEST_BAR)
    )
    months_of = x.axis(plain if has_margin else named)
    revenue: alt.Chart = bars.encode(months_of, alt.Y("revenue:Q", title=None, axis=money), color=bar)
    if not has_margin:
        return revenue.properties(title=title)
    share = alt.Axis(labelExpr=PERCENT, tickCount=3, domain=False, minExtent=_AXIS)
    line = alt.Chart(drawn, width=width, height=_MARGIN_HEIGHT).mark_line(
        color=palette.MARGIN, point=alt.OverlayMarkDef(color=palette.MARGIN, size=16)
    )
    margin = line.encode(x.axis(named), alt.Y("margin:Q", title=None, axis=share))
    return alt.vconcat(revenue, margin, spacing=6, title=title)
