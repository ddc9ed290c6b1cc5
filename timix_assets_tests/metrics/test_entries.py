"""docs/metrics.md, 0: which entries count, where they belong, what they are worth."""

from datetime import date
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from timix_assets.metrics.entries import bucket_labels, is_absurd
from timix_assets.metrics.formulas import FORMULAS, PREPARED
from timix_assets.metrics.settings import AgingBuckets, WorkCalendar

from .small_firm import MONDAY, D, SmallFirm

PLACE = ("task_id", "project_id", "customer_id", "billing_type", "currency")


def place(firm: SmallFirm) -> tuple[Any, ...]:
    row = firm.row("work_months")
    return tuple(row[c] for c in PLACE)


def test_parents_that_an_entry_does_not_name_are_its_subtasks_its_tasks_and_its_projects():
    assert place(SmallFirm().entry()) == ("build", "site", "acme", "TM", "USD")


def test_parents_that_an_entry_names_stay():
    firm = SmallFirm().entry(task_id="own task", project_id="own project", customer_id="own customer")
    assert place(firm)[:3] == ("own task", "own project", "own customer")


def test_the_parents_of_a_named_parent_are_joined_in():
    firm = SmallFirm().project(id="ship", customer_id="globex", currency="EUR")
    assert place(firm.entry(project_id="ship")) == ("build", "ship", "globex", "TM", "EUR")


def test_an_entry_on_an_unknown_subtask_has_no_parents_and_the_organizations_currency():
    firm = SmallFirm().having("organization", id="org", currency="ILS")
    assert place(firm.entry(subtask_id="gone")) == (None, None, None, None, "ILS")


def test_entries_that_say_and_do_not_say_their_parents_are_the_same_work():
    firm = SmallFirm().entry(MONDAY, 1).entry(MONDAY, 2, task_id="build", project_id="site", billing_type="TM")
    assert firm.row("project_profitability")["logged_hours"] == 3


@pytest.mark.parametrize(
    ("hours", "absurd"), [(0, True), (-1, True), ("24.0000000001", True), (None, True), (24, False)]
)
def test_hours_of_nothing_or_of_more_than_a_day_are_absurd(hours: Any, absurd: bool):
    firm = SmallFirm().entry(MONDAY, hours)
    assert firm.raw("time_reports").select(is_absurd()).collect().item() is absurd
    assert firm.table("work_months").is_empty() is absurd


def test_a_user_s_day_adds_up_by_kind_and_leave_stands_apart():
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
            "time_off_hours": 4,
        }
    ]


def test_an_entry_belongs_to_its_own_date_at_both_ends_of_a_month():
    firm = SmallFirm(first_month="2028-02-01", as_of="2028-03-31").entry("2028-02-29", 1).entry("2028-03-01", 2)
    assert [(m["month"], m["logged_hours"]) for m in firm.rows("utilization_monthly")] == [
        (date(2028, 2, 1), 1),
        (date(2028, 3, 1), 2),
    ]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_the_days_on_which_clocks_change_keep_their_entries(day: str):
    firm = SmallFirm(first_month=day[:8] + "01", as_of=day).entry(day, 24)
    assert firm.row("utilization_daily", date=day)["logged_hours"] == 24


def test_work_is_worth_hours_times_rate_without_a_rounding():
    row = SmallFirm().entry(MONDAY, "0.0000000001", customer_rate="0.0000000003", cost_rate=None).row("work_months")
    assert row["amount"] == D("0.00000000000000000003")
    assert (row["entries"], row["rated"], row["costed"], row["cost"]) == (1, 1, 0, 0)


def test_the_bounds_of_the_buckets_are_a_setting():
    assert bucket_labels(AgingBuckets()) == ("future", "0-30", "31-60", "61-90", "91+")
    assert bucket_labels(AgingBuckets(upper_days=(7,))) == ("future", "0-7", "8+")
    assert bucket_labels(AgingBuckets(upper_days=())) == ("future", "0+")


@pytest.mark.parametrize("table", [*PREPARED, *FORMULAS])
def test_both_engines_of_polars_give_the_same_table(table: str):
    firm = SmallFirm().project(tm_hour_limit=3, amount_limit=100).user(id="bob", weekly_hours=30)
    firm.entries(MONDAY, 10, 2).entries(MONDAY, 3, 5, user_id="bob", subtask_id="fix", currency="EUR")
    streamed = firm.table(table)
    formula = {**PREPARED, **FORMULAS}[table]
    in_memory = formula(**firm.inputs(formula)).collect(engine="in-memory")
    assert_frame_equal(streamed, in_memory, check_row_order=table in FORMULAS, check_exact=True)


def test_one_entry_is_enough_for_every_table():
    firm = SmallFirm().entry()
    assert [table for table in FORMULAS if firm.table(table).is_empty()] == []
