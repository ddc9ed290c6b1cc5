"""When a failed run is worth a message: once, not while Dagster may still start it again, and not for a cause that was told.

Pure: the clock is passed in.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256

OVERLAP = timedelta(hours=1)
"""How far each look goes back behind what was settled: a failure is stored a little after it happened, and clocks are set."""

GRACE = timedelta(minutes=5)
"""How long a retry may take to appear, from the first look on; Dagster looks for runs to retry every 5 seconds."""

MOST_A_LOOK = 50

TOLD_FOR = timedelta(hours=24)
"""How long a cause that was told is no news; after that a person is reminded."""


class Retry(Enum):
    """Whether Dagster starts a failed run again by itself."""

    NEVER = auto()
    EXPECTED = auto()
    STARTED = auto()


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that failed, at a time (aware)."""

    run_id: str
    at: datetime
    retry: Retry


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found. tell: runs to tell of now. waiting: run id -> when its retry was first waited for. until: settled."""

    tell: list[str]
    waiting: dict[str, datetime]
    until: datetime


def look(
    failed: Sequence[Failed], told: Collection[str], waiting: Mapping[str, datetime], since: datetime, now: datetime
) -> Look:
    """What is to be told of the runs that failed after `since` - OVERLAP, the oldest first.

    A run whose retry was started is told of by its retry, if that fails too. One whose retry is expected waits GRACE for it.
    `until` is the `since` of the next look: it never passes a run that is still to be told of, and never goes back.
    """
    news = sorted(
        (each for each in failed if each.run_id not in told and each.retry is not Retry.STARTED),
        key=lambda each: each.at,
    )
    first_seen = {each.run_id: waiting.get(each.run_id, now) for each in news if each.retry is Retry.EXPECTED}
    due = [each.run_id for each in news if now - first_seen.get(each.run_id, now - GRACE) >= GRACE]
    tell = due[:MOST_A_LOOK]
    left = [each.at for each in news if each.run_id not in tell]
    settled = min(left) if left else max((each.at for each in failed), default=since)
    return Look(
        tell, {run_id: first for run_id, first in first_seen.items() if run_id not in tell}, max(since, settled)
    )


def is_known(told_at: datetime | None, failed_at: datetime, succeeded_at: datetime | None) -> bool:
    """Whether a cause that was told of a run that failed at `told_at` (None: never) is no news when a run fails by it now.

    succeeded_at: when the failed run's job last ended well; in between, that mended it.
    """
    if told_at is None or failed_at - told_at >= TOLD_FOR:
        return False
    return succeeded_at is None or not told_at < succeeded_at < failed_at


def cause_of(sentence: str) -> str:
    """The same for sentences that differ in nothing but figures: a page, a count, a time."""
    return sha256(re.sub(r"\d+", "#", sentence).encode()).hexdigest()[:16]
