"""Every rollup has exactly the columns that are declared, and every declaration says what it is and where it comes from."""

import inspect
from functools import cache

import polars as pl
import pytest

from timix_assets.contract import endpoints
from timix_assets.metrics import tables
from timix_assets.metrics.formulas import FORMULAS, PREPARED
from timix_assets.metrics.tables import ROLLUPS, Column, Rollup

from .small_firm import MONDAY, SmallFirm

by_name = pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda r: r.name)
COLUMNS = [(rollup, column) for rollup in ROLLUPS for column in rollup.columns]
by_column = pytest.mark.parametrize(("rollup", "column"), COLUMNS, ids=lambda x: x.name)

HEADINGS = {
    "capacity_daily": "user_id date month scheduled_hours holiday_hours time_off_hours gross_capacity_hours capacity_hours "
    "capacity_source holiday_name",
    "utilization_daily": "user_id date month capacity_hours logged_hours billable_hours overhead_hours approved_hours "
    "overtime_hours bench_hours",
    "utilization_weekly": "user_id week_start capacity_hours capacity_full_hours logged_hours billable_hours overhead_hours "
    "approved_hours overtime_hours bench_hours billable_utilization total_utilization billable_share target_gap_hours "
    "is_partial worked_at_zero_capacity",
    "utilization_monthly": "user_id month capacity_hours capacity_full_hours logged_hours billable_hours overhead_hours "
    "approved_hours overtime_hours bench_hours billable_utilization total_utilization billable_share target_gap_hours "
    "is_partial worked_at_zero_capacity",
    "budget_health": "level project_id task_id subtask_id customer_id scope cap used remaining burn status "
    "project_budget_status elapsed burn_rate exhaustion_date projected_final outlook currency history_complete api_status "
    "as_of",
    "budget_burn": "project_id scope month used cumulative_used cap burn",
    "project_profitability": "project_id customer_id month currency logged_hours billable_hours unrated_hours revenue cost "
    "margin effective_rate contract_amount contract_cost_to_date contract_remaining",
    "unbilled_aging": "customer_id project_id bucket currency hours amount entry_count oldest_date unapproved_hours "
    "fixed_price_hours as_of",
    "organization_kpis": "month total_hours billable_hours capacity_hours billable_utilization total_utilization active_users "
    "active_projects active_customers projects_at_risk projects_over_budget as_of",
    "organization_money": "month currency revenue cost margin invoiced paid outstanding unbilled",
}
"""docs/metrics.md, 8."""


@cache
def busy_firm() -> SmallFirm:
    """People, work, budgets and invoices: every table has rows."""
    firm = SmallFirm().project(
        tm_hour_limit=10, amount_limit=100, contract_amount=100, start_date=MONDAY, end_date=MONDAY
    )
    firm.user(id="bob").entry(MONDAY, 2, user_id="bob", currency="EUR")
    firm.having("invoices", id="i", status="Paid", issue_date=MONDAY, paid_date=MONDAY, currency="USD", total=5)
    return firm.entry(MONDAY, 8).entry(MONDAY, 8, subtask_id="fix").having("subtasks", id="tm", hour_limit=3)


def test_the_ten_rollups_are_declared_and_made():
    assert set(HEADINGS) == {r.name for r in ROLLUPS} == set(FORMULAS) == set(tables.BY_NAME)


EMPTY = SmallFirm(records={})
BARE = SmallFirm().without("org_users", "time_reports", "organization", "customers")


@by_name
def test_the_columns_are_those_of_the_reference(rollup: Rollup):
    assert [c.name for c in rollup.columns] == HEADINGS[rollup.name].split()


@by_name
def test_a_table_has_the_declared_columns_types_and_order(rollup: Rollup):
    frame = busy_firm().table(rollup.name)
    assert frame.height > 0
    assert frame.schema == rollup.schema


@by_name
def test_empty_tables_give_an_empty_table_of_the_same_schema_but_for_the_month_that_was_read(rollup: Rollup):
    frame = EMPTY.table(rollup.name)
    assert (frame.height, frame.schema) == (1 if rollup.name == "organization_kpis" else 0, rollup.schema)


@by_name
def test_a_firm_without_people_entries_or_reports_gives_tables_without_a_fault(rollup: Rollup):
    assert BARE.table(rollup.name).schema == rollup.schema


@by_name
def test_the_key_identifies_a_row_and_rows_are_sorted_by_it(rollup: Rollup):
    frame = busy_firm().table(rollup.name)
    assert frame.select(rollup.key).is_duplicated().sum() == 0
    assert frame.equals(frame.sort(rollup.key))


@by_name
def test_a_table_says_what_it_is(rollup: Rollup):
    assert rollup.description.endswith(".")
    assert set(rollup.key) <= set(rollup.schema)


@by_column
def test_a_column_says_what_it_is_and_in_which_unit(rollup: Rollup, column: Column):
    assert column.description.endswith(".")
    assert (column.unit is None) == (column.dtype in (pl.String, pl.Boolean))


@by_column
def test_the_lineage_of_a_column_names_columns_that_exist(rollup: Rollup, column: Column):
    assert column.lineage
    for asset, upstream in column.lineage:
        group, table = asset.split("/")
        schema = endpoints.BY_NAME[table].schema if group == "timix" else tables.BY_NAME[table].schema
        assert upstream in schema, f"{asset} has no column {upstream}"


@by_name
def test_the_lineage_names_every_rollup_that_the_formula_reads_and_no_other(rollup: Rollup):
    read = {p for p in inspect.signature(FORMULAS[rollup.name]).parameters if p in FORMULAS}
    named = {asset.split("/")[1] for c in rollup.columns for asset, _ in c.lineage if asset.startswith("rollups/")}
    assert named == read


@by_name
def test_the_lineage_names_only_raw_tables_that_the_formula_reads(rollup: Rollup):
    prepared = {p: set(inspect.signature(f).parameters) for p, f in PREPARED.items()}
    read = set(inspect.signature(FORMULAS[rollup.name]).parameters)
    reachable = read.union(*(prepared[p] for p in read & set(prepared)))
    named = {asset.split("/")[1] for c in rollup.columns for asset, _ in c.lineage if asset.startswith("timix/")}
    assert named <= reachable


def test_an_unknown_column_is_a_key_error():
    with pytest.raises(KeyError, match="nothing"):
        tables.CAPACITY_DAILY.column("nothing")


def test_every_formula_comes_after_the_tables_that_it_reads():
    made: set[str] = set()
    for name, formula in FORMULAS.items():
        assert {p for p in inspect.signature(formula).parameters if p in FORMULAS} <= made
        made.add(name)
