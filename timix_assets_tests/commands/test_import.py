"""`timix-assets import`: the worked example of docs/imports.md, and what a plan looks like in 80 columns."""

import json
import re
import shlex
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from timix_assets.commands.import_entries import TABLE, show
from timix_assets.imports.entry_table import COLUMNS
from timix_assets.imports.steps import UNCHANGED, Step
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.imports.firm import CAPPED, month_of_rows, row, write_csv, wrong_rows

from .conftest import Project, new_project, settings_of

PAGE = Path(__file__).parents[2] / "docs" / "imports.md"
COLUMN_TYPES = {column.name: column.dtype for column in COLUMNS}
ALLOWED = """
over_budget: allow
fields: {reference: reference, person: person, date: date, hours: hours, subtask: subtask}
"""


@pytest.fixture
def fixed(sandbox: Sandbox, tmp_path: Path) -> Project:
    """A project on the firm whose names the rows have, whatever the day."""
    return new_project(tmp_path, settings_of(sandbox))


@pytest.mark.long
def test_worked_example_of_the_page(project: Project, live: Sandbox) -> None:
    project.settings |= {"TIMIX_ALLOW_WRITES": "1"}
    example = PAGE.read_text(encoding="utf-8").partition("## Before anything is written")[0]
    file = project.folder / "november.csv"
    file.write_text(re.search(r"<<'CSV'\n(.*?)CSV\n", example, re.DOTALL)[1], encoding="utf-8")  # type: ignore[index]
    said: list[str] = []
    statuses: list[int] = []
    for line in example.splitlines():
        if line.startswith("sed -i"):
            old, new = re.search(r"s/(.*?)/(.*?)/", line).groups()  # type: ignore[union-attr]
            file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        elif line.startswith("timix-assets import"):
            done = project.run(*shlex.split(line)[1:])
            said.append(done.stdout)
            statuses.append(done.returncode)

    # The plan, the import, nothing to do, the correction, the rollback.
    assert statuses == [1, 1, 1, 1, 0], said
    plan, first, second, correction, rollback = said
    assert "2 rows to create" in plan
    assert "2 rows refused" in plan
    assert "Nothing was written." in plan
    assert "2 created" in first
    assert "2 rows left alone" in second
    assert "hours 1.5 -> 2.25" in correction
    assert "2 deleted" in rollback
    assert not [entry for entry in live.workspace.rows("time_reports") if "[#" in (entry["text"] or "")]


def plan_line(
    number: int, step: Step, reason: str | None, person: str = "Ann", outcome: str | None = None
) -> dict[str, object]:
    return {
        "number": number,
        "row": number + 1,
        "step": step.value,
        "outcome": outcome,
        "reason": reason,
        "person": person,
    }


def shown(*lines: dict[str, object], applied: bool = False) -> str:
    frame = pl.DataFrame([{name: line.get(name) for name in COLUMN_TYPES} for line in lines], schema=COLUMN_TYPES)
    console = Console(width=80, file=StringIO())
    show(frame, console, applied=applied)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_rows_refused_for_one_reason_are_one_line() -> None:
    reasons = ["no such person"] * 300 + ["no hours"] + ["no such person"]
    printed = shown(*(plan_line(n, Step.REFUSE, reason) for n, reason in enumerate(reasons, start=1)))
    assert "302 rows refused" in printed
    assert "2–301, 303" in printed
    assert "301 rows: no such person" in printed
    assert len(printed.splitlines()) < 10


def test_refused_rows_have_a_limit_of_lines_too() -> None:
    printed = shown(*(plan_line(n, Step.REFUSE, f"no person {n}") for n in range(1, 301)))
    assert "no person 20 " in printed
    assert "no person 21 " not in printed
    assert "… and 280 more rows, in the table imports/time_entries" in printed


def test_refused_rows_come_first_and_unchanged_ones_are_counted() -> None:
    printed = shown(
        plan_line(1, Step.LEAVE, UNCHANGED, person="Calm"),
        plan_line(2, Step.LEAVE, "changed in Timix since: hours 1 -> 2", person="Moved"),
        plan_line(3, Step.UPDATE, "hours 1 -> 2", person="Changed"),
        plan_line(4, Step.REFUSE, "no hours", person="Wrong"),
    )
    places = [printed.index(part) for part in ("1 row refused", "1 row to update", "2 rows left alone", "Moved")]
    assert places == sorted(places)
    assert "Calm" not in printed


def test_unwritten_rows_of_one_reason_are_one_line_and_first() -> None:
    locked = [plan_line(n, Step.CREATE, "The week is locked.", outcome="refused by Timix") for n in range(100, 400)]
    written = [plan_line(n, Step.CREATE, None, person=f"P{n}", outcome="created") for n in range(1, 5)]
    printed = shown(*written, *locked, applied=True)
    assert "101–400" in printed
    assert printed.index("The week is locked.") < printed.index("4 rows: created")


@pytest.mark.long
def test_plan_fits_80_columns(fixed: Project) -> None:
    write_csv(fixed.folder / "rows.csv", [row("A"), *wrong_rows()])
    fixed.run("import", "time-entries", "rows.csv")
    console = Console(width=80, file=StringIO())
    show(fixed.table(TABLE), console, applied=False)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, printed.splitlines())) <= 80
    assert "10 rows refused" in printed


@pytest.mark.long
def test_row_that_timix_refuses_is_printed_with_its_reason(fixed: Project, sandbox: Sandbox) -> None:
    sandbox.faults.add(
        Fault("invalid", path="/time-reports", method="POST", nth=25, status=409, value="The week is locked.")
    )
    write_csv(fixed.folder / "rows.csv", month_of_rows(30))
    done = fixed.run("import", "time-entries", "rows.csv", "--apply", TIMIX_ALLOW_WRITES="1")
    assert done.returncode == 1
    assert "29 created, 1 refused by Timix" in done.stdout
    assert "The week is locked." in done.stdout


@pytest.mark.long
def test_brackets_of_a_row_are_printed(fixed: Project) -> None:
    write_csv(fixed.folder / "rows.csv", [row("A", person="[/b]"), row("B", subtask="[red]Bug")])
    done = fixed.run("import", "time-entries", "rows.csv")
    assert "no person has the id, e-mail address or name “[/b]”" in done.stdout
    assert "[red]Bug" in done.stdout


@pytest.mark.long
def test_plan_as_json_and_a_missing_mapping(fixed: Project) -> None:
    write_csv(fixed.folder / "rows.csv", [row("A")])
    done = fixed.run("import", "time-entries", "rows.csv", "--format", "json")
    [line] = json.loads(done.stdout)
    assert (line["step"], line["outcome"], line["row"], line["hours"]) == ("create", "planned", 2, "1.5000000000")
    wrong = fixed.run("import", "time-entries", "rows.csv", "--mapping", "tempo")
    assert wrong.returncode == 2
    assert "Ready mappings of time entries: clockify, harvest, toggl." in wrong.stderr


def test_apply_needs_the_setting(fixed: Project, sandbox: Sandbox) -> None:
    write_csv(fixed.folder / "rows.csv", [row("A")])
    done = fixed.run("import", "time-entries", "rows.csv", "--apply")
    assert (done.returncode, sandbox.requests) == (2, [])
    assert "TIMIX_ALLOW_WRITES is not 1" in done.stderr


def test_folder_without_a_table_prints_no_earlier_plan(fixed: Project) -> None:
    write_csv(fixed.folder / "rows.csv", [row("A")])
    assert fixed.run("import", "time-entries", "rows.csv").returncode == 0
    for what in ("time-entries", "structure"):
        done = fixed.run("import", what, ".")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{fixed.folder.name} is a folder without a Delta table" in done.stderr


def test_rollback_of_no_name_prints_no_earlier_plan(fixed: Project) -> None:
    write_csv(fixed.folder / "rows.csv", [row("A")])
    assert fixed.run("import", "time-entries", "rows.csv").returncode == 0
    done = fixed.run("import", "roll-back", "")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was planned" in done.stderr


def test_linked_file_is_imported_under_the_name_of_the_link(fixed: Project) -> None:
    (fixed.folder / "exports").mkdir()
    (fixed.folder / "latest.csv").symlink_to(write_csv(fixed.folder / "exports" / "november.csv", [row("A")]))
    done = fixed.run("import", "time-entries", "latest.csv")
    assert done.returncode == 0, done.stderr
    assert fixed.table(TABLE)["import_name"].to_list() == ["latest.csv"]


@pytest.mark.long
def test_caps_that_are_not_checked_are_named(fixed: Project) -> None:
    write_csv(fixed.folder / "rows.csv", [row("A", subtask=CAPPED)])
    done = fixed.run("import", "time-entries", "rows.csv")
    said = f"Hour caps were not checked for 1 entry: the lake {fixed.folder}/data/lake has no refresh yet"
    assert said in done.stderr
    (fixed.folder / "map.yaml").write_text(ALLOWED, encoding="utf-8")
    assert said not in fixed.run("import", "time-entries", "rows.csv", "--mapping", "map.yaml").stderr


@pytest.mark.long
def test_only_what_is_missing_for_writing_is_named(fixed: Project) -> None:
    def last_line(*words: str, **settings: str) -> str:
        lines: list[str] = fixed.run("import", "time-entries", *words, **settings).stdout.splitlines()
        return lines[-1]

    write_csv(fixed.folder / "good.csv", [row("A")])
    write_csv(fixed.folder / "bad.csv", [row("A", hours="0")])
    assert last_line("good.csv") == "Nothing was written. To write it: --apply, with TIMIX_ALLOW_WRITES=1."
    assert last_line("good.csv", TIMIX_ALLOW_WRITES="1") == "Nothing was written. To write it: --apply."
    assert last_line("bad.csv") == "Nothing to write."
    assert last_line("bad.csv", "--apply", TIMIX_ALLOW_WRITES="1") == "Nothing to write."


@pytest.mark.long
def test_rollback_of_the_other_kind_is_named(fixed: Project) -> None:
    (fixed.folder / "tree.csv").write_text("path\nAcme\n", encoding="utf-8")
    fixed.run("import", "structure", "tree.csv", "--apply", TIMIX_ALLOW_WRITES="1")
    done = fixed.run("import", "roll-back", "tree.csv")
    assert done.returncode == 2
    assert "tree.csv is an import of structure: add --structure" in done.stderr
