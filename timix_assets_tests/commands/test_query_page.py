"""The examples of docs/query.md, run in order in a project folder."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.metrics.unbilled import UNBILLED_AGING

from .conftest import ROOT, new_project

PAGE = ROOT / "docs" / "query.md"
BLOCKS = re.compile(r"(<!-- not tested -->\n)?^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


SHOW = """
import json
name, largest_hours = largest[0]
print(json.dumps({
    "unbilled": sorted(set(unbilled["project_name"])),
    "hours": str(hours["hours"].sum()),
    "largest": [name, type(largest_hours).__name__],
    "by_currency": by_currency.round(6).to_dict(),
}))
"""


def values_after(examples: Sequence[str], folder: Path) -> dict[str, Any]:
    """What the examples leave in their variables, run as one program: DuckDB and pandas stay out of this process."""
    program = folder / "examples.py"
    program.write_text("\n".join([*examples, SHOW]), encoding="utf-8")
    done = subprocess.run([sys.executable, program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values


@pytest.mark.long
def test_examples_of_the_query_page_run(refreshed_once: Path, tmp_path: Path) -> None:
    shutil.copytree(refreshed_once / "lake", tmp_path / "data" / "lake")
    project = new_project(tmp_path, {"TIMIX_TIMEZONE": "UTC"})
    hostile = project.table("rollups/unbilled_aging").with_columns(pl.lit("=1;=1").alias("project_name"))
    project.lake.replace("rollups/unbilled_aging", hostile, key=UNBILLED_AGING.key)
    blocks = BLOCKS.findall(PAGE.read_text(encoding="utf-8"))
    commands = [
        command
        for _, language, block in blocks
        if language == "sh"
        for command in re.split(r"^(?=timix-assets )", block, flags=re.MULTILINE)[1:]
    ]
    for command in commands:
        done = project.run(*shlex.split(command)[1:])
        assert done.returncode == 0, done.stderr
    examples = [block for untested, language, block in blocks if language == "python" and not untested]
    found = values_after(examples, tmp_path)

    assert len(commands) == 11
    assert found["unbilled"] == ["=1;=1"]
    entries = project.table("timix/time_reports")
    counted = entries.filter(pl.col("month") >= date(2026, 1, 1), pl.col("status") != "Rejected")
    assert Decimal(found["hours"]) == counted["hours"].sum()
    name, kind = found["largest"]
    assert kind == "Decimal"
    assert name in project.table("timix/projects")["name"]
    known = project.table("rollups/organization_money").group_by("currency").agg(pl.col("revenue").sum())
    assert {c: round(float(r), 6) for c, r in known.rows()} == found["by_currency"]
