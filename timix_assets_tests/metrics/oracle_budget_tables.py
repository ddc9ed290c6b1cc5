"""Budget health as of a date, and budget burn by month (docs/metrics.md, § 3)."""

from timix_assets_tests.metrics.oracle_arithmetic import Row, as_float, difference, month_end, ratio
from timix_assets_tests.metrics.oracle_budgets import (
    Budget,
    Thresholds,
    subtask_budgets,
    task_budgets,
    worst_statuses,
)
from timix_assets_tests.metrics.oracle_entries import Ledger
from timix_assets_tests.metrics.oracle_forecast import Forecast


def budget_health(ledger: Ledger, of_projects: list[Budget]) -> list[Row]:
    thresholds = Thresholds.of(ledger)
    worst = worst_statuses(of_projects, thresholds, ledger.params.as_of)
    return [
        _health_row(ledger, thresholds, Forecast.of(budget, ledger.params))
        # § 3: the project's worst status is repeated on its tasks' and subtasks' rows.
        | {"project_budget_status": worst.get(budget.project_id)}
        for budget in [*of_projects, *task_budgets(ledger), *subtask_budgets(ledger)]
    ]


def _health_row(ledger: Ledger, thresholds: Thresholds, forecast: Forecast) -> Row:
    budget, used = forecast.budget, forecast.used
    return {
        "level": budget.level,
        "project_id": budget.project_id,
        "task_id": budget.task_id,
        "subtask_id": budget.subtask_id,
        "customer_id": budget.project.get("customer_id"),
        "scope": budget.scope,
        "cap": budget.cap,
        "used": used,
        "remaining": difference(budget.cap, used),
        "burn": ratio(used, budget.cap),
        "status": thresholds.status(budget, ledger.params.as_of),
        "elapsed": as_float(forecast.elapsed),
        "burn_rate": as_float(forecast.burn_rate),
        "exhaustion_date": forecast.exhaustion_date,
        "projected_final": as_float(forecast.projected_final),
        "outlook": forecast.outlook,
        "currency": budget.currency,
        "history_complete": ledger.history_complete(budget.project),
        "api_status": ledger.api_statuses.get(budget.project_id),
        "as_of": ledger.params.as_of,
    }


def budget_burn(ledger: Ledger, of_projects: list[Budget]) -> list[Row]:
    """§ 3: each project row × every loaded month to as-of; today's cap; burn = cumulative ÷ cap."""
    return [
        {
            "project_id": budget.project_id,
            "scope": budget.scope,
            "month": month,
            "used": budget.used(month_end(month), since=month),
            "cumulative_used": (cumulative := budget.used(month_end(month))),
            "cap": budget.cap,
            "burn": ratio(cumulative, budget.cap),
        }
        for budget in of_projects
        for month in ledger.months
    ]
