"""docs/reliability.md has a row for each fault, and each row has a test that is marked with its number."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "reliability.md"
FAULTS = list(range(1, 63))

ROW = re.compile(r"^\| (\d+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
MARKER = re.compile(r"^@pytest\.mark\.fault\((\d+)\)$", re.MULTILINE)


def test_every_fault_has_a_row() -> None:
    assert [int(number) for number in ROW.findall(DOCUMENT.read_text("utf-8"))] == FAULTS


def test_every_fault_has_a_marked_test() -> None:
    marked = {int(number) for file in TESTS.rglob("test_*.py") for number in MARKER.findall(file.read_text("utf-8"))}
    assert sorted(marked) == FAULTS
