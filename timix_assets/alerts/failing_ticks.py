"""Alerts on sensors and schedules whose ticks keep failing, and on their recovery."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from timix_assets.alerts.message import Message, format_moment, safe_line, with_link

ALERT_AFTER = timedelta(minutes=15)
"""How long ticks must fail before an alert: shorter outages pass by themselves."""


@dataclass(frozen=True, slots=True)
class FailedTick:
    """A tick that failed, at a time (aware), with its reason."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Automation:
    """A sensor or schedule that is on. last_success: its latest tick that did not fail. failed: the ticks that failed since."""

    name: str
    is_schedule: bool
    last_success: datetime | None
    failed: Sequence[FailedTick]


@dataclass(frozen=True, slots=True)
class FailingState:
    """Since when the ticks of an automation have failed, and whether people were alerted."""

    since: AwareDatetime
    alerted: bool


@dataclass(frozen=True, slots=True)
class AutomationTransition:
    """An automation that has failed for too long, or recovered.

    Args:
        automation: The sensor or schedule.
        since: When its first tick failed.
        until: When its latest tick failed, or its first one succeeded again.
        reason: Of the latest failure; None when it recovered.
    """

    automation: Automation
    since: datetime
    until: datetime
    reason: str | None


def find_failing(
    automations: Iterable[Automation], before: Mapping[str, FailingState], now: datetime
) -> tuple[list[AutomationTransition], dict[str, FailingState]]:
    """Finds the automations to alert on. One that was switched off is dropped without a message.

    Returns:
        The transitions since the last tick, and the state of every failing automation, by name.
    """
    transitions, after = [], {}
    for each in automations:
        known = before.get(each.name)
        if known and each.last_success and each.last_success > known.since:
            if known.alerted:
                transitions.append(AutomationTransition(each, known.since, each.last_success, None))
            known = None
        latest = max(each.failed, key=lambda tick: tick.at, default=None)
        if latest is None:
            if known:  # Dagster has deleted its old ticks
                after[each.name] = known
            continue
        failing = known or FailingState(min(tick.at for tick in each.failed), alerted=False)
        # A schedule's next tick may be a week away; a sensor's last failure may be from before the daemon was stopped.
        lasted = (now if each.is_schedule else latest.at) - failing.since
        if not failing.alerted and lasted >= ALERT_AFTER:
            transitions.append(AutomationTransition(each, failing.since, latest.at, latest.reason))
            failing = FailingState(failing.since, alerted=True)
        after[each.name] = failing
    return transitions, after


def automation_message(transition: AutomationTransition, link: str) -> Message:
    """The message for a sensor or schedule that keeps failing, or recovered."""
    kind = "schedule" if transition.automation.is_schedule else "sensor"
    name, since = f"The {kind} {transition.automation.name}", format_moment(transition.since)
    if transition.reason is None:
        return Message(
            f"{name} has recovered",
            with_link([f"• It failed from {since} to {format_moment(transition.until)}."], link),
        )
    return Message(f"{name} has been failing since {since}", with_link([f"• {safe_line(transition.reason)}"], link))
