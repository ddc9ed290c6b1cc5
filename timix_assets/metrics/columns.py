"""The kinds of columns that rollups have, and the raw columns that many of them come from."""

import polars as pl

from timix_assets.contract.schema import AMOUNT

from .rollup import Column, Lineage

AS_OF = "as_of"
"""The column that says, in the table itself, by which day it was computed."""

HOURS = "hours"
RATIO = "ratio, 0.84 means 84 %"
HOURS_OR_MONEY = "hours or money, in the row's currency"


def text(name: str, description: str, lineage: Lineage) -> Column:
    return Column(name, pl.String(), description, lineage)


def hours(name: str, description: str, lineage: Lineage) -> Column:
    return Column(name, AMOUNT, description, lineage, HOURS)


def money(name: str, description: str, lineage: Lineage) -> Column:
    return Column(name, AMOUNT, description, lineage, "money, in the row's currency")


def hours_or_money(name: str, description: str, lineage: Lineage) -> Column:
    """An amount of a budget, which may cap hours or money."""
    return Column(name, AMOUNT, description, lineage, HOURS_OR_MONEY)


def ratio(name: str, description: str, lineage: Lineage) -> Column:
    return Column(name, pl.Float64(), description, lineage, RATIO)


def quotient(name: str, description: str, lineage: Lineage, unit: str) -> Column:
    """A float that is not a ratio."""
    return Column(name, pl.Float64(), description, lineage, unit)


def date(name: str, description: str, lineage: Lineage) -> Column:
    return Column(name, pl.Date(), description, lineage, "calendar date")


def count(name: str, description: str, lineage: Lineage) -> Column:
    return Column(name, pl.Int64(), description, lineage, "count")


def flag(name: str, description: str, lineage: Lineage) -> Column:
    return Column(name, pl.Boolean(), description, lineage)


def raw(table: str, *columns: str) -> Lineage:
    """Columns of a raw table."""
    return tuple((f"timix/{table}", column) for column in columns)


def derived(table: str, *columns: str) -> Lineage:
    """Columns of a rollup."""
    return tuple((f"rollups/{table}", column) for column in columns)


_DATE = raw("time_reports", "date")


def as_of(bounded: Lineage = _DATE) -> Column:
    """No column decides it. bounded: the dates that it bounds."""
    return date(AS_OF, "The last day that counts in this table, the same on every row.", bounded)


COUNTED = raw("time_reports", "hours", "status", "date")
BILLING = raw("time_reports", "billing_type") + raw("subtasks", "billing_type")
PROJECT = raw("time_reports", "project_id", "subtask_id") + raw("subtasks", "task_id") + raw("tasks", "project_id")
CUSTOMER = raw("time_reports", "customer_id", "project_id") + raw("projects", "customer_id")
CURRENCY_OF_PROJECT = raw("projects", "currency") + raw("customers", "currency") + raw("organization", "currency")
CURRENCY = raw("time_reports", "currency") + CURRENCY_OF_PROJECT
REVENUE = COUNTED + BILLING + raw("time_reports", "customer_rate")
COST = (
    COUNTED + raw("time_reports", "cost_rate", "cost_rate_currency") + raw("org_users", "cost_rate_currency") + CURRENCY
)
UNBILLED = raw("time_reports", "hours", "status", "invoice_id", "date") + raw("invoices", "status") + BILLING
THRESHOLDS = raw("organization", "budget_warning_threshold", "budget_critical_threshold")
