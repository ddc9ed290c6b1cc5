"""Properties of the rollups that hold for any entries."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from timix_assets.metrics import FORMULAS
from timix_assets.metrics.columns import HOURS
from timix_assets.metrics.utilization import UTILIZATION_DAILY

from .small_firm import D, Row, SmallFirm

FIRST, AS_OF = date(2026, 2, 1), date(2026, 4, 15)

quarters = st.integers(1, 40).map(lambda n: D(n) / 4)
entry = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["ann", "bob", "ghost"]),
        "subtask_id": st.sampled_from(["tm", "fix", "ovh", "gone"]),
        "date": st.dates(FIRST, AS_OF + timedelta(days=20)),
        "hours": quarters,
        "status": st.sampled_from(["Draft", "Submitted", "Approved", "Invoiced", "Rejected"]),
        "customer_rate": st.sampled_from([None, D(0), D("99.99"), D(120)]),
        "cost_rate": st.sampled_from([None, D("33.33"), D(60)]),
        "currency": st.sampled_from([None, "USD", "EUR"]),
        "billing_type": st.sampled_from([None, None, "TM", "Fix", "OVH", "Retainer"]),
        "invoice_id": st.sampled_from([None, None, "invoice"]),
    }
)
entries = st.lists(entry, max_size=12)
some_firms = settings(max_examples=8, deadline=None)


def firm_with(rows: Iterable[Row], **project: Any) -> SmallFirm:
    firm = SmallFirm(as_of=AS_OF, first_month=FIRST).project(
        **{"tm_hour_limit": 20, "amount_limit": 1000, "start_date": FIRST, "end_date": "2026-05-31", **project}
    )
    firm.user(id="bob", start_date="2026-02-11", weekly_hours=30).having("tasks", id="build", tm_hour_limit=5)
    for n, row in enumerate(rows):
        firm.having("time_reports", id=f"entry {n}", **row)
    return firm


def total(firm: SmallFirm, table: str, column: str) -> D:
    return firm.table(table)[column].sum()


@pytest.mark.long
@some_firms
@given(rows=entries)
def test_days_weeks_months_and_firm_have_the_same_totals(rows: list[Row]):
    firm = firm_with(rows)
    counted = [r for r in rows if r["status"] != "Rejected" and r["date"] <= AS_OF]
    for table in ("utilization_daily", "utilization_weekly", "utilization_monthly", "project_profitability"):
        assert total(firm, table, "logged_hours") == sum((r["hours"] for r in counted), D(0))
    assert total(firm, "organization_kpis", "total_hours") == total(firm, "utilization_weekly", "logged_hours")
    for column in (c.name for c in UTILIZATION_DAILY.columns if c.unit == HOURS):
        assert total(firm, "utilization_weekly", column) == total(firm, "utilization_monthly", column)
    assert total(firm, "organization_kpis", "capacity_hours") == total(firm, "utilization_daily", "capacity_hours")


@pytest.mark.long
@some_firms
@given(rows=entries)
def test_utilization_is_a_ratio_of_sums(rows: list[Row]):
    for row in firm_with(rows).rows("utilization_monthly"):
        capacity = row["capacity_hours"]
        assert row["billable_utilization"] == (float(row["billable_hours"]) / float(capacity) if capacity else None)


@pytest.mark.long
@some_firms
@given(rows=entries, data=st.data())
def test_order_of_entries_does_not_matter(rows: list[Row], data: st.DataObject):
    shuffled = data.draw(st.permutations(rows))
    one, other = firm_with(rows), firm_with(shuffled)
    for table in FORMULAS:
        assert_frame_equal(one.table(table), other.table(table), check_exact=True)


@some_firms
@given(rows=entries)
def test_budget_without_a_cap_has_no_burn(rows: list[Row]):
    no_cap = pl.col("cap").is_null()
    uncapped = firm_with(rows).table("budget_health").filter(no_cap)
    assert set(uncapped["status"]) == {"no_budget"}
    for column in ("burn", "remaining", "outlook", "exhaustion_date"):
        assert uncapped[column].null_count() == uncapped.height


@some_firms
@given(rows=entries, more=quarters)
def test_overhead_never_raises_billable_utilization(rows: list[Row], more: D):
    before = firm_with(rows).table("utilization_monthly")
    after = firm_with(rows).entry("2026-03-02", more, subtask_id="ovh").table("utilization_monthly")
    both = before.join(after, on=["user_id", "month"], how="inner", suffix="_after")
    assert both.filter(pl.col("billable_utilization_after") > pl.col("billable_utilization")).is_empty()


@pytest.mark.long
@some_firms
@given(rows=entries)
def test_months_of_a_budget_sum_to_its_use(rows: list[Row]):
    firm = firm_with(rows)
    for budget in firm.rows("budget_health", level="project"):
        months = firm.rows("budget_burn", scope=budget["scope"])
        assert months[-1]["cumulative_used"] == budget["used"]
        if budget["scope"] != "amount":
            assert sum((m["used"] for m in months), D(0)) == budget["used"]


@pytest.mark.long
@some_firms
@given(rows=entries)
def test_reached_budget_has_a_date_with_work(rows: list[Row]):
    firm = firm_with(rows, fix_hour_limit=1, ovh_hour_limit=2)
    worked = {r["date"] for r in rows}
    for budget in firm.rows("budget_health"):
        if budget["cap"] and budget["used"] is not None and budget["used"] >= budget["cap"]:
            assert budget["exhaustion_date"] in worked


@some_firms
@given(rows=entries)
def test_firms_money_is_the_sum_of_its_projects(rows: list[Row]):
    firm = firm_with(rows)
    for column in ("revenue", "cost"):
        assert total(firm, "organization_money", column) == total(firm, "project_profitability", column)
    unbilled = firm.table("unbilled_aging")["amount"].sum()
    beyond = [r for r in rows if r["date"] > date(2026, 4, 30) and r["status"] == "Approved"]
    if not beyond:
        assert total(firm, "organization_money", "unbilled") == unbilled


@pytest.mark.long
@some_firms
@given(rows=entries)
def test_floats_are_finite(rows: list[Row]):
    firm = firm_with(rows)
    for table in FORMULAS:
        floats = firm.table(table).select(pl.col(pl.Float64)).unpivot()["value"].drop_nulls()
        assert floats.is_finite().all()
