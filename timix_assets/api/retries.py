"""When a request is sent again, and after how long."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from timix_assets.settings.limits import DAY_SECONDS

from .errors import (
    ConnectionFailed,
    ContractError,
    DeadlineExceeded,
    EmptyResponse,
    IncompleteResponse,
    NotCsv,
    NotJson,
    RedirectRefused,
    ResponseTooLarge,
    StatusError,
    TimixError,
    TlsFailed,
    TryAgain,
)
from .limits import Limits

_MAX_DOUBLINGS = 60
"""After these the wait is at its cap, whatever the base; a float cannot hold a thousand of them."""

MIN_PAUSE_SECONDS = 1.0
"""After a 429 that names no time, a past one or a negative one."""

_TRANSIENT = (ConnectionFailed, DeadlineExceeded, TryAgain, NotJson, NotCsv, EmptyResponse)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Decides about the retries of one response. A subclass may decide otherwise; 401 and 429 never get here.

    Attributes:
        attempts: Requests for one response, the first included.
        budget_seconds: Longest time for one response, all its requests and waits included.
        backoff_base_seconds: The n-th retry waits up to base * 2 ** (n - 1) seconds.
        backoff_cap_seconds: Longest wait before a retry.
    """

    attempts: int
    budget_seconds: float
    backoff_base_seconds: float
    backoff_cap_seconds: float

    @classmethod
    def of(cls, limits: Limits) -> "RetryPolicy":
        """The policy that the limits of a client describe."""
        return cls(
            limits.attempts, limits.retry_budget_seconds, limits.backoff_base_seconds, limits.backoff_cap_seconds
        )

    def allows(self, error: TimixError, method: str, failures: int, spent_seconds: float) -> bool:
        """Whether to send a request again after its `failures`-th failure.

        A POST or PUT is repeated only when it did not reach the server: it could create twice, or undo a later change.
        """
        if failures >= self.attempts or spent_seconds >= self.budget_seconds:
            return False
        if method in ("POST", "PUT"):
            return isinstance(error, ConnectionFailed) and not error.sent
        return isinstance(error, _TRANSIENT)

    def wait_seconds(self, failures: int, draw: float | None = None) -> float:
        """The wait after the `failures`-th failure, with full jitter. draw: from [0, 1); random when left out."""
        doublings = min(failures - 1, _MAX_DOUBLINGS)
        share = random.random() if draw is None else draw
        return share * min(self.backoff_cap_seconds, self.backoff_base_seconds * 2.0**doublings)


def is_maybe_applied(error: TimixError) -> bool:
    """Whether the server may have applied the write that failed with this error."""
    if isinstance(error, ConnectionFailed | TlsFailed):
        return error.sent
    if isinstance(error, StatusError):
        return isinstance(error, TryAgain | IncompleteResponse)
    return isinstance(
        error, DeadlineExceeded | RedirectRefused | ResponseTooLarge | NotJson | EmptyResponse | ContractError
    )


def retry_after_seconds(headers: Mapping[str, str], limits: Limits, now: datetime) -> float:
    """How long a 429 asks to wait, at least a second. Missing or unreadable: one window of the rate limit."""
    seconds = parse_retry_after(headers, now)
    if seconds is None:
        return max(MIN_PAUSE_SECONDS, limits.window_seconds + limits.window_margin_seconds)
    return seconds


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds of Retry-After, at least one; None when it is missing or unreadable.

    An HTTP date is compared with the Date of the same response, or with `now`.
    """
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is None:
        until = _http_date(value)
        if until is None:
            return None
        seconds = (until - (_http_date(headers.get("date", "")) or now)).total_seconds()
    return max(MIN_PAUSE_SECONDS, seconds)


def duration(seconds: float) -> str:
    """`20 s`; `more than a day` for whatever is longer."""
    return "more than a day" if seconds > DAY_SECONDS else f"{seconds:,.0f} s"


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
