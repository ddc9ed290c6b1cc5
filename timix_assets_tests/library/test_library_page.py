"""The examples of docs/library.md."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import AssetKey, DagsterInstance, Definitions
from dagster.components import ComponentLoadContext
from dagster.components.component_scaffolding import scaffold_object
from dagster.components.core.component_tree import ComponentTree

from timix_assets import TimixComponent
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.workspace import failures

from .conftest import RAW, run

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.long
def test_examples_run(
    sandboxes: dict[str, Sandbox], tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    for name, sandbox in sandboxes.items():
        monkeypatch.setenv(f"{name.upper()}_KEY", sandbox.key)
    namespace: dict[str, Any] = {}
    for example in examples("python"):
        exec(example.replace('lake="data/', f'base_url="{sandboxes["acme"].base_url}", lake="data/'), namespace)

    definitions: Definitions = namespace["defs"]
    Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    assert graph.get(AssetKey("board_pack")).parent_keys == {AssetKey(["acme", "rollups", "budget_health"])}
    money = graph.get(AssetKey(["finance", "money"]))
    assert (money.owners, money.group_name) == (["team:finance"], "board")
    assert AssetKey(["initech", "rollups", "organization_money"]) not in graph.get_all_asset_keys()
    assert failures(run(definitions, instance, "acme_refresh_everything", RAW[0])) == {}
    assert (tmp_path / "data/acme/timix/customers/_delta_log").is_dir()


@pytest.mark.long
def test_first_refresh_from_the_command_line_runs(sandboxes: dict[str, Sandbox], tmp_path: Path) -> None:
    acme, [first, _] = sandboxes["acme"], examples("sh")
    code = examples("python")[0].replace('lake="data/', f'base_url="{acme.base_url}", lake="data/')
    (tmp_path / "definitions.py").write_text(code)
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(sys.path),
        "DAGSTER_HOME": str(tmp_path),
        "ACME_KEY": acme.key,
    }
    done = subprocess.run(["sh", "-ec", first], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/acme/rollups/budget_health/_delta_log").is_dir()


def test_doctor_of_one_firm_runs(sandboxes: dict[str, Sandbox], tmp_path: Path) -> None:
    _, commands = examples("sh")
    acme = sandboxes["acme"]
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(sys.path),
        "ACME_KEY": acme.key,
        "TIMIX_BASE_URL": acme.base_url,
    }
    done = subprocess.run(
        ["sh", "-ec", commands], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_component_of_the_page_loads() -> None:
    _, text = examples("yaml")
    attributes = yaml.safe_load(text)["attributes"]
    context: ComponentLoadContext = ComponentTree.for_test().load_context
    component = TimixComponent.load(TimixComponent.model()(**attributes), context)
    definitions = component.build_defs(context)
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    assert specs[AssetKey(["acme", "timix", "me"])].owners == ["team:finance"]


def test_scaffolded_file_is_that_of_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "defs" / "acme"
    scaffold_object(folder, "timix_assets.TimixComponent", None, "yaml", tmp_path)
    assert (folder / "defs.yaml").read_text() == examples("yaml")[0]
