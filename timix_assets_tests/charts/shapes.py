"""Reading a chart's SVG: its size, its text, and how much of it has which colour."""

import math
import re
from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring

_STEP = re.compile(r"([MLHVhz])([-\d. ]*)")


def size(svg: str) -> tuple[int, int]:
    """Width and height in pixels."""
    root = fromstring(svg)
    return int(root.attrib["width"]), int(root.attrib["height"])


def elements(svg: str) -> set[str]:
    """The names of the elements that are in it."""
    return {each.tag.rpartition("}")[2] for each in fromstring(svg).iter()}


def words(svg: str) -> list[str]:
    """Each text, as a reader sees it."""
    return ["".join(each.itertext()) for each in _all(svg, "text")]


def area(svg: str, colour: str) -> float:
    """Square pixels of shapes of that #rrggbb; what lies over another shape counts too."""
    return sum(_area(path) for path in _all(svg, "path") if colour in (path.get("fill"), path.get("stroke")))


def _all(svg: str, tag: str) -> list[Element]:
    return fromstring(svg).findall(f".//{{*}}{tag}")


def _area(path: Element) -> float:
    runs = _runs(path.attrib["d"])
    if path.get("stroke") is None:
        return sum(abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*run, run[0]]))) / 2 for run in runs)
    width = float(path.get("stroke-width", 1))
    is_dot = path.get("stroke-linecap") == "round"
    return sum(
        math.pi * width**2 / 4 if is_dot else width * sum(math.dist(*ends) for ends in pairwise(run)) for run in runs
    )


def _runs(path: str) -> list[list[tuple[float, float]]]:
    """The corners of each part of a path."""
    runs: list[list[tuple[float, float]]] = []
    for command, numbers in _STEP.findall(path):
        values = [float(number) for number in numbers.split()]
        if command == "M":
            runs.append([(values[0], values[1])])
        elif command == "L":
            runs[-1].append((values[0], values[1]))
        elif command == "H":
            runs[-1].append((values[0], runs[-1][-1][1]))
        elif command == "V":
            runs[-1].append((runs[-1][-1][0], values[0]))
    return runs
