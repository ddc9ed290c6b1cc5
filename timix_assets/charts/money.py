"""What the firm earns, month by month, and what is left of it."""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from timix_assets.text.figures import UNKNOWN, day_name, month_name, number, percent
from timix_assets.text.wording import count_noun

from ..metrics.amounts import ratio
from ..metrics.params import RollupParams
from . import palette
from .axes import left_axis, month_axis, month_positions, round_scale
from .palette import Colour
from .rendering import as_svg, grid, heading, left_out, panel_heading
from .svg import Drawing, Rectangle, curve, dots, rectangles, together
from .time_axis import MAX_MONTHS, MONTH, is_current, latest

MAX_CURRENCIES = 4

_WIDTH_OF_ONE, _WIDTH_OF_SEVERAL = 800, 370
_REVENUE_HEIGHT, _MARGIN_HEIGHT = 110, 60
_WIDEST_BAR = 30
_BETWEEN_PLOTS, _BETWEEN_COLUMNS, _BETWEEN_ROWS = 14, 82, 24
"""Pixels from plot to plot down and across, and from panel to panel down."""
_LOWEST_MARGIN = -1.0


def revenue_and_margin(*, organization_money: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: revenue by month as bars and the margin below as a line, a panel for each currency; None where nothing was earned.

    The latest 24 months, the 4 currencies with most months of revenue. Months without a margin are gaps, not 0 %.
    """
    money = organization_money.with_columns(pl.col("currency").fill_null(UNKNOWN))
    earned = money.filter(pl.col("revenue").fill_null(0) != 0)
    if earned.is_empty():
        return None
    months = latest(earned["month"], MONTH, MAX_MONTHS)
    recent = money.filter(pl.col("month").is_between(months[0], months[-1])).sort("month")
    by_currency = earned.filter(pl.col("month") >= months[0]).group_by("currency").len()
    currencies = by_currency.sort("len", "currency", descending=[True, False])["currency"].to_list()
    shown = {c: recent.filter(pl.col("currency") == c) for c in currencies[:MAX_CURRENCIES]}
    width = _WIDTH_OF_ONE if len(shown) == 1 else _WIDTH_OF_SEVERAL
    panels = [_panel(currency, rows, months, width, params.as_of) for currency, rows in shown.items()]
    beyond = any(rows["margin"].lt(_LOWEST_MARGIN).any() for rows in shown.values())
    chart = grid(panels, columns=2, column_width=width + _BETWEEN_COLUMNS, between_rows=_BETWEEN_ROWS)
    return as_svg(
        chart,
        heading(
            f"{_message(shown)} in {count_noun(len(months), 'month')} to {month_name(months[-1])}",
            "Bars: TM hours × customer rate, per month. Line: margin, (revenue − cost) ÷ revenue, a gap where it is unknown.",
            "Fixed prices are not in the revenue, though their cost is in the margin: see earned_revenue and earned_margin.",
            f"Paler: month counted to {day_name(params.as_of)}." if is_current(months[-1], params.as_of) else "",
            f"Margins below {percent(_LOWEST_MARGIN)} are drawn at {percent(_LOWEST_MARGIN)}." if beyond else "",
            left_out(currencies[MAX_CURRENCIES:]),
        ),
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


def _panel(currency: str, rows: pl.DataFrame, months: Sequence[date], width: int, as_of: date) -> Drawing:
    total = _margin(rows)
    margins = dict(rows.select("month", pl.col("margin").clip(_LOWEST_MARGIN)).iter_rows())
    has_margin = any(margin is not None for margin in margins.values())
    plots = [
        panel_heading(
            f"{currency} {number(rows.select(pl.col('revenue').sum()).item())}",
            "margin unknown: cost is hidden or missing" if total is None else f"margin {percent(total)}",
        ),
        _revenue(rows, months, width, as_of),
    ]
    end = _REVENUE_HEIGHT
    if has_margin:
        plots.append(_margin_line([margins.get(m) for m in months], months, width).moved(0, end + _BETWEEN_PLOTS))
        end += _BETWEEN_PLOTS + _MARGIN_HEIGHT
    return together(*plots, month_axis(months, width, end))


def _revenue(rows: pl.DataFrame, months: Sequence[date], width: int, as_of: date) -> Drawing:
    """A bar for each month, downwards where it is negative."""
    by_month = [(m, float(r)) for m, r in rows.select("month", "revenue").iter_rows() if r is not None]
    y = round_scale([revenue for _, revenue in by_month], 4, start=_REVENUE_HEIGHT, end=0)
    at, thickness = month_positions(months, width), min(width / len(months) - 2, _WIDEST_BAR)
    bars: dict[Colour, list[Rectangle]] = {}
    for month, revenue in by_month:
        top, bottom = sorted((y(0), y(revenue)))
        colour = palette.REVENUE_SO_FAR if is_current(month, as_of) else palette.REVENUE
        bars.setdefault(colour, []).append((at[month] - thickness / 2, top, thickness, bottom - top))
    return together(left_axis(y, width, 4), *(rectangles(each, colour) for colour, each in bars.items()))


def _margin_line(margins: Sequence[float | None], months: Sequence[date], width: int) -> Drawing:
    """By month; None is a gap."""
    y = round_scale([m for m in margins if m is not None], 3, start=_MARGIN_HEIGHT, end=0)
    at = month_positions(months, width).values()
    points = [None if margin is None else (x, y(margin)) for x, margin in zip(at, margins, strict=True)]
    there = [point for point in points if point is not None]
    return together(
        left_axis(y, width, 3, percent), curve(points, palette.MARGIN), dots(there, palette.MARGIN, diameter=4.5)
    )
