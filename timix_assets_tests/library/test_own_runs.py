"""Whatever looks at runs looks at those of its own workspace, also where others share instance and code location."""

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    Failure,
    JobDefinition,
    SensorDefinition,
    asset,
    build_schedule_context,
    build_sensor_context,
    define_asset_job,
    execute_job,
    job,
    multiprocess_executor,
    op,
    reconstructable,
)
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import create_run_for_test
from dagster._core.utils import make_new_run_id

from timix_assets import Workspace, build_definitions
from timix_assets.namespace import Namespace
from timix_assets.runs.failed_runs import failure_of
from timix_assets.runs.history import delete_old_runs
from timix_assets.runs.orphaned import claim_run, end_orphaned_runs, process_tag
from timix_assets.runs.ours import LOCATION
from timix_assets.runs.tags import JOB, PROCESS, STARTED_BY, WORKSPACE
from timix_assets_tests.alerts.ticks import Ticks
from timix_assets_tests.runs import another_team
from timix_assets_tests.runs.test_orphaned import PROCESS_CODE, status
from timix_assets_tests.workspace import QUIET

from .conftest import FIRMS, THEIRS, workspace

NEXT_YEAR = datetime.now(UTC) + timedelta(days=366)


@pytest.fixture
def firms(tmp_path: Path) -> dict[str, Workspace]:
    return {name: workspace(name, tmp_path) for name in FIRMS}


@pytest.fixture
def definitions(firms: dict[str, Workspace]) -> Definitions:
    return Definitions.merge(build_definitions(*firms.values()), THEIRS)


def recorded(
    instance: DagsterInstance,
    job: str,
    status: DagsterRunStatus,
    tags: Mapping[str, str] | None = None,
    selection: frozenset[AssetKey] | None = None,
) -> DagsterRun:
    """A run of our code location."""
    origin = another_team.origin(job, LOCATION)
    return create_run_for_test(
        instance,
        job_name=job,
        status=status,
        remote_job_origin=origin,
        tags=dict(tags or {}),
        asset_selection=selection,
    )


def of_job(definitions: Definitions, instance: DagsterInstance, job: str, status: DagsterRunStatus) -> DagsterRun:
    return recorded(instance, job, status, definitions.resolve_job_def(job).tags)


def sensor(definitions: Definitions, name: str) -> SensorDefinition:
    return definitions.get_repository_def().get_sensor_def(name)


def tick(
    definitions: Definitions, instance: DagsterInstance, name: str, cursor: str | None = None
) -> SensorExecutionData:
    with build_sensor_context(
        instance=instance, cursor=cursor, repository_def=definitions.get_repository_def()
    ) as context:
        return sensor(definitions, name).evaluate_tick(context)


def test_schedule_waits_for_its_own_job_alone(definitions: Definitions, instance: DagsterInstance) -> None:
    of_job(definitions, instance, "acme_refresh_recent", DagsterRunStatus.STARTED)
    recorded(instance, "refresh_recent", DagsterRunStatus.STARTED)
    due = datetime(2026, 11, 18, 9, tzinfo=UTC)
    requested, started_by = {}, set()
    for name in FIRMS:
        schedule = definitions.get_repository_def().get_schedule_def(f"{name}_recent_hourly")
        ticked = schedule.evaluate_tick(build_schedule_context(instance, scheduled_execution_time=due))
        requested[name] = len(ticked.run_requests or [])
        started_by |= {request.tags[STARTED_BY] for request in ticked.run_requests or []}
    assert requested == {"acme": 0, "globex": 1}
    assert started_by == {"globex_recent_hourly"}


@op
def fail() -> None:
    raise ValueError("no room")


@job(name="acme_refresh_recent", tags={JOB: "acme_refresh_recent", WORKSPACE: "acme"})
def acme_fails() -> None:
    fail()


@job(name="their_job")
def they_fail() -> None:
    fail()


def test_failure_alerts_report_own_runs_alone(
    definitions: Definitions, firms: dict[str, Workspace], instance: DagsterInstance
) -> None:
    for name in FIRMS:
        tick(definitions, instance, f"{name}_failure_alerts")
    for failing in (acme_fails, they_fail):
        failing.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)
    since = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    said = {name: tick(definitions, instance, f"{name}_failure_alerts", since).skip_message for name in FIRMS}
    assert str(said["acme"]).startswith("1 run failed")
    assert str(said["globex"]).startswith("0 runs failed")


def test_failing_sensors_are_reported_by_their_own_firm(definitions: Definitions, instance: DagsterInstance) -> None:
    for name in FIRMS:
        tick(definitions, instance, f"{name}_failure_alerts")
    # initech is no longer in the code location, but Dagster keeps the state of its sensor.
    for name in (*FIRMS, "initech"):
        ticks = Ticks(instance, f"{name}_timix_changes")
        for ago in (30, 1):
            ticks.add(TickStatus.FAILURE, timedelta(minutes=ago))
    for name in FIRMS:
        said = str(tick(definitions, instance, f"{name}_failure_alerts").skip_message)
        assert re.findall(r"(\w+) has been failing", said) == [f"{name}_timix_changes"]


def me_of(name: str, *, fails: bool) -> AssetsDefinition:
    """An asset of the workspace that reaches the lake."""

    @asset(key=[name, "timix", "me"])
    def me(context: AssetExecutionContext) -> None:
        state = Path(context.instance.root_directory) / "state"
        claim_run(context.instance, context.run.run_id, state, Namespace(name, (name,)))
        if fails:
            raise Failure(f"The key of {name} was refused.")

    return me


def run_of_both(instance: DagsterInstance, *failing: str, selects: bool = True) -> DagsterRun:
    """A run over assets of both firms."""
    return run_of(instance, *(me_of(name, fails=name in failing) for name in FIRMS), selects=selects)


def run_of(instance: DagsterInstance, *assets: AssetsDefinition, selects: bool = True) -> DagsterRun:
    """A run of assets selected in the UI, or of all assets of somebody's job."""
    job = Definitions(assets, jobs=[define_asset_job("nightly")]).resolve_job_def("nightly")
    selection = [key for each in assets for key in each.keys] if selects else None
    done = job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False, asset_selection=selection)
    ended = instance.get_run_by_id(done.run_id)
    assert ended is not None
    return ended


@pytest.mark.parametrize("selects", [True, False], ids=["of selected assets", "of a job"])
@pytest.mark.parametrize(("failing", "other"), [FIRMS, FIRMS[::-1]])
def test_failed_step_of_a_run_over_firms_alerts_its_own(
    failing: str, other: str, selects: bool, definitions: Definitions, instance: DagsterInstance
) -> None:
    for name in FIRMS:
        tick(definitions, instance, f"{name}_failure_alerts")
    assert run_of_both(instance, failing, selects=selects).tags[WORKSPACE] == "acme, globex"
    since = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    said = {name: tick(definitions, instance, f"{name}_failure_alerts", since).skip_message for name in FIRMS}
    assert str(said[failing]).startswith("1 run failed")
    assert str(said[other]).startswith("0 runs failed since the last tick.")


def test_failure_of_a_run_over_firms_has_the_own_causes(firms: dict[str, Workspace], instance: DagsterInstance) -> None:
    run = run_of_both(instance, *FIRMS)
    for name, firm in firms.items():
        assert failure_of(instance, run, firm.names).causes == [(f"{name}/timix/me", f"The key of {name} was refused.")]


@asset(key=["timix", "me"])
def me_of_the_project() -> None: ...


@asset(key=["acme", "timix", "me"])
def me_without_a_key() -> None:
    raise Failure("The workspace acme has no api_key.")


def test_failure_of_a_firm_that_did_not_reach_its_lake_is_none_of_the_project(
    firms: dict[str, Workspace], instance: DagsterInstance
) -> None:
    run = run_of(instance, me_of_the_project, me_without_a_key)
    assert WORKSPACE not in run.tags
    assert failure_of(instance, run).causes == []
    causes = failure_of(instance, run, firms["acme"].names).causes
    assert causes == [("acme/timix/me", "The workspace acme has no api_key.")]


def test_run_over_firms_is_deleted_by_none(firms: dict[str, Workspace], instance: DagsterInstance) -> None:
    run = run_of_both(instance)
    for firm in firms.values():
        delete_old_runs(instance, now=NEXT_YEAR, retention=timedelta(days=90), location=LOCATION, names=firm.names)
    assert instance.get_run_by_id(run.run_id) is not None


def test_run_history_deletes_own_runs_alone(
    definitions: Definitions, firms: dict[str, Workspace], instance: DagsterInstance
) -> None:
    ended = DagsterRunStatus.FAILURE
    own = {
        of_job(definitions, instance, "acme_refresh_recent", ended).run_id,
        recorded(instance, "__ASSET_JOB", ended, selection=frozenset({AssetKey(["acme", "timix", "me"])})).run_id,
    }
    kept = {
        of_job(definitions, instance, "globex_refresh_recent", ended).run_id,
        recorded(instance, "refresh_recent", ended).run_id,
        # Theirs, in which an asset of ours was read.
        recorded(instance, "their_job", ended, {WORKSPACE: "acme", PROCESS: "x"}).run_id,
        recorded(
            instance,
            "__ASSET_JOB",
            ended,
            {WORKSPACE: "acme"},
            frozenset({AssetKey(["acme", "timix", "me"]), AssetKey(["warehouse", "orders"])}),
        ).run_id,
    }
    deleted = delete_old_runs(
        instance, now=NEXT_YEAR, retention=timedelta(days=90), location=LOCATION, names=firms["acme"].names
    )
    assert set(deleted.deleted) == own
    assert set(instance.run_storage.get_run_ids()) == kept


def test_project_without_prefix_deletes_no_run_of_a_workspace_or_of_another_teams_job(
    definitions: Definitions, instance: DagsterInstance
) -> None:
    ended = DagsterRunStatus.FAILURE
    own = recorded(instance, "refresh_recent", ended, {JOB: "refresh_recent"}).run_id
    of_job(definitions, instance, "acme_refresh_recent", ended)
    recorded(instance, "their_job", ended)
    recorded(instance, "__ASSET_JOB", ended, selection=frozenset({AssetKey(["warehouse", "orders"])}))
    deleted = delete_old_runs(instance, now=NEXT_YEAR, retention=timedelta(days=90), location=LOCATION)
    assert deleted.deleted == [own]


def test_orphans_of_another_workspace_are_left(
    definitions: Definitions, firms: dict[str, Workspace], instance: DagsterInstance
) -> None:
    folder = firms["acme"].settings.state_folder
    arguments = [sys.executable, "-c", PROCESS_CODE, str(folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name, run_id = process.stdout.readline().strip(), make_new_run_id()
        process.kill()
    create_run_for_test(
        instance, run_id=run_id, status=DagsterRunStatus.STARTED, tags={PROCESS: process_tag(run_id, name)}
    )
    tick(definitions, instance, "globex_orphaned_runs")
    assert status(instance, run_id) is DagsterRunStatus.STARTED
    tick(definitions, instance, "acme_orphaned_runs")
    assert status(instance, run_id) is DagsterRunStatus.FAILURE


@asset
def first(context: AssetExecutionContext) -> None:
    claim_run(context.instance, context.run.run_id, Path(context.instance.root_directory) / "state")


@asset(deps=[first])
def second(context: AssetExecutionContext) -> None:
    assert end_orphaned_runs(context.instance, Path(context.instance.root_directory) / "state") == []


def one_process_a_step() -> JobDefinition:
    definitions = Definitions([first, second], jobs=[define_asset_job("their_job", executor_def=multiprocess_executor)])
    return definitions.resolve_job_def("their_job")


@pytest.mark.long
def test_run_outlives_the_process_of_a_step(instance: DagsterInstance) -> None:
    with execute_job(reconstructable(one_process_a_step), instance) as done:
        assert done.success
