"""On an instance that others share, whatever looks at runs looks at ours alone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance, DagsterRunStatus, build_schedule_context
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.test_utils import create_run_for_test

from timix_assets.automation.jobs import jobs
from timix_assets.automation.schedules import schedules
from timix_assets.lake.liveness import claim_process_lock
from timix_assets.runs.history import delete_old_runs
from timix_assets.runs.orphaned import end_orphaned_runs, process_tag
from timix_assets.runs.ours import (
    LOCATION,
    command_line_origin,
    is_only_ours,
    is_ours,
    location_in_workspace,
    unfinished_run,
)
from timix_assets.runs.tags import PROCESS
from timix_assets.settings import Settings
from timix_assets_tests.instances import local_instance

from . import another_team


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with local_instance(tmp_path) as temporary:
        yield temporary


@pytest.mark.long
@pytest.mark.parametrize("schedule", schedules(Settings()), ids=lambda schedule: schedule.name)
def test_schedule_ignores_another_teams_job_of_same_name(schedule: object, instance: DagsterInstance) -> None:
    another_team.started(instance, schedule.job_name)  # type: ignore[attr-defined]
    context = build_schedule_context(instance, scheduled_execution_time=another_team.later())
    assert schedule.evaluate_tick(context).run_requests  # type: ignore[attr-defined]


def test_ours_is_found_among_the_others(instance: DagsterInstance) -> None:
    another_team.started(instance, "refresh_recent")
    ours = create_run_for_test(
        instance,
        job_name="refresh_recent",
        status=DagsterRunStatus.QUEUED,
        remote_job_origin=another_team.origin("refresh_recent", LOCATION),
        tags=dict(jobs()["refresh_recent"].tags or {}),
    )
    another_team.started(instance, "refresh_recent")
    assert unfinished_run(instance, "refresh_recent") == ours.run_id


@pytest.mark.long
@pytest.mark.parametrize("labelled", [True, False], ids=["of a code location", "of a script"])
def test_upkeep_leaves_every_run_of_another_team(labelled: bool, instance: DagsterInstance) -> None:
    theirs = [another_team.executed(instance, labelled=labelled) for _ in range(3)]
    theirs += [another_team.started(instance, "close_month", status=DagsterRunStatus.FAILURE).run_id]
    ours = create_run_for_test(
        instance, job_name="close_month", status=DagsterRunStatus.FAILURE, tags={"timix/job": "x"}
    )

    cleared = delete_old_runs(instance, now=another_team.later(), retention=timedelta(days=90), location=LOCATION)

    assert cleared.deleted == [ours.run_id]
    assert set(instance.run_storage.get_run_ids()) == set(theirs)
    history = instance.event_log_storage.get_asset_check_execution_history(
        AssetCheckKey(AssetKey(["warehouse", "orders"]), "orders_add_up"), 10
    )
    assert {record.run_id for record in history} == set(theirs[:3])
    assert all(instance.all_logs(run_id) for run_id in theirs[:3])


def test_upkeep_leaves_events_whose_run_is_not_recorded(instance: DagsterInstance) -> None:
    run_id = another_team.executed(instance)
    instance.run_storage.delete_run(run_id)
    delete_old_runs(instance, now=another_team.later(), retention=timedelta(days=90), location=LOCATION)
    assert instance.all_logs(run_id)


def test_run_of_another_team_is_not_ended(instance: DagsterInstance, tmp_path: Path) -> None:
    process = claim_process_lock(tmp_path / "alive")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / f"{process}.lock").touch()
    theirs = another_team.started(instance, "refresh_recent")
    ours = create_run_for_test(
        instance,
        run_id="0" * 32,
        job_name="refresh_recent",
        status=DagsterRunStatus.STARTED,
        tags={PROCESS: process_tag("0" * 32, process)},
    )
    assert end_orphaned_runs(instance, tmp_path / "state") == [ours.run_id]
    untouched = instance.get_run_by_id(theirs.run_id)
    assert untouched is not None
    assert untouched.status is DagsterRunStatus.STARTED


def test_run_is_ours_by_location_else_by_tags(instance: DagsterInstance) -> None:
    def run(location: str | None = None, **tags: str) -> bool:
        origin = another_team.origin("refresh_recent", location) if location else None
        made = create_run_for_test(instance, job_name="refresh_recent", remote_job_origin=origin, tags=tags)
        return is_ours(made, "firm")

    assert run("firm")
    assert not run("firm_2")
    assert not run(another_team.THEIRS, **{"timix/job": "refresh_recent"})
    assert run(**{REPOSITORY_LABEL_TAG: "__repository__@firm"})
    assert not run(**{REPOSITORY_LABEL_TAG: "__repository__@another_team", "timix/job": "refresh_recent"})
    assert run(**{PROCESS: "x"})
    assert not run()
    assert not run(**{"dagster/timix/": "x", "team": "warehouse"})


@pytest.mark.parametrize(
    ("selected", "ours", "deleted"),
    [
        (["timix/me"], True, True),
        (["timix/me", "crm/deals"], True, False),
        (["crm/deals"], False, False),
    ],
)
@pytest.mark.parametrize("location", [LOCATION, None])
def test_run_for_selected_assets_is_ours_by_them(
    selected: list[str], ours: bool, deleted: bool, location: str | None, instance: DagsterInstance
) -> None:
    made = create_run_for_test(
        instance,
        remote_job_origin=another_team.origin("__ASSET_JOB", location) if location else None,
        asset_selection={AssetKey.from_user_string(key) for key in selected},
        tags={PROCESS: "x"},
    )
    assert (is_ours(made, LOCATION), is_only_ours(made, LOCATION)) == (ours, deleted)


@pytest.mark.parametrize(
    ("workspace", "location"),
    [
        ("load_from:\n  - python_module: timix_assets.definitions\n", "timix_assets.definitions"),
        (
            "load_from:\n  - python_module: {module_name: other, location_name: other}\n"
            "  - python_module: {module_name: timix_assets.definitions, location_name: firm}\n",
            "firm",
        ),
        ("load_from:\n  - grpc_server: {host: localhost, port: 4000, location_name: remote}\n", LOCATION),
        ("load_from: [", LOCATION),
        ("", LOCATION),
        ("load_from:\n  - nothing: here\n", LOCATION),
    ],
)
def test_command_line_reads_location_from_workspace(workspace: str, location: str, tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text(workspace)
    assert location_in_workspace(tmp_path / "workspace.yaml") == location
    origin = command_line_origin(tmp_path / "workspace.yaml", "refresh_recent")
    assert (origin.location_name, origin.job_name) == (location, "refresh_recent")


def test_our_workspace_has_the_default_location() -> None:
    assert location_in_workspace(Path(__file__).parents[2] / "workspace.yaml") == LOCATION
