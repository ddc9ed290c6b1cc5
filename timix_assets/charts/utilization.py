"""Who is busy, week by week, and whether the firm meets its target."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from timix_assets.wording import counted

from ..metrics.amounts import ratio
from ..metrics.settings import Settings
from . import palette
from .periods import WEEK, iso, latest
from .picture import as_png, heading
from .text import against_target, day_name, label, looked_up, percent, week_texts

if TYPE_CHECKING:
    import altair as alt

MOST_WEEKS, MOST_PEOPLE = 26, 60

_NAME_LENGTH = 28
_CELL_WIDTH, _CELL_HEIGHT, _GAP = 20, 15, 1
_ROOM_FOR_FIGURE = 42
_WITHOUT_CAPACITY, _WORKED_WITHOUT_CAPACITY = "–", "+"
_SHADES = 20
"""Colours to 100 %: 5 points each. Nobody sees more, and the file is a quarter smaller."""
_SPREAD = 0.5
"""How far above the target the last colour lies; as far below the first, if the target is 0."""


def utilization_heat_map(
    *, utilization_weekly: pl.DataFrame, org_users: pl.DataFrame, settings: Settings
) -> bytes | None:
    """PNG: people by weeks, coloured by billable utilization, busiest first; None without rows.

    The latest 26 weeks, and the 60 people farthest from the target. A person's own figure is the ratio of sums over these
    weeks. No capacity is shown by a sign, not a colour, for it is not 0 %.
    """
    import altair as alt  # noqa: PLC0415

    if utilization_weekly.is_empty():
        return None
    weeks = latest(utilization_weekly["week_start"], WEEK, MOST_WEEKS)
    rows = utilization_weekly.filter(pl.col("week_start") >= weeks[0])
    people = _farthest_from(settings.targets.utilization, _people(rows, org_users))
    cells = _cells(rows, people)
    x = alt.X("week:O", title=None, axis=_week_axis(weeks, rows))
    x = x.scale(domain=[w.isoformat() for w in weeks], paddingInner=_GAP / _CELL_WIDTH, paddingOuter=0)
    y = alt.Y("row:O", title=None, axis=_name_axis(people))
    y = y.scale(domain=people["row"].to_list(), paddingInner=_GAP / _CELL_HEIGHT, paddingOuter=0)
    known = alt.Chart(cells.filter(pl.col("utilization").is_not_null()))
    unknown = alt.Chart(cells.filter(pl.col("utilization").is_null()))
    drawing = alt.layer(
        known.mark_rect().encode(x, y, _colour(float(settings.targets.utilization))),
        unknown.mark_text(color=palette.FAINT_INK).encode(x, y, text="sign:N"),
        alt.Chart(people)
        .mark_text(align="right")
        .encode(y, x=alt.value(len(weeks) * _CELL_WIDTH + _ROOM_FOR_FIGURE), text="figure:N"),
    )
    size = {"width": alt.Step(_CELL_WIDTH), "height": alt.Step(_CELL_HEIGHT)}
    return as_png(drawing.properties(**size, title=_heading(weeks, rows, people.height, settings)))


def _overall() -> pl.Expr:
    return ratio(pl.col("billable_hours").sum(), pl.col("capacity_hours").sum()).alias("overall")


def _people(rows: pl.DataFrame, org_users: pl.DataFrame) -> pl.DataFrame:
    """One row per user: user_id, overall (ratio of sums, null without capacity), name (as it is shown), figure."""
    names = org_users.select(pl.col("id").alias("user_id"), "name").unique("user_id")
    people = rows.group_by("user_id").agg(_overall()).join(names, on="user_id", how="left")
    shown = [label(p["name"], p["user_id"], length=_NAME_LENGTH) for p in people.iter_rows(named=True)]
    figures = [_WITHOUT_CAPACITY if ratio is None else percent(ratio) for ratio in people["overall"]]
    return people.with_columns(pl.Series("name", shown, pl.String), pl.Series("figure", figures, pl.String))


def _farthest_from(target: Decimal, people: pl.DataFrame) -> pl.DataFrame:
    """At most MOST_PEOPLE of them, busiest first, those without capacity last, with their `row`."""
    distance = (pl.col("overall") - float(target)).abs()
    chosen = people.sort(distance, "user_id", descending=[True, False], nulls_last=True).head(MOST_PEOPLE)
    return chosen.sort("overall", "user_id", descending=[True, False], nulls_last=True).with_row_index("row")


def _cells(rows: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    worked = pl.when("worked_at_zero_capacity").then(pl.lit(_WORKED_WITHOUT_CAPACITY))
    return rows.join(people.select("user_id", "row"), on="user_id").select(
        "row",
        iso("week_start").alias("week"),
        pl.col("billable_utilization").mul(_SHADES).round().truediv(_SHADES).alias("utilization"),
        worked.otherwise(pl.lit(_WITHOUT_CAPACITY)).alias("sign"),
    )


def _partial(rows: pl.DataFrame) -> frozenset[date]:
    return frozenset(rows.filter("is_partial")["week_start"])


def _week_axis(weeks: Sequence[date], rows: pl.DataFrame) -> "alt.Axis":
    import altair as alt  # noqa: PLC0415

    texts = looked_up(week_texts(weeks, partial=_partial(rows)))
    return alt.Axis(orient="top", labelExpr=texts, ticks=False, domain=False)


def _name_axis(people: pl.DataFrame) -> "alt.Axis":
    import altair as alt  # noqa: PLC0415

    names = {str(row): name for row, name in people.select("row", "name").iter_rows()}
    return alt.Axis(labelExpr=looked_up(names), ticks=False, domain=False, labelPadding=6)


def _colour(target: float) -> "alt.Color":
    """Utilization as a colour, the target in the middle."""
    import altair as alt  # noqa: PLC0415

    lowest = 0 if target > 0 else target - _SPREAD
    marks = [round(mark, 4) for mark in (lowest, target, target + _SPREAD)]
    words = (f"{percent(lowest)}", f"{percent(target)} target", f"{percent(marks[-1])} or more")
    texts = {f"{mark:g}": text for mark, text in zip(marks, words, strict=True)}
    return alt.Color(
        "utilization:Q",
        scale=alt.Scale(
            domain=marks,
            range=[palette.BELOW_TARGET, palette.AT_TARGET, palette.ABOVE_TARGET],
            clamp=True,
            interpolate="lab",
        ),
        legend=alt.Legend(title=None, values=marks, labelExpr=looked_up(texts), gradientLength=140, offset=60),
    )


def _heading(weeks: Sequence[date], rows: pl.DataFrame, shown: int, settings: Settings) -> "alt.TitleParams":
    overall, people = rows.select(_overall()).item(), rows["user_id"].n_unique()
    target = settings.targets.utilization
    span = counted(len(weeks), "week")
    return heading(
        f"No capacity in {span}"
        if overall is None
        else f"Billable utilization {percent(overall)} over {span}, {against_target(overall, target)}",
        f"Billable hours ÷ capacity, per person and week, {day_name(weeks[0])} to {day_name(settings.as_of)}. "
        "Figures at the right: all these weeks.",
        f"Signs: {_WITHOUT_CAPACITY} no capacity, {_WORKED_WITHOUT_CAPACITY} worked without capacity, blank not employed"
        + (", * week counted in part." if _partial(rows) else "."),
        f"The {shown} people farthest from the target; {counted(people - shown, 'person', 'people')} left out."
        if shown < people
        else "",
    )
