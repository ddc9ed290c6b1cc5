"""All ten rollups once more, slowly and without Polars, from the written formulas alone (metrics.md).

Tests compare them with the real ones: two readings of one text that agree are worth more than one.
"""

from decimal import localcontext

from timix_assets.metrics.settings import Settings
from timix_assets_tests.metrics.oracle_arithmetic import Row, Tables
from timix_assets_tests.metrics.oracle_budget_tables import budget_burn, budget_health
from timix_assets_tests.metrics.oracle_budgets import project_budgets
from timix_assets_tests.metrics.oracle_capacity import capacity_daily
from timix_assets_tests.metrics.oracle_entries import Ledger
from timix_assets_tests.metrics.oracle_money import project_profitability, unbilled_aging
from timix_assets_tests.metrics.oracle_organization import organization_kpis, organization_money
from timix_assets_tests.metrics.oracle_utilization import utilization_daily, utilization_monthly, utilization_weekly

EXACT = 100
"""Digits that hold any sum of products of two Decimal(38, 10)."""

_UTILIZATION = (
    "capacity_hours capacity_full_hours logged_hours billable_hours overhead_hours approved_hours overtime_hours "
    "bench_hours billable_utilization total_utilization billable_share target_gap_hours is_partial "
    "worked_at_zero_capacity"
)

COLUMNS = {
    table: tuple(columns.split())
    for table, columns in {
        "capacity_daily": "user_id date month scheduled_hours holiday_hours time_off_hours gross_capacity_hours "
        "capacity_hours capacity_source holiday_name",
        "utilization_daily": "user_id date month capacity_hours logged_hours billable_hours overhead_hours "
        "approved_hours overtime_hours bench_hours",
        "utilization_weekly": f"user_id week_start {_UTILIZATION}",
        "utilization_monthly": f"user_id month {_UTILIZATION}",
        "budget_health": "level project_id task_id subtask_id customer_id scope cap used remaining burn status "
        "project_budget_status elapsed burn_rate exhaustion_date projected_final outlook "
        "currency history_complete api_status as_of",
        "budget_burn": "project_id scope month used cumulative_used cap burn",
        "project_profitability": "project_id customer_id month currency logged_hours billable_hours unrated_hours "
        "revenue cost margin effective_rate contract_amount contract_cost_to_date contract_remaining",
        "unbilled_aging": "customer_id project_id bucket currency hours amount entry_count oldest_date "
        "unapproved_hours fixed_price_hours as_of",
        "organization_kpis": "month total_hours billable_hours capacity_hours billable_utilization total_utilization "
        "active_users active_projects active_customers projects_at_risk projects_over_budget as_of",
        "organization_money": "month currency revenue cost margin invoiced paid outstanding unbilled",
    }.items()
}
"""§ 8: the columns of each table."""

KEYS = {
    "capacity_daily": ("user_id", "date"),
    "utilization_daily": ("user_id", "date"),
    "utilization_weekly": ("user_id", "week_start"),
    "utilization_monthly": ("user_id", "month"),
    "budget_health": ("level", "project_id", "task_id", "subtask_id", "scope"),
    "budget_burn": ("project_id", "scope", "month"),
    "project_profitability": ("project_id", "month", "currency"),
    "unbilled_aging": ("customer_id", "project_id", "bucket", "currency"),
    "organization_kpis": ("month",),
    "organization_money": ("month", "currency"),
}
"""§ 8: what each table has one row per. Rows are sorted by it, nulls first."""


def compute(tables: Tables, settings: Settings) -> dict[str, list[Row]]:
    """Raw table name -> rows in the contract's columns, to rollup name -> rows with exactly COLUMNS, sorted by KEYS.

    Hours and money are exact Decimals (quotients rounded to 4 places), ratios floats, days dates. A raw column may be
    absent (read as null) or in excess; a raw table may not be absent. Reads me, organization, org_users,
    holiday_profiles, customers, projects, tasks, subtasks, time_reports, invoices and budget_health_report.
    """
    with localcontext(prec=EXACT):
        rollups = _rollups(Ledger(tables, settings))
    return {table: _in_order(rows, COLUMNS[table], KEYS[table]) for table, rows in rollups.items()}


def _rollups(ledger: Ledger) -> dict[str, list[Row]]:
    capacity = capacity_daily(ledger)
    daily = utilization_daily(ledger, capacity)
    budgets = project_budgets(ledger)
    return {
        "capacity_daily": capacity,
        "utilization_daily": daily,
        "utilization_weekly": utilization_weekly(ledger, capacity, daily),
        "utilization_monthly": utilization_monthly(ledger, capacity, daily),
        "budget_health": budget_health(ledger, budgets),
        "budget_burn": budget_burn(ledger, budgets),
        "project_profitability": project_profitability(ledger),
        "unbilled_aging": unbilled_aging(ledger),
        "organization_kpis": organization_kpis(ledger, daily, budgets),
        "organization_money": organization_money(ledger),
    }


def _in_order(rows: list[Row], columns: tuple[str, ...], key: tuple[str, ...]) -> list[Row]:
    ordered = sorted(rows, key=lambda row: tuple((row[column] is not None, row[column]) for column in key))
    return [{column: row[column] for column in columns} for row in ordered]
