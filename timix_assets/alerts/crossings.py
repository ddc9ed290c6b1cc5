"""When a budget is worth a message: it got worse, or it is about to run out. Pure: the day is passed in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from timix_assets.metrics.budget_status import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET

SEVERITY: Mapping[str, int] = {NO_BUDGET: 0, ON_TRACK: 0, AT_RISK: 1, OVER_BUDGET: 2}
"""A cap that is set or lifted is no worsening by itself."""

RECOVERY_DAYS = 7
"""An exhaustion date wavers by a day or two with every entry: it counts as gone only when it moved this far beyond the limit."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget of a project, as `rollups/budget_health` has it. status None: the key's role hides it."""

    project_id: str
    scope: str
    project: str
    customer: str
    status: str | None
    used: Decimal | None
    cap: Decimal | None
    currency: str | None
    exhaustion_date: date | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stood when it was last looked at. near: its exhaustion was within the days asked for, or it was over."""

    status: str
    near: bool


Standings = Mapping[str, Mapping[str, Standing]]
"""Project -> scope -> standing."""

UNHEARD_OF = Standing(NO_BUDGET, near=False)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A budget that got worse. worsened: its status did; else its exhaustion came near. was: its status before."""

    budget: Budget
    was: str
    worsened: bool


def look(
    budgets: Iterable[Budget], before: Standings | None, today: date, days: int
) -> tuple[list[Crossing], dict[str, dict[str, Standing]]]:
    """What crossed since `before`, and how everything stands now. before None: a first look, which only remembers.

    A budget crosses when its status gets worse, or when its exhaustion date comes within `days` of today; once, until it
    recovers. A budget that is gone from a project counts as recovered, for its cap was lifted; a project that is not among
    the budgets (deleted, not running) keeps its standing until it is back.
    """
    after: dict[str, dict[str, Standing]] = {}
    found = []
    for budget in budgets:
        was = (before or {}).get(budget.project_id, {}).get(budget.scope, UNHEARD_OF)
        now = _standing(budget, was, today, days)
        after.setdefault(budget.project_id, {})[budget.scope] = now
        worsened = SEVERITY[now.status] > SEVERITY[was.status]
        if before is not None and (worsened or (now.near and not was.near)):
            found.append(Crossing(budget, was.status, worsened))
    kept = {project: dict(scopes) for project, scopes in (before or {}).items() if project not in after}
    return found, kept | after


def _standing(budget: Budget, was: Standing, today: date, days: int) -> Standing:
    if budget.status is None:
        return was
    within = timedelta(days=days + RECOVERY_DAYS if was.near else days)
    runs_out = budget.exhaustion_date is not None and budget.exhaustion_date - today <= within
    return Standing(budget.status, near=runs_out or budget.status == OVER_BUDGET)
