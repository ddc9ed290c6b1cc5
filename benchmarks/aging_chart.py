"""Draws the figures of `aging` from figures.json into aging.svg: `python -m benchmarks.aging_chart`."""

from collections.abc import Mapping, Sequence
from typing import Any

from timix_assets.charts import palette
from timix_assets.charts.axes import Scale, bottom_axis, left_axis, round_scale
from timix_assets.charts.rendering import grid, heading, panel_heading
from timix_assets.charts.svg import Drawing, curve, document, dots, together

from .aging import LOOKS, REFRESHES, UNITS
from .child import ROOT
from .figures import stored

FILE = ROOT / "benchmarks" / "aging.svg"
WIDTH, HEIGHT = 240, 90
BETWEEN_COLUMNS, BETWEEN_ROWS = 60, 40


def chart(figures: Sequence[Mapping[str, Any]]) -> str:
    """A panel for each figure: its values after the first refresh and after every 50th."""
    by_name = {figure["figure"]: figure["runs"] for figure in figures}
    panels = [_panel(f"{name}, {unit}" if unit else name, by_name[name]) for name, unit in UNITS.items()]
    drawn = grid(panels, columns=2, column_width=WIDTH + BETWEEN_COLUMNS, between_rows=BETWEEN_ROWS)
    title = heading(
        f"What {REFRESHES} refreshes leave behind",
        "An entry edited before each, nothing deleted: all of them are younger than the retention.",
    )
    return document(together(title, drawn.moved(0, title.height + 30)))


def _panel(name: str, values: Sequence[float]) -> Drawing:
    step = REFRESHES // LOOKS
    after = [1, *range(step, REFRESHES + 1, step)]
    x = Scale(0, REFRESHES, 0, WIDTH)
    y = round_scale(values, 3, start=HEIGHT, end=0)
    points = [(x(number), y(value)) for number, value in zip(after, values, strict=True)]
    return together(
        panel_heading(name),
        left_axis(y, WIDTH, 3),
        bottom_axis(x, HEIGHT, [0, REFRESHES / 2, REFRESHES], lambda number: f"{number:.0f}", "refreshes"),
        curve(points, palette.INK),
        dots(points, palette.INK),
    )


if __name__ == "__main__":
    FILE.write_text(chart(stored("aging")["figures"]) + "\n", "utf-8")
