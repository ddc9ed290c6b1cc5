"""How far the client goes before it gives up, and how many requests a minute each plan allows."""

from dataclasses import dataclass, fields

from timix_assets import bounds
from timix_assets.bounds import MOMENT, Range
from timix_assets.documented import LARGEST_PAGE, REQUESTS_PER_MINUTE

from .errors import SettingsError

UNKNOWN_PLAN = REQUESTS_PER_MINUTE["Professional"]
"""Requests a minute for a plan that we do not know: the API needs Professional or higher."""

MEGABYTE = 1024 * 1024

BEFORE_THE_PLAN_IS_KNOWN = min(REQUESTS_PER_MINUTE.values())


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of one client. A value out of range is a SettingsError that names the field.

    attempts: requests made for one answer, the first included; 429s count against run_wait_budget_seconds instead.
    request_deadline_seconds: one request, from connecting to the last byte.
    retry_budget_seconds: one answer with all its retries, without waits for the rate limit.
    run_wait_budget_seconds: how long 429s may hold up this client in all.
    concurrency: requests in flight per listing. max_answer_bytes: one answer, unpacked.
    readings: how often a listing that moves is read.
    backoff_*: the n-th retry waits up to base * 2 ** (n - 1) seconds, at most cap.
    window_seconds: what "a minute" of the rate limit lasts; window_margin_seconds: added, for the server's clock.
    """

    attempts: int = int(bounds.ATTEMPTS.default)
    request_deadline_seconds: float = bounds.REQUEST_DEADLINE.default
    connect_timeout_seconds: float = 10
    retry_budget_seconds: float = bounds.RETRY_BUDGET.default
    run_wait_budget_seconds: float = bounds.WAIT_BUDGET.default
    concurrency: int = int(bounds.CONCURRENCY.default)
    page_size: int = LARGEST_PAGE
    max_answer_bytes: int = int(bounds.MAX_ANSWER_MB.default) * MEGABYTE
    readings: int = 3
    backoff_base_seconds: float = 0.5
    backoff_cap_seconds: float = 20
    window_seconds: float = 60
    window_margin_seconds: float = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value, numbers = getattr(self, field.name), _RANGES[field.name]
            if not numbers.admits(value):
                raise SettingsError(f"Limits: {field.name} must be {numbers.wanted}, but is {value!r}.")


_RANGES = {
    "attempts": bounds.ATTEMPTS.range,
    "request_deadline_seconds": bounds.REQUEST_DEADLINE.range,
    "connect_timeout_seconds": Range(MOMENT),
    "retry_budget_seconds": bounds.RETRY_BUDGET.range,
    "run_wait_budget_seconds": bounds.WAIT_BUDGET.range,
    "concurrency": bounds.CONCURRENCY.range,
    "page_size": Range(1, LARGEST_PAGE, whole=True),
    "max_answer_bytes": Range(1, whole=True),
    "readings": Range(1, whole=True),
    "backoff_base_seconds": Range(0),
    "backoff_cap_seconds": Range(0),
    "window_seconds": Range(MOMENT),
    "window_margin_seconds": Range(0),
}


def requests_per_minute(plan: str | None) -> int:
    """The plan's documented limit; `UNKNOWN_PLAN` for any other. Case, spaces and hyphens do not matter."""
    return _PER_MINUTE.get(_folded(plan), UNKNOWN_PLAN)


def is_known(plan: str | None) -> bool:
    """Whether the vendor documents a limit for the plan."""
    return _folded(plan) in _PER_MINUTE


def plan_sentence(plan: str | None) -> str:
    """How many requests a minute are made because of the plan, and whether that is but a guess; without a full stop."""
    if is_known(plan):
        return f"plan {plan}, at most {requests_per_minute(plan)} requests a minute"
    named = f"the plan {plan} is unknown here" if plan else "no plan is named"
    return f"{named}, so at most {UNKNOWN_PLAN} requests a minute are made"


def _folded(plan: str | None) -> str:
    return "".join(letter for letter in (plan or "").casefold() if letter.isalnum()).removesuffix("plan")


_PER_MINUTE = {_folded(plan): requests for plan, requests in REQUESTS_PER_MINUTE.items()}
