"""Shapes and text as SVG, each with the box around it, so that a chart is as large as what is in it.

Coordinates are pixels from an origin that every drawing chooses for itself; y grows downwards.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import inf
from typing import Literal
from unicodedata import combining, east_asian_width

from . import palette
from .palette import Colour

FONT = "DejaVu Sans,Verdana,Liberation Sans,Arial,sans-serif"
"""The first that the browser has; all have Hebrew. Room is reserved for the first two, which are the widest."""

FONT_SIZE = 11
_PADDING = 14

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold; one of them would make a whole chart unreadable."""

Align = Literal["left", "middle", "right"]
_ANCHORS = {"left": "", "middle": ' text-anchor="middle"', "right": ' text-anchor="end"'}
_BEFORE = {"left": 0.0, "middle": 0.5, "right": 1.0}
"""The part of a text that lies left of its position."""

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]
"""x, y, width, height."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom. Around nothing: inf, inf, -inf, -inf, which leaves any box that it is joined with as it is."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Elements of SVG, maybe none, and their box."""

    svg: str
    box: Box

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    def moved(self, x: float, y: float) -> "Drawing":
        """The drawing with its origin at that point."""
        left, top, right, bottom = self.box
        return Drawing(
            f'<g transform="translate({_short(x)} {_short(y)})">{self.svg}</g>',
            (left + x, top + y, right + x, bottom + y),
        )


def together(*parts: Drawing) -> Drawing:
    """Drawings over each other, the last on top."""
    lefts, tops, rights, bottoms = zip(*(part.box for part in parts), strict=True)
    return Drawing("".join(part.svg for part in parts), (min(lefts), min(tops), max(rights), max(bottoms)))


def text(
    x: float,
    y: float,
    words: str,
    align: Align = "left",
    *,
    colour: Colour = palette.INK,
    size: int = FONT_SIZE,
    bold: bool = False,
) -> Drawing:
    """A line of text: `align` names the end that is at x; y is its middle. Whatever is in `words` remains text."""
    return text_lines([(x, y, words)], align, colour=colour, size=size, bold=bold)


def text_lines(
    lines: Iterable[tuple[float, float, str]],
    align: Align = "left",
    *,
    colour: Colour = palette.INK,
    size: int = FONT_SIZE,
    bold: bool = False,
) -> Drawing:
    """Texts of one style, each as x, y and words; otherwise as `text`."""
    style = _ANCHORS[align]
    style += f' fill="{colour}"' if colour != palette.INK else ""
    style += f' font-size="{size}"' if size != FONT_SIZE else ""
    style += ' font-weight="bold"' if bold else ""
    svg, corners = [], []
    for x, y, words in lines:
        width = _width(words) * size * (_BOLD if bold else 1)
        left = x - _BEFORE[align] * width
        # Not dominant-baseline, which renderers place differently.
        svg.append(f'<text x="{_short(x)}" y="{_short(y + 0.36 * size)}">{as_xml(words)}</text>')
        corners += [(left, y - size / 2), (left + width, y + size / 2)]
    return Drawing(f"<g{style}>{''.join(svg)}</g>", _box(corners))


def rectangles(all_of: Iterable[Rectangle], colour: Colour) -> Drawing:
    """Rectangles of one colour."""
    boxes = [(x, y, x + width, y + height) for x, y, width, height in all_of]
    path = "".join(
        f"M{_short(left)} {_short(top)}H{_short(right)}V{_short(bottom)}H{_short(left)}z"
        for left, top, right, bottom in boxes
    )
    return _path(path, f'fill="{colour}"', [(b[0], b[1]) for b in boxes] + [(b[2], b[3]) for b in boxes])


def line(start: Point, end: Point, colour: Colour, *, width: float = 1, dashed: bool = False) -> Drawing:
    """A straight line."""
    style = f'stroke="{colour}" fill="none"' + (f' stroke-width="{_short(width)}"' if width != 1 else "")
    return _path(_through([start, end]), style + (' stroke-dasharray="4 3"' if dashed else ""), [start, end])


def curve(points: Sequence[Point | None], colour: Colour, *, width: float = 2) -> Drawing:
    """A line through points; None is a gap."""
    runs = [list(run) for is_gap, run in groupby(points, key=lambda point: point is None) if not is_gap]
    style = f'stroke="{colour}" fill="none" stroke-width="{_short(width)}" stroke-linejoin="round"'
    there = [point for point in points if point is not None]
    return _path("".join(_through([p for p in run if p is not None]) for run in runs), style, there)


def area(points: Sequence[Point], base: float, colour: Colour) -> Drawing:
    """What lies between points and the horizontal line at `base`, pale."""
    outline = [(x, base) for x, _ in points[:1]] + [*points] + [(x, base) for x, _ in points[-1:]]
    return _path(_through(outline), f'fill="{colour}" fill-opacity=".15"', outline)


def dots(points: Iterable[Point], colour: Colour, *, diameter: float = 4) -> Drawing:
    """Discs of one colour."""
    centres = list(points)
    style = f'stroke="{colour}" stroke-width="{_short(diameter)}" stroke-linecap="round"'
    return _path("".join(f"M{_short(x)} {_short(y)}h0" for x, y in centres), style, centres)


def gradient(rectangle: Rectangle, stops: Sequence[tuple[float, Colour]]) -> Drawing:
    """A rectangle that runs through colours from its bottom, 0, to its top, 1. At most one in a chart."""
    colours = "".join(f'<stop offset="{share:.3f}" stop-color="{colour}"/>' for share, colour in stops)
    shape = rectangles([rectangle], "url(#ramp)")
    ramp = f'<linearGradient id="ramp" x1="0" y1="1" x2="0" y2="0">{colours}</linearGradient>'
    return Drawing(ramp + shape.svg, shape.box)


def document(drawing: Drawing) -> str:
    """The whole SVG file, on paper, with a margin around the drawing."""
    x, y = _PADDING - drawing.box[0], _PADDING - drawing.box[1]
    width, height = (round(side + 2 * _PADDING) for side in (drawing.width, drawing.height))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="{FONT}" '
        f'font-size="{FONT_SIZE}" fill="{palette.INK}"><path fill="{palette.PAPER}" d="M0 0H{width}V{height}H0z"/>'
        f"{drawing.moved(x, y).svg}</svg>"
    )


def _path(path: str, style: str, points: Sequence[Point]) -> Drawing:
    return Drawing(f'<path {style} d="{path}"/>', _box(points))


def _box(points: Sequence[Point]) -> Box:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs, default=inf), min(ys, default=inf), max(xs, default=-inf), max(ys, default=-inf)


def _through(points: Sequence[Point]) -> str:
    return "M" * bool(points) + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def _short(value: float) -> str:
    """1.25 -> 1.2, 3.0 -> 3: a tenth of a pixel is enough, and a chart is stored in every run."""
    return f"{value:.1f}".removesuffix(".0")


def as_xml(words: str) -> str:
    """Text between tags, without characters that XML does not allow."""
    return escape(_NOT_XML.sub("", words), quote=False)


_EMS = {0.32: "iIjl.,:;'|! ", 0.41: "()[]-frt", 0.7: "ABCDEFGHKNOPQRSTUVXYZ+÷−=<>&", 0.99: "mwMW%@…"}
_EM_OF = {character: em for em, characters in _EMS.items() for character in characters}
_OTHER_EM, _WIDE_EM, _BOLD = 0.62, 1.0, 1.12


def _width(words: str) -> float:
    """About how wide DejaVu Sans is, as a multiple of its size. It decides no more than the size of the chart."""
    return sum(
        0
        if combining(c) or not c.isprintable()
        else _WIDE_EM
        if east_asian_width(c) in "WF"
        else _EM_OF.get(c, _OTHER_EM)
        for c in words
    )
