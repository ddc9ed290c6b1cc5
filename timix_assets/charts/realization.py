"""How much of the worked value on invoices is billed, person by person."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from timix_assets.text.figures import UNKNOWN, label, month_name, number, percent

from ..metrics.amounts import ratio
from ..metrics.params import RollupParams
from . import palette
from .axes import Scale, bottom_axis, ticks
from .rendering import as_svg, heading, row_middles, text_columns, texts
from .svg import Drawing, rectangles, together
from .time_axis import MONTH, latest

MAX_MONTHS, MAX_PEOPLE = 12, 30

_NAME_LENGTH = 28
_NEARLY_ALL = 0.995
"""From here on it reads 100 %."""

_BAR_WIDTH, _ROW_HEIGHT = 320, 20
_NAME_AT, _PERCENT_AT, _FIGURE_AT = -214, _BAR_WIDTH + 58, _BAR_WIDTH + 70


def realization_bars(*, person_economics: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: billed ÷ worked value of each person and currency, lowest first; None where nothing is invoiced below its value.

    Of the work of the latest 12 months; a person's figure is the ratio of sums over these months. At most 30, none of 100 %.
    """
    invoiced = person_economics.filter(pl.col("invoiced_value").fill_null(0) != 0)
    if invoiced.is_empty():
        return None
    months = latest(invoiced["month"], MONTH, MAX_MONTHS)
    recent = invoiced.filter(pl.col("month") >= months[0]).with_columns(pl.col("currency").fill_null(UNKNOWN))
    everybody = _people(recent)
    people = everybody.filter((pl.col("realization") < _NEARLY_ALL).fill_null(True))
    if people.is_empty():
        return None
    shown = _rows(people.head(MAX_PEOPLE))
    x = Scale(0, 1, 0, _BAR_WIDTH)
    height, thickness = shown.height * _ROW_HEIGHT, _ROW_HEIGHT - 6
    tops = [y - thickness / 2 for y in row_middles(shown.height, _ROW_HEIGHT)]
    billed = zip(tops, shown["billed"].fill_null(0), strict=True)
    chart = together(
        rectangles([(0, top, _BAR_WIDTH, thickness) for top in tops], palette.WRITTEN_DOWN),
        rectangles([(0, top, x(share), thickness) for top, share in billed], palette.BILLED_SHARE),
        text_columns(shown, _ROW_HEIGHT, {"name": _NAME_AT, "figure": _FIGURE_AT}),
        text_columns(shown, _ROW_HEIGHT, {"percent": _PERCENT_AT}, "right"),
        bottom_axis(x, height, ticks(x, 5), percent, "Billed ÷ worked value"),
    )
    return as_svg(chart, _heading(months, recent, people, billed_in_full=everybody.height - people.height))


def _realization() -> pl.Expr:
    return ratio(pl.col("billed_value").sum(), pl.col("invoiced_value").sum()).alias("realization")


def _people(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per user and currency, lowest realization first."""
    sums = pl.col("billed_value", "invoiced_value").sum()
    return (
        rows.group_by("user_id", "currency")
        .agg(_realization(), sums, pl.col("user_name").first())
        .sort("realization", "user_id", "currency", nulls_last=True)
    )


def _rows(people: pl.DataFrame) -> pl.DataFrame:
    """row, billed (the bar's length), and the text beside it."""
    rows = people.to_dicts()
    return people.select(
        pl.col("realization").clip(0, 1).alias("billed"),
        texts("name", [label(r["user_name"], r["user_id"], length=_NAME_LENGTH) for r in rows]),
        texts("percent", [UNKNOWN if r["realization"] is None else percent(r["realization"]) for r in rows]),
        texts(
            "figure", [f"{number(r['billed_value'])} of {number(r['invoiced_value'])} {r['currency']}" for r in rows]
        ),
    ).with_row_index("row")


def _heading(months: Sequence[date], recent: pl.DataFrame, people: pl.DataFrame, *, billed_in_full: int) -> Drawing:
    left_out = people.height - MAX_PEOPLE
    first, last = month_name(months[0]), month_name(months[-1])
    return heading(
        f"{_message(recent)} of the worked value on invoices is billed",
        f"TM hours of {first if first == last else f'{first} to {last}'} on invoices Issued, Sent or Paid: their share of the "
        "net amounts ÷ their value.",
        f"{billed_in_full:,} with 100 % left out." if billed_in_full else "",
        f"The {MAX_PEOPLE} with the lowest realization; {left_out:,} left out." if left_out > 0 else "",
    )


def _message(recent: pl.DataFrame) -> str:
    """Of the currency, or the lowest and the highest of several."""
    by_currency = recent.group_by("currency").agg(_realization()).drop_nulls().sort("realization", "currency").rows()
    if not by_currency:
        return "An unknown part"
    (lowest, low), (highest, high) = by_currency[0], by_currency[-1]
    if percent(low) == percent(high):
        return f"{percent(low)} ({', '.join(currency for currency, _ in by_currency[:4])})"
    return f"{percent(low)} ({lowest}) to {percent(high)} ({highest})"
