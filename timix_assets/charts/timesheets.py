"""Who owes hours, week by week, and whose hours wait for a submission or an approval."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from timix_assets.text.figures import day_name, label, number
from timix_assets.text.wording import count_noun

from ..metrics.params import RollupParams
from ..metrics.timesheets import AWAITING_APPROVAL, COMPLETE, MISSING, NOT_DUE, UNSUBMITTED
from . import palette
from .axes import legend_column
from .rendering import as_svg, heading, text_columns, texts
from .svg import Drawing, rectangles, text, text_lines, together
from .time_axis import WEEK, latest, week_labels

MAX_WEEKS, MAX_PEOPLE = 12, 40

_NAME_LENGTH = 28
_CELL_WIDTH, _CELL_HEIGHT, _GAP = 38, 17, 2
_NAME_AT, _FIGURE_AT, _LEGEND_AT = -6, 64, 82
_OPEN = (MISSING, UNSUBMITTED, AWAITING_APPROVAL)
_WORDS: Mapping[str, str] = {
    MISSING: "hours missing",
    UNSUBMITTED: "not submitted",
    AWAITING_APPROVAL: "waits for approval",
    COMPLETE: "complete",
    NOT_DUE: "not due yet",
}


def timesheet_map(*, timesheet_compliance: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: people by weeks, coloured by status, with the hours that are missing; None where every week is complete or not due.

    The latest 12 weeks, and the 40 people who owe most; those of whom nothing is open are left out.
    """
    if timesheet_compliance.is_empty():
        return None
    weeks = latest(timesheet_compliance["week_start"], WEEK, MAX_WEEKS)
    rows = timesheet_compliance.filter(pl.col("week_start") >= weeks[0])
    people = _people(rows)
    if people.is_empty():
        return None
    shown = people.head(MAX_PEOPLE).with_row_index("row")
    partial = frozenset(rows.filter("is_partial")["week_start"])
    at = {week: i * _CELL_WIDTH for i, week in enumerate(weeks)}
    width = len(weeks) * _CELL_WIDTH
    labels = week_labels(weeks, partial=partial)
    statuses = [status for status in _WORDS if status in set(rows["status"])]
    chart = together(
        *(text(at[week] + _CELL_WIDTH / 2, -10, words, "middle") for week, words in labels.items() if words),
        text_columns(shown, _CELL_HEIGHT, {"name": _NAME_AT, "figure": width + _FIGURE_AT}, "right"),
        *_cells(rows.join(shown.select("user_id", "row"), on="user_id").sort("row", "week_start"), at),
        legend_column({_WORDS[s]: palette.TIMESHEET[s] for s in statuses}, width + _LEGEND_AT, 0),
    )
    return as_svg(chart, _heading(weeks, rows, people, bool(partial), params))


def _owed() -> pl.Expr:
    """The missing hours of the weeks that are due."""
    return pl.col("missing_hours").filter(pl.col("status") == MISSING).sum().alias("owed")


def _people(rows: pl.DataFrame) -> pl.DataFrame:
    """Those of whom something is open, who owe most first: user_id, owed, name and figure as they are shown."""
    people = (
        rows.group_by("user_id")
        .agg(_owed(), pl.col("user_name").first(), pl.col("status").is_in(_OPEN).sum().alias("open"))
        .filter(pl.col("open") > 0)
        .sort("owed", "open", "user_id", descending=[True, True, False])
    )
    names = [label(p["user_name"], p["user_id"], length=_NAME_LENGTH) for p in people.iter_rows(named=True)]
    figures = [f"{number(owed)} h" if owed else "" for owed in people["owed"]]
    return people.with_columns(texts("name", names), texts("figure", figures))


def _cells(rows: pl.DataFrame, at: Mapping[date, float]) -> Iterator[Drawing]:
    """A rectangle for each week of a person, with the hours that are missing."""
    for (status,), cells in rows.group_by("status", maintain_order=True):
        yield rectangles(
            [
                (at[week], row * _CELL_HEIGHT, _CELL_WIDTH - _GAP, _CELL_HEIGHT - _GAP)
                for row, week in cells.select("row", "week_start").iter_rows()
            ],
            palette.TIMESHEET[str(status)],
        )
    missing = rows.filter(pl.col("status") == MISSING).select("row", "week_start", pl.col("missing_hours").fill_null(0))
    x, y = (_CELL_WIDTH - _GAP) / 2, (_CELL_HEIGHT - _GAP) / 2
    figures = [(at[week] + x, row * _CELL_HEIGHT + y, number(hours)) for row, week, hours in missing.iter_rows()]
    yield text_lines(figures, "middle", colour=palette.PAPER)


def _heading(
    weeks: Sequence[date], rows: pl.DataFrame, people: pl.DataFrame, partial: bool, params: RollupParams
) -> Drawing:
    owing = people.filter(pl.col("owed") > 0)
    span = count_noun(len(weeks), "week")
    settled, more = rows["user_id"].n_unique() - people.height, people.height - MAX_PEOPLE
    return heading(
        f"{count_noun(owing.height, 'person owes', 'people owe')} {number(owing.select(pl.col('owed').sum()).item())} h of {span}"
        if owing.height
        else f"No hours missing in {span}, but not all are submitted and approved",
        f"Capacity less logged hours of whole weeks, {day_name(weeks[0])} to {day_name(params.as_of)}. Figures at the right: "
        "all these weeks.",
        "* week counted in part." if partial else "",
        f"{count_noun(settled, 'person', 'people')} with nothing open left out." if settled else "",
        f"The {MAX_PEOPLE} people who owe most; {more:,} more left out." if more > 0 else "",
    )
