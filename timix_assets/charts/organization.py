"""The firm as a whole, month by month."""

from typing import TYPE_CHECKING

import polars as pl

from ..metrics.settings import Settings
from . import palette
from .periods import MONTH, MOST_MONTHS, is_running, iso, latest
from .picture import as_png, heading
from .text import PERCENT, against_target, day_name, looked_up, month_name, month_texts, percent

if TYPE_CHECKING:
    import altair as alt

_WIDTH, _HEIGHT, _LINE_OF_TEXT = 700, 240, 14
_LINES = {"billable_utilization": ("billable", palette.BILLABLE), "total_utilization": ("total", palette.TOTAL)}


def utilization_lines(*, organization_kpis: pl.DataFrame, settings: Settings) -> bytes | None:
    """PNG: billable and total utilization of the firm by month, with the target; None without a month that has capacity.

    The latest 24 months. A month without capacity is a gap, not 0 %. A month that is not over ends in a hollow point.
    """
    import altair as alt  # noqa: PLC0415

    known = organization_kpis.filter(pl.col("billable_utilization").is_not_null())
    if known.is_empty():
        return None
    months = latest(organization_kpis["month"], MONTH, MOST_MONTHS)
    rows = organization_kpis.filter(pl.col("month") >= months[0]).sort("month")
    running = [m for m in months if is_running(m, settings.as_of)]
    drawn = rows.with_columns(pl.Series("is_running", [m in running for m in rows["month"]], pl.Boolean)).select(
        iso("month").alias("month"), *_LINES, "is_running"
    )
    x = alt.X("month:O", title=None).scale(domain=[m.isoformat() for m in months])
    x = x.axis(labelExpr=looked_up(month_texts(months, width=_WIDTH)), ticks=False)
    target = float(settings.targets.utilization)
    highest = max(1.0, target, *known["total_utilization"], *known["billable_utilization"])
    lines = [_line(drawn, column, x, highest) for column in _LINES]
    return as_png(
        alt.layer(_target_line(target), *lines, *_names(known.sort("month"), target, highest)).properties(
            width=_WIDTH,
            height=_HEIGHT,
            title=heading(
                _message(known.sort("month"), settings),
                f"Hours ÷ capacity of all people together, per month to {day_name(settings.as_of)}.",
                "Hollow: month not over." if running else "",
            ),
        )
    )


def _message(known: pl.DataFrame, settings: Settings) -> str:
    """About the latest month that is over; about the running one if there is no other."""
    over = known.filter([not is_running(m, settings.as_of) for m in known["month"]])
    month, billable = (over if over.height else known).select("month", "billable_utilization").row(-1)
    return (
        f"Billable utilization {percent(billable)} in {month_name(month)}, "
        f"{against_target(billable, settings.targets.utilization)}"
    )


def _line(drawn: pl.DataFrame, column: str, x: "alt.X", highest: float) -> "alt.LayerChart | alt.FacetChart":
    """The line and its points."""
    import altair as alt  # noqa: PLC0415

    _, colour = _LINES[column]
    y = alt.Y(f"{column}:Q", title=None, axis=alt.Axis(labelExpr=PERCENT, tickCount=5, domain=False))
    y = y.scale(domain=[0, highest], nice=False)
    fill = alt.condition("datum.is_running", alt.value(palette.PAPER), alt.value(colour))
    known = alt.Chart(drawn.filter(pl.col(column).is_not_null()))
    return alt.layer(
        alt.Chart(drawn).mark_line(color=colour, strokeWidth=2).encode(x, y),
        known.mark_point(size=28, filled=True, opacity=1, stroke=colour).encode(x, y, fill=fill),
    )


def _target_line(target: float) -> "alt.Chart":
    import altair as alt  # noqa: PLC0415

    rule = alt.Chart(alt.InlineData([{"target": target}])).mark_rule(color=palette.INK, strokeDash=[4, 3])
    line: alt.Chart = rule.encode(y="target:Q")
    return line


def _names(known: pl.DataFrame, target: float, highest: float) -> "list[alt.Chart]":
    """The name and latest figure of each line at its end, from top to bottom, none over another."""
    import altair as alt  # noqa: PLC0415

    latest_figures = [(known[column].to_list()[-1], name) for column, (name, _) in _LINES.items()]
    names, lowest = [], 0.0
    for ratio, name in sorted([*latest_figures, (target, "target")], reverse=True):
        at = max(_HEIGHT * (1 - ratio / highest), lowest)
        lowest = at + _LINE_OF_TEXT
        mark = alt.Chart(alt.InlineData([{}])).mark_text(align="left")
        names.append(mark.encode(x=alt.value(_WIDTH + 8), y=alt.value(at), text=alt.value(f"{name} {percent(ratio)}")))
    return names
