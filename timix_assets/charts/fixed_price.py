"""What fixed-price projects have earned so far, against what they cost."""

from typing import Any

import polars as pl

from timix_assets.text.figures import UNKNOWN, day_name, label, number, percent
from timix_assets.text.wording import count_noun

from ..metrics.amounts import ratio
from ..metrics.params import RollupParams
from . import palette
from .axes import Scale, bottom_axis, legend_row
from .budgets import with_is_open
from .rendering import as_svg, heading, row_middles, text_columns, texts
from .svg import Drawing, line, rectangles, together

MAX_PROJECTS = 25

_PROJECT_LENGTH, _CUSTOMER_LENGTH = 30, 20
_BAR_WIDTH, _ROW_HEIGHT = 260, 24
_TEXT_AT = {"project": -364, "customer": -146}
_FIGURE_AT = _BAR_WIDTH + 14
_MAX_SHARE = 1.5
"""A bar is cut off there; the figure beside it is whole."""

_SERIES = {"earned": palette.EARNED, "cost": palette.COST}


def earned_and_cost_bars(
    *, fixed_price_progress: pl.DataFrame, projects: pl.DataFrame, params: RollupParams
) -> str | None:
    """SVG: earned and cost to date as parts of the price, two bars for each open fixed-price project; None without any.

    At most 25, those first whose cost is farthest above what they earned. A bar whose figure is unknown is not there.
    """
    open_projects = with_is_open(fixed_price_progress, projects).filter("is_open")
    ranked = _ranked(open_projects)
    if ranked.is_empty():
        return None
    shown = _rows(ranked.head(MAX_PROJECTS))
    furthest = max(1.0, *shown.select(pl.max_horizontal("earned", "cost").fill_null(0)).to_series())
    x = Scale(0, min(furthest, _MAX_SHARE), 0, _BAR_WIDTH)
    height = shown.height * _ROW_HEIGHT
    there = {series: colour for series, colour in _SERIES.items() if shown[series].is_not_null().any()}
    chart = together(
        _bars(shown, "earned", x, _ROW_HEIGHT - 6),
        _bars(shown, "cost", x, (_ROW_HEIGHT - 6) // 3),
        line((x(1), 0), (x(1), height), palette.INK),
        text_columns(shown, _ROW_HEIGHT, {**_TEXT_AT, "figure": _FIGURE_AT}),
        bottom_axis(x, height, [share for share in (0, 0.5, 1, 1.5) if share <= x.high], percent, "Of the price"),
        legend_row(there, 0, height + 60),
    )
    closed = fixed_price_progress.height - open_projects.height
    return as_svg(chart, _heading(ranked, closed, shown, params))


def _bars(shown: pl.DataFrame, series: str, x: Scale, thickness: float) -> Drawing:
    """The bars of the rows in which the figure is known."""
    rows = zip(row_middles(shown.height, _ROW_HEIGHT), shown[series], strict=True)
    bars = [(0.0, y - thickness / 2, x(share), thickness) for y, share in rows if share is not None]
    return rectangles(bars, _SERIES[series])


def _ranked(progress: pl.DataFrame) -> pl.DataFrame:
    """Projects of which anything is known, with earned and cost as parts of the price: the largest loss first.

    A cost of which the margin is unknown is not whole, so it counts as unknown.
    """
    price = pl.col("contract_amount")
    cost_is_whole = pl.col("earned_margin").is_not_null() | (pl.col("earned_to_date") == 0)
    return (
        progress.with_columns(
            ratio(pl.col("earned_to_date"), price).alias("earned"),
            pl.when(cost_is_whole | pl.col("earned_to_date").is_null())
            .then(ratio(pl.col("cost_to_date"), price))
            .alias("cost"),
        )
        .filter(pl.any_horizontal(pl.col("earned", "cost").is_not_null()))
        .with_columns((pl.col("cost") - pl.col("earned")).alias("loss"))
        .sort("loss", "cost", "project_id", descending=[True, True, False], nulls_last=True)
    )


def _rows(ranked: pl.DataFrame) -> pl.DataFrame:
    """row, earned and cost (the bars' lengths), and the text beside them."""
    rows = ranked.to_dicts()
    return ranked.select(
        pl.col("earned", "cost").clip(lower_bound=0),
        texts("project", [_project(r) for r in rows]),
        texts("customer", [label(r["customer_name"], r["customer_id"], length=_CUSTOMER_LENGTH) for r in rows]),
        texts("figure", [_figure(r) for r in rows]),
    ).with_row_index("row")


def _project(row: dict[str, Any]) -> str:
    name = label(row["project_name"], row["project_id"], length=_PROJECT_LENGTH)
    return f"{name} *" if row["history_complete"] is False else name


def _figure(row: dict[str, Any]) -> str:
    """earned 1,200, cost 800 of 2,000 USD."""
    earned = UNKNOWN if row["earned"] is None else number(row["earned_to_date"])
    cost = UNKNOWN if row["cost"] is None else number(row["cost_to_date"])
    return f"earned {earned}, cost {cost} of {number(row['contract_amount'])} {row['currency'] or ''}".rstrip()


def _heading(ranked: pl.DataFrame, closed: int, shown: pl.DataFrame, params: RollupParams) -> Drawing:
    compared = ranked.drop_nulls("loss")
    losing, left_out = compared.filter(pl.col("loss") > 0).height, ranked.height - MAX_PROJECTS
    beyond = shown.select(pl.max_horizontal("earned", "cost").max()).item() > _MAX_SHARE
    cut_short = ranked.head(MAX_PROJECTS).filter(~pl.col("history_complete").fill_null(True)).height
    return heading(
        f"{losing:,} of {compared.height:,} fixed-price projects cost more than they have earned"
        if compared.height
        else "Whether fixed-price projects cost more than they have earned is unknown",
        f"To {day_name(params.as_of)}, today's plan. Wide bar: price × hours used ÷ hours expected. Narrow bar: cost of the Fix "
        "hours.",
        "* hours before the first loaded month are missing." if cut_short else "",
        f"The {MAX_PROJECTS} with the highest cost above what is earned; {left_out:,} left out."
        if left_out > 0
        else "",
        f"{count_noun(closed, 'completed or cancelled project')} left out." if closed else "",
        f"Bars end at {percent(_MAX_SHARE)}." if beyond else "",
    )
