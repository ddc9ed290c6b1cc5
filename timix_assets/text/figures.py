"""Names, amounts, percentages and dates as charts, alerts and summaries show them."""

import math
import unicodedata
from datetime import date
from decimal import Decimal

ELLIPSIS = "…"
UNKNOWN = "unknown"

_RIGHT_TO_LEFT_ISOLATE, _END_OF_ISOLATE = "\u2067", "\u2069"
_JOINERS = frozenset("\u200c\u200d").union(map(chr, range(0xE0020, 0xE0080)))
"""What joins emoji and Persian words, and the letters of flags: invisible, and not printable to Python."""
_LEFT_TO_RIGHT, _RIGHT_TO_LEFT = ("L",), ("R", "AL")
# Not the calendar module's names: those change with the process's locale.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_PERCENT = 9999


def label(name: str | None, otherwise: str | None, *, length: int) -> str:
    """A name on one line of at most `length` characters, isolated; `otherwise`, an id, where there is no name."""
    return isolated(one_line(name, otherwise, length=length))


def one_line(name: str | None, otherwise: str | None = None, *, length: int) -> str:
    """The same, not isolated: for where markup does that. Control characters (XML knows none) and overrides are dropped."""
    readable = "".join(c for c in name or otherwise or "" if c.isprintable() or c.isspace() or c in _JOINERS)
    line = " ".join(readable.split()) or UNKNOWN
    return line if len(line) <= length else line[: length - 1].rstrip() + ELLIPSIS


def isolated(line: str) -> str:
    """A line that begins in Hebrew, so that its words, digits and ellipsis run from right to left whatever surrounds it."""
    return f"{_RIGHT_TO_LEFT_ISOLATE}{line}{_END_OF_ISOLATE}" if _runs_right_to_left(line) else line


def _runs_right_to_left(text: str) -> bool:
    strong = (d for d in map(unicodedata.bidirectional, text) if d in _LEFT_TO_RIGHT + _RIGHT_TO_LEFT)
    return next(strong, "L") in _RIGHT_TO_LEFT


def number(value: Decimal) -> str:
    """1,234; below 100 with one decimal unless it is 0; −5 with a true minus."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}".removesuffix(".0")
    return "0" if text == "-0" else text.replace("-", "−")


def percent(ratio: Decimal | float) -> str:
    """0.838 -> 84 %."""
    return f"{number(Decimal(round(ratio * 100)))} %"


def points_from(points: int, to: str) -> str:
    """4 points above the target."""
    word = "point" if abs(points) == 1 else "points"
    return (
        f"{number(Decimal(abs(points)))} {word} {'above' if points > 0 else 'below'} {to}"
        if points
        else f"the same as {to}"
    )


def percent_reached(used: Decimal, cap: Decimal) -> str:
    """Rounded down, so that 99.9 % of a cap never reads as 100 %; > 9,999 % for more than that."""
    reached = math.floor(used * 100 / cap)
    beyond = "> " if reached > _MAX_PERCENT else ""
    return f"{beyond}{number(Decimal(min(reached, _MAX_PERCENT)))} %"


def used_of_cap(used: Decimal, cap: Decimal, unit: str) -> str:
    """1,349 of 1,145 h."""
    return f"{number(used)} of {number(cap)} {unit}"


def month_name(day: date) -> str:
    """Mar 2026."""
    return f"{MONTHS[day.month - 1]} {day.year}"


def day_name(day: date) -> str:
    """2 Mar 2026."""
    return f"{day.day} {month_name(day)}"
