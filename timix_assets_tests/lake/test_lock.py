"""One process at a time holds the lock of a lake."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from timix_assets.lake.errors import LakeError, LakeLockTimeout
from timix_assets.lake.lock import LakeLock

HOLDER = """
import sys
from pathlib import Path
from timix_assets.lake.lock import LakeLock
LakeLock(Path(sys.argv[1]), sys.argv[2]).acquire("run first", timeout_seconds=0, notify=print)
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[LakeLock]:
    lock = LakeLock(tmp_path, "lake")
    yield lock
    lock.release()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with holding(tmp_path, "lake") as process:
        yield process


@contextmanager
def holding(folder: Path, lake: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the same lake until its input ends."""
    arguments = [sys.executable, "-c", HOLDER, str(folder), lake]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_holder_can_acquire_the_lock_again(tmp_path: Path, lock: LakeLock) -> None:
    messages: list[str] = []
    lock.acquire("run", timeout_seconds=0, notify=messages.append)
    LakeLock(tmp_path, "lake").acquire("the same run", timeout_seconds=0, notify=messages.append)
    other_thread = Thread(target=lambda: lock.acquire("a thread", timeout_seconds=0, notify=messages.append))
    other_thread.start()
    other_thread.join()
    assert messages == []


def test_timeout_names_the_holder(holder: subprocess.Popen[str], lock: LakeLock) -> None:
    messages: list[str] = []
    with pytest.raises(LakeLockTimeout, match=rf"after 0.1 s .*held by run first \(process {holder.pid}, since "):
        lock.acquire("run second", timeout_seconds=0.1, notify=messages.append)
    assert len(messages) == 1
    assert f"held by run first (process {holder.pid}" in messages[0]


def test_a_step_of_the_same_run_in_another_process_is_refused(holder: subprocess.Popen[str], lock: LakeLock) -> None:
    with pytest.raises(LakeError, match="Set the executor of the job to in_process_executor"):
        lock.acquire("run first", timeout_seconds=30, notify=print)


def test_waiting_ends_at_the_timeout(holder: subprocess.Popen[str], lock: LakeLock) -> None:
    began = time.monotonic()
    with pytest.raises(LakeLockTimeout):
        lock.acquire("run second", timeout_seconds=0.1, notify=lambda sentence: None)
    assert 0.1 <= time.monotonic() - began < 4


def test_released_lock_can_be_acquired_by_another_process(tmp_path: Path, lock: LakeLock) -> None:
    lock.acquire("run", timeout_seconds=0, notify=pytest.fail)
    lock.release()
    with holding(tmp_path, "lake") as other:
        assert other.poll() is None


def test_lock_is_acquired_when_the_holder_ends(holder: subprocess.Popen[str], lock: LakeLock) -> None:
    assert holder.stdin is not None
    lock.acquire("run second", timeout_seconds=20, notify=lambda sentence: holder.stdin.close())


def test_lock_of_a_killed_holder_can_be_acquired(holder: subprocess.Popen[str], lock: LakeLock) -> None:
    lock.acquire("run second", timeout_seconds=20, notify=lambda sentence: holder.kill())


def test_killed_holder_is_not_named_later(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    lock = LakeLock(tmp_path, "lake")
    lock.acquire("run second", timeout_seconds=20, notify=lambda sentence: None)
    assert "run second" in (tmp_path / f"{lock.name}.json").read_text()
    lock.release()


def test_different_lakes_have_different_locks(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    other = LakeLock(tmp_path, "another lake")
    other.acquire("run", timeout_seconds=0, notify=pytest.fail)
    other.release()


def test_two_spellings_of_one_folder_are_one_lock(tmp_path: Path) -> None:
    assert LakeLock(tmp_path, "data/lake").name == LakeLock(tmp_path, "./data/../data/lake/").name
