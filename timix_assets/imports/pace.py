"""How fast an import writes, so that a refresh with the same key is not starved."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from .errors import ImportRefused

_HOURS = re.compile(r"(\d{1,2})-(\d{1,2})")


@dataclass
class Pace:
    """Spaces writes evenly, below a share of the plan's limit; in the quiet hours, only the plan's limit counts.

    Args:
        requests_per_minute: The plan's limit.
        share: Of it, how much an import may use; 1 does not space.
        quiet_hours: `19-7`: from 19:00 until 7:00; empty for none.
        now: The local time.
        clock, sleep: Seconds that only move forward, and a wait.
    """

    requests_per_minute: int
    share: float
    quiet_hours: str
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._quiet = hours_of(self.quiet_hours)

    def wait(self) -> None:
        """Waits until the next write may be sent."""
        if self.share >= 1 or self.now().hour in self._quiet:
            return
        self.sleep(max(0.0, self._next - self.clock()))
        self._next = max(self._next, self.clock()) + 60 / (self.requests_per_minute * self.share)


def hours_of(text: str) -> frozenset[int]:
    """The hours of the day of `19-7`; ImportRefused for anything else than empty or two hours from 0 to 24."""
    if not text:
        return frozenset()
    found = _HOURS.fullmatch(text.replace(" ", ""))
    first, last = (int(part) for part in found.groups()) if found else (25, 25)
    if max(first, last) > 24:
        raise ImportRefused("quiet_hours must be two hours of the day, such as 19-7.")
    return frozenset(range(first, last)) if first <= last else frozenset((*range(first, 24), *range(last)))
