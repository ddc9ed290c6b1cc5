"""When a failed run is worth a message: once, not while Dagster may still start it again, and not if why it failed was told.

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

TOLD_FOR = timedelta(hours=20)
"""How long what was told is no news; less than a day, so that a job that fails every night is told every morning."""


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


@dataclass(frozen=True, slots=True)
class Told:
    """Why a job failed over its months, as a person was told. at: when the run failed that was told of."""

    at: datetime
    causes: frozenset[str]

    def covers(self, causes: frozenset[str], failed_at: datetime, *, ended_well: bool) -> bool:
        """Whether a further failure by these causes is no news. ended_well: whether the job did so in between."""
        return causes <= self.causes and failed_at - self.at < TOLD_FOR and not ended_well


def cause_of(where: str, sentence: str) -> str:
    """The same for what differs in nothing but words with figures in them: a page, a count, a time, an id."""
    words = re.sub(r"\S*\d\S*", "#", sentence)
    return sha256(f"{where} {words}".encode()).hexdigest()[:16]
