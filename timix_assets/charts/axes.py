"""Where values lie on an axis, which of them are named there, and the legend of colours."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from . import palette
from .palette import Colour
from .svg import Drawing, line, rectangles, text, text_lines, together
from .time_axis import month_labels

_LABEL_GAP = 4
_LINE_HEIGHT = 13
_SYMBOL = 10


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels, along a straight axis; a value beyond its ends is drawn at the end.

    Args:
        low: The first value of the axis.
        high: The last value, above the first.
        start: The pixel of `low`.
        end: The pixel of `high`.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def round_scale(values: Sequence[float], ticks: int, *, start: float, end: float) -> Scale:
    """A scale from 0, or below, to the values, that ends at ticks."""
    low, high = min([0.0, *values]), max([0.0, *values])
    factor, power = _step(low, high if high > low else low + 1, ticks)
    step = factor * 10.0**power
    return Scale(math.floor(low / step) * step, math.ceil((high if high > low else low + 1) / step) * step, start, end)


def ticks(scale: Scale, about: int) -> list[float]:
    """Round values on the axis: about as many as that, from low to high."""
    factor, power = _step(scale.low, scale.high, about)
    # Whole numbers until the end, so that 0.3 is not 0.30000000000000004.
    unit: Callable[[int], float] = lambda n: n * 10**power if power >= 0 else n / 10**-power  # noqa: E731
    step = unit(factor)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [unit(n * factor) for n in range(first, last + 1)]


def _step(low: float, high: float, about: int) -> tuple[int, int]:
    """The distance of round ticks, as (1, 2 or 5, power of ten)."""
    rough = (high - low) / about
    power = math.floor(math.log10(rough))
    error = rough / 10.0**power
    factor = next((f for f, limit in ((1, 2), (2, 10), (5, 50)) if error < math.sqrt(limit)), 10)
    return factor, power


def plain(value: float) -> str:
    """1,500; 0.25; −5."""
    return f"{value:,.2f}".rstrip("0").rstrip(".").replace("-", "−")


def bottom_axis(scale: Scale, y: float, at: Sequence[float], label: Callable[[float], str], title: str) -> Drawing:
    """A horizontal axis below a plot that ends at y; a label that would touch the one before is left out."""
    parts = [
        line((scale.start, y), (scale.end, y), palette.HAIRLINE),
        text((scale.start + scale.end) / 2, y + 31, title, "middle", colour=palette.FAINT_INK),
    ]
    taken = -math.inf
    for value in at:
        x = scale(value)
        label_drawn = text(x, y + _LABEL_GAP + 10, label(value), "middle")
        if label_drawn.box[0] > taken:
            parts += [line((x, y), (x, y + 5), palette.HAIRLINE), label_drawn]
            taken = label_drawn.box[2] + _LABEL_GAP
    return together(*parts)


def left_axis(scale: Scale, width: float, about: int, label: Callable[[float], str] = plain) -> Drawing:
    """Labels at the left of a plot, and a line through it at each."""
    at = {value: scale(value) for value in ticks(scale, about)}
    return together(
        *(line((-_LABEL_GAP, y), (width, y), palette.HAIRLINE) for y in at.values()),
        text_lines([(-_LABEL_GAP - 3, y, label(value)) for value, y in at.items()], "right"),
    )


def month_positions(months: Sequence[date], width: float) -> dict[date, float]:
    """The middle of each month along a plot of that width."""
    return {month: (i + 0.5) * width / len(months) for i, month in enumerate(months)}


def month_axis(months: Sequence[date], width: float, y: float) -> Drawing:
    """The months below a plot that ends at y."""
    at = month_positions(months, width)
    return together(
        line((0, y), (width, y), palette.HAIRLINE),
        text_lines(
            [
                (at[month], y + _LABEL_GAP + 6 + i * _LINE_HEIGHT, words)
                for month, lines in month_labels(months, width=round(width)).items()
                for i, words in enumerate(lines)
            ],
            "middle",
        ),
    )


def legend_row(colours: Mapping[str, Colour], x: float, y: float) -> Drawing:
    """A coloured square and its meaning, one after another, from x; y is their middle."""
    parts = []
    for meaning, colour in colours.items():
        words = text(x + _SYMBOL + 5, y, meaning)
        parts += [rectangles([(x, y - _SYMBOL / 2, _SYMBOL, _SYMBOL)], colour), words]
        x = words.box[2] + 12
    return together(*parts)


def legend_column(colours: Mapping[str, Colour], x: float, y: float, title: str = "") -> Drawing:
    """A coloured square and its meaning, one below another; y is the top."""
    above = 16 if title else 0
    return together(
        *([text(x, y + 6, title, colour=palette.FAINT_INK)] if title else []),
        *(legend_row({meaning: c}, x, y + above + 6 + i * 15) for i, (meaning, c) in enumerate(colours.items())),
    )
