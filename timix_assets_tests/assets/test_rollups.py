"""Rollups in a run: from the lake, by the formulas, into the lake; with lineage, and after their inputs exactly once."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance, evaluate_automation_conditions
from dagster._serdes import serialize_value

from timix_assets.assets.rollups import column_lineage
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.definitions import defs
from timix_assets.lake.months import Months
from timix_assets.metrics import FORMULAS, ROLLUPS
from timix_assets.metrics.inputs import tables_of
from timix_assets.metrics.restatements import RESTATEMENTS
from timix_assets.partitions import partition_key
from timix_assets.settings.firm import FirmConfig, Targets
from timix_assets_tests.workspace import ALL_ROLLUPS, DIGEST, EVERYTHING, FIRM_MONTHS, Workspace, failures, metadata

from ..conftest import TODAY


@pytest.fixture(autouse=True)
def _as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())


def test_every_rollup_is_a_table_with_the_declared_columns(refreshed: Workspace) -> None:
    for table in ROLLUPS:
        stored = refreshed.table(f"rollups/{table.name}")
        assert dict(stored.schema) == dict(table.schema), table.name
        assert stored.height > 0 or table is RESTATEMENTS, table.name


@pytest.mark.long
def test_refresh_of_a_month_with_the_same_data_writes_no_rollup(refreshed: Workspace) -> None:
    before = {table.name: refreshed.lake.version(f"rollups/{table.name}") for table in ROLLUPS}
    november = Months(date(2026, 11, 1), date(2026, 11, 1))
    assert failures(refreshed.refresh("timix/time_reports", ALL_ROLLUPS, months=november)) == {}
    assert {table.name: refreshed.lake.version(f"rollups/{table.name}") for table in ROLLUPS} == before


@pytest.mark.long
def test_months_read_apart_give_the_same_rollups_as_one_range(
    refreshed: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    apart = Workspace(refreshed.sandbox, tmp_path_factory.mktemp("apart"))
    for month in FIRM_MONTHS:
        apart.refresh(months=Months(month, month))
    apart.refresh(ALL_ROLLUPS)
    for table in ROLLUPS:
        name = f"rollups/{table.name}"
        assert apart.table(name).sort(table.key).equals(refreshed.table(name).sort(table.key)), name


def test_rollup_without_time_reports_says_what_to_read(workspace: Workspace) -> None:
    workspace.refresh("timix/customers", "timix/projects", "timix/invoices")
    result = workspace.refresh("rollups/unbilled_aging")
    assert "timix/time_reports was never read" in failures(result)["rollups/unbilled_aging"]


def test_input_of_an_earlier_version_is_named(refreshed: Workspace) -> None:
    older = refreshed.table("rollups/receivables_aging").drop("customer_name")
    refreshed.lake.replace(
        "rollups/receivables_aging", older, key=["customer_id", "bucket", "currency"], exact_columns=True
    )
    asked = "rollups/working_capital"
    assert failures(refreshed.refresh(asked))[asked].startswith(
        "rollups/receivables_aging was computed by an earlier version; run `timix-assets refresh`"
    )
    assert failures(refreshed.refresh("rollups/receivables_aging", asked)) == {}


def test_a_setting_of_the_firm_changes_the_figures(refreshed: Workspace) -> None:
    before = refreshed.table("rollups/utilization_monthly")
    refreshed.firm = FirmConfig(targets=Targets(utilization=Decimal(1)))
    refreshed.refresh("rollups/utilization_monthly")
    after = refreshed.table("rollups/utilization_monthly")
    raised = after["target_gap_hours"] - before["target_gap_hours"]
    assert raised.equals(before["capacity_hours"] * Decimal("0.25"), check_names=False)


def test_column_lineage_ends_at_existing_columns() -> None:
    schemas = {f"timix/{name}": endpoint.schema for name, endpoint in BY_NAME.items()}
    schemas |= {f"rollups/{table.name}": table.schema for table in ROLLUPS}
    for table in ROLLUPS:
        lineage = column_lineage(table).deps_by_column
        assert list(lineage) == [column.name for column in table.columns]
        for name, sources in lineage.items():
            assert sources, f"{table.name}.{name}"
            for source in sources:
                assert source.column_name in schemas[source.asset_key.to_user_string()], (
                    f"{table.name}.{name}: {source}"
                )


def test_the_lineage_of_a_column_names_only_assets_above_it() -> None:
    graph = defs.resolve_asset_graph()
    for table in ROLLUPS:
        above = graph.get_ancestor_asset_keys(AssetKey(["rollups", table.name]))
        for sources in column_lineage(table).deps_by_column.values():
            assert {source.asset_key for source in sources} <= above, table.name


@pytest.mark.long
def test_every_rollup_declares_its_lineage_and_a_run_shows_as_of(refreshed: Workspace) -> None:
    graph = defs.resolve_asset_graph()
    result = refreshed.refresh(ALL_ROLLUPS)
    for table in ROLLUPS:
        declared = graph.get(AssetKey(["rollups", table.name])).metadata["dagster/column_lineage"]
        assert getattr(declared, "value", declared) == column_lineage(table)
        assert metadata(result, f"rollups/{table.name}")["as_of"] == TODAY.isoformat()


def test_figures_and_previews_are_stored_once_in_a_run(refreshed: Workspace) -> None:
    result = refreshed.refresh("rollups/utilization_weekly", "timix/time_reports")
    stored = [serialize_value(event) for event in result.all_events]
    assert len([event for event in stored if '"as_of"' in event]) == 1
    assert len([event for event in stored if '"preview"' in event]) == 2


def followers(instance: DagsterInstance, cursor: object = None) -> tuple[set[str], object]:
    """The assets that the automation would run now."""
    evaluated = evaluate_automation_conditions(defs, instance, cursor=cursor)  # type: ignore[arg-type]
    return {
        result.key.to_user_string()
        for result in evaluated.results
        if evaluated.get_num_requested(result.key)  # type: ignore[arg-type]
    }, evaluated.cursor


def tables_below(rollup: str) -> set[str]:
    """The raw tables that a rollup is computed from, itself or through other rollups."""
    read = tables_of(FORMULAS[rollup])
    return read.union(*(tables_below(name) for name in read & set(FORMULAS)))


@pytest.mark.long
def test_rollups_follow_a_manual_month_once_but_no_refresh(
    workspace: Workspace,
) -> None:
    _, cursor = followers(workspace.instance)
    workspace.refresh(EVERYTHING | DIGEST)
    requested, cursor = followers(workspace.instance, cursor)
    assert requested == set()

    entry = next(r for r in workspace.sandbox.workspace.rows("time_reports") if r["date"] < date(2026, 10, 1))
    workspace.sandbox.workspace.discard("time_reports", [entry["id"]])
    september = Months(date(2026, 9, 1), date(2026, 9, 1))
    workspace.refresh("timix/time_reports", months=september)
    requested, cursor = followers(workspace.instance, cursor)
    below = {f"rollups/{table.name}" for table in ROLLUPS if "time_reports" in tables_below(table.name)}
    assert requested == below | {"reports/weekly_digest"}

    workspace.refresh(*requested)
    requested, cursor = followers(workspace.instance, cursor)
    assert requested == set()
    assert partition_key(september.first) == "2026-09-01"


def test_the_logged_hours_of_a_month_are_those_of_the_entries(refreshed: Workspace) -> None:
    counted = [
        row["hours"]
        for row in refreshed.sandbox.workspace.rows("time_reports")
        if row["status"] != "Rejected" and row["date"] <= TODAY and row["date"] >= date(2026, 11, 1)
    ]
    november = refreshed.table("rollups/utilization_monthly").filter(pl.col("month") == date(2026, 11, 1))
    assert november["logged_hours"].sum() == sum(counted)
