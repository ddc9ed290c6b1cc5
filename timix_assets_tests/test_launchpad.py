"""Configuration in the launchpad: a field set there is used, and takes no other with it."""

from decimal import Decimal
from typing import Any

import pytest
from dagster import AssetKey, ExecuteInProcessResult

from timix_assets.automation.jobs import range_tags
from timix_assets.definitions import defs
from timix_assets_tests.workspace import EVERYTHING, FIRM_MONTHS, QUIET, Workspace, failures

from .conftest import TODAY


@pytest.fixture(autouse=True)
def _settings(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    monkeypatch.setenv("TIMIX_API_KEY", workspace.sandbox.key)


def launch(workspace: Workspace, asset: str, **fields: dict[str, Any]) -> ExecuteInProcessResult:
    """The job of the project itself, with these fields of its resources set."""
    where = {
        "timix": {"base_url": workspace.sandbox.base_url},
        "lake": {"url": str(workspace.folder / "lake"), "state_folder": str(workspace.folder / ".dagster")},
    }
    resources = {name: {"config": where.get(name, {}) | fields.get(name, {})} for name in {*where, *fields}}
    return defs.resolve_job_def("refresh_everything").execute_in_process(
        run_config={**QUIET, "resources": resources},
        asset_selection=[AssetKey.from_user_string(asset)],
        instance=workspace.instance,
        tags=range_tags(FIRM_MONTHS),
        raise_on_error=False,
    )


def test_the_key_stays_the_environments_when_another_field_is_set(workspace: Workspace) -> None:
    result = launch(workspace, "timix/customers", timix={"concurrency": 2})

    assert failures(result) == {}
    assert workspace.table("timix/customers").height == len(workspace.sandbox.workspace.rows("customers"))


def test_a_field_of_the_lake_reaches_the_writing_of_tables(workspace: Workspace) -> None:
    launch(workspace, "timix/customers")
    workspace.sandbox.workspace.discard("customers", [workspace.sandbox.workspace.rows("customers")[0]["id"]])

    strict = launch(workspace, "timix/customers", lake={"max_removed_share": 0.0, "guard_from_rows": 1})

    assert "would remove 1 of" in failures(strict)["timix/customers"]


def test_a_setting_of_the_firm_reaches_the_figures(workspace: Workspace) -> None:
    workspace.refresh(EVERYTHING)
    before = workspace.table("rollups/utilization_monthly")

    assert failures(launch(workspace, "rollups/utilization_monthly", targets={"utilization": 1.0})) == {}

    raised = workspace.table("rollups/utilization_monthly")["target_gap_hours"] - before["target_gap_hours"]
    assert raised.equals(before["capacity_hours"] * Decimal("0.25"), check_names=False)


def test_the_key_stands_nowhere_in_the_definitions(workspace: Workspace) -> None:
    assert workspace.sandbox.key not in repr(defs.resources)
    assert "api_key" not in repr(defs.resources)
