"""Which budgets are used up, and how far."""

from typing import TYPE_CHECKING, Literal

import polars as pl

from timix_assets.wording import counted

from ..metrics.budget_status import AT_RISK, ON_TRACK, OVER_BUDGET, WORRYING
from ..metrics.settings import Settings
from ..metrics.thresholds import thresholds
from . import palette
from .budgets import capped_budgets, described, words
from .picture import as_png, heading
from .text import PERCENT, day_name, percent, percent_reached, used_of_cap

if TYPE_CHECKING:
    import altair as alt

MOST_BUDGETS = 25

_BAR_WIDTH, _ROW_HEIGHT = 270, 20
_WORDS_AT = {"project": -428, "customer": -210, "scope": -64}
"""Pixels from the bars' start to each column of words."""
_PERCENT_AT, _FIGURE_AT = _BAR_WIDTH + 66, _BAR_WIDTH + 78
_LEAST_DRAWN, _MOST_DRAWN = -0.5, 2.0
"""A bar of more burn is cut off there; the figure beside it still says it."""


def budget_bars(
    *,
    budget_health: pl.DataFrame,
    projects: pl.DataFrame,
    customers: pl.DataFrame,
    organization: pl.DataFrame,
    settings: Settings,
) -> bytes | None:
    """PNG: a bar of burn for each capped budget of an open project, worst first, at most 25; None without any.

    The bar has the colour of the budget's status. Lines mark the warning and critical thresholds and the cap (100 %).
    """
    import altair as alt  # noqa: PLC0415

    capped = capped_budgets(budget_health, projects)
    budgets = capped.filter("is_open")
    if budgets.is_empty():
        return None
    shown = _bars(described(budgets.head(MOST_BUDGETS), customers))
    bars = alt.Chart(shown)
    y = alt.Y("row:O", title=None, axis=None).scale(domain=shown["row"].to_list())
    x = alt.X("drawn:Q", title="Used ÷ cap", axis=alt.Axis(labelExpr=PERCENT, tickCount=5, grid=False))
    x = x.scale(domain=[min(0, *shown["drawn"]), max(1.1, *shown["drawn"])], nice=False)
    columns = [
        bars.mark_text(align="left").encode(y, x=alt.value(at), text=f"{column}:N") for column, at in _WORDS_AT.items()
    ]
    drawing = alt.layer(
        bars.mark_bar(height=_ROW_HEIGHT - 6).encode(x, y, _status_colour()),
        *_limits(*thresholds(organization.lazy(), settings.budgets).collect().cast(pl.Float64).row(0)),
        *columns,
        bars.mark_text(align="right").encode(y, x=alt.value(_PERCENT_AT), text="percent:N"),
        bars.mark_text(align="left").encode(y, x=alt.value(_FIGURE_AT), text="figure:N"),
    )
    title = _heading(budgets, closed=capped.height - budgets.height, settings=settings)
    return as_png(drawing.properties(width=_BAR_WIDTH, height=alt.Step(_ROW_HEIGHT), title=title))


def _bars(budgets: pl.DataFrame) -> pl.DataFrame:
    """row, drawn (the bar's length), status, and the words beside it."""
    rows = budgets.to_dicts()
    drawn = budgets.select(*_WORDS_AT, "status", pl.col("burn").clip(_LEAST_DRAWN, _MOST_DRAWN).alias("drawn"))
    return drawn.with_columns(
        words("percent", [percent_reached(r["used"], r["cap"]) for r in rows]),
        words("figure", [used_of_cap(r["used"], r["cap"], r["unit"]) for r in rows]),
    ).with_row_index("row")


def _status_colour() -> "alt.Color":
    import altair as alt  # noqa: PLC0415

    statuses = (OVER_BUDGET, AT_RISK, ON_TRACK)
    return alt.Color(
        "status:N",
        scale=alt.Scale(domain=statuses, range=[palette.STATUS[s] for s in statuses]),
        legend=alt.Legend(title=None, orient="bottom", direction="horizontal", symbolType="square"),
    )


def _limits(warning: float, critical: float) -> "list[alt.Chart]":
    """The two thresholds, each in the colour of the status that begins there, and the cap."""
    at_cap = critical == 1
    return [
        *_limit(warning, f"warning {percent(warning)}", palette.STATUS[AT_RISK], align="right"),
        *_limit(critical, "critical = cap" if at_cap else f"critical {percent(critical)}", palette.STATUS[OVER_BUDGET]),
        *([] if at_cap else _limit(1, "cap", palette.INK, above=12)),
    ]


def _limit(
    at: float, text: str, colour: str, *, align: Literal["left", "right"] = "left", above: int = 0
) -> "tuple[alt.Chart, alt.Chart]":
    """A line, and its name above the bars."""
    import altair as alt  # noqa: PLC0415

    limit = alt.Chart(alt.InlineData([{"at": at}])).encode(x="at:Q")
    return (
        limit.mark_rule(color=colour, strokeDash=[4, 3]),
        limit.mark_text(align=align, dy=-8).encode(y=alt.value(-above), text=alt.value(text)),
    )


def _heading(budgets: pl.DataFrame, *, closed: int, settings: Settings) -> "alt.TitleParams":
    over, at_risk = (budgets.filter(pl.col("status") == status).height for status in WORRYING)
    left_out = budgets.height - MOST_BUDGETS
    return heading(
        f"{over:,} over budget and {at_risk:,} at risk, of {counted(budgets.height, 'budget')} of open projects",
        f"Used ÷ cap to {day_name(settings.as_of)}: hours (TM, Fix, OVH), value of TM hours (amount), "
        "cost of Fix hours (contract).",
        f"The {MOST_BUDGETS} with the highest burn; {left_out:,} left out." if left_out > 0 else "",
        f"{counted(closed, 'budget')} of completed and cancelled projects left out." if closed else "",
        f"Bars end at {percent(_MOST_DRAWN)}." if budgets["burn"][0] > _MOST_DRAWN else "",
    )
