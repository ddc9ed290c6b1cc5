"""The limits of one client, and the requests per minute that each plan allows."""

from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from timix_assets.settings.declaration import explain
from timix_assets.settings.limits import MIN_SECONDS, ClientLimits
from timix_assets.vendor import MAX_PAGE_SIZE, REQUESTS_PER_MINUTE

from .errors import ClientConfigError

UNKNOWN_PLAN_RATE_LIMIT = REQUESTS_PER_MINUTE["Professional"]
"""Requests per minute for an unknown plan: the API needs Professional or higher."""

MEGABYTE = 1024 * 1024

DEFAULT_RATE_LIMIT = min(REQUESTS_PER_MINUTE.values())
"""Requests per minute until the plan is known."""

RESERVED_SHARE = 0.1
"""Share of the plan's limit that runs leave to requests outside their turns: of the lowest limit, an idle look for changes."""


class Quota(StrEnum):
    """The part of the plan's limit that a client keeps to, where machines with one key take turns."""

    ALL = "all"
    """Nobody takes turns: all processes of the machine share one count."""
    TURN = "turn"
    """Requests of the machine whose turn it is."""
    RESERVE = "reserve"
    """Requests that do not wait for a turn; they have a count of their own."""

    def of(self, per_minute: int) -> int:
        """Its requests, of those that the plan allows in a minute."""
        reserve = round(per_minute * RESERVED_SHARE)
        return {Quota.ALL: per_minute, Quota.TURN: per_minute - reserve, Quota.RESERVE: reserve}[self]


class Limits(ClientLimits):
    """The limits of one client: those that people set, and the rest of its timing.

    Raises:
        ClientConfigError: A value is out of range; the message names the field.
    """

    model_config = ConfigDict(strict=True)

    connect_timeout_seconds: float = Field(default=10, ge=MIN_SECONDS, description="Longest time to connect.")
    page_size: int = Field(default=MAX_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Rows per page.")
    listing_attempts: int = Field(default=3, ge=1, description="How often a listing that changes is read.")
    backoff_base_seconds: float = Field(
        default=0.5, ge=0, description="The n-th retry waits up to base * 2 ** (n - 1) seconds."
    )
    backoff_cap_seconds: float = Field(default=20, ge=0, description="Longest wait before a retry.")
    window_seconds: float = Field(default=60, ge=MIN_SECONDS, description="Length of the rate limit's minute.")
    window_margin_seconds: float = Field(default=1, ge=0, description="Added to it, for the server's clock.")

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as wrong:
            problem = explain(wrong, type(self))
        else:
            return
        raise ClientConfigError(f"Limits: {problem}")

    @property
    def max_answer_bytes(self) -> int:
        """Largest response, decompressed."""
        return self.max_answer_mb * MEGABYTE


def requests_per_minute(plan: str | None) -> int:
    """The documented limit of a plan, else `UNKNOWN_PLAN_RATE_LIMIT`. Case, spaces and hyphens do not matter."""
    return _PER_MINUTE.get(_normalized(plan), UNKNOWN_PLAN_RATE_LIMIT)


def is_known_plan(plan: str | None) -> bool:
    """Whether the vendor documents a limit for the plan."""
    return _normalized(plan) in _PER_MINUTE


def plan_message(plan: str | None) -> str:
    """The limit that the plan sets, and whether it is a guess; without a full stop."""
    if is_known_plan(plan):
        return f"plan {plan}, at most {requests_per_minute(plan)} requests a minute"
    named = f"unknown plan {plan}" if plan else "no plan is named"
    return f"{named}, assuming at most {UNKNOWN_PLAN_RATE_LIMIT} requests a minute"


def _normalized(plan: str | None) -> str:
    return "".join(letter for letter in (plan or "").casefold() if letter.isalnum()).removesuffix("plan")


_PER_MINUTE = {_normalized(plan): requests for plan, requests in REQUESTS_PER_MINUTE.items()}
