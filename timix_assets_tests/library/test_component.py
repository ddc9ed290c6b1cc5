"""Two firms as components in another team's project, loaded and listed by the functions that `dg` calls."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from dagster import AssetKey, DagsterInstance, Definitions, in_process_executor, multiprocess_executor
from dagster.components import load_from_defs_folder
from dagster.components.component_scaffolding import scaffold_object
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.core.package_entry import get_package_objects_in_module

from timix_assets import TimixComponent
from timix_assets.lake.tables import Lake
from timix_assets.runs.failed_runs import failure_of
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.workspace import failures

from .conftest import FIRMS, RAW, run

PROJECT = "a_group_of_firms"
PYPROJECT = f"""
[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "{PROJECT}"
"""
COMPONENT = """
type: timix_assets.TimixComponent

attributes:
  key_prefix: {name}
  timix:
    api_key: "{{{{ env.{variable} }}}}"
    base_url: {base_url}
  lake: "{{{{ context.project_root }}}}/{name}"
  start_month: 2026-09
  schedules:
    everything_nightly: "15 1 * * *"
  settings:
    as_of: {today}
  translation:
    owners: ["team:{name}"]
    metadata:
      told: "{{{{ table }}}}"
"""
THEIR_EXECUTOR = """
from dagster import Definitions, multiprocess_executor

defs = Definitions(executor=multiprocess_executor)
"""
THEIRS = "from timix_assets_tests.library.conftest import orders\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a project, whose definitions are in files below `defs`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    defs = tmp_path / PROJECT / "defs"
    defs.mkdir(parents=True)
    for package in (defs.parent, defs):
        (package / "__init__.py").touch()
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == PROJECT]:
        del sys.modules[name]


def firm(project: Path, name: str, sandbox: Sandbox, more: str = "") -> None:
    folder = project / PROJECT / "defs" / name
    folder.mkdir()
    text = COMPONENT.format(name=name, variable=f"{name.upper()}_KEY", base_url=sandbox.base_url, today=TODAY)
    (folder / "defs.yaml").write_text(text + more)


@pytest.fixture
def loaded(project: Path, sandboxes: dict[str, Sandbox], monkeypatch: pytest.MonkeyPatch) -> Definitions:
    for name in FIRMS:
        monkeypatch.setenv(f"{name.upper()}_KEY", sandboxes[name].key)
        firm(project, name, sandboxes[name])
    (project / PROJECT / "defs" / "theirs.py").write_text(THEIRS)
    return load_from_defs_folder(path_within_project=project)


def test_project_has_the_firms_beside_its_own(loaded: Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in loaded.resolve_all_asset_specs()}
    assert {name.partition("/")[0] for name in specs} == {*FIRMS, "warehouse"}
    entries = specs["acme/timix/time_reports"]
    assert (entries.owners, entries.metadata["told"]) == (["team:acme"], "timix/time_reports")
    schedules = loaded.get_repository_def().schedule_defs
    assert {each.name for each in schedules} == {f"{name}_everything_nightly" for name in FIRMS}
    assert loaded.executor is in_process_executor
    Definitions.validate_loadable(loaded)


def test_project_may_have_its_own_executor(project: Path, sandboxes: dict[str, Sandbox]) -> None:
    for name in FIRMS:
        firm(project, name, sandboxes[name], "  in_process: false\n")
    (project / PROJECT / "defs" / "theirs.py").write_text(THEIR_EXECUTOR)
    assert load_from_defs_folder(path_within_project=project).executor is multiprocess_executor


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("job", "computed"), [("acme_refresh_recent", {"acme"}), ("__ASSET_JOB", set(FIRMS)), ("their_job", set(FIRMS))]
)
def test_run_in_a_container_builds_its_own_firm(
    job: str, computed: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_RUN_JOB_NAME", job)
    graph = load_from_defs_folder(path_within_project=project).resolve_asset_graph()
    assert {key.path[0] for key in graph.executable_asset_keys} == {*computed, "warehouse"}
    assert graph.has(AssetKey(["globex", "rollups", "budget_health"]))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_each_firm_runs_in_its_own_lake(
    loaded: Definitions, project: Path, sandboxes: dict[str, Sandbox], instance: DagsterInstance
) -> None:
    for name in FIRMS:
        done = run(loaded, instance, f"{name}_refresh_everything")
        assert failures(done) == {}
        assert instance.get_latest_materialization_event(AssetKey([name, "rollups", "budget_health"]))
    for name in FIRMS:
        rows = Lake(str(project / name)).scan("timix/projects").collect()
        assert set(rows["id"]) == {row["id"] for row in sandboxes[name].workspace.rows("projects")}


@pytest.mark.long
def test_firm_without_its_key_fails_alone(
    loaded: Definitions, project: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_KEY")
    again = load_from_defs_folder(path_within_project=project)
    [why] = failures(run(again, instance, "acme_refresh_everything", RAW[0])).values()
    assert why.startswith("The workspace acme has no api_key")
    assert failures(run(again, instance, "globex_refresh_everything", RAW[0])) == {}


def test_misspelt_attribute_is_refused(project: Path, sandboxes: dict[str, Sandbox]) -> None:
    firm(project, "acme", sandboxes["acme"], "  lakes: data\n")
    with pytest.raises(ComponentTreeException) as refused:
        load_from_defs_folder(path_within_project=project)
    assert "lakes" in str(refused.value.__cause__)


def test_setting_that_is_an_attribute_fails_its_firm_alone(project: Path, sandboxes: dict[str, Sandbox]) -> None:
    firm(project, "acme", sandboxes["acme"])
    file = project / PROJECT / "defs" / "acme" / "defs.yaml"
    file.write_text(file.read_text().replace("  settings:\n", "  settings:\n    lake: elsewhere\n    name: other\n"))
    loaded = load_from_defs_folder(path_within_project=project)
    assert AssetKey(["acme", "timix", "me"]) in loaded.resolve_asset_graph().get_all_asset_keys()
    acme = TimixComponent(
        key_prefix="acme", lake="data/acme", settings={"lake": "elsewhere", "name": "other"}
    ).workspace()
    assert acme.settings.lake == "data/acme"
    assert acme.problem == (
        "The workspace acme has a wrong setting. settings: lake is an attribute of the component; set it there alone. settings: "
        "name is an attribute of the component; set it there alone."
    )


UNSET = """
attributes:
  key_prefix: acme
  timix: {api_key: "{{ env.NO_SUCH }}", base_url: "{{ env.NO_SUCH }}"}
  lake: "{{ env.NO_SUCH }}"
  start_month: "{{ env.NO_SUCH }}"
  schedules: {everything_nightly: "{{ env.NO_SUCH }}"}
  settings: {alert_urls: "{{ env.NO_SUCH }}", firm_config: "{{ env('NO_SUCH', '') }}"}
"""


def test_unset_variables_fail_their_firm_alone(
    project: Path, sandboxes: dict[str, Sandbox], instance: DagsterInstance
) -> None:
    for name in FIRMS:
        firm(project, name, sandboxes[name])
    file = project / PROJECT / "defs" / "acme" / "defs.yaml"
    file.write_text("type: timix_assets.TimixComponent\n" + UNSET)
    loaded = load_from_defs_folder(path_within_project=project)
    assert AssetKey(["globex", "timix", "me"]) in loaded.resolve_asset_graph().get_all_asset_keys()
    failed = loaded.resolve_job_def("acme_compact_lake").execute_in_process(instance=instance, raise_on_error=False)
    [(_, why)] = failure_of(instance, failed.dagster_run).causes
    assert re.findall(r"(\S+): no ", why) == [
        "lake",
        "schedules.everything_nightly",
        "settings.alert_urls",
        "start_month",
        "timix.base_url",
    ]


@pytest.mark.parametrize("prefix", ["Acme Corp", "clients/acme", "Ümlaut"])
def test_prefix_that_cannot_be_one_fails_its_firm_alone(
    prefix: str, project: Path, sandboxes: dict[str, Sandbox]
) -> None:
    firm(project, "acme", sandboxes["acme"])
    file = project / PROJECT / "defs" / "acme" / "defs.yaml"
    file.write_text(file.read_text().replace("key_prefix: acme", f"key_prefix: {prefix}"))
    Definitions.validate_loadable(load_from_defs_folder(path_within_project=project))
    assert f'key_prefix: "{prefix}" cannot be' in TimixComponent(key_prefix=prefix, lake="x").workspace().problem


def test_prefix_that_begins_with_a_digit_has_a_name(project: Path) -> None:
    scaffold_object(project / PROJECT / "defs" / "3m", "timix_assets.TimixComponent", None, "yaml", project)
    loaded = load_from_defs_folder(path_within_project=project)
    Definitions.validate_loadable(loaded)
    assert AssetKey(["3m", "timix", "me"]) in loaded.resolve_asset_graph().get_all_asset_keys()
    assert loaded.resolve_job_def("_3m_refresh_recent")


def test_no_secret_is_in_a_component() -> None:
    component = TimixComponent(key_prefix="n", lake="x", settings={"alert_urls": "json://secret"})
    assert "json://secret" not in repr(component)


def test_name_comes_from_any_prefix(tmp_path: Path) -> None:
    workspace = TimixComponent(key_prefix=["acme-corp", "north.eu"], lake=str(tmp_path)).workspace()
    assert workspace.name == "acme_corp_north_eu"
    assert workspace.names.key("timix/me") == AssetKey(["acme-corp", "north.eu", "timix", "me"])


def test_component_is_listed() -> None:
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    [module] = declared["project"]["entry-points"]["dagster_dg_cli.registry_modules"].values()
    assert dict(get_package_objects_in_module(import_module(module))) == {"TimixComponent": TimixComponent}


def test_scaffolded_component_loads(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORTH_EU_TIMIX_KEY", "bbl_x")
    folder = project / PROJECT / "defs" / "north-eu"
    scaffold_object(folder, "timix_assets.TimixComponent", None, "yaml", project)
    written = yaml.safe_load((folder / "defs.yaml").read_text())
    assert written["attributes"]["timix"] == {"api_key": "{{ env.NORTH_EU_TIMIX_KEY }}"}
    definitions = load_from_defs_folder(path_within_project=project)
    assert AssetKey(["north-eu", "timix", "me"]) in {spec.key for spec in definitions.resolve_all_asset_specs()}
    assert "bbl_x" not in repr(TimixComponent(key_prefix="n", lake="x", timix={"api_key": "bbl_x"}))  # type: ignore[arg-type]
