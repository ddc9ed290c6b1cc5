"""The firm as a whole, month by month."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date

import polars as pl

from timix_assets.text.figures import day_name, month_name, percent

from ..metrics.params import RollupParams
from . import palette
from .axes import Scale, left_axis, month_axis, month_positions
from .rendering import against_target, as_svg, heading
from .svg import Drawing, curve, dots, line, text, together
from .time_axis import MAX_MONTHS, MONTH, is_current, latest

_WIDTH, _HEIGHT, _LINE_OF_TEXT = 700, 240, 14
_LINES = {"billable_utilization": ("billable", palette.BILLABLE), "total_utilization": ("total", palette.TOTAL)}


def utilization_lines(*, organization_kpis: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: billable and total utilization of the firm by month, with the target; None without a month that has capacity.

    The latest 24 months. A month without capacity is a gap, not 0 %. A month that is not over ends in a hollow point.
    """
    known = organization_kpis.filter(pl.col("billable_utilization").is_not_null())
    if known.is_empty():
        return None
    months = latest(organization_kpis["month"], MONTH, MAX_MONTHS)
    rows = organization_kpis.filter(pl.col("month") >= months[0]).sort("month")
    current = [m for m in months if is_current(m, params.as_of)]
    known, target = known.sort("month"), float(params.firm.targets.utilization)
    highest = max(1.0, target, *known["total_utilization"], *known["billable_utilization"])
    y = Scale(0, highest, _HEIGHT, 0)
    chart = together(
        left_axis(y, _WIDTH, 5, percent),
        month_axis(months, _WIDTH, _HEIGHT),
        line((0, y(target)), (_WIDTH, y(target)), palette.INK, dashed=True),
        *(_line(rows, column, months, y, current) for column in _LINES),
        *_names(known, target, y),
    )
    return as_svg(
        chart,
        heading(
            _message(known, params),
            f"Hours ÷ capacity of all people together, per month to {day_name(params.as_of)}.",
            "Hollow: month not over." if current else "",
        ),
    )


def _message(known: pl.DataFrame, params: RollupParams) -> str:
    """About the latest completed month, or the current one if there is no other."""
    over = known.filter([not is_current(m, params.as_of) for m in known["month"]])
    month, billable = (over if over.height else known).select("month", "billable_utilization").row(-1)
    return (
        f"Billable utilization {percent(billable)} in {month_name(month)}, "
        f"{against_target(billable, params.firm.targets.utilization)}"
    )


def _line(rows: pl.DataFrame, column: str, months: Sequence[date], y: Scale, current: Collection[date]) -> Drawing:
    """The line and its points, hollow in months that are not over."""
    _, colour = _LINES[column]
    ratios, at = dict(rows.select("month", column).iter_rows()), month_positions(months, _WIDTH)
    points = {month: (at[month], y(ratio)) for month in months if (ratio := ratios.get(month)) is not None}
    hollow = [point for month, point in points.items() if month in current]
    return together(
        curve([points.get(month) for month in months], colour),
        dots(points.values(), colour, diameter=7.5),
        dots(hollow, palette.PAPER, diameter=4),
    )


def _names(known: pl.DataFrame, target: float, y: Scale) -> Iterator[Drawing]:
    """The name and latest figure of each line at its end, from top to bottom, none over another."""
    latest_figures = [(known[column].to_list()[-1], name) for column, (name, _) in _LINES.items()]
    lowest = 0.0
    for ratio, name in sorted([*latest_figures, (target, "target")], reverse=True):
        at = max(y(ratio), lowest)
        lowest = at + _LINE_OF_TEXT
        yield text(_WIDTH + 8, at, f"{name} {percent(ratio)}")
