"""Which budgets there are, what used them, and how a budget stands (metrics.md § 3)."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from timix_assets_tests.metrics.oracle_arithmetic import Row, grouped, known_total
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger

HOUR_CAPS = {"TM": "tm_hour_limit", "Fix": "fix_hour_limit", "OVH": "ovh_hour_limit"}
FROM_WORST = ("over_budget", "at_risk", "on_track", "no_budget")
LARGEST_RATIO = 2


@dataclass(frozen=True, slots=True)
class Use:
    """What one entry takes from a budget: hours or money; None when its rate is unknown."""

    day: date
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget and everything that used it, to as-of. project: its row; empty when the project is unknown."""

    level: str
    scope: str
    project_id: str | None
    project: Row
    cap: Decimal | None
    uses: list[Use]
    task_id: str | None = None
    subtask_id: str | None = None
    currency: str | None = None

    def used(self, until: date, since: date = date.min) -> Decimal | None:
        """§ 3: null where cost is hidden: there is use to price, and no price of it."""
        return known_total(use.amount for use in self.uses if since <= use.day <= until)

    @property
    def start(self) -> date | None:
        return self.project.get("start_date")

    @property
    def end(self) -> date | None:
        return self.project.get("end_date")


def capped(limit: Decimal | None) -> Decimal | None:
    """§ 3: null or 0 cap = no cap."""
    return limit if limit is not None and limit > 0 else None


def project_budgets(ledger: Ledger) -> list[Budget]:
    """§ 3: each project always has TM, Fix and OVH, and amount or contract only with a cap."""
    entries_of = grouped(ledger.budgeted, lambda entry: entry.project_id)
    return [
        budget
        for project in ledger.projects.values()
        for budget in _budgets_of_project(ledger, project, entries_of.get(project["id"], []))
    ]


def _budgets_of_project(ledger: Ledger, project: Row, entries: list[Entry]) -> Iterator[Budget]:
    for scope, limit in HOUR_CAPS.items():
        yield Budget(
            "project", scope, project["id"], project, capped(project.get(limit)), _hour_uses(entries, (scope,))
        )
    currency = ledger.project_currency(project)
    # § 3: money only of entries in the project's currency.
    own = [entry for entry in entries if entry.currency == currency]
    if (cap := capped(project.get("amount_limit"))) is not None:
        # § 3: amount = Σ hours × customer rate of TM entries.
        uses = [Use(entry.day, entry.charge) for entry in own if entry.billing_type == "TM"]
        yield Budget("project", "amount", project["id"], project, cap, uses, currency=currency)
    if (cap := capped(project.get("contract_amount"))) is not None:
        # § 3: contract = Σ hours × cost rate of Fix entries.
        uses = [Use(entry.day, entry.cost) for entry in own if entry.billing_type == "Fix"]
        yield Budget("project", "contract", project["id"], project, cap, uses, currency=currency)


def _hour_uses(entries: Iterable[Entry], billing_types: Collection[str]) -> list[Use]:
    """§ 0: an entry of unknown billing type is in no scope."""
    return [Use(entry.day, entry.hours) for entry in entries if entry.billing_type in billing_types]


def task_budgets(ledger: Ledger) -> Iterator[Budget]:
    """§ 3: on a task the hour caps, only with a cap."""
    entries_of = grouped(ledger.budgeted, lambda entry: entry.task_id)
    for task in ledger.tasks.values():
        for scope, limit in HOUR_CAPS.items():
            if (cap := capped(task.get(limit))) is not None:
                uses = _hour_uses(entries_of.get(task["id"], []), (scope,))
                project_id = task.get("project_id")
                project = ledger.projects.get(project_id or "", {})
                yield Budget("task", scope, project_id, project, cap, uses, task_id=task["id"])


def subtask_budgets(ledger: Ledger) -> Iterator[Budget]:
    """§ 3: on a subtask `hours`, only with a cap."""
    entries_of = grouped(ledger.budgeted, lambda entry: entry.subtask_id)
    for subtask in ledger.subtasks.values():
        if (cap := capped(subtask.get("hour_limit"))) is not None:
            task_id = subtask.get("task_id")
            project_id = ledger.tasks.get(task_id or "", {}).get("project_id")
            project = ledger.projects.get(project_id or "", {})
            uses = _hour_uses(entries_of.get(subtask["id"], []), HOUR_CAPS)
            yield Budget("subtask", "hours", project_id, project, cap, uses, task_id=task_id, subtask_id=subtask["id"])


@dataclass(frozen=True, slots=True)
class Thresholds:
    """§ 3: from the organization if the API gives them (above 2 it is a percentage), else configured."""

    warning: Decimal
    critical: Decimal

    @classmethod
    def of(cls, ledger: Ledger) -> "Thresholds":
        policy, organization = ledger.settings.budgets, ledger.organization
        return cls(
            _threshold(organization.get("budget_warning_threshold"), policy.warning),
            _threshold(organization.get("budget_critical_threshold"), policy.critical),
        )

    def status(self, used: Decimal | None, cap: Decimal | None) -> str | None:
        if cap is None:
            return "no_budget"
        if used is None:
            return None
        # § 3: burn ≥ threshold, inclusive; multiplied out to stay exact.
        if used >= self.critical * cap:
            return "over_budget"
        return "at_risk" if used >= self.warning * cap else "on_track"


def _threshold(given: Decimal | None, configured: Decimal) -> Decimal:
    if given is None:
        return configured
    return given / 100 if given > LARGEST_RATIO else given


def worst_statuses(budgets: Iterable[Budget], thresholds: Thresholds, until: date) -> dict[str | None, str | None]:
    """§ 3: project_budget_status by project, the worst of its own rows; a null status is passed over."""
    return {
        project_id: min(
            (status for budget in own if (status := thresholds.status(budget.used(until), budget.cap)) is not None),
            key=FROM_WORST.index,
            default=None,
        )
        for project_id, own in grouped(budgets, lambda budget: budget.project_id).items()
    }
