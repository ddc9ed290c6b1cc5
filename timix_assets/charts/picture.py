"""From a chart to what Dagster shows: one look for all, PNG bytes, Markdown."""

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

from . import palette
from .png import packed

if TYPE_CHECKING:
    import altair as alt

FONT = "DejaVu Sans, Liberation Sans"
"""Both have Latin, Greek, Cyrillic and Hebrew. The second comes with vl-convert, for machines without fonts; it is not the first
because some systems have an older one of that name, without Hebrew, which then falls back to any bold font."""

_LETTERS = {"font": FONT, "fontSize": 11, "color": palette.INK}
_QUIET = {
    "labelFont": FONT,
    "labelFontSize": 11,
    "labelColor": palette.INK,
    "titleFont": FONT,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "titleColor": palette.FAINT_INK,
    "labelLimit": 400,
}
_LOOK: dict[str, Any] = {
    "font": FONT,
    "background": palette.PAPER,
    "padding": 14,
    "view": {"stroke": None},
    "axis": {
        **_QUIET,
        "domainColor": palette.HAIRLINE,
        "tickColor": palette.HAIRLINE,
        "gridColor": palette.HAIRLINE,
        "labelAngle": 0,
        "labelOverlap": False,
    },
    "legend": {**_QUIET, "symbolStrokeWidth": 0},
    "title": {
        **_LETTERS,
        "anchor": "start",
        "frame": "bounds",
        "fontSize": 15,
        "subtitleFont": FONT,
        "subtitleFontSize": 11,
        "subtitleColor": palette.FAINT_INK,
        "subtitlePadding": 5,
        "offset": 14,
    },
    "text": _LETTERS,
}


def heading(message: str, *notes: str) -> "alt.TitleParams":
    """The title says the message; below it a line for each note: what is measured, to which day, what is left out."""
    import altair as alt  # noqa: PLC0415 - half a second and 100 MB: only where a chart is drawn

    return alt.TitleParams(message, subtitle=[note for note in notes if note])


def panel_heading(message: str, *notes: str) -> "alt.TitleParams":
    """The heading of one panel among several."""
    import altair as alt  # noqa: PLC0415

    return alt.TitleParams(message, subtitle=list(notes), fontSize=12, offset=6, subtitlePadding=2, frame="group")


def as_png(drawing: "alt.TopLevelMixin") -> bytes:
    """Pixel for pixel what the UI shows: it scales no picture."""
    buffer = BytesIO()
    drawing.configure(**_LOOK).save(buffer, format="png", scale_factor=1)
    return packed(buffer.getvalue())


def as_markdown(png: bytes, alt: str) -> str:
    """The picture as Markdown, for Dagster's `MetadataValue.md`; alt says in words what it shows."""
    words = " ".join(alt.replace("[", "(").replace("]", ")").split())
    return f"![{words}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"
