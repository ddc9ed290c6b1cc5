"""How far the project goes before it gives up or refuses: each limit that a user may set, declared once.

The environment, the launchpad's fields, the client and docs/reliability.md all take name, default, range and meaning from here.
"""

import math
from dataclasses import dataclass

PREFIX = "TIMIX_"
"""How the name of each of our environment variables begins."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a setting may be. at_most: None is no end. whole: no fractions."""

    at_least: float
    at_most: float | None = None
    whole: bool = False

    @property
    def wanted(self) -> str:
        """Which numbers these are, in words."""
        kind = "a whole number" if self.whole else "a number"
        if self.at_most is None:
            return f"{kind} of at least {self.at_least:g}"
        return f"{kind} from {self.at_least:g} to {self.at_most:g}"

    def admits(self, value: object) -> bool:
        """Whether the value is one of them."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        highest = math.inf if self.at_most is None else self.at_most
        return math.isfinite(value) and self.at_least <= value <= highest

    def read(self, text: str) -> float | None:
        """The number that the text says; None when it says none of them."""
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            return None
        return value if self.admits(value) else None


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: its name in the launchpad, its default, what it bounds, and what it may be."""

    name: str
    default: float
    meaning: str
    range: Range

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{PREFIX}{self.name.upper()}"


MOMENT = 0.001
"""The shortest time that a limit in seconds may be, where none at all would make no sense."""

DAY = 86_400
"""The longest time, in seconds, that a limit may be: nobody waits longer, and the system's clocks cannot count any number."""

ATTEMPTS = Bound(
    "attempts", 5, "Requests in all for one answer, when the server or the line fails.", Range(1, whole=True)
)
REQUEST_DEADLINE = Bound(
    "request_deadline_seconds",
    60,
    "Longest time for one request, from connecting to the last byte.",
    Range(MOMENT, DAY),
)
RETRY_BUDGET = Bound(
    "retry_budget_seconds",
    120,
    "Longest time for one answer with all its retries, without waits for the rate limit.",
    Range(MOMENT, DAY),
)
WAIT_BUDGET = Bound(
    "wait_budget_seconds",
    900,
    "Longest time in all that a run waits because the server said 429, before it fails.",
    Range(0, DAY),
)
CONCURRENCY = Bound("concurrency", 8, "Requests in flight at once.", Range(1, 64, whole=True))
MAX_ANSWER_MB = Bound(
    "max_answer_mb", 64, "Largest answer that is read, unpacked, in megabytes.", Range(1, 2048, whole=True)
)
MAX_REJECTED_ROWS = Bound(
    "max_rejected_rows", 100, "More rows in quarantine than this, in one read, fail a table.", Range(0, whole=True)
)
MAX_REJECTED_SHARE = Bound(
    "max_rejected_share",
    0.01,
    "A larger share of the rows in quarantine fails a table, when it is more than one row.",
    Range(0, 1),
)
MAX_REMOVED_SHARE = Bound(
    "max_removed_share",
    0.5,
    "A replacement that would remove more than this share of a table's (or range's) rows is refused.",
    Range(0, 1),
)
GUARD_FROM_ROWS = Bound(
    "guard_from_rows", 20, "The guard looks at tables and ranges of at least this many rows.", Range(1, whole=True)
)
TURN_SECONDS = Bound(
    "turn_seconds", 3600, "How long a run waits for another run on the same lake before it gives up.", Range(0, DAY)
)

OF_THE_CLIENT = (
    ATTEMPTS,
    REQUEST_DEADLINE,
    RETRY_BUDGET,
    WAIT_BUDGET,
    CONCURRENCY,
    MAX_ANSWER_MB,
    MAX_REJECTED_ROWS,
    MAX_REJECTED_SHARE,
)
OF_THE_LAKE = (MAX_REMOVED_SHARE, GUARD_FROM_ROWS, TURN_SECONDS)
BOUNDS = (*OF_THE_CLIENT, *OF_THE_LAKE)
