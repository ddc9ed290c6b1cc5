"""A run whose process is gone is ended; one whose process lives is left alone, whatever it waits for."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    EventLogEntry,
    SkipReason,
    build_sensor_context,
)
from dagster._core.test_utils import create_run_for_test
from dagster._core.utils import make_new_run_id
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import should_retry

from timix_assets.automation.orphaned_runs import orphaned_runs_sensor
from timix_assets.dagster_internals import MAX_RETRIES_TAG
from timix_assets.lake.lease import Holder
from timix_assets.lake.liveness import claim_process_lock, is_dead
from timix_assets.resources import LakeResource
from timix_assets.runs.orphaned import end_orphaned_runs, end_silent_run, process_tag
from timix_assets.runs.tags import PROCESS
from timix_assets_tests.instances import local_instance

PROCESS_CODE = """
import sys
from pathlib import Path
from timix_assets.lake.liveness import claim_process_lock
print(claim_process_lock(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with local_instance(tmp_path) as temporary:
        yield temporary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".dagster"


@pytest.fixture
def other(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process and its name."""
    arguments = [sys.executable, "-c", PROCESS_CODE, str(folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def status(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def running(instance: DagsterInstance, process: str, status: DagsterRunStatus = DagsterRunStatus.STARTED) -> str:
    run_id = make_new_run_id()
    tags = {PROCESS: process_tag(run_id, process)}
    return create_run_for_test(instance, run_id=run_id, status=status, tags=tags).run_id


def test_run_of_killed_process_is_ended(
    instance: DagsterInstance, folder: Path, other: tuple[subprocess.Popen[str], str]
) -> None:
    process, name = other
    run_id = running(instance, name)
    assert end_orphaned_runs(instance, folder) == []

    process.kill()
    process.wait()

    assert end_orphaned_runs(instance, folder) == [run_id]
    assert status(instance, run_id) is DagsterRunStatus.FAILURE
    assert list(folder.glob("process-*")) == []


@pytest.mark.parametrize(
    ("was", "becomes", "is_ended"),
    [
        # So that Dagster does not start it again.
        pytest.param(DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED, True, id="terminated by a person"),
        pytest.param(DagsterRunStatus.SUCCESS, DagsterRunStatus.SUCCESS, False, id="ended well before its process"),
    ],
)
def test_run_that_ended_before_the_kill_is_not_failed(
    instance: DagsterInstance,
    folder: Path,
    other: tuple[subprocess.Popen[str], str],
    was: DagsterRunStatus,
    becomes: DagsterRunStatus,
    is_ended: bool,
) -> None:
    process, name = other
    run_id = running(instance, name, was)
    process.kill()
    process.wait()
    assert end_orphaned_runs(instance, folder) == ([run_id] if is_ended else [])
    assert status(instance, run_id) is becomes


def test_run_of_this_process_or_other_machine_is_kept(instance: DagsterInstance, folder: Path) -> None:
    runs = [running(instance, claim_process_lock(folder)), running(instance, "process-1-elsewhere")]
    assert end_orphaned_runs(instance, folder) == []
    assert [status(instance, run_id) for run_id in runs] == [DagsterRunStatus.STARTED] * 2


def test_run_with_inherited_tags_is_left_alone(
    instance: DagsterInstance, folder: Path, other: tuple[subprocess.Popen[str], str]
) -> None:
    process, name = other
    first = running(instance, name, DagsterRunStatus.SUCCESS)
    tags = {PROCESS: process_tag(first, name)}
    again = create_run_for_test(instance, status=DagsterRunStatus.STARTING, tags=tags).run_id
    process.kill()
    process.wait()
    assert end_orphaned_runs(instance, folder) == []
    assert status(instance, again) is DagsterRunStatus.STARTING


def test_process_is_alive_to_itself(folder: Path) -> None:
    name = claim_process_lock(folder)
    assert claim_process_lock(folder) == name
    assert not is_dead(folder, name)


def test_sensor_is_on_and_reports_the_runs_it_ended(
    instance: DagsterInstance, folder: Path, other: tuple[subprocess.Popen[str], str]
) -> None:
    orphaned_runs = orphaned_runs_sensor()
    assert orphaned_runs.default_status is DefaultSensorStatus.RUNNING
    process, name = other
    run_id = running(instance, name)
    lake = LakeResource(url=str(folder.parent / "lake"), state_folder=str(folder))
    said = []
    for _ in range(2):
        process.kill()
        process.wait()
        with build_sensor_context(instance=instance, resources={"lake": lake}) as context:
            reason = orphaned_runs(context)
            assert isinstance(reason, SkipReason)
            said.append(reason.skip_message)
    assert said == [
        f"Ended 1 run whose process was killed: {run_id}.",
        "No orphaned runs.",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE),
        (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED),
        (DagsterRunStatus.SUCCESS, DagsterRunStatus.SUCCESS),
    ],
)
def test_run_of_a_machine_that_is_silent_is_ended(
    instance: DagsterInstance, before: DagsterRunStatus, after: DagsterRunStatus
) -> None:
    run = create_run_for_test(instance, status=before)
    silent = Holder("refresh_recent", run.run_id, "server-2", "2026-11-01T00:00:00", 30, "")
    ended = end_silent_run(instance, silent)
    assert status(instance, run.run_id) is after
    assert ended == ([run.run_id] if before is not after else [])


def test_daemon_that_reads_while_a_run_is_ended_retries_it(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags={MAX_RETRIES_TAG: "1"})
    store = instance.event_log_storage.store_event
    retried = []

    def store_and_read(event: EventLogEntry) -> None:
        store(event)
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        retried.append(should_retry(found, instance))

    monkeypatch.setattr(instance.event_log_storage, "store_event", store_and_read)
    end_silent_run(instance, Holder("refresh_recent", run.run_id, "server-2", "2026-11-01T00:00:00", 30, ""))
    assert retried == [True]


def test_run_of_an_instance_whose_events_set_the_status_is_ended(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Dagster+, where processes cannot write a status."""
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTED)
    events, runs = instance.event_log_storage, instance.run_storage
    store, handle = events.store_event, runs.handle_run_event

    def store_and_handle(event: EventLogEntry) -> None:
        store(event)
        handle(event.run_id, event.get_dagster_event())

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(type(events), "handles_run_events_in_store_event", True)
    monkeypatch.setattr(events, "store_event", store_and_handle)
    monkeypatch.setattr(runs, "handle_run_event", refuse)
    silent = Holder("refresh_recent", run.run_id, "server-2", "2026-11-01T00:00:00", 30, "")
    assert end_silent_run(instance, silent) == [run.run_id]
    assert status(instance, run.run_id) is DagsterRunStatus.FAILURE


@pytest.mark.parametrize("run_id", ["", "00000000-0000-0000-0000-000000000000"])
def test_a_silent_machine_without_a_run_here_ends_none(instance: DagsterInstance, run_id: str) -> None:
    assert end_silent_run(instance, Holder("x", run_id, "server-2", "", 30, "")) == []
