"""A full disk: row 36 of docs/reliability.md, on small file systems of their own, and by a limit on the size of files.

What comes is a customer with a long text, larger than the room that is left.
"""

import json
import os
import random
import resource
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import settings_of

from .conftest import TIME, Workplace, contents

CUSTOMERS = "timix/customers"
MEGABYTE = 1_000_000
LONG_TEXT = b64encode(random.Random(7).randbytes(9 * MEGABYTE)).decode()
"""No compression makes it much smaller than the 9 MB that it was made of."""

LONG = Fault("raw_value", path="/customers", field="name", value=json.dumps(LONG_TEXT))
LARGEST_FILE = 5 * MEGABYTE
"""Larger than any file of Dagster's storage, smaller than the long text."""

SmallDisk = Callable[[str, int], Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Makes a file system of so many megabytes; skips the test where this user may mount none."""
    with ExitStack() as mounted:

        def make(name: str, megabytes: int) -> Path:
            folder = tmp_path / name
            folder.mkdir()
            try:
                command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as refused:
                pytest.skip(
                    "a small disk is mounted for this, which needs root (in a container: CAP_SYS_ADMIN), and was refused "
                    f"({refused}); what needs no mount is the test with a limit on the size of files"
                )
            mounted.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
            return folder

        yield make


def fill(disk: Path) -> Path:
    """A file that leaves no room beside it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def names(workplace: Workplace) -> list[str]:
    return workplace.table(CUSTOMERS)["name"].to_list()


def assert_space_is_all_that_was_missing(workplace: Workplace) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(LONG,))
    assert (done.status, done.stderr) == (0, "")
    assert LONG_TEXT in names(workplace)


@pytest.fixture
def lake_disk(workplace: Workplace, small_disk: SmallDisk) -> Path:
    """The workplace's lake, moved to a small disk of its own."""
    disk = small_disk("lake-disk", 12)
    before = workplace.project.folder / "data" / "lake"
    shutil.copytree(before, disk / "lake")
    shutil.rmtree(before)
    before.symlink_to(disk / "lake")
    return disk


@pytest.mark.fault(36)
def test_a_full_disk_under_the_lake_fails_and_keeps_every_table(workplace: Workplace, lake_disk: Path) -> None:
    before = contents(workplace.lake)
    ballast = lake_disk / "ballast"
    ballast.write_bytes(bytes(8 * MEGABYTE))

    done = workplace.refresh(CUSTOMERS, faults=(LONG,))

    assert done.status == 1
    assert f"{CUSTOMERS}: cannot write to {workplace.lake.url}/{CUSTOMERS}" in done.sentence
    assert "no space left on device" in done.sentence
    assert contents(workplace.lake) == before
    ballast.unlink()
    assert_space_is_all_that_was_missing(workplace)


@pytest.mark.fault(36)
def test_a_disk_without_a_free_byte_fails_and_keeps_every_table(workplace: Workplace, lake_disk: Path) -> None:
    before = contents(workplace.lake)
    filler = fill(lake_disk)

    done = workplace.refresh(CUSTOMERS, faults=(LONG,))

    assert done.status == 1
    assert "no space left on device" in done.sentence
    assert contents(workplace.lake) == before
    filler.unlink()
    assert_space_is_all_that_was_missing(workplace)


@pytest.mark.fault(36)
@pytest.mark.usefixtures("untouched")
def test_a_full_temporary_folder_fails_before_any_write(workplace: Workplace, small_disk: SmallDisk) -> None:
    disk = small_disk("temporary", 4)
    done = workplace.refresh_in_a_process(CUSTOMERS, faults=(LONG,), TMPDIR=str(disk))

    assert done.status == 1
    assert f"{CUSTOMERS}: cannot stage its rows in {disk}" in done.sentence
    assert list(disk.iterdir()) == []


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    ("left", "status", "said"),
    [
        (0, 2, "Cannot keep the rate limit in "),
        (200_000, 1, "cannot record the run in "),
        (2 * MEGABYTE, 1, f"{CUSTOMERS}: cannot write to "),
    ],
)
def test_a_full_disk_under_the_project_keeps_every_table(
    workplace: Workplace, small_disk: SmallDisk, left: int, status: int, said: str
) -> None:
    disk = small_disk("project-disk", 40)
    before = contents(workplace.lake)
    shutil.copytree(workplace.project.folder, disk / "project")
    workplace.project.folder = disk / "project"
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - left)

    # Where there is no room for the run itself, nothing is asked.
    done = workplace.refresh_in_a_process(CUSTOMERS, faults=(LONG,), all_strike=left > MEGABYTE)

    assert (done.status, said in done.sentence) == (status, True), done.stderr
    assert contents(workplace.lake) == before
    filler.unlink()
    assert_space_is_all_that_was_missing(workplace)


@pytest.mark.fault(36)
@pytest.mark.usefixtures("untouched")
def test_a_temporary_folder_that_fills_during_reading_fails(
    workplace: Workplace, firm: Firm, small_disk: SmallDisk
) -> None:
    disk = small_disk("temporary", 1)
    # A folder without a byte left is not used at all: then the system's other temporary folders are.
    os.truncate(fill(disk), 1_000_000)
    with Sandbox(firm, copies=40) as large:
        done = workplace.project.run_in_a_process("refresh", "--only", TIME, TMPDIR=str(disk), **settings_of(large))

    assert done.returncode == 1
    [said] = done.stderr.strip().splitlines()
    assert f"{TIME}: Cannot buffer the rows of the listing in {disk}/timix-spool-" in said
    assert "(no space left on device). Free space there" in said


def limited_files() -> None:
    """In the process that is to be limited. The kernel refuses to let a file grow beyond, as it refuses on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


@pytest.mark.fault(36)
@pytest.mark.usefixtures("untouched")
def test_a_limit_on_the_size_of_files_fails_before_any_write(workplace: Workplace) -> None:
    workplace.sandbox.faults.add(LONG)
    project = workplace.project
    done = subprocess.run(
        project.command("refresh", "--only", CUSTOMERS),
        cwd=project.folder,
        env=project.environment,
        preexec_fn=limited_files,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    [said] = done.stderr.strip().splitlines()
    assert f"{CUSTOMERS}: cannot stage its rows in " in said
    assert "file too large" in said
