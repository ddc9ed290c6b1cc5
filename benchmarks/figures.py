"""A measured figure, its target, and how both are shown."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

README = Path(__file__).with_name("README.md")
FIGURES_FILE = Path(__file__).with_name("figures.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. runs: every measurement, of which the median counts. at_most: the target; None when it has none."""

    what: str
    runs: Sequence[float]
    unit: str = "s"
    at_most: float | None = None

    @property
    def measured(self) -> float:
        return median(self.runs)

    @property
    def met(self) -> bool | None:
        return None if self.at_most is None else self.measured <= self.at_most

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "figure": self.what,
            "unit": self.unit,
            "median": self.measured,
            "min": min(self.runs),
            "max": max(self.runs),
            "runs": list(self.runs),
            "at_most": self.at_most,
            "met": self.met,
        }

    def cells(self) -> tuple[str, ...]:
        return (
            self.what,
            _shown(self.measured, self.unit),
            "" if self.at_most is None else f"≤ {_shown(self.at_most, self.unit)}",
            {None: "", True: "yes", False: "**no**"}[self.met],
            " ".join(_number(run) for run in self.runs) if len(self.runs) > 1 else "",
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """A group of figures that are measured together; named on the command line.

    takes: how long, for whoever waits. by_default: it runs when nothing is named.
    """

    name: str
    takes: str
    measure: Callable[[], Sequence[Figure]] = field(repr=False)
    by_default: bool = True


HEADINGS = ("figure", "measured", "target", "met", "runs")


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table that reads well as plain text too."""
    rows = [HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def write(name: str, text: str, readme: Path = README) -> None:
    """Puts `text` between the README's two marks of that name; ValueError when they are not there."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    written, found = marked.subn(lambda _: f"{begin}\n{text}\n{end}", readme.read_text("utf-8"))
    if not found:
        raise ValueError(f"{readme.name} has no place {begin} … {end} for these figures; add it, then run this again.")
    readme.write_text(written, "utf-8")


def stored(name: str, file: Path = FIGURES_FILE) -> Mapping[str, Any]:
    """What was stored under that name; KeyError when nothing was."""
    facts: dict[str, Mapping[str, Any]] = json.loads(file.read_text("utf-8"))
    return facts[name]


def store(name: str, facts: Mapping[str, Any], file: Path = FIGURES_FILE) -> None:
    """Puts facts under that name into the JSON of all figures."""
    every = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**every, name: facts}, indent=2, sort_keys=True) + "\n", "utf-8")


def _shown(number: float, unit: str) -> str:
    return f"{_number(number)} {unit}".strip()


def _number(number: float) -> str:
    if float(number).is_integer():
        return f"{number:,.0f}"
    digits = 0 if abs(number) >= 100 else 2 if abs(number) >= 10 else 3
    return f"{number:,.{digits}f}"
