"""The import of structure as an asset: what a run needs to write, and what its page shows."""

from pathlib import Path

import pytest
from dagster import AssetKey

from timix_assets.assets.structure_import import structure
from timix_assets.definitions import build_definitions
from timix_assets.settings import Settings
from timix_assets_tests.imports.test_asset import launch, posts
from timix_assets_tests.workspace import Workspace, failures, metadata, warnings

ASSET = "imports/structure"


@pytest.fixture
def file(workspace: Workspace) -> Path:
    folder = workspace.folder / "imports"
    folder.mkdir()
    path = folder / "acme.csv"
    path.write_text("path,billing_types\nAcme,\nAcme / Website,TM\nAcme / Shop,\n", encoding="utf-8")
    return path


def test_run_plans_unless_it_says_apply_and_shows_the_tree(workspace: Workspace, file: Path) -> None:
    run = launch(workspace, structure, file=file.name)
    assert failures(run) == {}
    assert metadata(run, ASSET)["plan"] == "2 to create, 1 refused"
    assert metadata(run, ASSET)["tree"] == (
        "```\n+ Acme\n!   Shop, row 4: a new project needs billing_types\n+   Website: billing_types TM\n```"
    )
    assert warnings(run, ASSET)["no_rows_refused"] == "1 row refused:\nrow 4: a new project needs billing_types"
    assert posts(workspace) == 0


def test_applied_run_writes_and_can_be_undone(workspace: Workspace, file: Path) -> None:
    run = launch(workspace, structure, file=file.name, apply=True)
    assert metadata(run, ASSET)["outcome"] == "2 created"
    assert workspace.table("imports/ledger")["kind"].to_list() == ["customer", "project"]
    undone = launch(workspace, structure, roll_back=file.name, apply=True)
    assert metadata(undone, ASSET)["outcome"] == "2 deleted"


def test_nothing_is_requested_when_writes_are_not_allowed(workspace: Workspace, file: Path) -> None:
    run = launch(workspace, structure, allow_writes=False, file=file.name, apply=True)
    assert failures(run)[ASSET].startswith("Nothing was written: TIMIX_ALLOW_WRITES is not 1.")
    assert workspace.sandbox.requests == []


def test_no_other_job_imports_structure() -> None:
    jobs = {
        job.name
        for job in build_definitions(Settings()).resolve_all_job_defs()
        if AssetKey.from_user_string(ASSET) in job.asset_layer.executable_asset_keys and not job.name.startswith("__")
    }
    assert jobs == {"import_structure"}
