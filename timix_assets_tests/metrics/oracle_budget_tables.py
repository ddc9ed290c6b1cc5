"""Budget health as of a date, and budget burn by month (metrics.md § 3)."""

from fractions import Fraction

from timix_assets_tests.metrics.oracle_arithmetic import Row, difference, month_end, month_of, months, ratio
from timix_assets_tests.metrics.oracle_budgets import (
    Budget,
    Thresholds,
    subtask_budgets,
    task_budgets,
    worst_statuses,
)
from timix_assets_tests.metrics.oracle_entries import Ledger
from timix_assets_tests.metrics.oracle_forecast import Forecast, WorkingDays


def budget_health(ledger: Ledger, of_projects: list[Budget]) -> list[Row]:
    settings, thresholds = ledger.settings, Thresholds.of(ledger)
    working_days = WorkingDays(settings.calendar.default_week)
    worst = worst_statuses(of_projects, thresholds, settings.as_of)
    return [
        _health_row(ledger, thresholds, Forecast(budget, settings.as_of, settings.budgets, working_days))
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
        "status": thresholds.status(used, budget.cap),
        "elapsed": _float(forecast.elapsed),
        "burn_rate": _float(forecast.burn_rate),
        "exhaustion_date": forecast.exhaustion_date,
        "projected_final": _float(forecast.projected_final),
        "outlook": forecast.outlook,
        "currency": budget.currency,
        # § 3: the first loaded month is not after the month of the project's start.
        "history_complete": None if budget.start is None else ledger.first_day <= month_of(budget.start),
        "api_status": ledger.api_statuses.get(budget.project_id),
        "as_of": ledger.settings.as_of,
    }


def _float(exact: Fraction | None) -> float | None:
    """§ 0: burn_rate, projected_final and ratios are floats."""
    return None if exact is None else float(exact)


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
        for month in months(ledger.first_day, ledger.settings.as_of)
    ]
