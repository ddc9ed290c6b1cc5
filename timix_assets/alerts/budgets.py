"""Budget alerts: a running project's budget got worse, or is about to run out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from pydantic import AliasChoices, Field, TypeAdapter

from timix_assets.alerts.message import Message, format_amount, safe_name, with_link
from timix_assets.metrics.budget_policy import AT_RISK, LABELS, NO_BUDGET, ON_TRACK, OVER_BUDGET, SCOPES
from timix_assets.metrics.budgets import unit_of
from timix_assets.reporting.as_of import staleness_note
from timix_assets.reporting.summary import Budget
from timix_assets.text.figures import day_name, percent_reached
from timix_assets.text.printable import inert, printable

SEVERITY: Mapping[str, int] = {NO_BUDGET: 0, ON_TRACK: 0, AT_RISK: 1, OVER_BUDGET: 2}
"""Setting or lifting a cap is not a deterioration by itself."""

RECOVERY_DAYS = 7
"""An exhaustion date moves by a day or two with every entry: it has recovered only when it is this far beyond the limit."""

RUNNING_OUT = "running out soon"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget at the last tick. near_exhaustion: over budget, or its exhaustion date was within the configured days."""

    status: str
    near_exhaustion: Annotated[bool, Field(validation_alias=AliasChoices("near_exhaustion", "near"))]

    def __post_init__(self) -> None:
        if self.status not in SEVERITY:
            raise ValueError(f"{self.status!r} is not a budget status")


BudgetStates = Mapping[str, Mapping[str, BudgetState]]
"""Project id -> scope -> state."""

BUDGET_STATES = TypeAdapter(dict[str, dict[str, BudgetState]])
UNKNOWN_STATE = BudgetState(NO_BUDGET, near_exhaustion=False)


@dataclass(frozen=True, slots=True)
class BudgetTransition:
    """A budget that got worse. is_worse_status: its status did; else only its exhaustion date came near."""

    budget: Budget
    previous_status: str
    is_worse_status: bool


def find_transitions(
    budgets: Iterable[Budget], before: BudgetStates | None, today: date, days: int
) -> tuple[list[BudgetTransition], dict[str, dict[str, BudgetState]]]:
    """Finds the budgets that got worse since the last tick.

    A budget gets worse when its status does, or when its exhaustion date comes within `days` of today; once, until it
    recovers. A budget that a project no longer has counts as recovered, because its cap was lifted. A project without any
    budget in the list (deleted, not running) keeps its states until it is back.

    Args:
        before: The states at the last tick; None at the first tick, which finds no transitions.
        today: The day from which `days` are counted.
        days: How close an exhaustion date must be.

    Returns:
        The transitions, in the order of `budgets`, and the states now.
    """
    after: dict[str, dict[str, BudgetState]] = {}
    transitions = []
    for budget in budgets:
        previous = (before or {}).get(budget.project_id, {}).get(budget.scope, UNKNOWN_STATE)
        current = _state_of(budget, previous, today, days)
        after.setdefault(budget.project_id, {})[budget.scope] = current
        is_worse = SEVERITY[current.status] > SEVERITY[previous.status]
        if before is not None and (is_worse or (current.near_exhaustion and not previous.near_exhaustion)):
            transitions.append(BudgetTransition(budget, previous.status, is_worse))
    absent = {project: dict(scopes) for project, scopes in (before or {}).items() if project not in after}
    return transitions, absent | after


def _state_of(budget: Budget, previous: BudgetState, today: date, days: int) -> BudgetState:
    if budget.status is None:
        return previous
    within = timedelta(days=days + RECOVERY_DAYS if previous.near_exhaustion else days)
    runs_out = budget.exhaustion_date is not None and budget.exhaustion_date - today <= within
    return BudgetState(budget.status, near_exhaustion=runs_out or budget.status == OVER_BUDGET)


def budget_message(transitions: Sequence[BudgetTransition], as_of: date, today: date, asset: str, link: str) -> Message:
    """One message for all transitions of a tick. as_of: last day that the figures include; today: day of the tick."""
    [first, *others] = transitions
    title = (
        f"{len(transitions):,} budgets need attention"
        if others
        else f"{safe_name(first.budget.project)}: {SCOPES[first.budget.scope]} budget {_headline(first)}"
    )
    computed = ", ".join(filter(None, [f"As of {day_name(as_of)}", staleness_note(as_of, today)]))
    return Message(title, with_link([f"• {_line(each)}" for each in transitions], f"{computed}. {link}"), asset)


def _headline(transition: BudgetTransition) -> str:
    return LABELS[transition.budget.status or ""] if transition.is_worse_status else RUNNING_OUT


def _line(transition: BudgetTransition) -> str:
    budget = transition.budget
    was = f" (was {LABELS[transition.previous_status]})" if transition.is_worse_status else ""
    used = ""
    if budget.used is not None and budget.cap:
        unit = inert(printable(unit_of(budget.scope, budget.currency)))
        burn = percent_reached(budget.used, budget.cap)
        used = f" Burn {burn}: {format_amount(budget.used)} of {format_amount(budget.cap)} {unit}."
    return (
        f"{safe_name(budget.project)}, customer {safe_name(budget.customer)}: {SCOPES[budget.scope]} budget "
        f"{_headline(transition)}{was}.{used}{_exhaustion(budget)}"
    )


def _exhaustion(budget: Budget) -> str:
    if budget.exhaustion_date is None:
        return ""
    is_reached = budget.used is not None and budget.cap is not None and budget.used >= budget.cap
    return f" {'Cap reached' if is_reached else 'At this rate exhausted'} on {day_name(budget.exhaustion_date)}."
