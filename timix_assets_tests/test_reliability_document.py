"""docs/reliability.md has a row for each fault, and each row names the tests that show it."""

import re
from pathlib import Path

HERE = Path(__file__).parent / "reliability"
DOCUMENT = HERE.parent.parent / "docs" / "reliability.md"
FAULTS = range(1, 45)

ROW = re.compile(r"^\| (\d+) \| (?P<fault>[^|]+) \| (?P<outcome>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)


def written() -> set[str]:
    return {
        name
        for file in HERE.glob("test_*.py")
        for name in re.findall(r"^def (test_\d\d_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }


def named_in_the_document() -> dict[int, list[str]]:
    """Row -> the names of its tests."""
    return {int(row[1]): re.findall(r"`(test_\w+)`", row["tests"]) for row in ROW.finditer(DOCUMENT.read_text("utf-8"))}


def test_every_fault_has_a_row_and_every_row_a_test() -> None:
    named = named_in_the_document()
    assert list(named) == list(FAULTS)
    assert all(named.values())


def test_every_test_that_a_row_names_is_there_and_every_test_is_named_in_the_rows_of_its_numbers() -> None:
    named = named_in_the_document()
    assert {test for tests in named.values() for test in tests} == written()
    for number, tests in named.items():
        assert [test for test in tests if f"_{number:02d}_" not in test.removeprefix("test")] == []
