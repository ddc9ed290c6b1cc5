"""Checks: each can fail, and shows the rows for which its rule does not hold."""

from datetime import date, timedelta

import polars as pl
import pytest
from dagster import ExecuteInProcessResult

from timix_assets.assets.checks import CHECKS
from timix_assets.lake.months import Months
from timix_assets.sandbox.faults import Fault
from timix_assets_tests.workspace import EVERYTHING, Workspace, failures, warnings

from ..conftest import TODAY

OCTOBER, NOVEMBER = (Months(month, month) for month in (date(2026, 10, 1), date(2026, 11, 1)))


@pytest.fixture(autouse=True)
def _as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    # A check reads tables; the pictures of each test's own figures would take longer than all else.
    monkeypatch.setattr("timix_assets.assets.pictures.CHARTS", {})


def metadata(result: ExecuteInProcessResult, asset: str, check: str) -> dict[str, object]:
    [found] = [
        c
        for c in result.get_asset_check_evaluations()
        if (c.asset_key.to_user_string(), c.check_name) == (asset, check)
    ]
    return {name: value.value for name, value in found.metadata.items()}


def offending(result: ExecuteInProcessResult, asset: str, check: str) -> str:
    return str(metadata(result, asset, check)["offending"])


def test_every_check_explains_itself() -> None:
    for step in CHECKS:
        for spec in step.check_specs:
            assert spec.description, spec.name


@pytest.mark.long
def test_an_entry_that_moved_to_another_month_blocks_the_rollups_until_its_old_month_is_read_again(
    workspace: Workspace,
) -> None:
    workspace.refresh(EVERYTHING)
    moved = next(
        row
        for row in workspace.sandbox.workspace.rows("time_reports")
        if row["date"] in OCTOBER and row["invoice_id"] is None and row["status"] != "Invoiced"
    )
    workspace.sandbox.workspace.update("time_reports", moved["id"], {"date": NOVEMBER.first.isoformat()})

    result = workspace.refresh(EVERYTHING, months=NOVEMBER)
    assert moved["id"] in offending(result, "timix/time_reports", "keys_unique").replace("\\", "")
    assert not result.asset_materializations_for_node("rollups__utilization_daily")

    result = workspace.refresh(EVERYTHING, months=Months(OCTOBER.first, NOVEMBER.first))
    assert failures(result) == {}
    assert "keys_unique" not in warnings(result, "timix/time_reports")


def test_entries_on_a_subtask_that_is_gone_are_named(workspace: Workspace) -> None:
    gone = workspace.sandbox.workspace.rows("time_reports")[0]["subtask_id"]
    workspace.sandbox.workspace.discard("subtasks", [gone])
    result = workspace.refresh(EVERYTHING)

    assert failures(result) == {}
    assert gone in offending(result, "timix/time_reports", "no_orphans").replace("\\", "")


def test_entries_of_more_than_a_day_are_named_and_left_out(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("raw_value", path="/time-reports", field="hours", value="25", page=1))
    result = workspace.refresh(EVERYTHING)

    assert failures(result) == {}
    assert "more than 24" in warnings(result, "timix/time_reports")["hours_sane"]
    assert workspace.table("rollups/utilization_daily")["logged_hours"].max() <= 24  # type: ignore[operator]


def test_a_month_that_was_never_read_is_named(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports", months=Months(date(2026, 9, 1), date(2026, 9, 1)))
    result = workspace.refresh("timix/time_reports", months=NOVEMBER)

    said = warnings(result, "timix/time_reports")["no_month_missing"]
    assert "1 month since the first was never read and counts as empty" in said
    assert "2026-10-01" in offending(result, "timix/time_reports", "no_month_missing")


def test_a_comparison_with_a_table_that_was_never_read_is_no_pass(workspace: Workspace) -> None:
    result = workspace.refresh("timix/time_reports")
    assert "Not checked" in warnings(result, "timix/time_reports")["no_orphans"]


def test_our_figures_agree_with_timixs_reports(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    result = workspace.refresh(EVERYTHING)
    for rollup in ("budget_health", "project_profitability", "unbilled_aging"):
        assert "agrees_with_timix" not in warnings(result, f"rollups/{rollup}")


@pytest.mark.parametrize(
    ("path", "field", "rollup"),
    [
        ("/financial-reports/revenue", "revenue", "project_profitability"),
        ("/financial-reports/unbilled-time", "totalAmount", "unbilled_aging"),
    ],
)
def test_a_figure_of_timix_that_differs_is_shown_beside_ours(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, path: str, field: str, rollup: str
) -> None:
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    workspace.sandbox.faults.add(Fault("figure_off", path=path, field=field, amount="0.02"))
    result = workspace.refresh(EVERYTHING)

    assert failures(result) == {}
    assert "by more than 0.01; the farthest is " in warnings(result, f"rollups/{rollup}")["agrees_with_timix"]
    assert "0.02" in offending(result, f"rollups/{rollup}", "agrees_with_timix")


def test_money_that_nobody_can_price_is_not_compared_as_0(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    workspace.sandbox.faults.add(Fault("drop_field", path="/time-reports", field="customerRate"))
    result = workspace.refresh(EVERYTHING)

    for rollup, money in (("project_profitability", "our revenue"), ("unbilled_aging", "our amount")):
        assert "agrees_with_timix" not in warnings(result, f"rollups/{rollup}")
        shown = metadata(result, f"rollups/{rollup}", "agrees_with_timix")
        assert int(str(shown["of them with a figure that is unknown, and so not compared"])) > 0
        assert any(str(value).startswith("unknown (Timix: ") for name, value in shown.items() if money in name)


def test_another_budget_status_in_timix_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    workspace.sandbox.faults.add(
        Fault("raw_value", path="/financial-reports/budget-health", field="status", value='"critical"')
    )
    result = workspace.refresh(EVERYTHING)
    assert "another budget status in Timix" in warnings(result, "rollups/budget_health")["agrees_with_timix"]


def test_a_first_month_that_may_be_the_cause_of_a_difference_is_named_before_any_other(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    workspace.sandbox.faults.add(
        Fault("raw_value", path="/financial-reports/budget-health", field="status", value='"critical"', count=99)
    )
    result = workspace.refresh(EVERYTHING, months=NOVEMBER)
    for rollup, others in (
        ("budget_health", "then look at the caps"),
        ("unbilled_aging", "then look at which entries Timix counts"),
    ):
        said = warnings(result, f"rollups/{rollup}")["agrees_with_timix"]
        assert "began before the first loaded month (2026-11)" in said
        assert "first set TIMIX_START_MONTH earlier" in said
        assert others in said


def test_an_as_of_in_the_past_is_not_compared_with_a_report_of_today(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", (TODAY - timedelta(days=30)).isoformat())
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    result = workspace.refresh(EVERYTHING)
    told = metadata(result, "rollups/unbilled_aging", "agrees_with_timix")
    assert "cannot be compared" in str(told["not compared"])


def test_hours_that_were_lost_between_the_entries_and_the_rollup_are_an_error(workspace: Workspace) -> None:
    workspace.refresh(EVERYTHING)
    daily = workspace.table("rollups/utilization_daily")
    user = daily.filter(pl.col("logged_hours") > 0)["user_id"][0]
    workspace.lake.replace(
        "rollups/utilization_daily", daily.filter(pl.col("user_id") != user), key=["user_id", "date"]
    )
    [look] = [step for step in CHECKS if any(spec.name == "nothing_lost" for spec in step.check_specs)]
    result = workspace.check(look)
    assert user in offending(result, "rollups/utilization_daily", "nothing_lost").replace("\\", "")


def test_a_status_word_of_timix_that_we_do_not_know_is_no_agreement(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    workspace.sandbox.faults.add(
        Fault("raw_value", path="/financial-reports/budget-health", field="status", value='"healthy"')
    )
    result = workspace.refresh(EVERYTHING)
    assert "another budget status in Timix" in warnings(result, "rollups/budget_health")["agrees_with_timix"]


def test_the_month_of_a_past_as_of_is_not_compared_with_timixs_whole_month(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", "2026-10-15")
    monkeypatch.setattr("timix_assets.environment.today", lambda *_, **__: TODAY)
    result = workspace.refresh(EVERYTHING)
    for rollup in ("budget_health", "project_profitability", "unbilled_aging"):
        assert "agrees_with_timix" not in warnings(result, f"rollups/{rollup}")


def test_people_whose_hours_nobody_knows_are_named(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("drop_field", path="/org-users", field="workSchedule"))
    workspace.sandbox.faults.add(Fault("drop_field", path="/org-users", field="weeklyHours"))
    result = workspace.refresh(EVERYTHING)
    assert "have no hours of their own" in warnings(result, "rollups/capacity_daily")["capacity_known"]


def test_capped_projects_that_began_before_the_first_loaded_month_are_named(workspace: Workspace) -> None:
    result = workspace.refresh(EVERYTHING, months=NOVEMBER)
    assert "began before the first loaded month" in warnings(result, "rollups/budget_health")["history_complete"]


def test_months_of_capacity_before_the_first_work_are_named(workspace: Workspace) -> None:
    result = workspace.refresh(EVERYTHING)
    assert "begins_with_work" not in warnings(result, "rollups/organization_kpis")

    timix = workspace.sandbox.workspace
    timix.discard("time_reports", [row["id"] for row in timix.rows("time_reports") if row["date"] < NOVEMBER.first])
    workspace.tags = {"timix/accept_shrink": "true"}
    result = workspace.refresh(EVERYTHING)
    assert "2 months have capacity and lie before" in warnings(result, "rollups/organization_kpis")["begins_with_work"]
    assert "2026-09-01" in offending(result, "rollups/organization_kpis", "begins_with_work")
