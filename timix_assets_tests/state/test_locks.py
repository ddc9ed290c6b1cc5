"""A lock keeps other processes out, for a limited time, and ends with its block."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from timix_assets.state.locks import LockBusy, acquire_lock, exclusive_lock, open_file_lock

HOLDER = """
import sys
from pathlib import Path
from timix_assets.state.locks import acquire_lock
lock = acquire_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock during the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "x.lock"


def test_lock_of_another_process_is_busy_until_it_dies(path: Path) -> None:
    with held_elsewhere(path) as holder:
        with pytest.raises(LockBusy, match=r"Another process holds .*x\.lock"):
            acquire_lock(path, timeout=0.01)
        holder.kill()
        acquire_lock(path, timeout=10).release()


def test_caller_chooses_the_busy_exception(path: Path) -> None:
    with (
        held_elsewhere(path),
        pytest.raises(ValueError, match="the UI is open"),
        exclusive_lock(path, busy=lambda: ValueError("the UI is open")),
    ):
        pass


def test_lock_is_released_after_an_exception(path: Path) -> None:
    with pytest.raises(KeyError), exclusive_lock(path):
        raise KeyError
    with exclusive_lock(path):
        pass


def test_open_file_is_locked_against_other_processes(path: Path) -> None:
    with (
        held_elsewhere(path),
        path.open("r+b") as file,
        pytest.raises(LockBusy),
        open_file_lock(path, file, timeout=0.01),
    ):
        pass
    with path.open("r+b") as file, open_file_lock(path, file, timeout=0), pytest.raises(LockBusy):
        acquire_lock(path)


def test_closed_file_is_not_locked(path: Path) -> None:
    path.parent.mkdir()
    with path.open("w+b") as file, open_file_lock(path, file, timeout=0):
        file.close()
    with open_file_lock(path, file, timeout=0), exclusive_lock(path):
        pass
