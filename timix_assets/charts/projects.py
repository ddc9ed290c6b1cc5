"""What is left of what projects earned."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from timix_assets.text.figures import UNKNOWN, label, month_name, number, percent

from ..metrics.amounts import ratio
from ..metrics.params import RollupParams
from . import palette
from .axes import Scale, bottom_axis, ticks
from .rendering import as_svg, heading, row_middles, text_columns, texts
from .svg import Drawing, line, rectangles, together
from .time_axis import MONTH, latest

MAX_MONTHS, MAX_PROJECTS = 12, 30

_PROJECT_LENGTH, _CUSTOMER_LENGTH = 30, 20
_BAR_WIDTH, _ROW_HEIGHT = 260, 20
_TEXT_AT = {"project": -364, "customer": -146}
_PERCENT_AT, _FIGURE_AT = _BAR_WIDTH + 58, _BAR_WIDTH + 70
_LOWEST_MARGIN = -1.0


def margin_bars(*, project_profitability: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: margin of each project and currency, fixed prices included, lowest first; None where no margin is known.

    Of the latest 12 months; a project's figure is the ratio of sums over the months whose earned revenue and cost are known.
    The 30 with the lowest margins.
    """
    known = project_profitability.filter(
        pl.col("earned_margin").is_not_null(), pl.col("earned_revenue").fill_null(0) != 0
    )
    if known.is_empty():
        return None
    months = latest(known["month"], MONTH, MAX_MONTHS)
    recent = known.filter(pl.col("month") >= months[0]).with_columns(pl.col("currency").fill_null(UNKNOWN))
    projects = _projects(recent)
    if projects.is_empty():
        return None
    shown = _rows(projects.head(MAX_PROJECTS))
    x = Scale(min(0.0, *shown["margin"]), max(1.0, *shown["margin"]), 0, _BAR_WIDTH)
    height, thickness = shown.height * _ROW_HEIGHT, _ROW_HEIGHT - 6
    bars: dict[str, list[tuple[float, float, float, float]]] = {palette.MARGIN: [], palette.LOSS: []}
    for y, margin in zip(row_middles(shown.height, _ROW_HEIGHT), shown["margin"], strict=True):
        left, right = sorted((x(0), x(margin)))
        bars[palette.MARGIN if margin > 0 else palette.LOSS].append((left, y - thickness / 2, right - left, thickness))
    chart = together(
        *(rectangles(each, colour) for colour, each in bars.items() if each),
        line((x(0), 0), (x(0), height), palette.INK),
        text_columns(shown, _ROW_HEIGHT, {**_TEXT_AT, "figure": _FIGURE_AT}),
        text_columns(shown, _ROW_HEIGHT, {"percent": _PERCENT_AT}, "right"),
        bottom_axis(x, height, ticks(x, 5), percent, "(Earned − cost) ÷ earned"),
    )
    return as_svg(chart, _heading(months, recent, projects))


def _margin() -> pl.Expr:
    earned, cost = pl.col("earned_revenue").sum(), pl.col("cost").sum()
    return ratio(earned - cost, earned).alias("margin")


def _projects(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per project and currency whose months did not earn 0 together, lowest margin first."""
    names = pl.col("project_name", "customer_id", "customer_name").first()
    return (
        rows.group_by("project_id", "currency")
        .agg(_margin(), pl.col("earned_revenue", "cost").sum(), names)
        .filter(pl.col("margin").is_not_null())
        .sort("margin", "project_id", "currency")
    )


def _rows(projects: pl.DataFrame) -> pl.DataFrame:
    """margin (where the bar ends), and the text beside it."""
    rows = projects.to_dicts()
    return projects.select(
        pl.col("margin").clip(_LOWEST_MARGIN, 1),
        texts("project", [label(r["project_name"], r["project_id"], length=_PROJECT_LENGTH) for r in rows]),
        texts("customer", [label(r["customer_name"], r["customer_id"], length=_CUSTOMER_LENGTH) for r in rows]),
        texts("percent", [percent(r["margin"]) for r in rows]),
        texts("figure", [f"{number(r['earned_revenue'])} {r['currency']} earned" for r in rows]),
    )


def _heading(months: Sequence[date], recent: pl.DataFrame, projects: pl.DataFrame) -> Drawing:
    left_out = projects.height - MAX_PROJECTS
    first, last = month_name(months[0]), month_name(months[-1])
    losing = projects.filter(pl.col("margin") <= 0).height
    return heading(
        f"{losing:,} of {projects.height:,} projects earned no more than they cost",
        f"{first if first == last else f'{first} to {last}'}, fixed prices included; only months whose margin is known.",
        f"Margins below {percent(_LOWEST_MARGIN)} are drawn at {percent(_LOWEST_MARGIN)}."
        if (projects["margin"] < _LOWEST_MARGIN).any()
        else "",
        f"The {MAX_PROJECTS} with the lowest margins; {left_out:,} left out." if left_out > 0 else "",
    )
