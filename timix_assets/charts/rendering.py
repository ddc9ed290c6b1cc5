"""From drawings to what Dagster shows: headings, panels, the finished chart, Markdown."""

import base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import unescape

import polars as pl

from timix_assets.text.figures import percent
from timix_assets.text.wording import count_noun

from . import palette
from .svg import Align, Drawing, as_xml, document, text, text_lines, together

_MAX_LISTED = 6
_HEADING_SIZE, _PANEL_HEADING_SIZE = 15, 12
_NOTE_HEIGHT = 13
_BELOW_HEADING, _BELOW_PANEL_HEADING = 14, 8


def heading(message: str, *notes: str) -> Drawing:
    """The message as title; below it a line for each note: what is measured, to which day, what is left out."""
    lines = _lines(message, [note for note in notes if note], _HEADING_SIZE, 17)
    return Drawing(f"<title>{as_xml(message)}</title>{lines.svg}", lines.box)


def message_of(svg: str) -> str:
    """The message of a chart, which is its title."""
    return unescape(svg.partition("<title>")[2].partition("</title>")[0])


def panel_heading(message: str, *notes: str) -> Drawing:
    """The heading of one panel among several, above the panel's origin."""
    lines = _lines(message, notes, _PANEL_HEADING_SIZE, 14)
    return lines.moved(0, -lines.box[3] - _BELOW_PANEL_HEADING)


def _lines(message: str, notes: Sequence[str], size: int, below: int) -> Drawing:
    return together(
        text(0, 0, message, size=size, bold=True),
        *(text(0, below + i * _NOTE_HEIGHT, note, colour=palette.FAINT_INK) for i, note in enumerate(notes)),
    )


def left_out(names: Sequence[str]) -> str:
    """Left out: CHF, JPY, SEK and 12 more."""
    more = len(names) - _MAX_LISTED
    return f"Left out: {', '.join(names[:_MAX_LISTED])}{f' and {more:,} more' if more > 0 else ''}." if names else ""


def against_target(ratio: float, target: Decimal) -> str:
    """2 points below the target of 75 %."""
    points = round(ratio * 100) - round(target * 100)
    where = f"{count_noun(abs(points), 'point')} {'above' if points > 0 else 'below'}" if points else "on"
    return f"{where} the target of {percent(target)}"


def row_middles(count: int, row_height: float) -> list[float]:
    """The middle of each of so many rows, from the top."""
    return [(i + 0.5) * row_height for i in range(count)]


def text_columns(rows: pl.DataFrame, row_height: float, at: Mapping[str, float], align: Align = "left") -> Drawing:
    """Columns of text beside the bars, one line each.

    Args:
        rows: With the columns that `at` names; at least one row.
        row_height: In pixels.
        at: Column -> pixels from the bars' start.
        align: Which end of the text is there.
    """
    middles = row_middles(rows.height, row_height)
    return together(
        *(
            text_lines([(x, y, words) for y, words in zip(middles, rows[column], strict=True)], align)
            for column, x in at.items()
        )
    )


def texts(name: str, values: Sequence[str]) -> pl.Series:
    """A column of text, also without rows."""
    return pl.Series(name, values, pl.String)


def grid(panels: Sequence[Drawing], *, columns: int, column_width: float, between_rows: float) -> Drawing:
    """Panels row by row: their origins are below each other, and those of a row on one line."""
    placed, y = [], 0.0
    for i in range(0, len(panels), columns):
        row = panels[i : i + columns]
        top = min(panel.box[1] for panel in row)
        placed += [panel.moved(column * column_width, y - top) for column, panel in enumerate(row)]
        y += max(panel.box[3] for panel in row) - top + between_rows
    return together(*placed)


def as_svg(chart: Drawing, title: Drawing) -> str:
    """The finished chart: the heading above, in line with the left end of what is below."""
    x, y = chart.box[0], chart.box[1] - _BELOW_HEADING - title.box[3]
    return document(together(title.moved(x, y), chart))


def as_markdown(svg: str, alt: str) -> str:
    """The chart as Markdown, for Dagster's `MetadataValue.md`; alt describes it in words.

    As an image, so that the browser executes nothing in it and loads nothing for it.
    """
    words = " ".join(alt.replace("[", "(").replace("]", ")").split())
    return f"![{words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"
