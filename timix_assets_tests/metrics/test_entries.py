"""docs/metrics.md, 0: which entries count, their place in the hierarchy, their prices."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from timix_assets.metrics import FORMULAS, PRE_AGGREGATES
from timix_assets.metrics.entries import bucket_labels, has_invalid_hours
from timix_assets.settings.firm import AgingBuckets, WorkCalendar

from .small_firm import MONDAY, D, SmallFirm

NODE = ("task_id", "project_id", "customer_id", "billing_type", "currency")


def node(firm: SmallFirm) -> tuple[Any, ...]:
    row = firm.row("work_months")
    return tuple(row[c] for c in NODE)


def test_missing_parents_come_from_the_hierarchy():
    assert node(SmallFirm().entry()) == ("build", "site", "acme", "TM", "USD")


def test_entrys_own_parents_are_kept():
    firm = SmallFirm().entry(task_id="own task", project_id="own project", customer_id="own customer")
    assert node(firm)[:3] == ("own task", "own project", "own customer")


def test_the_parents_of_a_named_parent_are_joined_in():
    firm = SmallFirm().project(id="ship", customer_id="globex", currency="EUR")
    assert node(firm.entry(project_id="ship")) == ("build", "ship", "globex", "TM", "EUR")


def test_entry_on_an_unknown_subtask_has_no_parents():
    firm = SmallFirm().having("organization", id="org", currency="ILS")
    assert node(firm.entry(subtask_id="gone")) == (None, None, None, None, "ILS")


def test_entries_with_and_without_parents_are_summed():
    firm = SmallFirm().entry(MONDAY, 1).entry(MONDAY, 2, task_id="build", project_id="site", billing_type="TM")
    assert firm.row("project_profitability")["logged_hours"] == 3


@pytest.mark.parametrize(
    ("hours", "invalid"), [(0, True), (-1, True), ("24.0000000001", True), (None, True), (24, False)]
)
def test_hours_outside_0_to_24_are_invalid(hours: Any, invalid: bool):
    firm = SmallFirm().entry(MONDAY, hours)
    assert firm.raw("time_reports").select(has_invalid_hours()).collect().item() is invalid
    assert firm.table("work_months").is_empty() is invalid


def test_work_days_sum_hours_by_kind():
    firm = SmallFirm(calendar=WorkCalendar(time_off_subtask_ids=frozenset({"leave"})))
    firm.having("subtasks", id="leave", task_id="build", billing_type="OVH")
    firm.entry(MONDAY, 1).entry(MONDAY, 2, subtask_id="fix", status="Draft").entry(MONDAY, 3, subtask_id="ovh")
    assert firm.entry(MONDAY, 4, subtask_id="leave").rows("work_days") == [
        {
            "user_id": "ann",
            "date": MONDAY,
            "logged_hours": 6,
            "billable_hours": 3,
            "overhead_hours": 3,
            "approved_hours": 4,
            "approved_billable_hours": 1,
            "time_off_hours": 4,
            "draft_status_hours": 2,
            "submitted_status_hours": 0,
            "approved_status_hours": 4,
            "rejected_status_hours": 0,
            "lag_hours": 0,
            "lag": 0,
        }
    ]


def test_entry_belongs_to_its_date_at_both_ends_of_a_month():
    firm = SmallFirm(first_month="2028-02-01", as_of="2028-03-31").entry("2028-02-29", 1).entry("2028-03-01", 2)
    assert [(m["month"], m["logged_hours"]) for m in firm.rows("utilization_monthly")] == [
        (date(2028, 2, 1), 1),
        (date(2028, 3, 1), 2),
    ]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_days_of_clock_changes_keep_their_entries(day: str):
    firm = SmallFirm(first_month=day[:8] + "01", as_of=day).entry(day, 24)
    assert firm.row("utilization_daily", date=day)["logged_hours"] == 24


def test_amount_is_hours_times_rate_unrounded():
    row = SmallFirm().entry(MONDAY, "0.0000000001", customer_rate="0.0000000003", cost_rate=None).row("work_months")
    assert row["amount"] == D("0.00000000000000000003")
    assert (row["entries"], row["rated"], row["costed"], row["cost"]) == (1, 1, 0, 0)


def test_bucket_labels_follow_the_setting():
    assert bucket_labels(AgingBuckets()) == ("future", "0-30", "31-60", "61-90", "91+")
    assert bucket_labels(AgingBuckets(upper_days=(7,))) == ("future", "0-7", "8+")
    assert bucket_labels(AgingBuckets.model_construct(upper_days=())) == ("future", "0+")


@pytest.mark.parametrize("table", [*PRE_AGGREGATES, *FORMULAS])
def test_streaming_and_in_memory_engines_agree(table: str):
    firm = SmallFirm().project(tm_hour_limit=3, amount_limit=100).user(id="bob", weekly_hours=30)
    firm.entries(MONDAY, 10, 2).entries(MONDAY, 3, 5, user_id="bob", subtask_id="fix", currency="EUR")
    streamed = firm.table(table)
    formula = {**PRE_AGGREGATES, **FORMULAS}[table]
    in_memory = formula(**firm.inputs(formula)).collect(engine="in-memory")
    assert_frame_equal(streamed, in_memory, check_row_order=table in FORMULAS, check_exact=True)


def test_one_entry_gives_every_rollup_a_row():
    firm = SmallFirm(as_of="2026-04-15").entry().project(contract_amount=10)
    firm.having("invoices", id="bill", customer_id="acme", status="Sent", total=10).close(date(2026, 3, 1))
    assert [table for table in FORMULAS if firm.table(table).is_empty()] == []


NEWER_COLUMNS = {
    "invoices": ("amount_paid", "project_id"),
    "time_reports": ("cost_rate_currency",),
    "org_users": ("cost_rate_currency",),
}


@pytest.mark.parametrize("table", FORMULAS)
def test_a_lake_of_an_earlier_version_has_null_in_newer_columns(table: str):
    firm = SmallFirm().entry(MONDAY, 2, invoice_id="bill").project(contract_amount=10)
    firm.having("invoices", id="bill", customer_id="acme", status="Sent", total=10)
    expected = firm.table(table)

    class OfAnEarlierVersion(SmallFirm):
        def raw(self, table: str) -> pl.LazyFrame:
            return super().raw(table).drop(NEWER_COLUMNS.get(table, ()))

    assert OfAnEarlierVersion(records=firm.records).table(table).equals(expected)


@pytest.mark.parametrize("sent", ["", " ", "usd", " USD "])
def test_the_currency_of_a_cost_is_read_without_case_and_blanks(sent: str):
    firm = SmallFirm().entry(MONDAY, 2, cost_rate_currency=sent)
    assert firm.row("project_profitability")["cost"] == 80


def test_an_as_of_before_a_closed_month_restates_nothing():
    firm = SmallFirm(as_of="2026-04-15").entry(MONDAY, 8)
    earlier = SmallFirm(as_of="2026-03-20", records=firm.records)
    assert earlier.close(date(2026, 3, 1), firm).rows("restatements") == []
