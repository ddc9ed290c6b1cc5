"""The oracle: a second implementation of every rollup in plain Python, from docs/metrics.md alone.

Tests compare it with the product: two independent readings of one text.
"""

from decimal import localcontext

from timix_assets.metrics.params import RollupParams
from timix_assets_tests.metrics.oracle_arithmetic import Row, Tables
from timix_assets_tests.metrics.oracle_budget_tables import budget_burn, budget_health
from timix_assets_tests.metrics.oracle_budgets import project_budgets
from timix_assets_tests.metrics.oracle_capacity import capacity_daily
from timix_assets_tests.metrics.oracle_entries import Ledger
from timix_assets_tests.metrics.oracle_fixed_price import fixed_price_progress, fixed_prices
from timix_assets_tests.metrics.oracle_money import person_economics, project_profitability
from timix_assets_tests.metrics.oracle_organization import organization_kpis, organization_money
from timix_assets_tests.metrics.oracle_receivables import receivables_aging, unbilled_aging, working_capital
from timix_assets_tests.metrics.oracle_timesheets import timesheet_compliance
from timix_assets_tests.metrics.oracle_utilization import utilization_daily, utilization_monthly, utilization_weekly

EXACT = 100
"""Digits that hold any sum of products of two Decimal(38, 10)."""


def compute(tables: Tables, params: RollupParams) -> dict[str, list[Row]]:
    """Raw table name -> rows in the contract's columns, to rollup name -> rows, unsorted.

    Hours and money are exact Decimals (quotients rounded to 4 places), ratios floats, days dates. A raw column may be
    absent (read as null) or in excess; a raw table may not be absent. Reads me, organization, org_users,
    holiday_profiles, customers, projects, tasks, subtasks, time_reports, invoices and budget_health_report.
    """
    with localcontext(prec=EXACT):
        ledger = Ledger(tables, params)
        return {name: _with_names(ledger, rows) for name, rows in _rollups(ledger).items()}


def _rollups(ledger: Ledger) -> dict[str, list[Row]]:
    capacity = capacity_daily(ledger)
    daily = utilization_daily(ledger, capacity)
    budgets = project_budgets(ledger)
    prices = fixed_prices(ledger, budgets)
    profitability = project_profitability(ledger, prices)
    return {
        "capacity_daily": capacity,
        "utilization_daily": daily,
        "utilization_weekly": utilization_weekly(ledger, capacity, daily),
        "utilization_monthly": utilization_monthly(ledger, capacity, daily),
        "timesheet_compliance": timesheet_compliance(ledger, capacity),
        "budget_health": budget_health(ledger, budgets),
        "budget_burn": budget_burn(ledger, budgets),
        "project_profitability": profitability,
        "fixed_price_progress": fixed_price_progress(ledger, prices),
        "person_economics": person_economics(ledger),
        "unbilled_aging": unbilled_aging(ledger),
        "receivables_aging": receivables_aging(ledger),
        "working_capital": working_capital(ledger),
        "organization_kpis": organization_kpis(ledger, capacity, budgets),
        "organization_money": organization_money(ledger, profitability),
    }


def _with_names(ledger: Ledger, rows: list[Row]) -> list[Row]:
    """§ 8: the name beside each id, of a person without one the e-mail; null where the id is null or unknown."""
    users = {id_: user.get("name") or user.get("email") for id_, user in ledger.users.items()}
    names = {"user": users} | {
        kind: {id_: row.get("name") for id_, row in table.items()}
        for kind, table in (
            ("customer", ledger.customers),
            ("project", ledger.projects),
            ("task", ledger.tasks),
            ("subtask", ledger.subtasks),
        )
    }
    return [
        row | {f"{kind}_name": names[kind].get(row[f"{kind}_id"]) for kind in names if f"{kind}_id" in row}
        for row in rows
    ]
