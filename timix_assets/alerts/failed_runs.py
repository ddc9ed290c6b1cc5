"""Run failure alerts: once a run, not while Dagster may still retry it, and not if its causes were reported already."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AliasChoices, AwareDatetime, BeforeValidator, Field, TypeAdapter

from timix_assets.alerts.failing_ticks import FailingState
from timix_assets.alerts.message import Message, safe_line, with_link
from timix_assets.text.wording import job_label

OVERLAP = timedelta(hours=1)
"""How far each scan goes back before the last one: a failure is stored shortly after it happened, and clocks are set."""

RETRY_GRACE = timedelta(minutes=5)
"""How long a retry may take to appear, from the first scan on; Dagster's daemon looks for runs to retry every 5 seconds."""

MAX_PER_TICK = 50

SUPPRESS_FOR = timedelta(hours=20)
"""How long reported causes are not repeated; less than a day, so that a nightly failure is reported every morning."""

MAX_RUNS_REMEMBERED = 1000
MAX_JOBS_REMEMBERED = 200
MAX_CAUSES_SHOWN = 10
MAX_ASSETS_SHOWN = 3


class Retry(Enum):
    """Whether Dagster retries a failed run by itself."""

    NEVER = auto()
    EXPECTED = auto()
    STARTED = auto()


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed, at a time (aware)."""

    run_id: str
    at: datetime
    retry: Retry


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Why a run failed.

    Args:
        job: Its name.
        months: As its tags say, such as `2026-09 to 2026-11`; empty without any.
        causes: Asset or step, and its error message.
        was_terminated: It was ended from outside, or before a step could fail; then one cause is of the run itself.
    """

    job: str
    months: str
    causes: Sequence[tuple[str, str]]
    was_terminated: bool = False


@dataclass(frozen=True, slots=True)
class ReportedFailure:
    """The causes for which a job over some months was reported, and when the reported run failed."""

    at: AwareDatetime
    causes: frozenset[str]

    def covers(self, causes: frozenset[str], failed_at: datetime, *, succeeded_since: bool) -> bool:
        """Whether a further failure with these causes is not reported. succeeded_since: the job did, in between."""
        return causes <= self.causes and failed_at - self.at < SUPPRESS_FOR and not succeeded_since


@dataclass(frozen=True, slots=True)
class FailureState:
    """What failure_alerts remembers between ticks.

    Args:
        reported: Ids of the runs that were handled, the latest last.
        waiting: Run id -> since when its retry is awaited.
        causes: Job and months -> the causes reported for them.
        failing: Sensor or schedule -> since when its ticks fail.
    """

    reported: Annotated[list[str], Field(validation_alias=AliasChoices("reported", "told"))] = field(
        default_factory=list
    )
    waiting: Mapping[str, AwareDatetime] = field(default_factory=dict)
    causes: Annotated[Mapping[str, ReportedFailure], Field(validation_alias=AliasChoices("causes", "known"))] = field(
        default_factory=dict
    )
    failing: Mapping[str, FailingState] = field(default_factory=dict)

    def to_json(self, scanned: int) -> Any:
        """The latest entries as JSON. scanned: runs that the last scan saw; none that the next one sees again is dropped."""
        latest = sorted(self.causes.items(), key=lambda each: each[1].at)[-MAX_JOBS_REMEMBERED:]
        reported = self.reported[-max(MAX_RUNS_REMEMBERED, scanned) :]
        trimmed = FailureState(reported, self.waiting, dict(latest), self.failing)
        return FAILURE_STATE.dump_python(trimmed, mode="json")


def _from_version_0_1(stored: Any) -> Any:
    """The list of reported runs was the whole state once."""
    return {"reported": stored} if isinstance(stored, list) else stored


FAILURE_STATE = TypeAdapter(Annotated[FailureState, BeforeValidator(_from_version_0_1)])


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found.

    Args:
        due: Ids of the runs to report now, the oldest first.
        waiting: Run id -> since when its retry is awaited.
        until: `since` of the next scan.
    """

    due: list[str]
    waiting: dict[str, datetime]
    until: datetime


def scan(
    failed: Sequence[FailedRun],
    reported: Collection[str],
    waiting: Mapping[str, datetime],
    since: datetime,
    now: datetime,
) -> ScanResult:
    """Finds the runs to report among those that failed after `since` - OVERLAP.

    A run that was retried is not reported; its retry is, if that fails too. A run whose retry is expected waits RETRY_GRACE
    for it. `until` never passes a run that is still to be reported, and never goes back.
    """
    new = sorted(
        (each for each in failed if each.run_id not in reported and each.retry is not Retry.STARTED),
        key=lambda each: each.at,
    )
    first_seen = {each.run_id: waiting.get(each.run_id, now) for each in new if each.retry is Retry.EXPECTED}
    due = [each.run_id for each in new if now - first_seen.get(each.run_id, now - RETRY_GRACE) >= RETRY_GRACE]
    due = due[:MAX_PER_TICK]
    left = [each.at for each in new if each.run_id not in due]
    settled = min(left) if left else max((each.at for each in failed), default=since)
    still_waiting = {run_id: first for run_id, first in first_seen.items() if run_id not in due}
    return ScanResult(due, still_waiting, max(since, settled))


def cause_id(where: str, message: str) -> str:
    """A digest that ignores words with digits in them: a page, a count, a time, an id."""
    words = re.sub(r"\S*\d\S*", "#", message)
    return sha256(f"{where} {words}".encode()).hexdigest()[:16]


def run_failure_message(failure: RunFailure, link: str) -> Message:
    """One message for a run, with a line for each cause."""
    assets_of: dict[str, list[str]] = {}
    for where, cause in failure.causes:
        assets_of.setdefault(safe_line(cause), []).append(where)
    lines = [f"• {_enumerate(assets)}: {cause}" for cause, assets in list(assets_of.items())[:MAX_CAUSES_SHOWN]]
    more = len(assets_of) - MAX_CAUSES_SHOWN
    if more > 0:
        lines.append(f"• and {more:,} more")
    months = f" ({failure.months})" if failure.months else ""
    return Message(f"{job_label(failure.job)} failed{months}", with_link(lines, link))


def _enumerate(assets: Sequence[str]) -> str:
    """timix/projects, timix/tasks, timix/invoices and 4 more."""
    more = len(assets) - MAX_ASSETS_SHOWN
    return ", ".join(assets[:MAX_ASSETS_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
