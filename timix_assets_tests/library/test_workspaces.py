"""Any number of workspaces stand in one code location, each with keys, resources, a lake and state of its own."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import (
    AssetIn,
    AssetKey,
    AssetSpec,
    DagsterInstance,
    DagsterInvariantViolationError,
    DagsterRun,
    Definitions,
    EnvVar,
    ExecuteInProcessResult,
    JobDefinition,
    MaterializeResult,
    asset,
    build_sensor_context,
    define_asset_job,
    evaluate_automation_conditions,
    in_process_executor,
    mem_io_manager,
    multiprocess_executor,
)
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._grpc.types import ExecuteRunArgs
from dagster_shared.serdes import serialize_value

from timix_assets import Workspace, build_definitions
from timix_assets.assets.imports import time_entry_import
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.tables import Lake
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.failed_runs import failure_of
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings, SettingsError
from timix_assets.state.locks import exclusive_lock
from timix_assets_tests.workspace import QUIET, failures

from .conftest import FIRMS, RAW, THEIRS, run, workspace

pytestmark = pytest.mark.long

KEY = f"bbl_{secrets.token_hex(20)}"


def keys(definitions: Definitions) -> set[str]:
    return {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}


def ours(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.startswith("__")}


@asset(deps=[AssetKey(["rollups", "budget_health"])], group_name="imports")
def board_pack() -> None:
    pass


THEIRS_BELOW_THE_PROJECT = Definitions([board_pack])


@pytest.fixture
def both(sandboxes: dict[str, Sandbox], tmp_path: Path) -> Definitions:
    """Two firms, merged with another team's definitions."""
    workspaces = (workspace(name, tmp_path, sandboxes[name]) for name in FIRMS)
    return Definitions.merge(build_definitions(*workspaces), THEIRS)


def materialized(done: ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in done.get_asset_materialization_events() if event.asset_key}


def test_names_begin_with_that_of_the_workspace(both: Definitions) -> None:
    project = build_definitions(Settings())
    expected = {f"{name}/{key}" for name in FIRMS for key in keys(project)} | {"warehouse/orders"}
    assert keys(both) == expected
    jobs = ours(job.name for job in project.resolve_all_job_defs())
    assert ours(job.name for job in both.resolve_all_job_defs()) == {
        *(f"{name}_{job}" for name in FIRMS for job in jobs),
        "refresh_recent",
    }
    tables = [spec.metadata.get("dagster/table_name") for spec in both.resolve_all_asset_specs()]
    named = [table for table in tables if table]
    assert len(set(named)) == len(named), "the UI links assets of one table name"
    Definitions.validate_loadable(both)


def test_no_job_of_a_workspace_has_resources_of_others(both: Definitions) -> None:
    for name, other in zip(FIRMS, reversed(FIRMS), strict=True):
        for job in both.resolve_all_job_defs():
            if job.name.startswith(f"{name}_"):
                assert {key.path[0] for key in job.asset_layer.executable_asset_keys} == {name}
                # Dagster gives the outputs of all checks the location's io_manager, which nobody calls.
                needed = set(job.required_resource_keys) - {"io_manager"}  # type: ignore[attr-defined]
                assert needed
                assert all(key.startswith(f"{name}_") for key in needed)
                assert not any(key.startswith(f"{other}_") for key in job.resource_defs)


def test_project_beside_a_workspace_computes_its_own_assets_alone(tmp_path: Path) -> None:
    alone, acme = build_definitions(Settings()), workspace("acme", tmp_path)
    in_one_call = build_definitions(Settings(), acme)
    merged = Definitions.merge(build_definitions(Settings()), build_definitions(acme), THEIRS_BELOW_THE_PROJECT)
    for job in alone.resolve_all_job_defs():
        if not job.name.startswith("__"):
            for beside in (in_one_call, merged):
                selected = beside.resolve_job_def(job.name).asset_layer.executable_asset_keys
                assert selected == job.asset_layer.executable_asset_keys


def test_asset_of_another_team_reads_a_table(
    sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    @asset(ins={"customers": AssetIn(AssetKey(["acme", "timix", "customers"]))})
    def known(customers: pl.LazyFrame) -> MaterializeResult[Any]:
        return MaterializeResult(metadata={"rows": customers.collect().height})

    acme = workspace("acme", tmp_path, sandboxes["acme"], lock_timeout_seconds=1)
    definitions = Definitions.merge(
        build_definitions(acme), Definitions(assets=[known], jobs=[define_asset_job("count", [known])])
    )
    assert failures(run(definitions, instance, "acme_refresh_everything", RAW[0])) == {}
    folder = acme.settings.machine_folder
    # A refresh of acme is under way.
    with exclusive_lock(folder / f"{LakeLock(folder, acme.settings.lake).name}.lock", timeout=0):
        done = definitions.resolve_job_def("count").execute_in_process(instance=instance)
    [event] = done.asset_materializations_for_node("known")
    assert event.metadata["rows"].value == len(sandboxes["acme"].workspace.rows("customers"))
    assert not [tag for tag in done.dagster_run.tags if tag.startswith("timix/")]


def test_rows_of_another_team_become_time_entries(
    sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    @asset(key=AssetKey(["hr", "hours"]))
    def hours() -> pl.DataFrame:
        return pl.DataFrame(
            [{"reference": "A", "person": "nobody", "date": "2026-11-09", "hours": "1", "subtask": "x"}]
        )

    acme = workspace("acme", tmp_path, sandboxes["acme"])
    imported = acme.with_resources(time_entry_import("hr_hours", rows=hours.key, names=acme.names))
    definitions = Definitions.merge(
        build_definitions(acme, workspace("globex", tmp_path, sandboxes["globex"])),
        Definitions(
            assets=[hours, imported],
            jobs=[define_asset_job("import_hr", [hours, imported])],
            resources={"io_manager": mem_io_manager},
        ),
    )
    Definitions.validate_loadable(definitions)
    done = definitions.resolve_job_def("import_hr").execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False
    )
    assert failures(done) == {}
    assert Lake(str(tmp_path / "acme")).scan("imports/hr_hours").collect()["step"].to_list() == ["refuse"]


@pytest.mark.timeout(300)
def test_each_firm_has_its_own_rows_in_its_own_lake(
    both: Definitions, sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    for name in FIRMS:
        done = run(both, instance, f"{name}_refresh_everything")
        assert failures(done) == {}
        assert {key.partition("/")[0] for key in materialized(done)} == {name}
        assert {check.asset_key.path[0] for check in done.get_asset_check_evaluations()} == {name}
    for name in FIRMS:
        lake, sandbox = Lake(str(tmp_path / name)), sandboxes[name]
        ids = {row["id"] for row in sandbox.workspace.rows("projects")}
        assert set(lake.scan("timix/projects").collect()["id"]) == ids
        assert lake.scan("rollups/budget_health").collect().height
        assert (tmp_path / name / "reports/weekly_digest.html").is_file()
        assert {table.partition("/")[0] for table in lake.names()} <= {
            "timix",
            "rollups",
            "meta",
            "quarantine",
            "_timix",
        }


@pytest.mark.long
@pytest.mark.timeout(300)
def test_rollups_follow_in_each_firm_alone(both: Definitions, instance: DagsterInstance) -> None:
    for name in FIRMS:
        run(both, instance, f"{name}_refresh_everything")
    cursor = evaluate_automation_conditions(both, instance).cursor
    run(both, instance, "globex_refresh_recent", "timix/customers")
    evaluated = evaluate_automation_conditions(both, instance, cursor=cursor)
    requested = {each.key for each in evaluated.results if evaluated.get_num_requested(each.key)}
    assert {key.path[0] for key in requested} == {"globex"}
    [sensor] = [each for each in both.get_repository_def().sensor_defs if each.name == "globex_automation"]
    assert sensor.run_tags == {"timix/workspace": "globex"}  # type: ignore[attr-defined]


def test_change_refreshes_what_is_below_in_its_firm_alone(
    both: Definitions, sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    repository, cursor, requested = both.get_repository_def(), None, set()
    for table in BY_NAME:
        Lake(str(tmp_path / "acme")).replace(f"timix/{table}", pl.DataFrame(schema={"id": pl.String}), key=["id"])
    for _ in range(2):
        with build_sensor_context(instance=instance, cursor=cursor, repository_def=repository) as context:
            ticked = repository.get_sensor_def("acme_timix_changes").evaluate_tick(context)
        cursor = ticked.cursor
        requested = {key.to_user_string() for each in ticked.run_requests or [] for key in each.asset_selection or []}
        sandboxes["acme"].workspace.create("customers", {"name": "Newcomer"})
    assert {"acme/timix/customers", "acme/rollups/organization_money"} <= requested
    assert {key.partition("/")[0] for key in requested} == {"acme"}
    assert not sandboxes["globex"].requests


def test_workspaces_with_one_key_share_its_rate_limit(sandboxes: dict[str, Sandbox], tmp_path: Path) -> None:
    acme, again = (workspace(name, tmp_path, sandboxes["acme"]) for name in ("acme", "again"))
    assert acme.settings.machine_folder == again.settings.machine_folder
    assert acme.settings.state_folder != again.settings.state_folder


class Finance(Workspace):
    """As a user writes it."""

    def get_asset_spec(self, spec: AssetSpec) -> AssetSpec:
        spec = super().get_asset_spec(spec)
        if self.table(spec) == "timix/projects":
            return spec.replace_attributes(key=AssetKey(["finance", "projects"]), metadata={"cost_center": "7"})
        return spec.replace_attributes(owners=["team:finance"], group_name="finance").merge_attributes(
            tags={"tier": "1"}
        )


def test_asset_spec_is_overridable(sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance) -> None:
    sandbox = sandboxes["acme"]
    finance = Finance("acme", sandbox.key, str(tmp_path / "acme"), "2026-09", base_url=sandbox.base_url, home=tmp_path)
    definitions = build_definitions(finance)
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert specs["acme/timix/customers"].owners == ["team:finance"]
    assert specs["acme/timix/customers"].group_name == "finance"
    assert specs["acme/timix/customers"].tags["tier"] == "1"
    assert "acme/timix/projects" not in specs
    below = [
        key for key, spec in specs.items() if AssetKey(["finance", "projects"]) in {d.asset_key for d in spec.deps}
    ]
    assert "acme/rollups/budget_health" in below

    job = definitions.resolve_job_def("acme_refresh_everything")
    moved = AssetKey(["finance", "projects"])
    assert moved in job.asset_layer.executable_asset_keys
    done = job.execute_in_process(instance=instance, asset_selection=[moved], raise_on_error=False)
    assert failures(done) == {}
    assert materialized(done) == {"finance/projects"}
    assert {check.asset_key for check in done.get_asset_check_evaluations()} == {moved}
    assert Lake(str(tmp_path / "acme")).scan("timix/projects").collect().height


class Themselves(Workspace):
    def get_asset_spec(self, spec: AssetSpec) -> AssetSpec:
        if spec.key == self.names.key("timix/projects"):
            return spec.replace_attributes(key=AssetKey(["finance", "projects"]))
        return spec.merge_attributes(metadata={"job": self.names.named("refresh_recent")})


def test_asset_spec_can_name_others(tmp_path: Path) -> None:
    acme = Themselves("acme", "bbl_none", str(tmp_path), "2026-09", home=tmp_path)
    specs = {spec.key.to_user_string(): spec for spec in build_definitions(acme).resolve_all_asset_specs()}
    assert specs["acme/timix/me"].metadata["job"] == "acme_refresh_recent"
    assert "finance/projects" in specs
    assert "acme/timix/projects" not in specs
    assert acme.names.key("timix/projects") == AssetKey(["finance", "projects"])


def test_every_asset_has_one_owner(both: Definitions, sandboxes: dict[str, Sandbox], tmp_path: Path) -> None:
    acme, globex = (workspace(name, tmp_path, sandboxes[name]).names for name in FIRMS)
    for spec in both.resolve_all_asset_specs():
        owners = [names.name for names in (acme, globex) if names.owns(spec.key)]
        assert owners == [name for name in FIRMS if spec.key.path[0] == name]
    assert all(PROJECT.owns(spec.key) for spec in build_definitions(Settings()).resolve_all_asset_specs())
    hours = time_entry_import("hr_hours", names=acme)
    assert [acme.owns(hours.key), globex.owns(hours.key), PROJECT.owns(hours.key)] == [True, False, False]


@pytest.mark.parametrize(("outer", "inner"), [((), ("imports",)), (("acme",), ("acme", "imports"))])
def test_workspace_below_the_imports_of_another_has_its_assets_alone(
    outer: tuple[str, ...], inner: tuple[str, ...]
) -> None:
    spread = [Namespace("outer", outer), Namespace("inner", inner)]
    for table, owner in product(("timix/me", "imports/ledger", "imports/hr_hours"), spread):
        assert [names for names in spread if names.owns(owner.key(table))] == [owner]


@pytest.mark.parametrize("key", ["acme/reports/board_pack", "acme/rollups/quota", "acme/board/timix/projects"])
def test_asset_of_yours_below_the_prefix_is_yours(key: str, tmp_path: Path) -> None:
    assert not workspace("acme", tmp_path).names.owns(AssetKey(key.split("/")))


def test_selected_endpoints_leave_out_what_needs_others(tmp_path: Path) -> None:
    definitions = build_definitions(workspace("acme", tmp_path, endpoints=["customers", "projects"]))
    found = keys(definitions)
    assert {"acme/timix/customers", "acme/timix/projects", "acme/quarantine/projects"} <= found
    assert not {key for key in found if key.startswith(("acme/rollups/", "acme/reports/", "acme/exports/"))}
    assert {key.asset_key.to_user_string() for key in definitions.resolve_asset_graph().asset_check_keys} <= found
    Definitions.validate_loadable(definitions)


def test_current_month_is_reported_of_tables_there_are(tmp_path: Path, instance: DagsterInstance) -> None:
    definitions = build_definitions(workspace("acme", tmp_path, endpoints=["time_reports", "projects"]))
    repository = definitions.get_repository_def()
    with build_sensor_context(instance=instance, repository_def=repository) as context:
        ticked = repository.get_sensor_def("acme_current_month_freshness").evaluate_tick(context)
    assert [event.asset_key for event in ticked.asset_events] == [AssetKey(["acme", "timix", "time_reports"])]


def test_schedules_are_those_that_are_named(tmp_path: Path) -> None:
    definitions = build_definitions(workspace("acme", tmp_path, schedules={"everything_nightly": "15 1 * * *"}))
    [schedule] = definitions.get_repository_def().schedule_defs
    assert (schedule.name, schedule.cron_schedule) == ("acme_everything_nightly", "15 1 * * *")
    assert schedule.tags == {"timix/workspace": "acme"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"start_month": "2031-01"}, "2031-01 is in the future"),
        ({"start_month": "January"}, "start_month"),
        ({"lake": "s3:/bucket"}, "s3:/bucket"),
        ({"lake": ""}, "lake: no location is given"),
        ({"cron_nightly": "every night"}, 'setting. cron_nightly: "every night" is not a cron expression'),
        ({"schedules": {"hourly": "0 * * * *"}}, "schedules: there is no"),
        ({"schedules": ["everything_nightly"]}, "schedules: is not a mapping of names; write e.g. "),
        ({"schedules": {"everything_nightly": "at 2"}}, 'setting. schedules.everything_nightly: "at 2" is not a cron'),
        ({"schedules": {"everything_nightly": 2}}, "setting. schedules.everything_nightly: 2 is not valid"),
        ({"key_prefix": "Acme Corp"}, 'key_prefix: "Acme Corp" cannot be a part of asset keys'),
        ({"key_prefix": ["clients/acme"]}, 'key_prefix: "clients/acme" cannot be a part of asset keys'),
        ({"key_prefix": EnvVar("NO_SUCH_PREFIX")}, "key_prefix: the variable NO_SUCH_PREFIX is not set"),
        ({"endpoints": ["time_report"]}, "did you mean time_reports?"),
        ({"endpoints": "time_report"}, "did you mean time_reports?"),
        ({"endpoints": True}, 'endpoints: is not a list of names; write e.g. ["time_reports", "projects"].'),
        ({"endpoints": [1, "projects", ["me"]]}, "endpoints: there is no 1; use one of me, "),
        ({"endpoints": EnvVar("NO_SUCH")}, "endpoints: the variable NO_SUCH is not set"),
        ({"schedules": {5: "0 * * * *", "x ": "0 * * * *"}}, "schedules: there is no 5; use one of recent_hourly, "),
        (
            {"schedules": {"recent_hourly": EnvVar("NO_SUCH")}},
            "setting. schedules.recent_hourly: the variable NO_SUCH is not set",
        ),
        ({"schedules": {"recent_hourly": KEY}}, "setting. schedules.recent_hourly: holds an API key"),
        (
            {"key_prefix": [EnvVar("NO_SUCH")]},
            'NO_SUCH is not set; set it where Dagster runs. key_prefix: "" cannot be',
        ),
        ({"key_prefix": []}, 'key_prefix: "" cannot be a part of asset keys'),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"lock_timeout": 3}, "lock_timeout: there is no such field"),
        ({"workspace": "globex"}, "workspace: there is no such field"),
        ({"organization_time_zone": "Mars/Base"}, "organization_time_zone: there is no such field"),
        ({"firm_config": "absent.yaml"}, "absent.yaml"),
        ({"webhook_secrets": "whsec_none"}, "webhook_secrets: webhooks are received by the project alone"),
    ],
)
def test_wrong_setting_is_named_when_a_run_needs_it(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    acme = workspace("acme", tmp_path, **wrong)
    assert "acme_compact_lake" in {job.name for job in build_definitions(acme).jobs or ()}
    assert acme.problem.startswith("The workspace acme has a wrong setting. ")
    assert message in acme.problem
    assert KEY not in acme.problem
    assert "TIMIX_" not in acme.problem, "an argument is meant"


def test_prefix_may_be_one_part_or_several(tmp_path: Path) -> None:
    for given, key in (("clients", ["clients", "timix", "me"]), (["a-b", "c.d"], ["a-b", "c.d", "timix", "me"])):
        acme = workspace("acme", tmp_path, key_prefix=given)
        assert (acme.problem, acme.names.key("timix/me")) == ("", AssetKey(key))


def test_only_settings_of_a_workspace_are_offered(tmp_path: Path) -> None:
    offered = workspace("acme", tmp_path, x=1).problem.partition("use one of ")[2].rstrip(".").split(", ")
    assert {"firm_config", "home", "timezone"} <= set(offered)
    for field in offered:
        assert "there is no" not in workspace("acme", tmp_path, **{field: None}).problem
        assert "by the project alone" not in workspace("acme", tmp_path, **{field: None}).problem


@pytest.mark.parametrize("field", ["lake", "base_url", "overrides", "alert_urls", "start_month", "key_prefix", "home"])
def test_key_in_another_argument_is_refused_and_dropped(field: str, tmp_path: Path) -> None:
    acme = workspace("acme", tmp_path, **{"api_key": "data/acme", field: KEY})
    assert f"{field}: holds an API key" in acme.problem
    assert KEY not in f"{acme.problem} {acme.settings.model_dump()} {acme.settings!r} {acme.names}"


def test_files_of_imports_are_in_a_folder_of_each_firm(tmp_path: Path) -> None:
    assert workspace("acme", tmp_path).settings.import_folder == "data/imports/acme"
    assert workspace("acme", tmp_path, import_folder="ours").settings.import_folder == "ours"


def test_schedules_say_which_argument_moves_them(tmp_path: Path) -> None:
    schedules = build_definitions(workspace("acme", tmp_path)).get_repository_def().schedule_defs
    for each in schedules:
        assert str(each.description).endswith(f"Cron expression: `schedules`, {each.name.removeprefix('acme_')}.")


def test_wrong_setting_fails_its_firm_and_no_other(
    sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    acme = workspace("acme", tmp_path, sandboxes["acme"], timezone="Mars/Base")
    definitions = build_definitions(acme, workspace("globex", tmp_path, sandboxes["globex"]))
    done = run(definitions, instance, "globex_refresh_everything", RAW[0])
    assert failures(done) == {}
    job = definitions.resolve_job_def("acme_compact_lake")
    failed = job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)
    [(_, why)] = failure_of(instance, failed.dagster_run).causes
    assert why == acme.problem
    assert not sandboxes["acme"].requests


@pytest.mark.parametrize("table", [RAW[0], "rollups/capacity_daily", "maintenance/run_history"])
def test_wrong_setting_fails_no_other_firm_in_a_run_of_both(
    table: str, sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    acme = workspace("acme", tmp_path, sandboxes["acme"], timezone="Mars/Base")
    globex = workspace("globex", tmp_path, sandboxes["globex"])
    selected = [acme.names.key(table), globex.names.key(RAW[0])]
    everything = build_definitions(acme, globex).resolve_implicit_global_asset_job_def()
    done = everything.execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False, asset_selection=selected
    )
    assert failures(done)[f"acme/{table}"] == acme.problem
    assert {name.partition("/")[0] for name in failures(done)} == {"acme"}
    assert materialized(done) == {f"globex/{RAW[0]}"}


def test_missing_key_fails_the_run_that_needs_it(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_KEY", raising=False)
    definitions = build_definitions(workspace("acme", tmp_path, api_key=EnvVar("ACME_KEY")))
    [why] = failures(run(definitions, instance, "acme_refresh_everything", RAW[0])).values()
    assert why.startswith("The workspace acme has no api_key")


def test_refused_key_is_that_of_its_workspace(
    sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    for key, what in ((KEY, "is wrong, expired or revoked: set a valid key"), ("acme", "is not a Timix key")):
        definitions = build_definitions(workspace("acme", tmp_path, sandboxes["acme"], api_key=key))
        [why] = failures(run(definitions, instance, "acme_refresh_everything", RAW[0])).values()
        assert f"the api_key of the workspace acme {what}" in why
        assert "TIMIX_API_KEY" not in why


def test_any_setting_comes_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("ACME_SECONDS", "7")
    monkeypatch.delenv("TIMIX_TIMEZONE", raising=False)
    acme = workspace(
        "acme",
        tmp_path,
        lake=EnvVar("ACME_LAKE"),
        lock_timeout_seconds=EnvVar.int("ACME_SECONDS"),
        timezone=EnvVar("TIMIX_TIMEZONE"),
    )
    assert (acme.settings.lake, acme.settings.lock_timeout_seconds) == (str(tmp_path / "lake"), 7)
    assert acme.problem.endswith(
        "wrong setting. timezone: the variable TIMIX_TIMEZONE is not set; set it where Dagster runs."
    )
    monkeypatch.setenv("ACME_KEY", "bbl_d0c0ffee\n")
    assert workspace("acme", tmp_path, api_key=EnvVar("ACME_KEY")).settings.require_api_key() == "bbl_d0c0ffee"
    monkeypatch.setenv("ACME_LAKE", "")
    assert "lake: no location is given" in workspace("acme", tmp_path, lake=EnvVar("ACME_LAKE")).problem


def test_two_workspaces_need_two_names(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Two workspaces are called"):
        build_definitions(workspace("acme", tmp_path), workspace("acme", tmp_path))
    with pytest.raises(SettingsError, match="cannot be the name of a workspace"):
        workspace("acme corp", tmp_path)
    for wrong in ("3m", "a" * 64, "bbl_d0c0ffee"):
        with pytest.raises(SettingsError, match="a letter or underscore, then letters, digits and underscores"):
            workspace(wrong, tmp_path)


def test_two_workspaces_need_two_lakes(tmp_path: Path, instance: DagsterInstance) -> None:
    lake = str(tmp_path / "shared")
    acme, globex = (workspace(name, tmp_path, lake=lake + slash) for name, slash in zip(FIRMS, ("", "/"), strict=True))
    definitions = build_definitions(acme, globex, workspace("initech", tmp_path))
    same = "lake: it is also that of globex; give each organization a lake of its own."
    assert acme.problem == f"The workspace acme has a wrong setting. {same}"
    assert "lake: it is also that of acme;" in globex.problem
    job = definitions.resolve_job_def("acme_compact_lake")
    failed = job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)
    assert failure_of(instance, failed.dagster_run).causes[0][1] == acme.problem
    # Nor beside the project without a prefix, whose lake it is.
    beside = workspace("hooli", tmp_path, lake=lake)
    build_definitions(Settings(lake=lake), beside)
    assert "lake: it is also that of the project without a prefix;" in beside.problem


@pytest.mark.parametrize("job", ["__ASSET_JOB", "refresh_recent", "warehouse"])
def test_run_of_any_assets_loads_every_firm(job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_RUN_JOB_NAME", job)
    loaded = build_definitions(*(workspace(name, tmp_path) for name in FIRMS))
    assert {key.partition("/")[0] for key in keys(loaded)} == set(FIRMS)


def execute_from_file(
    file: Path, instance: DagsterInstance, job: JobDefinition, environ: Mapping[str, str], *selected: AssetKey
) -> DagsterRun:
    """The run of the file's job, in a process as Dagster's launchers start it."""
    code = ReconstructableRepository.for_file(str(file), "defs", str(file.parent))
    origin = code.get_reconstructable_job(job.name).get_python_origin()
    run = instance.create_run_for_job(
        job, run_config=QUIET, job_code_origin=origin, asset_selection=frozenset(selected) or None
    )
    args = ExecuteRunArgs(origin, run.run_id, instance.get_ref(), set_exit_code_on_failure=True).get_command_args()
    environ = {**environ, "PYTHONPATH": ":".join(sys.path), "DAGSTER_HOME": str(file.parent)}
    subprocess.run([sys.executable, "-m", *args], cwd=file.parent, env=environ, check=False, timeout=120)
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    return ended


TWO_FIRMS = """
from dagster import EnvVar
from timix_assets import Workspace, build_definitions

defs = build_definitions(
    Workspace("acme", EnvVar("ACME_KEY"), "data/acme", "2026-09", base_url="{base_url}"),
    Workspace("globex", "bbl_none", "data/globex", "2026-09"),
)
"""


def test_materialize_all_runs_in_one_process(
    sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance
) -> None:
    """It is a run of the code location's job of everything, with the executor of the location."""
    acme = sandboxes["acme"]
    (tmp_path / "firms.py").write_text(TWO_FIRMS.format(base_url=acme.base_url))
    selected = [AssetKey(["acme", *table.split("/")]) for table in RAW]
    everything = build_definitions(workspace("acme", tmp_path)).resolve_implicit_global_asset_job_def()
    job = everything.get_subset(asset_selection=set(selected))
    ended = execute_from_file(tmp_path / "firms.py", instance, job, {"ACME_KEY": acme.key}, *selected)
    assert ended.is_success


def test_executor_of_the_location_is_ours_or_theirs(tmp_path: Path) -> None:
    firms = [workspace(name, tmp_path) for name in FIRMS]
    ours = Definitions.merge(*(build_definitions(firm) for firm in firms))
    assert ours.executor is in_process_executor
    theirs = Definitions(executor=multiprocess_executor)
    with pytest.raises(DagsterInvariantViolationError, match="both have an executor"):
        Definitions.merge(ours, theirs)
    merged = Definitions.merge(build_definitions(*firms, executor=None), theirs)
    assert merged.executor is multiprocess_executor
    assert merged.resolve_job_def("acme_refresh_recent").executor_def is in_process_executor


FIRMS_OF_A_RUN = """
from dagster import AssetIn, AssetSelection, AutomationConditionSensorDefinition, Definitions, ScheduleDefinition, asset
from timix_assets import Workspace, build_definitions

class Unbuildable(Workspace):
    def build_definitions(self):
        raise RuntimeError("the firm of another run was built")

acme = Workspace("acme", "bbl_none", "data/acme", "2026-09", automation_sensor=False)
globex = Unbuildable("globex", "bbl_none", "data/globex", "2026-09", automation_sensor=False)

@asset(ins={"health": AssetIn(globex.names.key("rollups/budget_health"))})
def board_pack(health): ...

everywhere = AssetSelection.assets(*(firm.names.key("rollups/budget_health") for firm in (acme, globex)))
defs = Definitions.merge(
    build_definitions(acme, globex),
    Definitions(
        [board_pack],
        sensors=[AutomationConditionSensorDefinition("ours", target=everywhere)],
        schedules=[ScheduleDefinition("monthly", cron_schedule="0 0 1 * *", job_name="globex_refresh_recent")],
    ),
)
"""


@pytest.mark.parametrize("in_container", [True, False])
def test_run_in_a_container_builds_its_own_firm_alone(
    in_container: bool, tmp_path: Path, instance: DagsterInstance
) -> None:
    """Dagster's launchers of containers start this command, with this variable."""
    (tmp_path / "firms.py").write_text(FIRMS_OF_A_RUN)
    job = build_definitions(workspace("acme", tmp_path)).resolve_job_def("acme_compact_lake")
    environ = {"DAGSTER_RUN_JOB_NAME": job.name} if in_container else {}
    assert execute_from_file(tmp_path / "firms.py", instance, job, environ).is_success == in_container


def test_run_in_a_container_knows_the_tables_of_every_firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded() -> Definitions:
        initech = workspace("initech", tmp_path, endpoints=["projects", "customers"])
        return build_definitions(workspace("acme", tmp_path), Themselves("globex", home=tmp_path), initech, Settings())

    everything = keys(loaded())
    monkeypatch.setenv("DAGSTER_RUN_JOB_NAME", "acme_refresh_recent")
    of_a_run = loaded()
    assert keys(of_a_run) == everything
    computed = {key.path[0] for key in of_a_run.resolve_asset_graph().executable_asset_keys}
    # The resources of the project are those of the code location, for other people's assets too.
    assert computed & {"timix", "acme", "globex", "initech"} == {"timix", "acme"}


def test_nothing_runs_at_import(tmp_path: Path) -> None:
    code = (
        "import timix_assets; timix_assets.TimixComponent\n"
        "timix_assets.build_definitions(timix_assets.Workspace('acme', 'bbl_x', 's3://no-such-bucket/acme'))"
    )
    # A setting that the project itself would refuse.
    environ = {"TIMIX_CRON_RECENT": "never", "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_state_folder_is_for_its_owner_alone(tmp_path: Path, instance: DagsterInstance) -> None:
    acme = workspace("acme", tmp_path)
    definitions = build_definitions(acme)
    assert not acme.settings.machine_folder.exists()
    done = run(definitions, instance, "acme_compact_lake", "maintenance/run_history")
    [event] = done.get_asset_materialization_events()
    assert "bytes" not in event.materialization.metadata, "the run storage of the instance is not in it"
    assert any(acme.settings.state_folder.iterdir())
    for folder in (acme.settings.state_folder, acme.settings.machine_folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_key_is_in_no_definition(tmp_path: Path) -> None:
    definitions = build_definitions(workspace("acme", tmp_path, api_key=KEY))
    # What the code server sends to the UI, with the schemas and defaults of all resources.
    sent = serialize_value(RepositorySnap.from_def(definitions.get_repository_def(), defer_snapshots=False))
    assert "acme_timix" in sent
    assert KEY not in sent
    assert KEY not in repr(workspace("acme", tmp_path, api_key=KEY).settings)
