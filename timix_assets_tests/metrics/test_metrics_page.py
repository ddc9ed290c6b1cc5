"""The tables of docs/metrics.md that repeat declarations are up to date. `make docs` rewrites them."""

import re
from pathlib import Path

import pytest

from timix_assets_tests.metrics.column_tables import generated_tables

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
TABLES = generated_tables()


@pytest.mark.parametrize("name", TABLES)
def test_generated_table_is_up_to_date(name: str):
    assert f"<!-- generated: {name} -->\n{TABLES[name]}<!-- end -->" in PAGE.read_text(encoding="utf-8"), (
        "run `make docs`"
    )


def test_every_marker_has_a_generated_table():
    assert set(re.findall(r"<!-- generated: (\S+) -->", PAGE.read_text(encoding="utf-8"))) == set(TABLES)
