"""Checks: each can fail, and shows the rows that break its rule."""

from datetime import date, timedelta

import polars as pl
import pytest
from dagster import AssetSelection, ExecuteInProcessResult

from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.lake.months import Months
from timix_assets.runs.tags import ACCEPT_SHRINK
from timix_assets.sandbox.faults import Fault
from timix_assets_tests.workspace import CHECKS, EVERYTHING, Workspace, failures, warnings

from ..conftest import TODAY

OCTOBER, NOVEMBER = (Months(month, month) for month in (date(2026, 10, 1), date(2026, 11, 1)))

COMPARED = ("rollups/budget_health", "rollups/project_profitability", "rollups/unbilled_aging")
BUDGETS = AssetSelection.assets("rollups/budget_health").upstream()


@pytest.fixture(autouse=True)
def _as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())


def metadata(result: ExecuteInProcessResult, asset: str, check: str) -> dict[str, object]:
    [found] = [
        c
        for c in result.get_asset_check_evaluations()
        if (c.asset_key.to_user_string(), c.check_name) == (asset, check)
    ]
    return {name: value.value for name, value in found.metadata.items()}


def violations(result: ExecuteInProcessResult, asset: str, check: str) -> str:
    return str(metadata(result, asset, check)["violations"])


def test_every_check_has_a_description() -> None:
    for step in CHECKS:
        for spec in step.check_specs:
            assert spec.description, spec.name


def test_keys_are_checked_where_rows_can_move_to_another_month() -> None:
    checked = {spec.asset_key.path[1] for step in CHECKS for spec in step.check_specs if spec.name == "keys_unique"}
    assert checked == {endpoint.name for endpoint in ENDPOINTS if endpoint.has_moving_rows}
    assert "time_reports" in checked
    assert not {"revenue_report", "invoices"} & checked


@pytest.mark.long
def test_moved_entry_blocks_rollups_until_old_month_is_read(
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
    assert moved["id"] in violations(result, "timix/time_reports", "keys_unique").replace("\\", "")
    assert not result.asset_materializations_for_node("rollups__utilization_daily")

    result = workspace.refresh(EVERYTHING, months=Months(OCTOBER.first, NOVEMBER.first))
    assert failures(result) == {}
    assert "keys_unique" not in warnings(result, "timix/time_reports")


def test_entries_of_a_deleted_subtask_are_reported(refreshed: Workspace) -> None:
    gone = refreshed.sandbox.workspace.rows("time_reports")[0]["subtask_id"]
    refreshed.sandbox.workspace.discard("subtasks", [gone])
    result = refreshed.refresh("timix/subtasks", "timix/time_reports")

    assert failures(result) == {}
    assert gone in violations(result, "timix/time_reports", "no_orphans").replace("\\", "")


@pytest.mark.long
def test_entries_over_24_hours_are_reported_and_left_out(refreshed: Workspace) -> None:
    refreshed.sandbox.faults.add(Fault("raw_value", path="/time-reports", field="hours", value="25", page=1))
    result = refreshed.refresh("timix/time_reports", "rollups/utilization_daily")

    assert failures(result) == {}
    assert "more than 24" in warnings(result, "timix/time_reports")["hours_in_range"]
    assert refreshed.table("rollups/utilization_daily")["logged_hours"].max() <= 24  # type: ignore[operator]


@pytest.mark.long
def test_month_never_read_is_reported(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports", months=Months(date(2026, 9, 1), date(2026, 9, 1)))
    result = workspace.refresh("timix/time_reports", months=NOVEMBER)

    message = warnings(result, "timix/time_reports")["no_missing_months"]
    assert "1 month since 2026-09 never read" in message
    assert "2026-10-01" in violations(result, "timix/time_reports", "no_missing_months")


@pytest.mark.long
def test_check_on_table_never_read_does_not_pass(workspace: Workspace) -> None:
    result = workspace.refresh("timix/time_reports")
    assert "Not checked" in warnings(result, "timix/time_reports")["no_orphans"]


@pytest.mark.long
def test_rollups_agree_with_timix_reports(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    result = refreshed.refresh(*COMPARED)
    assert failures(result) == {}
    for rollup in COMPARED:
        assert "agrees_with_timix" not in warnings(result, rollup)


@pytest.mark.long
@pytest.mark.parametrize(
    ("report", "path", "field", "rollup"),
    [
        ("timix/revenue_report", "/financial-reports/revenue", "revenue", "project_profitability"),
        ("timix/unbilled_time_report", "/financial-reports/unbilled-time", "totalAmount", "unbilled_aging"),
    ],
)
def test_differing_figure_of_timix_is_shown(
    refreshed: Workspace, monkeypatch: pytest.MonkeyPatch, report: str, path: str, field: str, rollup: str
) -> None:
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    refreshed.sandbox.faults.add(Fault("figure_off", path=path, field=field, amount="0.02"))
    result = refreshed.refresh(report, f"rollups/{rollup}")

    assert failures(result) == {}
    assert "by more than 0.01; the largest difference is " in warnings(result, f"rollups/{rollup}")["agrees_with_timix"]
    assert "0.02" in violations(result, f"rollups/{rollup}", "agrees_with_timix")


@pytest.mark.long
def test_unknown_money_is_not_compared_as_0(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    refreshed.sandbox.faults.add(Fault("drop_field", path="/time-reports", field="customerRate"))
    refreshed.tags = {ACCEPT_SHRINK: "true"}
    result = refreshed.refresh("timix/time_reports", *COMPARED)

    for rollup, money in (("project_profitability", "our revenue"), ("unbilled_aging", "our amount")):
        assert "agrees_with_timix" not in warnings(result, f"rollups/{rollup}")
        shown = metadata(result, f"rollups/{rollup}", "agrees_with_timix")
        assert int(str(shown["rows not compared (unknown figure)"])) > 0
        assert any(str(value).startswith("unknown (Timix: ") for name, value in shown.items() if money in name)


@pytest.mark.long
def test_other_budget_status_in_timix_is_reported(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    refreshed.sandbox.faults.add(
        Fault("raw_value", path="/financial-reports/budget-health", field="status", value='"critical"')
    )
    result = refreshed.refresh("timix/budget_health_report", "rollups/budget_health")
    assert "another budget status in Timix" in warnings(result, "rollups/budget_health")["agrees_with_timix"]


@pytest.mark.long
def test_late_first_month_is_reported_as_first_cause(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    workspace.sandbox.faults.add(
        Fault("raw_value", path="/financial-reports/budget-health", field="status", value='"critical"', count=99)
    )
    reports = (f"timix/{name}" for name in ("budget_health_report", "unbilled_time_report"))
    result = workspace.refresh(BUDGETS, "timix/invoices", "rollups/unbilled_aging", *reports, months=NOVEMBER)
    for rollup, others in (
        ("budget_health", "then compare the caps"),
        ("unbilled_aging", "then compare which entries Timix counts"),
    ):
        said = warnings(result, f"rollups/{rollup}")["agrees_with_timix"]
        assert "started before 2026-11, since when every month was read" in said
        assert "first read those months too (`timix-assets refresh --from`, TIMIX_START_MONTH)" in said
        assert others in said


@pytest.mark.long
def test_past_as_of_is_not_compared_with_timix(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", (TODAY - timedelta(days=30)).isoformat())
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    result = refreshed.refresh("rollups/unbilled_aging")
    told = metadata(result, "rollups/unbilled_aging", "agrees_with_timix")
    assert "cannot be compared" in str(told["not compared"])


def test_hours_missing_from_the_rollup_are_an_error(refreshed: Workspace) -> None:
    daily = refreshed.table("rollups/utilization_daily")
    user = daily.filter(pl.col("logged_hours") > 0)["user_id"][0]
    refreshed.lake.replace(
        "rollups/utilization_daily", daily.filter(pl.col("user_id") != user), key=["user_id", "date"]
    )
    [look] = [step for step in CHECKS if any(spec.name == "hours_match_raw" for spec in step.check_specs)]
    result = refreshed.check(look)
    assert user in violations(result, "rollups/utilization_daily", "hours_match_raw").replace("\\", "")


def test_unknown_budget_status_counts_as_difference(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    refreshed.sandbox.faults.add(
        Fault("raw_value", path="/financial-reports/budget-health", field="status", value='"healthy"')
    )
    result = refreshed.refresh("timix/budget_health_report", "rollups/budget_health")
    assert "another budget status in Timix" in warnings(result, "rollups/budget_health")["agrees_with_timix"]


@pytest.mark.long
def test_month_of_past_as_of_is_not_compared_with_timix(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", "2026-10-15")
    monkeypatch.setattr("timix_assets.settings.Settings.today", lambda *_, **__: TODAY)
    result = refreshed.refresh(*COMPARED)
    assert failures(result) == {}
    for rollup in COMPARED:
        assert "agrees_with_timix" not in warnings(result, rollup)


def test_users_without_working_hours_are_reported(refreshed: Workspace) -> None:
    refreshed.sandbox.faults.add(Fault("drop_field", path="/org-users", field="workSchedule"))
    refreshed.sandbox.faults.add(Fault("drop_field", path="/org-users", field="weeklyHours"))
    refreshed.tags = {ACCEPT_SHRINK: "true"}
    result = refreshed.refresh("timix/org_users", "rollups/capacity_daily")
    assert "without working hours" in warnings(result, "rollups/capacity_daily")["capacity_configured"]


@pytest.mark.long
def test_capped_projects_older_than_the_lake_are_reported(workspace: Workspace) -> None:
    result = workspace.refresh(BUDGETS, months=NOVEMBER)
    assert "not every month since the start was read" in warnings(result, "rollups/budget_health")["history_complete"]
