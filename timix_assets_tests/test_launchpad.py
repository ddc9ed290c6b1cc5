"""Configuration in the launchpad: a field set there is used, and takes no other with it."""

import secrets
from decimal import Decimal
from typing import Any

import pytest
from dagster import AssetKey, DagsterInvalidConfigError, ExecuteInProcessResult, validate_run_config
from pydantic import SecretStr

from timix_assets.definitions import defs
from timix_assets.partitions import range_tags
from timix_assets.settings import Settings
from timix_assets.settings.firm import FirmConfig
from timix_assets.settings.limits import ClientLimits, ImportLimits, LakeLimits, QuarantineLimits
from timix_assets.workspace import build_definitions
from timix_assets_tests.workspace import FIRM_MONTHS, QUIET, Workspace, failures

from .conftest import TODAY


@pytest.fixture(autouse=True)
def _settings(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    monkeypatch.setenv("TIMIX_API_KEY", workspace.sandbox.key)


def launch(workspace: Workspace, asset: str, **fields: dict[str, Any]) -> ExecuteInProcessResult:
    """The job of the project itself on this workspace's places, with these fields of its resources set for the run."""
    project = build_definitions(
        Settings(
            api_key=SecretStr(workspace.sandbox.key),
            base_url=workspace.sandbox.base_url,
            lake=str(workspace.folder / "lake"),
            as_of=TODAY,
            home=workspace.folder,
        )
    )
    return project.resolve_job_def("refresh_everything").execute_in_process(
        run_config={**QUIET, "resources": {name: {"config": config} for name, config in fields.items()}},
        asset_selection=[AssetKey.from_user_string(asset)],
        instance=workspace.instance,
        tags=range_tags(FIRM_MONTHS),
        raise_on_error=False,
    )


def test_key_stays_that_of_the_environment(workspace: Workspace) -> None:
    result = launch(workspace, "timix/customers", timix={"concurrency": 2})

    assert failures(result) == {}
    assert workspace.table("timix/customers").height == len(workspace.sandbox.workspace.rows("customers"))


def test_a_field_of_the_lake_reaches_the_writing_of_tables(workspace: Workspace) -> None:
    launch(workspace, "timix/customers")
    workspace.sandbox.workspace.discard("customers", [workspace.sandbox.workspace.rows("customers")[0]["id"]])

    strict = launch(workspace, "timix/customers", lake={"max_removed_share": 0.0, "guard_from_rows": 1})

    assert "would remove 1 of" in failures(strict)["timix/customers"]


def test_a_setting_of_the_firm_reaches_the_figures(refreshed: Workspace) -> None:
    before = refreshed.table("rollups/utilization_monthly")

    assert failures(launch(refreshed, "rollups/utilization_monthly", targets={"utilization": 1.0})) == {}

    raised = refreshed.table("rollups/utilization_monthly")["target_gap_hours"] - before["target_gap_hours"]
    assert raised.equals(before["capacity_hours"] * Decimal("0.25"), check_names=False)


def test_the_key_stands_nowhere_in_the_definitions(workspace: Workspace) -> None:
    assert workspace.sandbox.key not in repr(defs.resources)
    assert "api_key" not in repr(defs.resources)


PLACES = {
    "timix": ("api_key", "base_url", "authentication", "overrides_file", "endpoints", "state_folder"),
    "lake": ("url", "state_folder", "storage_options"),
    "io_manager": ("lake",),
    "rollup_context": ("lake",),
}


@pytest.mark.parametrize(("resource", "field"), [(name, field) for name, fields in PLACES.items() for field in fields])
def test_places_are_not_part_of_a_runs_configuration(resource: str, field: str) -> None:
    for job in ("refresh_everything", "refresh_recent", "close_month", "refresh_changed", "compact_lake"):
        definition = defs.resolve_job_def(job)
        if resource in definition.resource_defs:
            with pytest.raises(DagsterInvalidConfigError, match=f'unexpected config entry "{field}"'):
                validate_run_config(definition, {"resources": {resource: {"config": {field: "elsewhere"}}}})


ALLOWED = {
    "timix": {*ClientLimits.model_fields, *QuarantineLimits.model_fields},
    "lake": {*LakeLimits.model_fields},
    "imports": {*ImportLimits.model_fields},
    "settings": set(),
    "io_manager": set(),
    "rollup_context": set(),
    **{name: set(type(section).model_fields) for name, section in FirmConfig()},
}


def test_launchpad_offers_only_limits_and_firm_config() -> None:
    resources = defs.resolve_job_def("refresh_everything").run_config_schema.config_type.fields["resources"]
    offered = {
        name: set(resource.config_type.fields["config"].config_type.fields)
        for name, resource in resources.config_type.fields.items()
    }
    assert offered == ALLOWED


def test_text_from_the_environment_is_not_quoted(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secrets.token_hex(16)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("PIN", "4071823")
    taken = {"env": "AWS_SECRET_ACCESS_KEY"}

    def said(**fields: dict[str, Any]) -> str:
        result = launch(refreshed, "rollups/budget_health", **fields)
        return "\n".join(entry.to_json() for entry in refreshed.instance.all_logs(result.run_id))

    assert "the value is not a status of time entries" in said(budget_policy={"counted_statuses": [taken]})
    text = {
        "counted_statuses": said(budget_policy={"counted_statuses": [taken]}),
        "profile": said(work_calendar={"default_holiday_profile_id": taken}),
        "subtasks": said(work_calendar={"time_off_subtask_ids": [taken]}),
    }
    assert [name for name, words in text.items() if secret in words] == []
    refused = failures(launch(refreshed, "timix/customers", timix={"concurrency": {"env": "PIN"}}))
    assert refused == {"timix/customers": "concurrency: the value is not valid; set a whole number from 1 to 64."}
