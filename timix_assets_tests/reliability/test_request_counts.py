"""The file that counts the requests of a key, damaged: part of row 55 of docs/reliability.md."""

import math
import os
from array import array
from pathlib import Path

import pytest

from .conftest import Workplace

CUSTOMERS = "timix/customers"
DAY = 86_400


def counts(workplace: Workplace) -> Path:
    [file] = (workplace.project.folder / ".dagster").glob("*.pace")
    return file


@pytest.fixture
def workplace(workplace: Workplace) -> Workplace:
    """The filled project was read from another address: one refresh makes this sandbox's own file."""
    for file in (workplace.project.folder / ".dagster").glob("*.pace"):
        file.unlink()
    workplace.refresh(CUSTOMERS)
    workplace.move_on("customers")
    return workplace


@pytest.mark.fault(55)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"requests": [' + b"1, " * 4000, id="JSON"),
        pytest.param(array("d", [math.nan] * 1003).tobytes(), id="NaN"),
        pytest.param(array("d", [math.inf] * 1003).tobytes(), id="infinity"),
        pytest.param(array("d", [120, 0, 0, *[10.0**9 + DAY] * 1000]).tobytes(), id="far ahead"),
        pytest.param(os.urandom(8024), id="random"),
    ],
)
def test_a_damaged_request_count_file_counts_as_empty(workplace: Workplace, content: bytes) -> None:
    counts(workplace).write_bytes(content)
    done = workplace.refresh(CUSTOMERS)

    assert (done.status, done.stderr, done.requests) == (0, "", ["/me", "/customers"])
    assert workplace.stored("customers") == workplace.sent("customers")


@pytest.mark.fault(55)
@pytest.mark.usefixtures("untouched")
def test_a_folder_in_place_of_request_counts_is_named(workplace: Workplace) -> None:
    file = counts(workplace)
    file.unlink()
    file.mkdir()
    done = workplace.refresh_by_command(CUSTOMERS)

    assert (done.status, done.requests) == (2, [])
    assert (
        f"{file.name}, which counts the requests of this key, cannot be used (Is a directory): delete it"
        in done.sentence
    )
