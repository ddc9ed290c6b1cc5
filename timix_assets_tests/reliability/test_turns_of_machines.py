"""Machines without a common folder take turns on a lake in an object store: row 59 of docs/reliability.md."""

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterInstance, build_init_resource_context
from dagster._core.test_utils import create_run_for_test
from obstore.exceptions import PreconditionError
from obstore.store import ObjectStore

from timix_assets.api import Limits, TimixClient
from timix_assets.api.limits import Quota
from timix_assets.lake.errors import LeaseLost
from timix_assets.lake.lease import OBJECT, read_lease
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake
from timix_assets.resources import LakeResource
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import Project, new_project, settings_of
from timix_assets_tests.lake.s3 import store

pytestmark = pytest.mark.timeout(300)

LEASE_SECONDS = 3
CUSTOMERS = "timix/customers"
MONTHLY_REPORTS = ("--only", "timix/revenue_report", "--only", "timix/customer_billing_report")

Machine = Callable[[str], Project]


@pytest.fixture
def live(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """By default with three months and more requests a minute than anybody makes."""
    months, options = getattr(request, "param", (3, {}))
    with Sandbox(Firm.generate(people=6, months=months, seed=7, today=date.today()), **options) as sandbox:
        yield sandbox


MINUTE = 4.0
LIMITED = (3, {"plan": "Free", "window_seconds": MINUTE})
"""120 requests in any minute, which is a short one."""


@pytest.fixture
def machine(live: Sandbox, tmp_path: Path) -> Iterator[Machine]:
    """Makes project folders with nothing in common but the key and the lake, in a store on this machine."""
    url = f"s3://lakes/{secrets.token_hex(4)}"
    with store() as (options, _):

        def made(name: str) -> Project:
            folder = tmp_path / name
            folder.mkdir()
            own = {"HOME": str(folder), "TMPDIR": str(folder), "TIMIX_LEASE_SECONDS": str(LEASE_SECONDS)}
            return new_project(folder, {**settings_of(live, TIMIX_LAKE=url), **options, **own})

        yield made


def place_of(project: Project) -> tuple[str, dict[str, str]]:
    """The URL of its lake and the options of the store."""
    options = {name: value for name, value in project.settings.items() if name.startswith("AWS_")}
    return project.settings["TIMIX_LAKE"], options


def holder(project: Project) -> str:
    found = read_lease(open_store(*place_of(project)))
    return found.holder.who if found else ""


def wait_until_held(project: Project, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holder(project):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.fault(59)
def test_a_refresh_waits_for_that_of_another_machine(live: Sandbox, machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    live.faults.add(Fault("silence", path="/time-reports", seconds=4, times=1))
    with first.start("refresh") as running:
        wait_until_held(first)
        done = second.run_in_a_process("refresh")
        said = running.communicate()[0]

    assert (running.returncode, done.returncode) == (0, 0), said + done.stderr
    assert "Waiting for the lease of the lake" in done.stdout + done.stderr
    assert "Another machine wrote" not in said + done.stdout + done.stderr
    assert not [seen for seen in live.requests if seen.status == 429]
    assert holder(second) == ""


@pytest.mark.fault(59)
def test_a_killed_machine_is_followed_and_leaves_no_wrong_table(live: Sandbox, machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    live.faults.add(Fault("silence", path="/time-reports", seconds=30, times=1))
    with first.start("refresh") as running:
        wait_until_held(first)
        os.kill(running.pid, signal.SIGKILL)
    live.faults.clear()
    began = time.monotonic()
    done = second.run_in_a_process("refresh", "--only", CUSTOMERS)
    took = time.monotonic() - began

    assert done.returncode == 0, done.stderr
    assert took >= LEASE_SECONDS / 2
    assert Lake(*place_of(second)).rows(CUSTOMERS) == len(live.workspace.rows("customers"))


class Turn:
    """A run on a machine with a state folder of its own, from its turn on until the block ends."""

    def __init__(
        self, live: Sandbox, lake: str, options: dict[str, str], folder: Path, *, minute: float = MINUTE
    ) -> None:
        self._lake = LakeResource(url=lake, storage_options=options, state_folder=str(folder), lease_seconds=1)
        limits = Limits(window_seconds=minute, window_margin_seconds=0.1)
        self.client = TimixClient(live.base_url, live.key, limits=limits, rate_limit_folder=folder, quota=Quota.TURN)

    def __enter__(self) -> "Turn":
        with DagsterInstance.ephemeral() as instance:
            self._lake.acquire_lock(instance, create_run_for_test(instance, job_name="refresh_recent"))
        self._lake.take_turn(self.client)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._lake.teardown_after_execution(build_init_resource_context())
        LakeLock(self._lake.machine_folder, self._lake.url).release()

    def request(self, times: int = 1) -> None:
        for _ in range(times):
            self.client.get("customers", {"pageSize": 1})


@pytest.fixture
def place() -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a lake in a store on this machine, and the options of the store."""
    with store() as (options, _):
        yield f"s3://lakes/{secrets.token_hex(4)}", options


def refused(live: Sandbox) -> int:
    return sum(seen.status == 429 for seen in live.requests)


@pytest.mark.fault(59)
@pytest.mark.parametrize("live", [LIMITED], indirect=True)
@pytest.mark.parametrize("handed_over", [True, False])
def test_the_next_machine_counts_what_those_before_requested(
    live: Sandbox, place: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed_over: bool
) -> None:
    """Without the hand-over it would be refused."""
    if not handed_over:
        monkeypatch.setattr(LakeResource, "take_turn", lambda *_: None)
    for name in ("first", "second", "first"):
        with Turn(live, *place, tmp_path / name) as turn:
            turn.request(70)
    assert (refused(live) == 0) is handed_over


@pytest.mark.fault(59)
def test_the_same_machine_does_not_count_its_requests_again(
    live: Sandbox, place: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    for turns in range(1, 4):
        with Turn(live, *place, tmp_path, minute=60) as turn:
            turn.request(9)
            assert len(turn.client.counting_requests()) == turns * 10


@pytest.mark.fault(59)
def test_a_machine_that_lost_the_lease_requests_nothing(
    live: Sandbox, place: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    lake = open_store(*place)
    with Turn(live, *place, tmp_path) as turn:
        turn.request()
        while not taken_over(lake):
            pass
        with pytest.raises(LeaseLost, match="another process took it over"):
            turn.request(times=1_000_000)
        asked = len(live.requests)
        with pytest.raises(LeaseLost):
            turn.request()
    assert len(live.requests) == asked


def taken_over(lake: ObjectStore) -> bool:
    """Whether another was faster than the holder's next renewal."""
    seen = read_lease(lake)
    assert seen
    try:
        lake.put(OBJECT, b'{"who": "another"}', mode=seen.version)
    except PreconditionError:
        return False
    return True


@pytest.mark.fault(59)
@pytest.mark.parametrize("live", [(45, {"plan": "Free"})], indirect=True)
def test_a_refresh_right_after_that_of_another_machine_gets_no_429(live: Sandbox, machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    for project in (first, second):
        done = project.run_in_a_process("refresh", *MONTHLY_REPORTS)
        assert done.returncode == 0, done.stderr
    times = sorted(seen.time for seen in live.requests)
    in_a_minute = max(sum(begin <= at < begin + 60 for at in times) for begin in times)
    assert in_a_minute <= 120 < len(times)
    assert refused(live) == 0
    assert "Rate limit of the plan reached: waiting" in done.stdout
