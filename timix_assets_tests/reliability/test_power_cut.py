"""A power cut right after a commit: row 61 of docs/reliability.md.

A disk is an image file with an ext4 file system on it. What the power cut leaves is a copy of the image as it is the moment
that the write is reported: whatever the kernel still holds in memory is not in it.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from timix_assets.lake import commit, maintenance
from timix_assets.lake.errors import LakeError, WriteFailed
from timix_assets.lake.tables import Lake
from timix_assets.state import files
from timix_assets_tests.lake.rows import FEBRUARY, JANUARY, MARCH, WINTER, entries, numbered, only, sorted_rows

from .conftest import Workplace, contents

TABLE = "timix/time_reports"
OPTIONS = "loop,data=ordered,commit=300"
"""The journal waits five minutes, so that nothing reaches the disk by itself during a test."""


def mount(image: Path, folder: Path) -> None:
    folder.mkdir()
    subprocess.run(["mount", "-o", OPTIONS, str(image), str(folder)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator["Disk"]:
    """Skips the test where this user may mount no image."""
    with ExitStack() as mounted:
        image = tmp_path / "disk.img"
        with image.open("wb") as file:
            file.truncate(32 * 1024 * 1024)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
            mount(image, tmp_path / "disk")
        except (OSError, subprocess.CalledProcessError) as refused:
            pytest.skip(
                "an ext4 image is mounted for this, which needs root (in a container: CAP_SYS_ADMIN and loop devices), and "
                f"was refused ({refused}); lake/test_commit_durability.py shows the order of the calls without one"
            )
        mounted.callback(subprocess.run, ["umount", "--lazy", str(tmp_path / "disk")], check=True)
        yield Disk(image, tmp_path / "disk", mounted)


class Disk:
    """folder: where the disk is mounted."""

    def __init__(self, image: Path, folder: Path, mounted: ExitStack) -> None:
        self.folder = folder
        self._image = image
        self._mounted = mounted
        self._cuts = 0

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    def after_a_power_cut(self) -> Lake:
        """The lake as it is found when the machine comes back."""
        self._cuts += 1
        image, folder = self._image.with_name(f"cut-{self._cuts}.img"), self.folder.with_name(f"cut-{self._cuts}")
        shutil.copyfile(self._image, image)
        mount(image, folder)
        self._mounted.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        return Lake(str(folder / "lake"))


@pytest.mark.fault(61)
def test_a_reported_write_survives_a_power_cut(disk: Disk) -> None:
    for hours, months in ((1, WINTER), (2, WINTER), (3, only(JANUARY))):
        disk.lake.replace(TABLE, numbered(JANUARY, 500, hours), key=["id"], months=months)
        found = disk.after_a_power_cut()
        assert found.scan(TABLE).collect()["hours"].unique().to_list() == [hours]
    disk.lake.replace("rollups/kpis", pl.DataFrame({"id": ["a"], "value": [1]}), key=["id"])
    disk.lake.metadata.add_months_read(TABLE, WINTER)
    disk.lake.metadata.verify_organization("org_1", "Northwind")

    found = disk.after_a_power_cut()
    assert sorted_rows(found.scan("rollups/kpis")) == [("a", 1)]
    assert found.metadata.months_read(TABLE) == set(WINTER)
    assert found.metadata.organization() == "org_1"


@pytest.mark.fault(61)
def test_a_reported_export_survives_a_power_cut(disk: Disk) -> None:
    for data in (b"first\r\n", b"second\r\n" * 1000):
        disk.lake.exports.put("revenue_report/2025-01.csv", data)
        found = Path(disk.after_a_power_cut().url)
        assert (found / "exports" / "revenue_report" / "2025-01.csv").read_bytes() == data


@pytest.mark.fault(61)
def test_maintenance_leaves_the_rows_and_the_checkpoint(disk: Disk) -> None:
    for month, hours in ((JANUARY, 1), (FEBRUARY, 1), (MARCH, 1), (JANUARY, 2)):
        disk.lake.replace(TABLE, numbered(month, 50, hours), key=["id"], months=only(month))
    # A second file of a month, so that there is something to compact.
    write_deltalake(Path(disk.lake.url, TABLE), entries(("more", JANUARY, 1)), mode="append")
    os.sync()
    maintenance.compact_and_vacuum(disk.lake.url, {}, TABLE, maintenance.SAFE_RETENTION)
    found = disk.after_a_power_cut()
    assert found.scan(TABLE).collect().height == 151
    assert found.version(TABLE) == disk.lake.version(TABLE) == 5
    [checkpoint] = Path(found.url, TABLE, "_delta_log").glob("*.checkpoint.parquet")
    assert pl.read_parquet(checkpoint).height > 0


@pytest.mark.fault(61)
def test_a_successful_refresh_survives_a_power_cut(workplace: Workplace, disk: Disk) -> None:
    lake = workplace.project.folder / "data" / "lake"
    shutil.copytree(lake, disk.folder / "lake")
    shutil.rmtree(lake)
    lake.symlink_to(disk.folder / "lake")
    os.sync()
    for name in ("customers", "time_reports"):
        workplace.move_on(name)

    assert workplace.refresh_in_a_process().status == 0

    found = disk.after_a_power_cut()
    assert contents(found) == contents(workplace.lake)
    assert found.metadata.months_read(TABLE) == workplace.lake.metadata.months_read(TABLE)


class InterruptedHereError(Exception):
    """No error that a write would deal with."""


@contextmanager
def interrupted(patch: pytest.MonkeyPatch, *, at_sync: int) -> Iterator[None]:
    """The power goes where a write is about to sync for the nth time, so nothing is reported."""
    syncs = iter(range(1, 10))

    def sync(paths: list[Path], *, below: Path) -> None:
        if next(syncs) == at_sync:
            raise InterruptedHereError
        files.sync(paths, below=below)

    with patch.context() as during:
        during.setattr(commit, "sync", sync)
        with pytest.raises(InterruptedHereError):
            yield


@pytest.mark.fault(61)
@pytest.mark.parametrize("at_sync", [1, 2])
def test_a_write_that_was_not_reported_leaves_the_last_one(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, at_sync: int
) -> None:
    disk.lake.replace(TABLE, numbered(JANUARY, 500, 1), key=["id"], months=WINTER)
    with interrupted(monkeypatch, at_sync=at_sync):
        disk.lake.replace(TABLE, numbered(JANUARY, 500, 2), key=["id"], months=WINTER)
    found = disk.after_a_power_cut()
    assert found.scan(TABLE).collect()["hours"].unique().to_list() == [1]
    assert found.replace(TABLE, numbered(JANUARY, 500, 3), key=["id"], months=WINTER).written


@pytest.mark.fault(61)
def test_an_entry_of_a_killed_writer_is_synced_by_the_next(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.lake.replace(TABLE, numbered(JANUARY, 500, 1), key=["id"], months=WINTER)
    with interrupted(monkeypatch, at_sync=2):
        disk.lake.replace(TABLE, numbered(JANUARY, 500, 2), key=["id"], months=WINTER)
    assert not disk.lake.replace(TABLE, numbered(JANUARY, 500, 2), key=["id"], months=WINTER).written
    assert disk.after_a_power_cut().scan(TABLE).collect()["hours"].unique().to_list() == [2]
    with interrupted(monkeypatch, at_sync=2):
        disk.lake.replace(TABLE, numbered(JANUARY, 500, 3), key=["id"], months=WINTER)
    disk.lake.replace(TABLE, numbered(FEBRUARY, 5, 4), key=["id"], months=only(FEBRUARY))
    assert sorted(disk.after_a_power_cut().scan(TABLE).collect()["hours"].unique()) == [3, 4]


Tear = Callable[[bytes], bytes]
TEARS: dict[str, Tear] = {
    "empty": lambda _: b"",
    "no block arrived": lambda entry: bytes(len(entry)),
    "the last block did not arrive": lambda entry: entry[:100] + bytes(len(entry) - 100),
    "in mid-line": lambda entry: entry[: len(entry) // 2],
}


@pytest.mark.fault(61)
@pytest.mark.parametrize("tear", TEARS.values(), ids=TEARS)
@pytest.mark.parametrize("writes", [1, 3])
def test_a_torn_entry_of_the_log_is_set_aside(tmp_path: Path, tear: Tear, writes: int) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for hours in range(writes):
        lake.replace(TABLE, numbered(JANUARY, 5, hours), key=["id"], months=WINTER)
    entry = Path(lake.url, TABLE, "_delta_log", f"{writes - 1:020}.json")
    entry.write_bytes(tear(entry.read_bytes()))

    assert lake.exists(TABLE) == (writes > 1)
    if writes > 1:
        assert lake.scan(TABLE).collect()["hours"].unique().to_list() == [writes - 2]
    assert lake.replace(TABLE, numbered(JANUARY, 5, 7), key=["id"], months=WINTER).written
    assert lake.scan(TABLE).collect()["hours"].unique().to_list() == [7]


@pytest.mark.fault(61)
def test_a_torn_checkpoint_is_set_aside(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.replace(TABLE, numbered(JANUARY, 5), key=["id"], months=WINTER)
    DeltaTable(Path(lake.url, TABLE)).create_checkpoint()
    [checkpoint] = Path(lake.url, TABLE, "_delta_log").glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert lake.scan(TABLE).collect().height == 5


@pytest.mark.fault(61)
def test_damage_that_no_power_cut_makes_is_left_alone(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for hours in range(3):
        lake.replace(TABLE, numbered(JANUARY, 5, hours), key=["id"], months=WINTER)
    log = Path(lake.url, TABLE, "_delta_log")
    before = sorted(log.iterdir())
    for version, damaged in (
        (1, b'{"add'),
        (2, b'{"add": oops}\n{"commitInfo": {}}'),
        (2, b'{"add": {"path":\n{"commitInfo": {}}'),
    ):
        entry = f"{version:020}.json"
        whole = (log / entry).read_bytes()
        (log / entry).write_bytes(damaged)
        with pytest.raises(LakeError, match="Cannot open"):
            lake.exists(TABLE)
        assert sorted(log.iterdir()) == before
        (log / entry).write_bytes(whole)


@pytest.mark.fault(61)
def test_a_write_that_the_disk_does_not_confirm_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path / "lake"))

    def broken(opened: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    lake.replace(TABLE, numbered(JANUARY, 5), key=["id"], months=WINTER)
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(WriteFailed, match="Input/output error"):
        lake.replace(TABLE, numbered(JANUARY, 6), key=["id"], months=WINTER)
    with pytest.raises(WriteFailed, match="the disk does not confirm it"):
        lake.replace(TABLE, numbered(JANUARY, 5), key=["id"], months=WINTER)
