"""When a request is made again, and after how long: small pure functions."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from timix_assets.bounds import DAY

from .errors import ConnectionFailed, DeadlineExceeded, EmptyAnswer, NotCsv, NotJson, ServerError, TimixError
from .limits import Limits

_DOUBLINGS = 60
"""After so many a pause is at its cap, whatever the base; a float could not hold a thousand of them."""

SHORTEST_HOLD_SECONDS = 1.0
"""After a 429 that names no time, a past one or a negative one."""

_PASSING = (ConnectionFailed, DeadlineExceeded, ServerError, NotJson, NotCsv, EmptyAnswer)


def is_worth_repeating(error: TimixError, method: str) -> bool:
    """Faults that pass by themselves. A POST only when it surely did not arrive, for it might create twice."""
    if method == "POST":
        return isinstance(error, ConnectionFailed) and not error.sent
    return isinstance(error, _PASSING)


def backoff_seconds(failures: int, limits: Limits, draw: float) -> float:
    """Full jitter: anything up to base * 2 ** (failures - 1), at most the cap. draw is from [0, 1)."""
    doublings = min(failures - 1, _DOUBLINGS)
    return draw * min(limits.backoff_cap_seconds, limits.backoff_base_seconds * 2.0**doublings)


def retry_after_seconds(headers: Mapping[str, str], limits: Limits, now: datetime) -> float:
    """How long a 429 asks to wait: seconds, or an HTTP date measured against the answer's own Date. At least a second.

    Missing or unreadable: as long as a whole window lasts, for that is certainly enough.
    """
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is None:
        until = _http_date(value)
        if until is None:
            return max(SHORTEST_HOLD_SECONDS, limits.window_seconds + limits.window_margin_seconds)
        seconds = (until - (_http_date(headers.get("date", "")) or now)).total_seconds()
    return max(SHORTEST_HOLD_SECONDS, seconds)


def reset_in(seconds: float) -> str:
    """When the limit resets, for people: beyond a day, how long a server says is no more than a large number."""
    return "in more than a day" if seconds > DAY else f"in {seconds:,.0f} s"


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
