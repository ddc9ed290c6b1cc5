"""The weekly summary: once a week, from Monday morning on, what `timix-assets summary` prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from pydantic import TypeAdapter

from timix_assets.alerts.message import Message, format_amount, safe_name, with_link
from timix_assets.metrics.budget_policy import LABELS, SCOPES
from timix_assets.metrics.entries import FUTURE
from timix_assets.reporting.summary import MAX_PEOPLE, MAX_PROJECTS, Budget, LateTime, Money, Period, Summary
from timix_assets.text.figures import day_name, number, percent, points_from

WEEKLY_SUMMARY_TIME = time(8)


@dataclass(frozen=True, slots=True)
class WeeklySummaryState:
    """The Monday of the last summary."""

    monday: date


WEEKLY_SUMMARY_STATE = TypeAdapter(WeeklySummaryState)


def last_monday(now: datetime) -> date:
    """The latest Monday whose WEEKLY_SUMMARY_TIME has passed, by the clock of `now`."""
    day = now.date() if now.time() >= WEEKLY_SUMMARY_TIME else now.date() - timedelta(days=1)
    return day - timedelta(days=day.weekday())


def weekly_summary_message(summary: Summary, asset: str, link: str, attachment: str = "") -> Message:
    """Money, who has not logged, utilization, running projects at risk or over budget, and unbilled work."""
    lines = [f"{note}\n" for note in (summary.age, summary.missing) if note]
    lines += ["Money", *_money_lines(summary), ""] if summary.has_invoices else []
    lines += _late_time(summary.late_time)
    lines += ["Utilization", *(f"• {_period(period)}" for period in summary.periods)]
    lines.append("")
    lines += ["Running projects at risk or over budget", *_projects(summary.projects)]
    late = summary.late_start
    lines += [*([late.budgets_message] if late and late.budgets_message else []), ""]
    lines += ["Approved work not invoiced yet", *_unbilled(summary)] if summary.has_invoices else []
    lines += [late.unbilled_message] if late and late.unbilled_message else []
    return Message(
        f"{safe_name(summary.name)} as of {day_name(summary.as_of)}", with_link(lines, link), asset, attachment
    )


def _money_lines(summary: Summary) -> list[str]:
    month = f" in {summary.periods[0].name}" if len(summary.periods) > 1 else ""
    return [
        f"• {safe_name(each.currency) if each.currency else 'unknown currency'}: revenue {_known(each.revenue)}, earned "
        f"{_known(each.earned)}{_margin(each)}, invoiced {_known(each.invoiced)}, paid {_known(each.paid)}{month}; "
        f"unbilled {_known(each.unbilled)}, outstanding {_known(each.outstanding)}, of which overdue {_known(each.overdue)}"
        + ("" if each.lockup_days is None else f"; lock-up {each.lockup_days:.0f} days")
        for each in summary.money
    ] or ["• none"]


def _margin(money: Money) -> str:
    return "" if money.earned_margin is None else f" at a margin of {percent(money.earned_margin)}"


def _known(amount: Decimal | None) -> str:
    return "unknown" if amount is None else format_amount(amount)


def _late_time(late: LateTime) -> list[str]:
    if late.week is None:
        return []
    lines = [f"• {safe_name(name)}: {number(hours)} h missing" for name, hours in late.missing[:MAX_PEOPLE]]
    more = len(late.missing) - MAX_PEOPLE
    lines += [f"• and {more:,} more"] if more > 0 else []
    lines += (
        [f"• not submitted: {', '.join(map(safe_name, late.unsubmitted[:MAX_PEOPLE]))}{_more(late.unsubmitted)}"]
        if late.unsubmitted
        else []
    )
    lines = [*(lines or ["• none"]), *filter(None, [late.not_due_message])]
    return [f"Time not in, week of {day_name(late.week)}", *lines, ""]


def _more(names: Sequence[str]) -> str:
    more = len(names) - MAX_PEOPLE
    return f" and {more:,} more" if more > 0 else ""


def _period(period: Period) -> str:
    if period.billable_utilization is None or period.total_utilization is None:
        return f"{period.name}: {number(period.total_hours)} h, no capacity"
    compared = [
        points_from(points, to)
        for points, to in (
            (period.to_target, f"the target of {percent(period.target or 0)}"),
            (period.to_before, "the month before"),
            (period.to_year_before, "the year before"),
        )
        if points is not None
    ]
    return (
        f"{period.name}: {percent(period.billable_utilization)} billable{''.join(f', {each}' for each in compared)}; "
        f"{percent(period.total_utilization)} total ({number(period.total_hours)} of {number(period.capacity_hours)} h)"
    )


def _projects(projects: Sequence[Budget]) -> list[str]:
    lines = [
        f"• {safe_name(each.project)}, customer {safe_name(each.customer)}: {SCOPES[each.scope]} budget "
        f"{LABELS[each.status or '']}, burn {percent(each.burn or 0)}"
        + (
            f", cap {'reached' if each.is_used_up else 'expected to be reached'} on {day_name(each.exhaustion_date)}"
            if each.exhaustion_date
            else ""
        )
        for each in projects[:MAX_PROJECTS]
    ]
    more = len(projects) - MAX_PROJECTS
    return [*lines, *([f"• and {more:,} more"] if more > 0 else [])] or ["• none"]


def _unbilled(summary: Summary) -> list[str]:
    return [
        f"• {_age(row['bucket'])}: {number(row['hours'])} h, {_money(row['amount'], row['currency'])}"
        for row in summary.unbilled.iter_rows(named=True)
    ] or ["• none"]


def _age(bucket: str) -> str:
    return "dated in the future" if bucket == FUTURE else f"{bucket} days old"


def _money(amount: Decimal | None, currency: str | None) -> str:
    if amount is None:
        return "amount unknown"
    return f"{format_amount(amount)} {safe_name(currency) if currency else 'of an unknown currency'}"
