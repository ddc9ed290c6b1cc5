"""Which budgets there are, what used them, and the status of a budget (docs/metrics.md, § 3)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from timix_assets_tests.metrics.oracle_arithmetic import Row, at_most, grouped, known_total
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, of_type

HOUR_CAPS = {"TM": "tm_hour_limit", "Fix": "fix_hour_limit", "OVH": "ovh_hour_limit"}
FROM_WORST = ("over_budget", "at_risk", "on_track", "no_budget")
LARGEST_RATIO = 2
LARGEST_PERCENTAGE = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Use:
    """What one entry takes from a budget: hours or money; None when its rate is unknown."""

    day: date
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget and everything that used it, to as-of.

    project: its row; empty when the project is unknown. start: the project's, else its first counted entry.
    """

    level: str
    scope: str
    project_id: str | None
    project: Row
    start: date | None
    cap: Decimal | None
    uses: list[Use]
    task_id: str | None = None
    subtask_id: str | None = None
    currency: str | None = None

    def used(self, until: date, since: date = date.min) -> Decimal | None:
        """§ 3: null where cost is hidden: there is use to price, and no price of it."""
        return known_total(use.amount for use in self.uses if since <= use.day <= until)

    @property
    def end(self) -> date | None:
        return self.project.get("end_date")


def capped(limit: Decimal | None, ledger: Ledger) -> Decimal | None:
    """§ 3: null, 0 or negative cap = no cap; one beyond the largest amount is unknown, which is null too."""
    return limit if limit is not None and 0 < limit <= ledger.params.firm.money_policy.max_amount else None


def project_budgets(ledger: Ledger) -> list[Budget]:
    """§ 3: each project always has TM, Fix and OVH, and amount or contract only with a cap."""
    entries_of = grouped(ledger.budgeted, lambda entry: entry.project_id)
    return [
        budget
        for project in ledger.projects.values()
        for budget in _budgets_of_project(ledger, project, entries_of.get(project["id"], []))
    ]


def _budget(
    ledger: Ledger, level: str, scope: str, project_id: str | None, cap: Decimal | None, uses: list[Use], **more: Any
) -> Budget:
    project = ledger.projects.get(project_id or "", {})
    # § 3, elapsed: start: the project's, else its first counted entry.
    start = project.get("start_date") or min(ledger.days_used.get(project_id, []), default=None)
    return Budget(level, scope, project_id, project, start, cap, uses, **more)


def _budgets_of_project(ledger: Ledger, project: Row, entries: list[Entry]) -> Iterator[Budget]:
    for scope, limit in HOUR_CAPS.items():
        uses = _hour_uses(of_type(entries, scope))
        yield _budget(ledger, "project", scope, project["id"], capped(project.get(limit), ledger), uses)
    currency = ledger.project_currency(project)
    # § 3: money only of entries in the project's currency.
    own = [entry for entry in entries if entry.currency == currency]
    if (cap := capped(project.get("amount_limit"), ledger)) is not None:
        # § 3: amount = Σ hours × customer rate of TM entries.
        uses = [Use(entry.day, entry.charge) for entry in of_type(own, "TM")]
        yield _budget(ledger, "project", "amount", project["id"], cap, uses, currency=currency)
    if (cap := capped(project.get("contract_amount"), ledger)) is not None:
        # § 3: contract = Σ cost of Fix entries.
        uses = [Use(entry.day, entry.cost) for entry in of_type(own, "Fix")]
        yield _budget(ledger, "project", "contract", project["id"], cap, uses, currency=currency)


def _hour_uses(entries: Iterable[Entry]) -> list[Use]:
    return [Use(entry.day, entry.hours) for entry in entries]


def task_budgets(ledger: Ledger) -> Iterator[Budget]:
    """§ 3: on a task the hour caps, only with a cap."""
    entries_of = grouped(ledger.budgeted, lambda entry: entry.task_id)
    for task in ledger.tasks.values():
        for scope, limit in HOUR_CAPS.items():
            if (cap := capped(task.get(limit), ledger)) is not None:
                uses = _hour_uses(of_type(entries_of.get(task["id"], []), scope))
                yield _budget(ledger, "task", scope, task.get("project_id"), cap, uses, task_id=task["id"])


def subtask_budgets(ledger: Ledger) -> Iterator[Budget]:
    """§ 3: on a subtask `hours`, only with a cap; § 0: of every billing type, unknown ones too."""
    entries_of = grouped(ledger.budgeted, lambda entry: entry.subtask_id)
    for subtask in ledger.subtasks.values():
        if (cap := capped(subtask.get("hour_limit"), ledger)) is not None:
            task_id = subtask.get("task_id")
            project_id = ledger.tasks.get(task_id or "", {}).get("project_id")
            uses = _hour_uses(entries_of.get(subtask["id"], []))
            parents = {"task_id": task_id, "subtask_id": subtask["id"]}
            yield _budget(ledger, "subtask", "hours", project_id, cap, uses, **parents)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """§ 3: from the organization if the API gives them (above 2 it is a percentage), else configured."""

    warning: Decimal
    critical: Decimal
    contract_warning: Decimal

    @classmethod
    def of(cls, ledger: Ledger) -> "Thresholds":
        firm, organization = ledger.params.firm, ledger.organization
        policy, margin = firm.budget_policy, firm.targets.contract_margin
        warning, critical = (
            _threshold(at_most(organization.get(f"budget_{name}_threshold"), LARGEST_PERCENTAGE), configured)
            for name, configured in (("warning", policy.warning), ("critical", policy.critical))
        )
        # § 3: contract's warning is 1 − contract_margin where that is set.
        return cls(warning, critical, contract_warning=warning if margin is None else 1 - margin)

    def status(self, budget: Budget, until: date) -> str | None:
        if budget.cap is None:
            return "no_budget"
        if (used := budget.used(until)) is None:
            return None
        # § 3: used ≥ threshold × cap, inclusive; multiplied out to stay exact.
        if used >= self.critical * budget.cap:
            return "over_budget"
        warning = self.contract_warning if budget.scope == "contract" else self.warning
        return "at_risk" if used >= warning * budget.cap else "on_track"


def _threshold(given: Decimal | None, configured: Decimal) -> Decimal:
    if given is None:
        return configured
    return given / 100 if given > LARGEST_RATIO else given


def worst_statuses(budgets: Iterable[Budget], thresholds: Thresholds, until: date) -> dict[str | None, str | None]:
    """§ 3: project_budget_status by project, the worst of its own rows; a null status is passed over."""
    return {
        project_id: min(
            (status for budget in own if (status := thresholds.status(budget, until)) is not None),
            key=FROM_WORST.index,
            default=None,
        )
        for project_id, own in grouped(budgets, lambda budget: budget.project_id).items()
    }
