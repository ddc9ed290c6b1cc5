"""Runs on one lake take turns."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from timix_assets.lake.errors import TurnTimeout
from timix_assets.lake.turns import Turn

HOLDER = """
import sys
from pathlib import Path
from timix_assets.lake.turns import Turn
Turn(Path(sys.argv[1]), sys.argv[2]).take("run first", timeout_seconds=0, notify=print)
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Turn]:
    turn = Turn(tmp_path, "lake")
    yield turn
    turn.release()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the same lake until its input ends."""
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path), "lake"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_a_process_that_holds_the_lake_may_take_it_again(tmp_path: Path, turn: Turn) -> None:
    told: list[str] = []
    turn.take("run", timeout_seconds=0, notify=told.append)
    Turn(tmp_path, "lake").take("the same run", timeout_seconds=0, notify=told.append)
    other_thread = Thread(target=lambda: turn.take("a thread", timeout_seconds=0, notify=told.append))
    other_thread.start()
    other_thread.join()
    assert told == []


def test_whoever_waits_too_long_is_told_for_whom(holder: subprocess.Popen[str], turn: Turn) -> None:
    told: list[str] = []
    with pytest.raises(TurnTimeout, match=rf"in use by run first \(process {holder.pid}, since .*within 0.1 s"):
        turn.take("run second", timeout_seconds=0.1, notify=told.append)
    assert len(told) == 1
    assert f"in use by run first (process {holder.pid}" in told[0]


def test_the_next_one_goes_on_as_soon_as_the_holder_ends(holder: subprocess.Popen[str], turn: Turn) -> None:
    assert holder.stdin is not None
    turn.take("run second", timeout_seconds=20, notify=lambda sentence: holder.stdin.close())


def test_a_killed_holder_blocks_nobody(holder: subprocess.Popen[str], turn: Turn) -> None:
    turn.take("run second", timeout_seconds=20, notify=lambda sentence: holder.kill())


def test_who_was_killed_is_not_named_as_the_holder_later(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    turn = Turn(tmp_path, "lake")
    turn.take("run second", timeout_seconds=20, notify=lambda sentence: None)
    assert "run second" in (tmp_path / f"{turn.name}.json").read_text()
    turn.release()


def test_lakes_do_not_wait_for_each_other(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    other = Turn(tmp_path, "another lake")
    other.take("run", timeout_seconds=0, notify=pytest.fail)
    other.release()


def test_two_spellings_of_one_folder_are_one_lake(tmp_path: Path) -> None:
    assert Turn(tmp_path, "data/lake").name == Turn(tmp_path, "./data/../data/lake/").name
