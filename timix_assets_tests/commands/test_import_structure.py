"""`timix-assets import structure`: the worked example of docs/imports.md, and a mapping."""

import json
import re
import shlex
from pathlib import Path

import pytest

from timix_assets.sandbox.server import Sandbox

from .conftest import Project

PAGE = Path(__file__).parents[2] / "docs" / "imports.md"


@pytest.mark.long
def test_worked_example_of_the_page(project: Project, live: Sandbox) -> None:
    project.settings |= {"TIMIX_ALLOW_WRITES": "1"}
    example = PAGE.read_text(encoding="utf-8").partition("## Structure:")[2].partition("**What a row is about.**")[0]
    file = project.folder / "structure.csv"
    file.write_text(re.search(r"<<'CSV'\n(.*?)CSV\n", example, re.DOTALL)[1], encoding="utf-8")  # type: ignore[index]
    printed: list[str] = []
    for line in example.splitlines():
        if line.startswith("sed -i"):
            old, new = re.search(r"s/(.*?)/(.*?)/", line).groups()  # type: ignore[union-attr]
            file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        elif line.startswith("timix-assets import"):
            printed.append(project.run(*shlex.split(line)[1:]).stdout)

    plan, first, second, correction = printed
    assert re.search(r"```text\n(.*?)```", example, re.DOTALL)[1] in plan  # type: ignore[index]
    assert "Nothing was written." in plan
    assert "5 rows to create: 5 created" in first
    assert "5 rows left alone" in second
    assert "~       Design: hour_limit 40 -> 60" in correction
    assert "1 row to update: 1 updated" in correction
    made = {row["name"]: row for row in live.workspace.rows("subtasks") if "-new-" in row["id"]}
    assert {name: (row["billing_type"], row["hour_limit"]) for name, row in made.items()} == {
        "Design": ("TM", 60),
        "Meetings": ("OVH", None),
    }
    # No refresh has seen the subtasks, so nobody knows whether hours are logged on them.
    undone = project.run("import", "roll-back", "structure.csv", "--structure").stdout
    assert undone.count("run `timix-assets refresh` first") == 2


@pytest.mark.long
def test_mapping_and_json(project: Project) -> None:
    (project.folder / "rows.csv").write_text("Id,Client,Budget\n7,Acme,12\n", encoding="utf-8")
    mapping = "source: crm\nfields:\n  reference: Id\n  customer: Client\n"
    (project.folder / "crm.yaml").write_text(mapping, encoding="utf-8")
    done = project.run("import", "structure", "rows.csv", "--mapping", "crm.yaml", "--format", "json")
    [line] = json.loads(done.stdout)
    assert (line["step"], line["outcome"], line["customer"], line["reference"]) == ("create", "planned", "Acme", "7")
    (project.folder / "crm.yaml").write_text(mapping + "  hours: Budget\n", encoding="utf-8")
    wrong = project.run("import", "structure", "rows.csv", "--mapping", "crm.yaml")
    assert wrong.returncode == 2
    assert "hours" in wrong.stderr
