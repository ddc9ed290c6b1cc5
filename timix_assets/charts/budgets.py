"""Which budgets are used up and how far, and how those that need attention came to be."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import polars as pl

from timix_assets.text.figures import day_name, label, percent, percent_reached, used_of_cap
from timix_assets.text.wording import count_noun

from ..metrics.budget_policy import AT_RISK, CLOSED, NEEDS_ATTENTION, ON_TRACK, OVER_BUDGET, thresholds
from ..metrics.budgets import unit_of
from ..metrics.params import RollupParams
from . import palette
from .axes import Scale, bottom_axis, left_axis, legend_row, month_axis, month_positions, round_scale, ticks
from .palette import Colour
from .rendering import as_svg, grid, heading, panel_heading, row_middles, text_columns, texts
from .svg import Drawing, Rectangle, area, curve, dots, line, rectangles, text, together
from .time_axis import MAX_MONTHS, MONTH, latest

MAX_BARS, MAX_CURVES = 25, 9

_PROJECT_LENGTH, _CUSTOMER_LENGTH = 30, 20
_BAR_WIDTH, _ROW_HEIGHT = 270, 20
_TEXT_AT = {"project": -428, "customer": -210, "scope": -64}
"""Pixels from the bars' start to each column of text."""
_PERCENT_AT, _FIGURE_AT = _BAR_WIDTH + 66, _BAR_WIDTH + 78
_MIN_BURN, _MAX_BURN = -0.5, 2.0
"""A bar is cut off there; the figure beside it shows the whole burn."""

_WIDTH, _HEIGHT, _COLUMNS = 236, 110, 3
_BETWEEN_ROWS, _BETWEEN_COLUMNS = 24, 70
"""Pixels from panel to panel down, and from plot to plot across."""


def budget_bars(
    *,
    budget_health: pl.DataFrame,
    projects: pl.DataFrame,
    organization: pl.DataFrame,
    params: RollupParams,
) -> str | None:
    """SVG: a bar of burn for each capped budget of an open project, worst first, at most 25; None without any.

    The bar has the colour of the budget's status. Lines mark the warning and critical thresholds and the cap (100 %).
    """
    capped = _capped_budgets(budget_health, projects)
    budgets = capped.filter("is_open")
    if budgets.is_empty():
        return None
    shown = _bars(_described(budgets.head(MAX_BARS)))
    burns = shown["shown_burn"].to_list()
    x = Scale(min(0, *burns), max(1.1, *burns), 0, _BAR_WIDTH)
    height = shown.height * _ROW_HEIGHT
    limits = thresholds(organization.lazy(), params.firm).select("warning", "critical").collect().cast(pl.Float64)
    warning, critical = limits.row(0)
    chart = together(
        *(
            rectangles([_bar(x, burn, middle)], palette.STATUS[status])
            for burn, status, middle in zip(burns, shown["status"], row_middles(shown.height, _ROW_HEIGHT), strict=True)
        ),
        *_limits(x, height, warning, critical),
        text_columns(shown, _ROW_HEIGHT, {**_TEXT_AT, "figure": _FIGURE_AT}),
        text_columns(shown, _ROW_HEIGHT, {"percent": _PERCENT_AT}, "right"),
        bottom_axis(x, height, ticks(x, 5), percent, "Used ÷ cap"),
        legend_row({status: palette.STATUS[status] for status in (OVER_BUDGET, AT_RISK, ON_TRACK)}, 0, height + 60),
    )
    return as_svg(chart, _heading(budgets, closed=capped.height - budgets.height, params=params))


def _bar(x: Scale, burn: float, middle: float) -> Rectangle:
    """From 0 to the burn, which may be negative."""
    left, right = sorted((x(0), x(burn)))
    return left, middle - _ROW_HEIGHT / 2 + 3, right - left, _ROW_HEIGHT - 6


def _bars(budgets: pl.DataFrame) -> pl.DataFrame:
    """row, shown_burn (the bar's length), status, and the text beside it."""
    rows = budgets.to_dicts()
    shown_burn = budgets.select(*_TEXT_AT, "status", pl.col("burn").clip(_MIN_BURN, _MAX_BURN).alias("shown_burn"))
    return shown_burn.with_columns(
        texts("percent", [percent_reached(r["used"], r["cap"]) for r in rows]),
        texts("figure", [used_of_cap(r["used"], r["cap"], r["unit"]) for r in rows]),
    ).with_row_index("row")


def _limits(x: Scale, height: float, warning: float, critical: float) -> Iterator[Drawing]:
    """The two thresholds, each in the colour of the status that begins there, and the cap; none beyond the bars' end."""
    at_cap = critical == 1
    if 0 <= warning <= x.high:
        yield _limit(x(warning), height, f"warning {percent(warning)}", palette.STATUS[AT_RISK], align="right")
    if 0 <= critical <= x.high:
        words = "critical = cap" if at_cap else f"critical {percent(critical)}"
        yield _limit(x(critical), height, words, palette.STATUS[OVER_BUDGET])
    if not at_cap:
        yield _limit(x(1), height, "cap", palette.INK, above=12)


def _limit(
    x: float, height: float, words: str, colour: Colour, *, align: Literal["left", "right"] = "left", above: float = 0
) -> Drawing:
    """A line, and its name above the bars."""
    return together(line((x, 0), (x, height), colour, dashed=True), text(x, -8 - above, words, align))


def _heading(budgets: pl.DataFrame, *, closed: int, params: RollupParams) -> Drawing:
    over, at_risk = (budgets.filter(pl.col("status") == status).height for status in NEEDS_ATTENTION)
    left_out = budgets.height - MAX_BARS
    return heading(
        f"{over:,} over budget and {at_risk:,} at risk, of {count_noun(budgets.height, 'budget')} of open projects",
        f"Used ÷ cap to {day_name(params.as_of)}: hours (TM, Fix, OVH), value of TM hours (amount), "
        "cost of Fix hours (contract).",
        f"The {MAX_BARS} with the highest burn; {left_out:,} left out." if left_out > 0 else "",
        f"{count_noun(closed, 'budget')} of completed and cancelled projects left out." if closed else "",
        f"Bars end at {percent(_MAX_BURN)}." if budgets["burn"][0] > _MAX_BURN else "",
    )


def budget_curves(
    *,
    budget_burn: pl.DataFrame,
    budget_health: pl.DataFrame,
    projects: pl.DataFrame,
    params: RollupParams,
) -> str | None:
    """SVG: cumulative use by month against the cap, a panel for each budget at risk or over; None without any.

    Open projects only, worst first, at most 9, over the latest 24 months from the first in which one of them was used.
    """
    troubled = _capped_budgets(budget_health, projects).filter("is_open", pl.col("status").is_in(NEEDS_ATTENTION))
    shown = _described(troubled.head(MAX_CURVES))
    burn = budget_burn.join(shown.select("project_id", "scope"), on=["project_id", "scope"])
    used = burn.filter((pl.col("used") != 0) | (pl.col("month") == pl.col("month").max()))
    if used.is_empty():
        return None
    months = latest(used["month"], MONTH, MAX_MONTHS)
    left_out = troubled.height - shown.height
    panels = [_panel(budget, burn, months) for budget in shown.iter_rows(named=True)]
    return as_svg(
        grid(panels, columns=_COLUMNS, column_width=_WIDTH + _BETWEEN_COLUMNS, between_rows=_BETWEEN_ROWS),
        heading(
            f"How {count_noun(troubled.height, 'budget')} of open projects came to be over or at risk",
            f"Cumulative use by month to {day_name(params.as_of)}, hours or money, against today's cap (line).",
            f"The {shown.height} with the highest burn; {left_out:,} left out." if left_out else "",
        ),
    )


def _panel(budget: Mapping[str, Any], burn: pl.DataFrame, months: Sequence[date]) -> Drawing:
    used = burn.filter(
        pl.col("project_id") == budget["project_id"], pl.col("scope") == budget["scope"], pl.col("month") >= months[0]
    ).sort("month")
    cap = float(budget["cap"])
    by_month = used.select("month", pl.col("cumulative_used").cast(pl.Float64)).rows()
    y = round_scale([cap, *(value for _, value in by_month)], 3, start=_HEIGHT, end=0)
    at = month_positions(months, _WIDTH)
    points = [(at[month], y(value)) for month, value in by_month]
    colour = palette.STATUS[budget["status"]]
    title = panel_heading(
        budget["project"],
        budget["customer"],
        f"{budget['scope']}, {used_of_cap(budget['used'], budget['cap'], budget['unit'])}, "
        f"{percent_reached(budget['used'], budget['cap'])}",
    )
    return together(
        title,
        left_axis(y, _WIDTH, 3),
        month_axis(months, _WIDTH, _HEIGHT),
        area(points, y(0), colour),
        curve(points, colour),
        dots(points, colour),
        line((0, y(cap)), (_WIDTH, y(cap)), palette.INK),
    )


def _capped_budgets(budget_health: pl.DataFrame, projects: pl.DataFrame) -> pl.DataFrame:
    """The projects' budgets with a cap and a known use, worst first, with `is_open`."""
    return (
        with_is_open(budget_health, projects)
        .filter(pl.col("level") == "project", pl.col("burn").is_not_null())
        .sort("burn", "project_id", "scope", descending=[True, False, False])
    )


def with_is_open(rows: pl.DataFrame, projects: pl.DataFrame) -> pl.DataFrame:
    """Rows of projects with `is_open`: whether the project is neither completed nor cancelled."""
    is_open = (~pl.col("status").is_in(CLOSED)).fill_null(True)
    statuses = projects.select(pl.col("id").alias("project_id"), is_open.alias("is_open"))
    return rows.join(statuses, on="project_id", how="left", maintain_order="left").with_columns(
        pl.col("is_open").fill_null(True)
    )


def _described(budgets: pl.DataFrame) -> pl.DataFrame:
    """With project, customer and unit as they are shown."""
    rows = budgets.to_dicts()
    return budgets.with_columns(
        texts("project", [label(r["project_name"], r["project_id"], length=_PROJECT_LENGTH) for r in rows]),
        texts("customer", [label(r["customer_name"], r["customer_id"], length=_CUSTOMER_LENGTH) for r in rows]),
        texts("unit", [unit_of(r["scope"], r["currency"]) for r in rows]),
    )
