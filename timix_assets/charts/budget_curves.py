"""How budgets in trouble were used up."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from timix_assets.wording import counted

from ..metrics.budget_status import WORRYING
from ..metrics.settings import Settings
from . import palette
from .budgets import capped_budgets, described
from .periods import MONTH, MOST_MONTHS, iso, latest
from .picture import as_png, heading, panel_heading
from .text import day_name, looked_up, month_texts, percent_reached, used_of_cap

if TYPE_CHECKING:
    import altair as alt

MOST_CURVES = 9

_WIDTH, _HEIGHT, _ABREAST = 236, 110, 3
_BETWEEN_ROWS, _BETWEEN_COLUMNS = 105, 70
"""Pixels from plot to plot, with axes and headings in between."""


def budget_curves(
    *,
    budget_burn: pl.DataFrame,
    budget_health: pl.DataFrame,
    projects: pl.DataFrame,
    customers: pl.DataFrame,
    settings: Settings,
) -> bytes | None:
    """PNG: cumulative use by month against the cap, a panel for each budget at risk or over; None without any.

    Open projects only, worst first, at most 9, over the latest 24 months from the first in which one of them was used.
    """
    import altair as alt  # noqa: PLC0415

    troubled = capped_budgets(budget_health, projects).filter("is_open", pl.col("status").is_in(WORRYING))
    shown = described(troubled.head(MOST_CURVES), customers)
    burn = budget_burn.join(shown.select("project_id", "scope"), on=["project_id", "scope"])
    used = burn.filter((pl.col("used") != 0) | (pl.col("month") == pl.col("month").max()))
    if used.is_empty():
        return None
    months = latest(used["month"], MONTH, MOST_MONTHS)
    left_out = troubled.height - shown.height
    panels = [_panel(budget, burn, months) for budget in shown.iter_rows(named=True)]
    spacing = alt.RowColnumber(row=_BETWEEN_ROWS, column=_BETWEEN_COLUMNS)
    return as_png(
        alt.concat(*panels, columns=_ABREAST, bounds="flush", spacing=spacing).properties(
            title=heading(
                f"How {counted(troubled.height, 'budget')} of open projects came to be over or at risk",
                f"Cumulative use by month to {day_name(settings.as_of)}, hours or money, against today's cap (line).",
                f"The {shown.height} with the highest burn; {left_out:,} left out." if left_out else "",
            )
        )
    )


def _panel(budget: Mapping[str, Any], burn: pl.DataFrame, months: Sequence[date]) -> "alt.LayerChart | alt.FacetChart":
    import altair as alt  # noqa: PLC0415

    used = burn.filter(
        pl.col("project_id") == budget["project_id"], pl.col("scope") == budget["scope"], pl.col("month") >= months[0]
    )
    drawn = used.select(iso("month").alias("month"), pl.col("cumulative_used").cast(pl.Float64).alias("used"))
    cap = float(budget["cap"])
    texts = looked_up(month_texts(months, width=_WIDTH))
    x = alt.X("month:O", title=None, axis=alt.Axis(labelExpr=texts, ticks=False))
    x = x.scale(domain=[m.isoformat() for m in months])
    y = alt.Y("used:Q", title=None, axis=alt.Axis(tickCount=3, format=",.0f" if cap >= 10 else ",.2~f", domain=False))
    colour = palette.STATUS[budget["status"]]
    curve = alt.Chart(drawn).encode(x, y)
    figures = used_of_cap(budget["used"], budget["cap"], budget["unit"])
    title = panel_heading(
        budget["project"],
        budget["customer"],
        f"{budget['scope']}, {figures}, {percent_reached(budget['used'], budget['cap'])}",
    )
    return alt.layer(
        curve.mark_area(color=colour, opacity=0.15),
        curve.mark_line(color=colour, strokeWidth=2, point=alt.OverlayMarkDef(color=colour, size=12)),
        alt.Chart(alt.InlineData([{"cap": cap}])).mark_rule(color=palette.INK).encode(y="cap:Q"),
    ).properties(width=_WIDTH, height=_HEIGHT, title=title)
