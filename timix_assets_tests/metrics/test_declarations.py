"""Every rollup has exactly its declared columns; every declaration has a description and a lineage."""

import inspect
from functools import cache

import polars as pl
import pytest

from timix_assets.contract import endpoints
from timix_assets.metrics import BY_NAME, FORMULAS, ROLLUPS, Column, Rollup
from timix_assets.metrics.inputs import tables_of

from .small_firm import MONDAY, SmallFirm

by_name = pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda r: r.name)
COLUMNS = [(rollup, column) for rollup in ROLLUPS for column in rollup.columns]
by_column = pytest.mark.parametrize(("rollup", "column"), COLUMNS, ids=lambda x: x.name)


@cache
def busy_firm() -> SmallFirm:
    """People, work, budgets and invoices: every table has rows."""
    firm = SmallFirm(as_of="2026-04-15").project(
        tm_hour_limit=10, amount_limit=100, contract_amount=100, start_date=MONDAY, end_date=MONDAY
    )
    firm.user(id="bob").entry(MONDAY, 2, user_id="bob", currency="EUR")
    firm.having("invoices", id="i", status="Paid", issue_date=MONDAY, paid_date=MONDAY, currency="USD", total=5)
    firm.having("invoices", id="j", status="Sent", issue_date=MONDAY, currency="USD", total=5)
    firm.entry(MONDAY, 8).entry(MONDAY, 8, subtask_id="fix").having("subtasks", id="tm", hour_limit=3)
    return firm.close(MONDAY.replace(day=1))


EMPTY = SmallFirm(records={})
BARE = SmallFirm().without("org_users", "time_reports", "organization", "customers")


@by_name
def test_table_has_declared_columns_types_and_order(rollup: Rollup):
    frame = busy_firm().table(rollup.name)
    assert frame.height > 0
    assert frame.schema == rollup.schema


@by_name
def test_empty_raw_tables_give_an_empty_rollup(rollup: Rollup):
    frame = EMPTY.table(rollup.name)
    # The month that was read has a row of zeros.
    assert (frame.height, frame.schema) == (1 if rollup.name == "organization_kpis" else 0, rollup.schema)


@by_name
def test_firm_without_people_or_entries_gives_every_table(rollup: Rollup):
    assert BARE.table(rollup.name).schema == rollup.schema


@by_name
def test_key_is_unique_and_sorts_the_rows(rollup: Rollup):
    frame = busy_firm().table(rollup.name)
    assert frame.select(rollup.key).is_duplicated().sum() == 0
    assert frame.equals(frame.sort(rollup.key))


@by_name
def test_rollup_has_a_description_and_its_key(rollup: Rollup):
    assert rollup.description.endswith(".")
    assert set(rollup.key) <= set(rollup.schema)


@by_column
def test_column_has_a_description_and_a_unit(rollup: Rollup, column: Column):
    assert column.description.endswith(".")
    assert (column.unit is None) == (column.dtype in (pl.String, pl.Boolean))


@by_column
def test_lineage_names_existing_columns(rollup: Rollup, column: Column):
    assert column.lineage
    for asset, upstream in column.lineage:
        group, table = asset.split("/")
        schema = endpoints.BY_NAME[table].schema if group == "timix" else BY_NAME[table].schema
        assert upstream in schema, f"{asset} has no column {upstream}"


@by_name
def test_lineage_names_exactly_the_rollups_the_formula_reads(rollup: Rollup):
    read = {p for p in inspect.signature(FORMULAS[rollup.name]).parameters if p in FORMULAS}
    named = {asset.split("/")[1] for c in rollup.columns for asset, _ in c.lineage if asset.startswith("rollups/")}
    assert named == read


@by_name
def test_lineage_names_only_raw_tables_the_formula_reads(rollup: Rollup):
    named = {asset.split("/")[1] for c in rollup.columns for asset, _ in c.lineage if asset.startswith("timix/")}
    assert named <= tables_of(FORMULAS[rollup.name])


def test_formula_comes_after_the_rollups_it_reads():
    made: set[str] = set()
    for name, formula in FORMULAS.items():
        assert {p for p in inspect.signature(formula).parameters if p in FORMULAS} <= made
        made.add(name)
