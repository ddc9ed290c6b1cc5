"""Who is busy, week by week or month by month, and whether the firm meets its target."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from timix_assets.text.figures import day_name, label, percent
from timix_assets.text.wording import count_noun

from ..metrics.amounts import ratio
from ..metrics.params import RollupParams
from . import palette
from .axes import Scale
from .palette import Colour
from .rendering import against_target, as_svg, heading, text_columns, texts
from .svg import Drawing, Rectangle, gradient, rectangles, text, text_lines, together
from .time_axis import MONTH, WEEK, latest, month_names, week_labels

MAX_WEEKS, MAX_MONTHS, MAX_PEOPLE = 26, 18, 60

_NAME_LENGTH = 28
_CELL_HEIGHT, _GAP = 15, 1
_NAME_AT, _FIGURE_AT = -6, 42
_WITHOUT_CAPACITY, _WORKED_WITHOUT_CAPACITY = "–", "+"
_SHADES = 20
"""Colours to 100 %: 5 points each. Nobody sees more, and cells of one colour are one path."""
_SPREAD = 0.5
"""How far above the target the last colour lies; as far below the first, if the target is 0."""
_LEGEND_AT, _LEGEND_WIDTH, _LEGEND_HEIGHT = 60, 16, 140


@dataclass(frozen=True, slots=True)
class _Period:
    """What a column of the map stands for.

    Args:
        column: Of the table.
        unit: As `latest` takes it.
        cell: The width of a column, in pixels.
        labels: Periods, and those that are counted in part -> their labels.
    """

    name: str
    column: str
    unit: str
    most: int
    cell: int
    labels: Callable[..., Mapping[date, str]]


_WEEKS = _Period("week", "week_start", WEEK, MAX_WEEKS, 20, week_labels)
_MONTHS = _Period("month", "month", MONTH, MAX_MONTHS, 32, month_names)


def utilization_heat_map(*, utilization_weekly: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: people by weeks, coloured by billable utilization, busiest first; None without rows.

    The latest 26 weeks, and the 60 people farthest from the target. A person's own figure is the ratio of sums over these
    weeks. No capacity is shown by a sign, not a colour, for it is not 0 %.
    """
    return _heat_map(utilization_weekly, _WEEKS, params)


def monthly_heat_map(*, utilization_monthly: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: the same by months, of the latest 18."""
    return _heat_map(utilization_monthly, _MONTHS, params)


def _heat_map(table: pl.DataFrame, period: _Period, params: RollupParams) -> str | None:
    if table.is_empty():
        return None
    periods = latest(table[period.column], period.unit, period.most)
    rows = table.filter(pl.col(period.column) >= periods[0])
    target = params.firm.targets.utilization
    people = _farthest_from(target, _people(rows))
    at = {each: i * period.cell for i, each in enumerate(periods)}
    width = len(periods) * period.cell
    labels = period.labels(periods, partial=frozenset(rows.filter("is_partial")[period.column]))
    chart = together(
        *(text(at[each] + period.cell / 2, -10, words, "middle") for each, words in labels.items() if words),
        text_columns(people, _CELL_HEIGHT, {"name": _NAME_AT, "figure": width + _FIGURE_AT}, "right"),
        *_cells(_figures(rows, people, period), at, period.cell, _Colours(float(target))),
        _Colours(float(target)).legend(width + _LEGEND_AT),
    )
    return as_svg(chart, _heading(periods, rows, people.height, period, params))


def _overall() -> pl.Expr:
    return ratio(pl.col("billable_hours").sum(), pl.col("capacity_hours").sum()).alias("overall")


def _people(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per user: user_id, overall (ratio of sums, null without capacity), name (as it is shown), figure."""
    people = rows.group_by("user_id").agg(_overall(), pl.col("user_name").first())
    shown = [label(p["user_name"], p["user_id"], length=_NAME_LENGTH) for p in people.iter_rows(named=True)]
    figures = [_WITHOUT_CAPACITY if ratio is None else percent(ratio) for ratio in people["overall"]]
    return people.with_columns(texts("name", shown), texts("figure", figures))


def _farthest_from(target: Decimal, people: pl.DataFrame) -> pl.DataFrame:
    """At most MAX_PEOPLE of them, busiest first, those without capacity last, with their `row`."""
    distance = (pl.col("overall") - float(target)).abs()
    chosen = people.sort(distance, "user_id", descending=[True, False], nulls_last=True).head(MAX_PEOPLE)
    return chosen.sort("overall", "user_id", descending=[True, False], nulls_last=True).with_row_index("row")


def _figures(rows: pl.DataFrame, people: pl.DataFrame, period: _Period) -> pl.DataFrame:
    """row, the period, utilization (null without capacity), and the sign that is shown where it is null."""
    worked = pl.when("worked_at_zero_capacity").then(pl.lit(_WORKED_WITHOUT_CAPACITY))
    figures = rows.join(people.select("user_id", "row"), on="user_id").select(
        "row",
        period.column,
        pl.col("billable_utilization").mul(_SHADES).round().truediv(_SHADES).alias("utilization"),
        worked.otherwise(pl.lit(_WITHOUT_CAPACITY)).alias("sign"),
    )
    return figures.sort("row", period.column)


def _cells(figures: pl.DataFrame, at: Mapping[date, float], width: float, colours: "_Colours") -> Iterator[Drawing]:
    """A rectangle for each utilization, and a sign where there is none."""
    by_colour: dict[Colour, list[Rectangle]] = {}
    signs = []
    for row, period, utilization, sign in figures.iter_rows():
        x, y = at[period], row * _CELL_HEIGHT
        if utilization is None:
            signs.append((x + width / 2, y + _CELL_HEIGHT / 2, sign))
        else:
            cell = (x, y, width - _GAP, _CELL_HEIGHT - _GAP)
            by_colour.setdefault(colours.of(utilization), []).append(cell)
    for colour, cells in by_colour.items():
        yield rectangles(cells, colour)
    yield text_lines(signs, "middle", colour=palette.FAINT_INK)


class _Colours:
    """Utilization as a colour, the target in the middle."""

    def __init__(self, target: float) -> None:
        self.target = target
        lowest = 0 if target > 0 else target - _SPREAD
        self.shares = Scale(lowest, target + _SPREAD, 0, 1)

    def of(self, utilization: float) -> Colour:
        share, middle = self.shares(utilization), self.shares(self.target)
        if share < middle:
            return palette.between(palette.BELOW_TARGET, palette.AT_TARGET, share / middle)
        return palette.between(palette.AT_TARGET, palette.ABOVE_TARGET, (share - middle) / (1 - middle))

    def legend(self, x: float) -> Drawing:
        lowest, middle, highest = self.shares.low, self.shares(self.target), self.shares.high
        stops = [(0.0, palette.BELOW_TARGET), (middle, palette.AT_TARGET), (1.0, palette.ABOVE_TARGET)]
        words = (percent(lowest), f"{percent(self.target)} target", f"{percent(highest)} or more")
        return together(
            gradient((x, 0, _LEGEND_WIDTH, _LEGEND_HEIGHT), stops),
            *(
                text(x + _LEGEND_WIDTH + 4, (1 - share) * (_LEGEND_HEIGHT - 10) + 5, meaning)
                for share, meaning in zip((0, middle, 1), words, strict=True)
            ),
        )


def _heading(periods: Sequence[date], rows: pl.DataFrame, shown: int, period: _Period, params: RollupParams) -> Drawing:
    overall, people = rows.select(_overall()).item(), rows["user_id"].n_unique()
    target = params.firm.targets.utilization
    span = count_noun(len(periods), period.name)
    return heading(
        f"No capacity in {span}"
        if overall is None
        else f"Billable utilization {percent(overall)} over {span}, {against_target(overall, target)}",
        f"Billable hours ÷ capacity, per person and {period.name}, {day_name(periods[0])} to {day_name(params.as_of)}. "
        f"Figures at the right: all these {period.name}s.",
        f"Signs: {_WITHOUT_CAPACITY} no capacity, {_WORKED_WITHOUT_CAPACITY} worked without capacity, blank not employed"
        + (f", * {period.name} counted in part." if rows["is_partial"].any() else "."),
        f"The {shown} people farthest from the target; {count_noun(people - shown, 'person', 'people')} left out."
        if shown < people
        else "",
    )
