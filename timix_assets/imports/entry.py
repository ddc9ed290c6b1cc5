"""A time entry as an import writes and compares it. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from hashlib import sha256

from .values import Values

TIME_ENTRY = "time_entry"

MARK_LENGTH = 8
_MARK = re.compile(rf"\s*\[#[0-9a-f]{{{MARK_LENGTH}}}\]$")
MAX_TEXT_LENGTH = 1000
"""Longest text that Timix takes. Source: the vendor's page logging-time."""

_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)(?::\d\d(?:\.\d+)?)?(?: ?([AP])M)?", re.IGNORECASE)

ROUNDING = Decimal("0.005")
"""Timix may keep two decimals of hours: 20 minutes, 0.3333 hours, come back as 0.33."""

EDITABLE = (None, "Draft", "Submitted", "Rejected")
"""Statuses of entries that may be changed. Source: the vendor's page approval-workflow."""


@dataclass(frozen=True, slots=True)
class Entry(Values):
    """What an import sets. None: it sets nothing there."""

    user_id: str
    subtask_id: str
    date: date
    hours: Decimal
    text: str = ""
    start_time: str | None = None
    customer_rate: Decimal | None = None

    @property
    def kind(self) -> str:
        return TIME_ENTRY

    def items(self) -> dict[str, object]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def over(self, current: "Entry") -> "Entry":
        set_here = {name: value for name, value in self.items().items() if value is not None}
        whole: Entry = replace(current, **set_here)  # type: ignore[arg-type]
        # The rate of one subtask is not that of another: Timix sets it, as for a new entry.
        return whole if self.subtask_id == current.subtask_id else replace(whole, customer_rate=self.customer_rate)

    def _is_same(self, name: str, mine: object, theirs: object) -> bool:
        if name == "hours" and isinstance(theirs, Decimal):
            return abs(self.hours - theirs) <= ROUNDING
        # Timix may write seconds.
        if name == "start_time" and (minute := minute_of(str(mine))):
            return minute == minute_of(str(theirs))
        return Values._is_same(self, name, mine, theirs)

    @classmethod
    def from_json(cls, text: str) -> "Entry":
        """The entry of `as_json`."""
        values: Mapping[str, str | None] = json.loads(text)
        rate = values["customer_rate"]
        return cls(
            user_id=values["user_id"] or "",
            subtask_id=values["subtask_id"] or "",
            date=date.fromisoformat(values["date"] or ""),
            hours=Decimal(values["hours"] or 0),
            text=values["text"] or "",
            start_time=values["start_time"],
            customer_rate=None if rate is None else Decimal(rate),
        )


@dataclass(frozen=True, slots=True)
class Existing:
    """An entry that is in Timix."""

    id: str
    entry: Entry
    status: str | None = None
    invoice_id: str | None = None

    @property
    def fixed(self) -> str:
        """Why it may not be changed: `it is Approved`, `it is on the invoice inv-1`; empty when it may be."""
        if self.invoice_id:
            return f"it is on the invoice {self.invoice_id}"
        return "" if self.status in EDITABLE else f"it is {self.status}"


def minute_of(text: str) -> str | None:
    """`09:05`, of a time of day such as `9:05`, `09:05:27` or `9:05 AM`; None for any other text."""
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        return None
    hour, minute, half = int(found[1]), int(found[2]), (found[3] or "").upper()
    if hour > (12 if half else 23) or minute > 59 or (half and not hour):
        return None
    if half:
        hour = hour % 12 + 12 * (half == "P")
    return f"{hour:02d}:{minute:02d}"


def mark_of(source: str, reference: str) -> str:
    """The mark that ends the text of a row's entry, such as `[#1f9a20c4]`."""
    digest = sha256(f"{source}\x1f{reference}".encode("utf-8", "replace")).hexdigest()
    return f"[#{digest[:MARK_LENGTH]}]"


def marked(text: str, mark: str) -> str:
    """The text with its mark at the end."""
    return f"{text} {mark}".strip()


def unmarked(text: str) -> str:
    """The text without a mark at its end."""
    return _MARK.sub("", text)


KINDS = {TIME_ENTRY: Entry.from_json}
