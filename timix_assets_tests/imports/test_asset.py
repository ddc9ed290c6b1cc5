"""The import as an asset: what a run may name, what it needs to write, and what its page shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetKey, AssetsDefinition, ExecuteInProcessResult, asset, materialize

from timix_assets.assets.imports import structure_import, time_entry_import
from timix_assets.imports.mapping import ImportMapping
from timix_assets.resources import ImportResource, TimixResource
from timix_assets.sandbox.faults import Fault
from timix_assets.settings import Settings
from timix_assets.workspace import build_definitions
from timix_assets_tests.workspace import QUIET, Workspace, failures, metadata, warnings

from .firm import COLUMNS, month_of_rows, row, write_csv, wrong_rows

ASSET, STRUCTURE = "imports/time_entries", "imports/structure"
time_entries, structure = time_entry_import(), structure_import()


def launch(
    workspace: Workspace,
    *assets: AssetsDefinition,
    allow_writes: bool = True,
    overrides_file: str = "",
    share: float = 1,
    **config: Any,
) -> ExecuteInProcessResult:
    """One run of the import with this configuration."""
    assets = assets or (time_entries,)
    folder = workspace.folder / "imports"
    op = assets[-1].node_def.name
    timix = TimixResource(
        api_key=workspace.sandbox.key,
        base_url=workspace.sandbox.base_url,
        overrides_file=overrides_file,
        allow_writes=allow_writes,
    )
    return materialize(
        assets,
        resources={
            **workspace._resources(),
            "timix": timix,
            "imports": ImportResource(folder=str(folder), import_share=share),
        },
        run_config={**QUIET, "ops": {op: {"config": config}}},
        instance=workspace.instance,
        raise_on_error=False,
    )


@pytest.fixture
def file(workspace: Workspace) -> Path:
    folder = workspace.folder / "imports"
    folder.mkdir()
    return write_csv(folder / "october.csv", [*month_of_rows(3), *wrong_rows()[:2]])


@pytest.fixture
def tree_file(workspace: Workspace) -> Path:
    folder = workspace.folder / "imports"
    folder.mkdir()
    path = folder / "acme.csv"
    path.write_text("path,billing_types\nAcme,\nAcme / Website,TM\nAcme / Shop,\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("imported", [time_entries, structure])
def test_run_without_a_file_imports_nothing(workspace: Workspace, imported: AssetsDefinition) -> None:
    run = launch(workspace, imported)
    assert failures(run) == {}
    assert run.get_asset_materialization_events() == []
    assert posts(workspace) == 0


def test_run_without_a_file_leaves_the_check_of_the_latest_import(workspace: Workspace, file: Path) -> None:
    before = warnings(launch(workspace, file="october.csv"), ASSET)
    assert before["no_rows_refused"].startswith("2 rows refused")
    assert warnings(launch(workspace), ASSET) == before


def posts(workspace: Workspace) -> int:
    return sum(request.method == "POST" for request in workspace.sandbox.requests)


def test_run_plans_unless_it_says_apply(workspace: Workspace, file: Path) -> None:
    run = launch(workspace, file="october.csv")
    assert failures(run) == {}
    assert metadata(run, ASSET)["plan"] == "3 to create, 2 refused"
    assert warnings(run, ASSET)["no_rows_refused"].startswith("2 rows refused:  \nrow 5: hours must be more than 0")
    assert workspace.table(ASSET)["outcome"].to_list() == ["planned"] * 3 + [None] * 2
    assert posts(workspace) == 0


def test_applied_run_writes_and_logs_every_entry(workspace: Workspace, file: Path) -> None:
    run = launch(workspace, file="october.csv", apply=True)
    assert failures(run) == {}
    assert metadata(run, ASSET)["outcome"] == "3 created"
    assert posts(workspace) == 3
    table = workspace.table(ASSET).filter(pl.col("outcome") == "created")
    assert set(table["run_id"]) == {run.run_id}
    logged = "\n".join(record.user_message for record in workspace.instance.all_logs(run.run_id))
    assert all(f"created {entry_id}" in logged for entry_id in table["entry_id"])
    undone = launch(workspace, roll_back="october.csv", apply=True)
    assert metadata(undone, ASSET)["outcome"] == "3 deleted"


def test_row_that_timix_refuses_is_named_by_the_check(workspace: Workspace, file: Path) -> None:
    workspace.sandbox.faults.add(
        Fault("invalid", path="/time-reports", method="POST", nth=2, status=409, value="The week is locked.")
    )
    run = launch(workspace, file="october.csv", apply=True)
    assert failures(run) == {}
    assert (
        "1 row not written:  \nrow 3: refused by Timix: The week is locked." in warnings(run, ASSET)["no_rows_refused"]
    )


def test_run_plans_structure_unless_it_says_apply_and_shows_the_tree(workspace: Workspace, tree_file: Path) -> None:
    run = launch(workspace, structure, file="acme.csv")
    assert failures(run) == {}
    assert metadata(run, STRUCTURE)["plan"] == "2 to create, 1 refused"
    assert metadata(run, STRUCTURE)["tree"] == (
        "```\n+ Acme\n!   Shop, row 4: a new project needs billing_types\n+   Website: billing_types TM\n```"
    )
    assert warnings(run, STRUCTURE)["no_rows_refused"] == "1 row refused:  \nrow 4: a new project needs billing_types"
    assert posts(workspace) == 0


@pytest.mark.long
def test_applied_run_writes_structure_and_can_be_undone(workspace: Workspace, tree_file: Path) -> None:
    run = launch(workspace, structure, file="acme.csv", apply=True)
    assert metadata(run, STRUCTURE)["outcome"] == "2 created"
    assert workspace.table("imports/ledger")["kind"].to_list() == ["customer", "project"]
    undone = launch(workspace, structure, roll_back="acme.csv", apply=True)
    assert metadata(undone, STRUCTURE)["outcome"] == "2 deleted"


def test_writes_leave_the_rest_of_the_limit_to_others(workspace: Workspace, file: Path) -> None:
    # A fifth of 1,000 a minute is one each 0.3 s.
    assert failures(launch(workspace, file="october.csv", apply=True, share=0.2)) == {}
    first, *_, last = (request.time for request in workspace.sandbox.requests if request.method == "POST")
    assert last - first >= 0.5


@pytest.mark.parametrize("imported", [time_entries, structure])
def test_nothing_is_requested_when_writes_are_not_allowed(
    workspace: Workspace, file: Path, imported: AssetsDefinition
) -> None:
    run = launch(workspace, imported, file="october.csv", apply=True, allow_writes=False)
    assert failures(run)[imported.key.to_user_string()].startswith("Nothing was written: TIMIX_ALLOW_WRITES is not 1.")
    assert workspace.sandbox.requests == []


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "sub/rows.csv", "."])
@pytest.mark.parametrize("field", ["file", "mapping"])
def test_run_names_no_file_outside_the_folder(workspace: Workspace, file: Path, field: str, name: str) -> None:
    run = launch(workspace, **{"file": "october.csv", field: name})
    assert "is not the name of a file in" in failures(run)[ASSET]
    assert workspace.sandbox.requests == []


def test_larger_plan_than_the_limit_stores_the_plan_alone(workspace: Workspace, file: Path) -> None:
    write_csv(file, [row(str(n), "0.01", date=f"2026-10-{n % 28 + 1:02d}") for n in range(1001)])
    run = launch(workspace, file="october.csv", apply=True)
    assert "more than the limit of 1,000" in failures(run)[ASSET]
    assert posts(workspace) == 0


@pytest.mark.parametrize("apply", [True, False])
def test_column_that_an_override_computes_is_not_written(workspace: Workspace, file: Path, *, apply: bool) -> None:
    workspace.overrides = {"time_reports": {"columns": {"hours": "hours / 1.0"}}}
    overrides = workspace._resources()["timix"].overrides_file
    run = launch(workspace, file="october.csv", apply=apply, overrides_file=overrides)
    assert "An override computes the column hours of time_reports" in failures(run)[ASSET]
    assert posts(workspace) == 0


def upstream(*rows: dict[str, Any]) -> AssetsDefinition:
    """An asset of somebody else's, with these rows."""

    @asset(key=AssetKey(["other", "rows"]), io_manager_key="io_manager", metadata={"timix/key": [next(iter(rows[0]))]})
    def other_rows() -> pl.DataFrame:
        return pl.DataFrame(rows)

    return other_rows


def test_time_entries_can_come_from_an_upstream_asset(workspace: Workspace) -> None:
    hours = upstream(row("A"), row("B", 0))
    mapping = ImportMapping.of_columns(COLUMNS).model_copy(update={"source": "hr"})
    imported = time_entry_import("hr_hours", rows=hours.key, mapping=mapping)
    run = launch(workspace, hours, imported, apply=True)
    assert failures(run) == {}
    assert workspace.table("imports/hr_hours")["outcome"].to_list() == ["created", None]


@pytest.mark.parametrize("declare", [time_entry_import, structure_import])
def test_name_of_an_import_is_one_part_of_its_key(declare: Callable[[str], AssetsDefinition]) -> None:
    with pytest.raises(ValueError, match="'hr/hours' cannot be the name of an import"):
        declare("hr/hours")


def test_structure_can_come_from_an_upstream_asset(workspace: Workspace) -> None:
    crm = upstream({"path": "Acme", "currency": "EUR"}, {"path": "Nobody / Website", "currency": "EUR"})
    run = launch(workspace, crm, structure_import("crm", rows=crm.key), apply=True)
    assert failures(run) == {}
    assert workspace.table("imports/crm")["outcome"].to_list() == ["created", None]


@pytest.mark.parametrize(("name", "job"), [(ASSET, "import_time_entries"), (STRUCTURE, "import_structure")])
def test_no_other_job_imports(name: str, job: str) -> None:
    jobs = {
        job.name
        for job in build_definitions(Settings()).resolve_all_job_defs()
        if AssetKey.from_user_string(name) in job.asset_layer.executable_asset_keys and not job.name.startswith("__")
    }
    assert jobs == {job}
