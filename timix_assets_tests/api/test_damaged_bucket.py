"""A damaged file of request counts is an empty one: no wait without end, no error of Python's, and the limit holds again."""

import json
import math
import os
import secrets
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.api import Limits
from timix_assets.api.errors import ClientConfigError
from timix_assets.api.rate_limit import RateLimiter
from timix_assets.api.rate_limit_bucket import FileBucket

from .test_rate_limit import ModelTime

KEY = f"bbl_{secrets.token_hex(20)}"
BASE_URL = "http://x"
NUMBERS = 1003
DAY = 86_400.0


def pacer_of(folder: Path, time_: ModelTime) -> RateLimiter:
    return RateLimiter(FileBucket(folder, BASE_URL, KEY), Limits(), lambda _: None, time_, time_)


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """The file of a key that was used before, with all its slots free."""
    FileBucket(tmp_path, BASE_URL, KEY).close()
    [file] = tmp_path.glob("*.pace")
    return file


def write(file: Path, **numbers: float) -> None:
    """limit, not_before, last_use, slots: what is written there; all else is 0."""
    head = [numbers.get(name, 0.0) for name in ("limit", "not_before", "last_use")]
    file.write_bytes(array("d", head + [numbers.get("slots", 0.0)] * (NUMBERS - 3)).tobytes())


def ask(folder: Path, times: int = 1) -> float:
    """How long it takes, by the clock of the model, to be let through so often."""
    time_ = ModelTime()
    pacer = pacer_of(folder, time_)
    began = time_()
    for _ in range(times):
        with pacer.slot():
            pass
    pacer.close()
    return time_() - began


NO_TIMES = [math.nan, math.inf, -math.inf, 1e308, -1.0, 100 + DAY, 1e18]


@pytest.mark.parametrize("number", NO_TIMES)
@pytest.mark.parametrize("where", ["limit", "not_before", "last_use", "slots"])
def test_impossible_number_is_ignored(counts: Path, where: str, number: float) -> None:
    write(counts, **{where: number})
    assert ask(counts.parent) == 0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 100, id="cut"),
        pytest.param(b"\x00" * 101, id="cut within a number"),
        pytest.param(json.dumps({"requests": [1, 2, 3]}).encode() * 600, id="JSON"),
        pytest.param(b"\xff" * 8024, id="ones"),
        pytest.param(os.urandom(100_000), id="random and too long"),
        pytest.param(b"\xef\xbb\xbf" + "\N{HEBREW LETTER ALEF}".encode() * 5000, id="text"),
    ],
)
def test_foreign_file_counts_as_empty(counts: Path, content: bytes) -> None:
    counts.write_bytes(content)
    assert ask(counts.parent) < 200
    assert ask(counts.parent) == 0


def test_file_damaged_during_use_counts_as_empty(counts: Path) -> None:
    time_ = ModelTime()
    pacer = pacer_of(counts.parent, time_)
    for content in (b"", b"\x00" * 9, b"\xff" * 8024, b"[]"):
        counts.write_bytes(content)
        with pacer.slot():
            pass
        counts.write_bytes(content)
        assert pacer.pause_all(1)
        time_.wait(2)
        counts.write_bytes(content)
        pacer.set_limit(120)
    assert pacer.waited_seconds == 0


def test_limit_is_kept_again_after_damage(counts: Path) -> None:
    write(counts, slots=math.nan)
    assert ask(counts.parent, times=120) == 0
    assert ask(counts.parent, times=1) == 61


def test_plausible_pause_is_kept(counts: Path) -> None:
    write(counts, not_before=100 + 890)
    assert ask(counts.parent) == 890


def test_slots_of_requests_in_flight_are_kept(counts: Path) -> None:
    write(counts, slots=100 + 121)
    assert ask(counts.parent) == 121


def test_only_the_impossible_slot_is_freed(counts: Path) -> None:
    """Another process may let a request take longer: what it holds is no reason to forget all others."""
    numbers = array("d", [120.0, 0.0, 100.0, *[150.0] * 119, 100 + DAY])
    counts.write_bytes(numbers.tobytes() + bytes(8 * (NUMBERS - len(numbers))))
    assert ask(counts.parent) == 0
    write(counts, limit=120, slots=150)
    assert ask(counts.parent) == 50


@given(content=st.binary(max_size=9000) | st.lists(st.floats(), max_size=1100).map(lambda n: array("d", n).tobytes()))
def test_arbitrary_file_content_neither_hangs_nor_raises(counts: Path, content: bytes) -> None:
    counts.write_bytes(content)
    assert ask(counts.parent) <= 900


def test_folder_in_place_of_the_file_is_reported(counts: Path) -> None:
    counts.unlink()
    counts.mkdir()
    with pytest.raises(ClientConfigError) as failed:
        FileBucket(counts.parent, BASE_URL, KEY)
    assert str(failed.value) == (
        f"{counts}, which counts the requests of this key, cannot be used (Is a directory): delete it, it is created again."
    )


AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from timix_assets.api.errors import ClientConfigError
from timix_assets.api.rate_limit_bucket import FileBucket
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
try:
    FileBucket(Path(), "http://x", sys.argv[2])
except ClientConfigError as error:
    print(error)
"""


def test_file_of_another_user_is_reported(counts: Path) -> None:
    counts.chmod(0o400)
    counts.parent.chmod(0o755)
    command = [sys.executable, "-c", AS_SOMEBODY_ELSE, str(counts.parent), KEY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stderr, done.stdout) == (
        "",
        f"{counts.name}, which counts the requests of this key, cannot be used (Permission denied): delete it, it is created "
        "again; a run with sudo may have left it.\n",
    )
