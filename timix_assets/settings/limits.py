"""How far a run goes before it gives up or refuses: each limit with its default, range and meaning.

The environment (`TIMIX_ATTEMPTS`), the launchpad's fields, the API client, the lake and docs/reliability.md take them from here.
"""

from pydantic import Field

from timix_assets.settings.declaration import Declaration

MIN_SECONDS = 0.001
"""The shortest time of a limit for which no time at all would make no sense."""

DAY_SECONDS = 86_400
"""The longest time of a limit in seconds: clocks cannot count any number, and nobody waits longer."""


class ClientLimits(Declaration):
    """Limits of the requests to Timix."""

    attempts: int = Field(
        default=5, ge=1, description="Requests per answer, retries included, when the server or network fails."
    )
    request_deadline_seconds: float = Field(
        default=60.0,
        ge=MIN_SECONDS,
        le=DAY_SECONDS,
        description="Longest time for one request, from connecting to the last byte.",
    )
    retry_budget_seconds: float = Field(
        default=120.0,
        ge=MIN_SECONDS,
        le=DAY_SECONDS,
        description="Longest time for one answer with all its retries, without waits for the rate limit.",
    )
    wait_budget_seconds: float = Field(
        default=900.0,
        ge=0,
        le=DAY_SECONDS,
        description="Longest time in total that a run waits because the server asks for it (429, Retry-After).",
    )
    concurrency: int = Field(default=8, ge=1, le=64, description="Requests in flight at the same time.")
    max_answer_mb: int = Field(
        default=64, ge=1, le=2048, description="Largest answer that is read, uncompressed, in megabytes."
    )


class QuarantineLimits(Declaration):
    """How many unreadable rows a table tolerates."""

    max_rejected_rows: int = Field(
        default=100, ge=0, description="A table fails when one read puts more rows than this into quarantine."
    )
    max_rejected_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="A table fails when a larger share of its rows than this goes into quarantine, and more than one row.",
    )


class LakeLimits(Declaration):
    """Limits of writing to the lake."""

    max_removed_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A replacement that would remove more than this share of the rows of a table (or its months) is refused.",
    )
    guard_from_rows: int = Field(
        default=20, ge=1, description="Tables (or months) with fewer rows than this may shrink without being refused."
    )
    lock_timeout_seconds: float = Field(
        default=3600.0,
        ge=0,
        le=DAY_SECONDS,
        description="How long a run waits for another run on the same lake before it gives up.",
    )
    lease_seconds: float = Field(
        default=30.0,
        ge=1,
        le=DAY_SECONDS,
        description="On a lake in an object store: how long a run may be silent, as when its machine is gone, before another "
        "machine takes over.",
    )


class ImportLimits(Declaration):
    """How much an import may write, and how fast."""

    import_max_rows: int = Field(
        default=1000, ge=1, description="An import that would write more entries than this is refused as a whole."
    )
    import_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the plan's requests a minute that an import uses at most, so that others are not starved.",
    )
    import_quiet_hours: str = Field(
        default="",
        description="Hours of the day in which an import may use all requests of the plan, such as 19-7; empty for none.",
    )
