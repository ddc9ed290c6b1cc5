"""The sensor orphaned_runs on a lake in an object store: a run whose machine is gone is ended when its lease has lapsed."""

import json
import multiprocessing
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus, Failure, build_init_resource_context, build_sensor_context
from dagster._core.test_utils import create_run_for_test
from dagster._core.utils import make_new_run_id
from obstore.store import ObjectStore

from timix_assets.automation import orphaned_runs
from timix_assets.automation.orphaned_runs import orphaned_runs_sensor
from timix_assets.lake.errors import LeaseLost
from timix_assets.lake.lease import OBJECT, Holder, Lease, read_lease
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.storage import open_store
from timix_assets.resources import LakeResource
from timix_assets.runs.orphaned import process_tag
from timix_assets.runs.tags import PROCESS
from timix_assets_tests.lake.s3 import store as s3_store
from timix_assets_tests.lake.test_lease import ignore, is_lost, wait_for

LIFETIME = 30.0
FORKSERVER = multiprocessing.get_context("forkserver")


@dataclass
class Watch:
    """The sensor on one machine, tick after tick, by a clock that the test sets."""

    instance: DagsterInstance
    url: str
    options: dict[str, str]
    folder: Path
    time: float = 0.0
    store: ObjectStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = open_store(self.url, self.options)

    def tick(self) -> str:
        lake = LakeResource(url=self.url, storage_options=self.options, state_folder=str(self.folder))
        with build_sensor_context(instance=self.instance, resources={"lake": lake}) as context:
            return orphaned_runs_sensor().evaluate_tick(context).skip_message or ""

    def after(self, seconds: float) -> str:
        self.time += seconds
        return self.tick()

    def run(self, status: DagsterRunStatus = DagsterRunStatus.STARTED) -> str:
        return str(create_run_for_test(self.instance, status=status).run_id)

    def status(self, run_id: str) -> DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def held_for(
        self, run_id: str, who: str = "refresh_recent", machine: str = "server-2", lifetime: float = LIFETIME
    ) -> None:
        """The lease object as another machine writes it: each time with another tag."""
        holder = Holder(who, run_id, machine, "2026-11-01T00:00:00+00:00", lifetime, secrets.token_hex())
        self.store.put(OBJECT, json.dumps(asdict(holder)).encode())

    @property
    def holder(self) -> Holder:
        seen = read_lease(self.store)
        assert seen is not None
        return seen.holder


@pytest.fixture
def watch(tmp_path: Path, url: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    with DagsterInstance.ephemeral() as instance:
        watch = Watch(instance, url, options, tmp_path / "here")
        monkeypatch.setattr(orphaned_runs, "now", lambda: watch.time)
        yield watch


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE),
        # So that Dagster does not start it again.
        (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED),
    ],
)
def test_a_run_is_ended_when_its_lease_has_lapsed(
    watch: Watch, before: DagsterRunStatus, after: DagsterRunStatus
) -> None:
    run_id = watch.run(before)
    watch.held_for(run_id)
    assert watch.tick() == watch.after(LIFETIME - 1) == "No orphaned runs."
    assert watch.after(1) == f"Ended 1 run whose machine did not renew the lease of the lake: {run_id}."
    assert watch.status(run_id) is after
    assert watch.holder.is_released
    assert watch.after(LIFETIME) == "No orphaned runs."


def test_a_run_that_renews_is_never_ended(watch: Watch) -> None:
    run_id = watch.run()
    for _ in range(5):
        watch.held_for(run_id)
        assert watch.after(2 * LIFETIME) == "No orphaned runs."
    assert watch.status(run_id) is DagsterRunStatus.STARTED


def test_a_renewal_at_the_last_moment_counts(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = watch.run()
    watch.held_for(run_id)
    watch.tick()
    take_over = Lease.release_silent

    def too_late(*arguments: Any) -> Any:
        watch.held_for(run_id)
        return take_over(*arguments)

    monkeypatch.setattr(Lease, "release_silent", too_late)
    assert watch.after(LIFETIME) == "No orphaned runs."
    assert watch.status(run_id) is DagsterRunStatus.STARTED
    assert not watch.holder.is_released


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, None], ids=["ended", "of another instance"])
def test_the_lease_of_another_run_is_left_alone(watch: Watch, status: DagsterRunStatus | None) -> None:
    watch.held_for(watch.run(status) if status else make_new_run_id())
    before = watch.holder
    for _ in range(3):
        assert watch.after(LIFETIME) == "No orphaned runs."
    assert watch.holder == before


@pytest.mark.parametrize("others", [1, 3])
def test_a_run_that_another_instance_followed_is_ended(watch: Watch, others: int) -> None:
    """Whose runs may also have ended since."""
    run_id = watch.run()
    watch.held_for(run_id, lifetime=0.1)
    for _ in range(others):
        lease = Lease(watch.store, watch.url, lifetime_seconds=LIFETIME)
        lease.acquire("refresh_recent", make_new_run_id(), timeout_seconds=10, notify=ignore)
        if others > 1:
            lease.release()
    before = watch.holder
    assert watch.tick() == f"Ended 1 run whose machine did not renew the lease of the lake: {run_id}."
    assert watch.status(run_id) is DagsterRunStatus.FAILURE
    assert watch.tick() == "No orphaned runs."
    assert watch.holder == before
    lease.release()


@pytest.mark.parametrize(("itself", "after"), [(False, DagsterRunStatus.FAILURE), (True, DagsterRunStatus.STARTED)])
def test_a_run_ends_the_silent_one_that_it_follows_unless_that_is_itself(
    watch: Watch, itself: bool, after: DagsterRunStatus
) -> None:
    """Dagster resumes a run whose process is gone, and an executor may go on without that of a step."""
    silent = watch.run()
    follows = watch.instance.get_run_by_id(silent if itself else watch.run())
    assert follows
    watch.held_for(silent, lifetime=0.1)
    lake = LakeResource(url=watch.url, storage_options=watch.options, state_folder=str(watch.folder))
    lake.acquire_lock(watch.instance, follows)
    assert watch.status(silent) is after
    lake.teardown_after_execution(build_init_resource_context())
    LakeLock(lake.machine_folder, lake.url).release()


@pytest.mark.parametrize("released", [True, False])
def test_a_free_lease_costs_one_request_a_tick(tmp_path: Path, released: bool) -> None:
    with s3_store() as (options, asked), DagsterInstance.ephemeral() as instance:
        watch = Watch(instance, f"s3://lakes/{secrets.token_hex(4)}", options, tmp_path)
        # A run is recorded as successful a moment after it released the lease.
        run_id = watch.run()
        if released:
            watch.held_for(run_id, who="")
        asked.clear()
        for _ in range(3):
            assert watch.tick() == "No orphaned runs."
        assert [method for method, _ in asked] == ["GET"] * 3
        assert watch.status(run_id) is DagsterRunStatus.STARTED


def test_a_store_that_is_away_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Event()
    with s3_store(away=away) as (options, _), DagsterInstance.ephemeral() as instance:
        watch = Watch(instance, f"s3://lakes/{secrets.token_hex(4)}", options, tmp_path)
        monkeypatch.setattr(orphaned_runs, "now", lambda: watch.time)
        silent, killed = watch.run(), of_dead_process(watch)
        watch.held_for(silent)
        away.set()
        said = watch.after(LIFETIME)
        assert said.startswith(f"Cannot read or write the lease of the lake {watch.url} (")
        assert said.endswith(f"the next tick tries again. Ended 1 run whose process was killed: {killed}.")
        away.clear()
        watch.tick()
        assert silent in watch.after(LIFETIME)


def of_dead_process(watch: Watch) -> str:
    """A run whose process lock nobody holds, as on a network drive that keeps no locks for other machines."""
    run_id, name = make_new_run_id(), f"process-7-{secrets.token_hex(6)}"
    watch.folder.mkdir(exist_ok=True)
    (watch.folder / f"{name}.lock").touch()
    tags = {PROCESS: process_tag(run_id, name)}
    create_run_for_test(watch.instance, run_id=run_id, status=DagsterRunStatus.STARTED, tags=tags)
    return run_id


def test_a_shared_state_folder_ends_no_run_that_renews_elsewhere(watch: Watch) -> None:
    run_id = of_dead_process(watch)
    for _ in range(2):
        watch.held_for(run_id)
        assert watch.after(LIFETIME) == "No orphaned runs."
    assert watch.status(run_id) is DagsterRunStatus.STARTED
    assert run_id in watch.after(LIFETIME)


def test_a_process_of_this_machine_is_judged_by_its_lock(watch: Watch) -> None:
    run_id = of_dead_process(watch)
    watch.held_for(run_id, machine=socket.gethostname())
    assert watch.tick() == f"Ended 1 run whose process was killed: {run_id}."


def test_a_holder_that_revives_writes_no_more(watch: Watch) -> None:
    lease = Lease(watch.store, watch.url, lifetime_seconds=1.5)
    run_id = watch.run()
    lease.acquire("refresh_recent", run_id, timeout_seconds=0, notify=ignore)
    # Until two ticks come between two renewals: then the sensor's clock says that it lapsed.
    wait_for(lambda: run_id in watch.after(LIFETIME))
    wait_for(lambda: is_lost(lease))
    with pytest.raises(LeaseLost, match="another process took it over"):
        lease.require()
    lease.release()


def test_what_was_killed_before_it_ended_the_run_is_followed(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = watch.run()
    watch.held_for(run_id)
    watch.tick()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(orphaned_runs, "end_silent_run", killed)
        with pytest.raises(KeyboardInterrupt):
            watch.after(LIFETIME)
    assert watch.status(run_id) is DagsterRunStatus.STARTED
    assert watch.after(0) == "No orphaned runs."
    assert run_id in watch.after(LIFETIME)


def hold(url: str, options: dict[str, str], run_id: str, taken: Any) -> None:
    lease = Lease(open_store(url, options), url, lifetime_seconds=1.5)
    lease.acquire("refresh_recent", run_id, timeout_seconds=0, notify=ignore)
    taken.set()
    signal.pause()


@pytest.mark.long
def test_the_run_of_a_killed_process_of_another_machine_is_ended(tmp_path: Path, options: dict[str, str]) -> None:
    with DagsterInstance.ephemeral() as instance:
        watch = Watch(instance, f"s3://lakes/{secrets.token_hex(4)}", options, tmp_path)
        run_id, taken = watch.run(), FORKSERVER.Event()
        process = FORKSERVER.Process(target=hold, args=(watch.url, options, run_id, taken))
        process.start()
        assert taken.wait(60)
        watch.tick()
        before = watch.holder
        wait_for(lambda: watch.holder != before)
        assert watch.tick() == "No orphaned runs."
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        wait_for(lambda: run_id in watch.tick())
        assert watch.status(run_id) is DagsterRunStatus.FAILURE


def test_a_url_with_a_password_is_refused_without_showing_it(tmp_path: Path) -> None:
    secret = secrets.token_hex(8)
    lake = LakeResource(url=f"s3://key:{secret}@bucket/lake", state_folder=str(tmp_path))
    with pytest.raises(Failure) as refused:
        lake.store_for_a_tick()
    assert secret not in str(refused.value)
