"""Machines without a common folder take turns on a lake in an object store: row 59 of docs/reliability.md."""

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from timix_assets.lake.lease import look
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import Project, new_project, settings_of
from timix_assets_tests.lake.s3 import store

LEASE_SECONDS = 3
CUSTOMERS = "timix/customers"

Machine = Callable[[str], Project]


@pytest.fixture
def live() -> Iterator[Sandbox]:
    with Sandbox(Firm.generate(people=6, months=3, seed=7, today=date.today())) as sandbox:
        yield sandbox


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
    found = look(open_store(*place_of(project)), None, 0)
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
