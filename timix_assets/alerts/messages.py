"""What a message says: plain text, one line a fact, units with every figure, a link at its end. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from timix_assets.alerts.crossings import Crossing
from timix_assets.alerts.expiry import Key
from timix_assets.as_of import age
from timix_assets.charts.text import day_name, label, number, percent, percent_reached, unit_of
from timix_assets.metrics.budget_status import IN_WORDS
from timix_assets.summary import MOST_PROJECTS, Period, Project, Summary
from timix_assets.wording import counted, job_in_words

LONGEST_NAME = 80
LONGEST_SENTENCE = 500
MOST_FAILURES = 10
MOST_PLACES = 3

SCOPES = {
    "TM": "time and materials",
    "Fix": "fixed price",
    "OVH": "overhead",
    "amount": "amount",
    "contract": "contract amount",
}


@dataclass(frozen=True, slots=True)
class Message:
    """asset: the table that it speaks of, such as rollups/budget_health; empty: none. text: lines."""

    title: str
    text: str
    asset: str = ""


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed. months: as its tags say, empty if it has none. sentences: (asset or step, what went wrong).

    was_ended: from outside, or before a step of it could fail; then a sentence is of the run itself.
    """

    job: str
    months: str
    sentences: Sequence[tuple[str, str]]
    was_ended: bool = False


def budgets_crossed(crossings: Sequence[Crossing], as_of: date, today: date, asset: str, link: str) -> Message:
    """One message for all that crossed at once. as_of: the last day that the figures count; today: when they were looked at."""
    [first, *others] = crossings
    title = (
        f"{counted(len(crossings), 'budget')} need attention"
        if others
        else f"{_named(first.budget.project)}: {SCOPES[first.budget.scope]} {_headline(first)}"
    )
    lines = [f"• {_crossing(each)}" for each in crossings]
    computed = ", ".join(filter(None, [f"As of {day_name(as_of)}", age(as_of, today)]))
    return Message(title, "\n".join([*lines, "", f"{computed}. {link}"]), asset)


def _headline(crossing: Crossing) -> str:
    return IN_WORDS[crossing.budget.status or ""] if crossing.worsened else "soon used up"


def _crossing(crossing: Crossing) -> str:
    budget = crossing.budget
    unit = unit_of(budget.scope, budget.currency)
    who = f"{_named(budget.project)}, customer {_named(budget.customer)}"
    what = f"{IN_WORDS[budget.status or '']}, was {IN_WORDS[crossing.was]}" if crossing.worsened else "soon used up"
    used = ""
    if budget.used is not None and budget.cap:
        burn = percent_reached(budget.used, budget.cap)
        used = f" Burn {burn}: {_amount(budget.used)} of a cap of {_amount(budget.cap)} {unit}."
    return f"{who}: {SCOPES[budget.scope]} budget {what}.{used}{_exhaustion(crossing)}"


def _exhaustion(crossing: Crossing) -> str:
    budget = crossing.budget
    if budget.exhaustion_date is None:
        return ""
    reached = budget.used is not None and budget.cap is not None and budget.used >= budget.cap
    return f" {'Cap reached on' if reached else 'At this rate used up on'} {day_name(budget.exhaustion_date)}."


def run_failed(failed: FailedRun, link: str) -> Message:
    """One message for a run, with a line for each cause."""
    by_sentence: dict[str, list[str]] = {}
    for where, sentence in failed.sentences:
        by_sentence.setdefault(_shortened(sentence), []).append(where)
    lines = [f"• {_places(places)}: {sentence}" for sentence, places in list(by_sentence.items())[:MOST_FAILURES]]
    more = len(by_sentence) - MOST_FAILURES
    if more > 0:
        lines.append(f"• and {more:,} more")
    months = f" ({failed.months})" if failed.months else ""
    return Message(f"{job_in_words(failed.job)} failed{months}", "\n".join([*lines, "", link]))


def _places(names: Sequence[str]) -> str:
    """timix/projects, timix/tasks, timix/invoices and 4 more."""
    more = len(names) - MOST_PLACES
    return ", ".join(names[:MOST_PLACES]) + (f" and {more:,} more" if more > 0 else "")


def key_expires(key: Key, now: datetime, asset: str, link: str) -> Message:
    """The key must have an end."""
    assert key.expires_at is not None
    left = key.expires_at - now
    when = f"{day_name(key.expires_at.date())}, {key.expires_at:%H:%M} UTC"
    name = f"The Timix API key {_named(key.name)}" if key.name else "The Timix API key"
    if left.total_seconds() <= 0:
        title, said = f"{name} has expired", f"It expired on {when}, and nothing can be read with it."
    else:
        title = f"{name} expires in {counted(max(1, left.days), 'day')}"
        said = f"It expires on {when}; from then on nothing can be read with it."
    advice = "Make a new one in Timix, put it into TIMIX_API_KEY, and start Dagster again."
    return Message(title, "\n".join([f"{said} {advice}", "", f"As /me said at the last refresh. {link}"]), asset)


def weekly_summary(summary: Summary, asset: str, link: str) -> Message:
    """The week's digest: utilization, running projects at risk or over, unbilled work."""
    lines = [summary.age, ""] if summary.age else []
    lines += ["Utilization", *(f"• {_period(period)}" for period in summary.periods)]
    lines += [*([summary.idle.sentence] if summary.idle else []), ""]
    lines += ["Running projects at risk or over budget", *_projects(summary.projects)]
    lines += [*([summary.cut.sentence] if summary.cut else []), ""]
    lines += ["Approved work that no invoice bills yet", *_unbilled(summary), ""]
    return Message(f"{_named(summary.name)} as of {day_name(summary.as_of)}", "\n".join([*lines, link]), asset)


def _period(period: Period) -> str:
    if period.billable_utilization is None or period.total_utilization is None:
        return f"{period.name}: {number(period.total_hours)} h, no capacity"
    return (
        f"{period.name}: {percent(period.billable_utilization)} billable, {percent(period.total_utilization)} in all "
        f"({number(period.total_hours)} of {number(period.capacity_hours)} h)"
    )


def _projects(projects: Sequence[Project]) -> list[str]:
    lines = [
        f"• {_named(each.project)}, customer {_named(each.customer)}: {SCOPES[each.scope]} {IN_WORDS[each.status]}, "
        f"burn {percent(each.burn)}" + (f", cap reached {day_name(each.exhausted)}" if each.exhausted else "")
        for each in projects[:MOST_PROJECTS]
    ]
    more = len(projects) - MOST_PROJECTS
    return [*lines, *([f"• and {more:,} more"] if more > 0 else [])] or ["• none"]


def _unbilled(summary: Summary) -> list[str]:
    return [
        f"• {row['bucket']} days old: {number(row['hours'])} h, {_money(row['amount'], row['currency'])}"
        for row in summary.unbilled.iter_rows(named=True)
    ] or ["• none"]


def _money(amount: Decimal | None, currency: str | None) -> str:
    return "amount unknown" if amount is None else f"{_amount(amount)} {currency or 'of an unknown currency'}"


def _named(name: str) -> str:
    return label(name, None, length=LONGEST_NAME)


def _amount(value: Decimal) -> str:
    """1,234.5: exact to two decimals, without zeros at the end."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _shortened(sentence: str) -> str:
    line = " ".join(sentence.split())
    return line if len(line) <= LONGEST_SENTENCE else f"{line[: LONGEST_SENTENCE - 1]}…"
