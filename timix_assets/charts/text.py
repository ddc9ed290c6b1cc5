"""What stands on the charts in words and numbers: names of any script, amounts, percentages, dates."""

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

from timix_assets.wording import counted

ELLIPSIS = "…"
_RIGHT_TO_LEFT_ISOLATE, _END_OF_ISOLATE = "\u2067", "\u2069"
_LEFT_TO_RIGHT, _RIGHT_TO_LEFT = ("L",), ("R", "AL")
# Not the calendar module's: those change with the process's locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PIXELS_PER_LABEL = 27
_MOST_LISTED = 6
_MOST_PERCENT = 9999

PERCENT = "format(100 * datum.value, ',.0f') + ' %'"
"""A Vega expression: an axis value as `percent` writes it."""

UNKNOWN = "unknown"

HOUR_SCOPES = ("TM", "Fix", "OVH", "hours")


def label(name: str | None, otherwise: str | None, *, length: int) -> str:
    """A name fit for one line of at most `length` characters; `otherwise`, an id, where there is no name.

    Control characters are dropped (XML knows none). A name that begins in Hebrew is isolated, so that its words, digits and
    ellipsis run from right to left whatever stands beside it.
    """
    readable = "".join(c for c in name or otherwise or "" if c.isprintable() or c.isspace())
    line = " ".join(readable.split()) or UNKNOWN
    cut = line if len(line) <= length else line[: length - 1].rstrip() + ELLIPSIS
    return f"{_RIGHT_TO_LEFT_ISOLATE}{cut}{_END_OF_ISOLATE}" if _runs_right_to_left(cut) else cut


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


def percent_reached(used: Decimal, cap: Decimal) -> str:
    """Rounded down, so that 99.9 % of a cap never reads as 100 %; > 9,999 % for whatever is more."""
    reached = math.floor(used * 100 / cap)
    beyond = "> " if reached > _MOST_PERCENT else ""
    return f"{beyond}{number(Decimal(min(reached, _MOST_PERCENT)))} %"


def used_of_cap(used: Decimal, cap: Decimal, unit: str) -> str:
    """1,349 of 1,145 h."""
    return f"{number(used)} of {number(cap)} {unit}"


def unit_of(scope: str, currency: str | None) -> str:
    """The unit of a budget: hours, or its currency."""
    return "h" if scope in HOUR_SCOPES else (currency or "")


def month_name(day: date) -> str:
    return f"{_MONTHS[day.month - 1]} {day.year}"


def day_name(day: date) -> str:
    return f"{day.day} {month_name(day)}"


def left_out(names: Sequence[str]) -> str:
    """Left out: CHF, JPY, SEK and 12 more."""
    more = len(names) - _MOST_LISTED
    return f"Left out: {', '.join(names[:_MOST_LISTED])}{f' and {more:,} more' if more > 0 else ''}." if names else ""


def against_target(ratio: float, target: Decimal) -> str:
    """2 points below the target of 75 %."""
    points = round(ratio * 100) - round(target * 100)
    where = f"{counted(abs(points), 'point')} {'above' if points > 0 else 'below'}" if points else "on"
    return f"{where} the target of {percent(target)}"


def month_texts(months: Sequence[date], *, width: int) -> dict[str, list[str]]:
    """Axis texts by ISO date, as lines: every month, or each third, sixth or twelfth, as `width` pixels allow.

    The year stands below every January, or below the first text if there is none.
    """
    room = width / max(len(months), 1)
    every = next((n for n in (1, 3, 6) if room * n >= _PIXELS_PER_LABEL), 12)
    named = [m for m in months if (m.month - 1) % every == 0] or list(months[:1])
    with_year = {m for m in named if m.month == 1} or {named[0]}
    return {m.isoformat(): [_MONTHS[m.month - 1], *([str(m.year)] if m in with_year else [])] for m in named}


def week_texts(weeks: Sequence[date], *, partial: frozenset[date]) -> dict[str, str]:
    """Axis texts by ISO date: the month at its first week, an asterisk at a week that is counted in part."""
    begun = {w for before, w in pairwise(weeks) if before.month != w.month} | set(weeks[:1])
    return {w.isoformat(): (_MONTHS[w.month - 1] if w in begun else "") + ("*" if w in partial else "") for w in weeks}


def looked_up(texts: Mapping[str, str] | Mapping[str, list[str]]) -> str:
    """A Vega expression that turns an axis value into its text, into nothing where there is none.

    So a row or tick is placed by its own key, and two of the same name stay two.
    """
    return f"{json.dumps(texts)}[datum.value] || ''"
