"""docs/metrics.md explains every column of every rollup, in the section of its table."""

import re
from pathlib import Path

import pytest

from timix_assets.metrics.tables import ROLLUPS, Rollup

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
by_rollup = pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: rollup.name)


def section_of(rollup: Rollup) -> str:
    """The part under the heading that names the table."""
    sections = re.split(r"^#+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = (s for s in sections if f"`rollups/{rollup.name}`" in s.partition("\n")[0])
    return section


@by_rollup
def test_every_column_is_explained_in_its_tables_section(rollup: Rollup):
    first_cells = "".join(re.findall(r"^\|([^|]*)\|", section_of(rollup), flags=re.MULTILINE))
    explained = set(re.findall(r"`(\w+)`", first_cells))
    assert explained >= set(rollup.schema), f"docs/metrics.md does not explain {set(rollup.schema) - explained}"


@by_rollup
def test_the_page_names_the_key_of_every_table(rollup: Rollup):
    (row,) = re.findall(rf"^\|[^|]*`{rollup.name}`[^|]*\|([^|]*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rollup.key) <= set(re.findall(r"`(\w+)`", row))
