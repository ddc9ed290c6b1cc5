"""An import of structure from its plan to its rollback, against the sandbox."""

import unicodedata
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from timix_assets.imports.errors import ImportRefused
from timix_assets.imports.ledger import Ledger
from timix_assets.imports.structure.element import KINDS
from timix_assets.sandbox.faults import Fault

from .importing import updates_sent
from .structure import ACME, Structure, tree_of

DESIGN = 3
"""The row of ACME with the subtask Design."""


def changed(row: int, **cells: Any) -> list[dict[str, Any]]:
    """ACME with other cells in one row."""
    return [{**each, **cells} if n == row else each for n, each in enumerate(ACME)]


def test_plan_shows_the_tree_of_changes_and_writes_nothing(structure: Structure) -> None:
    run = structure.run(ACME, apply=False)
    assert tree_of(run) == [
        "+ Acme: currency EUR",
        "+   Website: billing_types OVH, TM, tm_hour_limit 120, currency EUR",
        "+     Build: tm_hour_limit 80",
        "+       Design: billing_type TM, hour_limit 40",
        "+       Meetings: billing_type OVH",
    ]
    assert structure.created() == []
    table = structure.lake.scan("imports/structure").collect()
    assert table["outcome"].to_list() == ["planned"] * 5


@pytest.mark.long
def test_rows_in_any_order_are_created_once_below_each_other(structure: Structure) -> None:
    assert set(structure.run(ACME[::-1]).outcomes) == {"created"}
    customer, project, task, *subtasks = structure.created()
    design, meetings = sorted(subtasks, key=lambda row: row["name"])
    assert (project["customer_id"], task["project_id"]) == (customer["id"], project["id"])
    assert design["task_id"] == meetings["task_id"] == task["id"]
    assert (project["billing_types"], project["tm_hour_limit"]) == (["TM", "OVH"], 120)
    assert (design["billing_type"], design["hour_limit"]) == ("TM", 40)

    before = structure.writes
    assert set(structure.run(ACME).reasons) == {"unchanged"}
    assert structure.writes == before


def test_correction_updates_what_it_says_and_keeps_the_rest(structure: Structure) -> None:
    structure.run(changed(DESIGN, description="Logo and layout"))
    run = structure.run(changed(DESIGN, hour_limit=60))
    assert tree_of(run) == [
        "  Acme",
        "    Website",
        "      Build",
        "~       Design: hour_limit 40 -> 60",
    ]
    design = next(row for row in structure.created() if row["name"] == "Design")
    assert (design["hour_limit"], design["description"], len(structure.created())) == (60, "Logo and layout", 5)


def test_correction_sends_the_whole_element_and_no_cap_that_is_not_there(
    structure: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    structure.run(ACME)
    website = structure.created()[1]
    sent = updates_sent(monkeypatch)
    assert structure.run(changed(1, description="Relaunch")).outcomes[1] == "updated"
    assert sent == [
        {
            "customerId": website["customer_id"],
            "name": "Website",
            "description": "Relaunch",
            "status": "Active",
            "billingTypes": ("TM", "OVH"),
            "tmHourLimit": 120,
            "currency": "EUR",
        }
    ]


def test_path_finds_what_is_in_timix_already(structure: Structure) -> None:
    customer = structure.sandbox.workspace.rows("customers")[0]
    [project, *_] = (p for p in structure.sandbox.workspace.rows("projects") if p["customer_id"] == customer["id"])
    rows = [
        {"customer": customer["name"].upper()},
        {"customer": customer["name"], "project": project["name"], "tm_hour_limit": "777"},
        {"customer": customer["name"], "project": project["name"], "task": "Aftercare"},
    ]
    run = structure.run(rows)
    # Names are compared without case, so another case is no correction.
    assert run.steps == ["match", "update", "create"]
    now = structure.sandbox.workspace.find("projects", project["id"])
    assert now["tm_hour_limit"] == 777
    assert {**now, "updated_at": 0, "tm_hour_limit": 0} == {**project, "updated_at": 0, "tm_hour_limit": 0}
    assert structure.names() == ["Aftercare"]


def test_name_that_looks_like_one_in_timix_makes_no_second_one(structure: Structure) -> None:
    names = ["אבג", "Müller"]
    structure.run([{"path": name} for name in names])
    alike = ["אבג\N{RIGHT-TO-LEFT MARK}", unicodedata.normalize("NFD", "Müller"), "\N{RIGHT-TO-LEFT MARK}"]
    run = structure.run([{"path": name} for name in alike])
    assert run.steps == ["leave", "leave", "refuse"]
    assert run.reasons[2] == "names no customer, project, task or subtask"
    assert structure.names() == names


def test_reference_finds_an_element_under_another_name(structure: Structure) -> None:
    rows = [{"reference": f"R{n}", **row} for n, row in enumerate(ACME)]
    structure.run(rows)
    renamed = [{**row, "path": row["path"].replace("Website", "Portal")} for row in rows]
    run = structure.run([*renamed, {"reference": "R9", "path": "Acme / Portal / Test"}])
    assert run.steps == ["leave", "update", "leave", "leave", "leave", "create"]
    assert structure.names() == ["Acme", "Portal", "Build", "Test", "Design", "Meetings"]


WRONG = {
    "no billing type": ({"path": "Acme / Website / Build / Test"}, "a new subtask needs billing_type"),
    "not allowed": (
        {"path": "Acme / Website / Build / Rent", "billing_type": "Fix"},
        "the project allows TM, OVH, not Fix",
    ),
    "unknown word": ({"path": "Acme / Website / Build / Help", "billing_type": "free"}, "must be one of TM, Fix, OVH"),
    "negative cap": ({"path": "Acme / Website / Test", "tm_hour_limit": "-1"}, "“-1” is not a number of at least 0"),
    "column of another level": ({"path": "Acme / Website / Help", "hour_limit": "3"}, "a task has no hour_limit"),
    "nothing above": ({"path": "Acme / Nowhere / Test"}, "there is no project “Acme / Nowhere” in Timix, nor a row"),
    "gap": ({"customer": "Acme", "task": "Test"}, "project is empty, and task is not"),
    "too deep": ({"path": "A / B / C / D / E"}, "“A / B / C / D / E” has more than 4 names"),
    "twice": ({"path": "acme / website"}, "the reference acme / website is in the file twice"),
    "dates": (
        {"path": "Acme / Later", "billing_types": "TM", "start_date": "2026-02-01", "end_date": "2026-01-01"},
        "end_date 2026-01-01 is before start_date 2026-02-01",
    ),
}
"""Kind -> a wrong row after those of ACME, and what the reason says."""


def test_wrong_rows_are_refused_and_named(structure: Structure) -> None:
    run = structure.run([*ACME, *(row for row, _ in WRONG.values())])
    assert run.outcomes == ["created"] * 5 + [None] * len(WRONG)
    for reason, (_, expected) in zip(run.reasons[5:], WRONG.values(), strict=True):
        assert expected in reason


def test_row_below_a_refused_one_is_refused(structure: Structure) -> None:
    run = structure.run(changed(1, billing_types=""))
    assert run.steps == ["create", "refuse", "refuse", "refuse", "refuse"]
    assert run.reasons[1:3] == ["a new project needs billing_types", "its project is refused (row 3)"]


def test_change_in_timix_is_not_overwritten(structure: Structure) -> None:
    structure.run(ACME)
    design = structure.created()[DESIGN]
    structure.sandbox.workspace.update("subtasks", design["id"], {"hourLimit": 55, "name": "Design work"})
    assert structure.run(ACME).reasons[DESIGN] == (
        "changed in Timix since: name Design -> Design work, hour_limit 40 -> 55"
    )
    assert "changed both in the file and in Timix" in structure.run(changed(DESIGN, hour_limit=60)).reasons[DESIGN]
    assert structure.sandbox.workspace.find("subtasks", design["id"])["hour_limit"] == 55


def test_unknown_word_in_timix_keeps_the_ledger_readable(structure: Structure) -> None:
    customer = structure.sandbox.workspace.rows("customers")[0]
    structure.sandbox.workspace._put("customers", {**customer, "status": "Prospect"})
    rows = [{"path": customer["name"], "country_code": "XX"}]
    # The sandbox refuses the word, which is sent with the rest of the record; the ledger has it all the same.
    assert structure.run(rows).outcomes == ["refused by Timix"]
    [write] = Ledger(structure.lake, "look", KINDS).writes
    assert write.before is not None
    assert write.before.columns["status"] == "Prospect"
    assert structure.run(rows, apply=False).steps == ["update"]


def test_element_deleted_in_timix_is_not_created_again_and_removed_rows_stay(structure: Structure) -> None:
    structure.run(ACME)
    structure.sandbox.workspace.delete("subtasks", structure.created()[DESIGN]["id"])
    run = structure.run(ACME[:4])
    assert "was deleted in Timix, and is not created again" in run.reasons[DESIGN]
    assert run.steps == ["leave"] * 4 + ["removed"]
    assert len(structure.created()) == 4


def test_moving_is_left_to_timix(structure: Structure) -> None:
    rows = [{"reference": f"R{n}", **row} for n, row in enumerate(ACME)]
    structure.run([*rows, {"reference": "R9", "path": "Acme / Website / Test"}])
    moved = {**rows[DESIGN], "path": "Acme / Website / Test / Design"}
    assert structure.run([moved]).reasons[0] == "it is below another task in Timix; move it there"


@pytest.mark.long
def test_billing_type_stays_where_hours_may_be_logged(structure: Structure) -> None:
    structure.run(ACME)
    run = structure.run(changed(DESIGN, billing_type="OVH"))
    assert run.reasons[DESIGN].startswith("billing_type stays TM: it is not known whether hours are logged on it")
    refreshed(structure, hours_on=structure.created()[DESIGN]["id"])
    run = structure.run(changed(DESIGN, billing_type="OVH"))
    assert run.reasons[DESIGN] == "billing_type stays TM: hours are logged on it"
    refreshed(structure, hours_on="sub-another")
    assert structure.run(changed(DESIGN, billing_type="OVH")).outcomes[DESIGN] == "updated"


def refreshed(structure: Structure, hours_on: str) -> None:
    """A lake that knows the subtasks, one of which has hours."""
    ids = [row["id"] for row in structure.sandbox.workspace.rows("subtasks")]
    structure.lake.replace("timix/subtasks", pl.DataFrame({"id": ids}), key=["id"])
    entries = pl.DataFrame({"id": ["tim-1"], "subtask_id": [hours_on]})
    structure.lake.replace("timix/time_reports", entries, key=["id"])


@pytest.mark.long
def test_rollback_deletes_from_the_bottom_what_nothing_hangs_on(structure: Structure) -> None:
    structure.run(ACME)
    refreshed(structure, hours_on=structure.created()[DESIGN]["id"])
    plan = structure.roll_back(apply=False)
    assert [line[0] for line in tree_of(plan)] == ["!", "!", "!", "!", "-"]
    assert tree_of(plan)[3].endswith("stays: hours are logged on it")
    refreshed(structure, hours_on="sub-another")
    assert set(structure.roll_back().outcomes) == {"deleted"}
    assert structure.created() == []
    assert set(structure.roll_back().steps) == {"leave"}


@pytest.mark.long
def test_rollback_restores_what_was_there_before(structure: Structure) -> None:
    customer = structure.sandbox.workspace.rows("customers")[0]
    before = customer["country_code"]
    structure.run([{"path": customer["name"], "country_code": before}])
    structure.run([{"path": customer["name"], "country_code": "XX"}])
    assert structure.roll_back().outcomes == ["updated"]
    assert structure.sandbox.workspace.find("customers", customer["id"])["country_code"] == before


def test_rollback_of_a_correction_takes_its_cap_away(structure: Structure) -> None:
    structure.run(ACME)
    correction = structure.run(changed(2, fix_hour_limit=70)).importer.occasion.run_id
    assert structure.created()[2]["fix_hour_limit"] == 70
    assert structure.roll_back(correction).outcomes == ["updated"]
    assert not structure.created()[2]["fix_hour_limit"]
    assert structure.created()[2]["tm_hour_limit"] == 80


def test_element_stays_where_the_one_below_could_not_be_deleted(structure: Structure) -> None:
    structure.run(ACME[:3])
    structure.sandbox.faults.add(Fault("invalid", path="/tasks/*", method="DELETE", status=409, value="In use."))
    run = structure.roll_back()
    assert sorted(map(str, run.outcomes)) == ["not sent", "not sent", "refused by Timix"]
    assert structure.names() == ["Acme", "Website", "Build"]


@pytest.mark.parametrize("role", ["Member", "Viewer"])
def test_only_roles_that_see_everything_may_import(structure: Structure, role: str) -> None:
    with pytest.raises(ImportRefused, match=f"the key's role is {role}"):
        structure.run(ACME, key=structure.sandbox.key_for(role))


def test_equal_references_of_another_file_rename_nothing(structure: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    structure.run([{"reference": "1", "path": "Acme"}, {"reference": "2", "path": "Beta"}])
    monkeypatch.setattr(structure, "name", "another file")
    run = structure.run([{"reference": "1", "path": "Gamma"}, {"reference": "2", "path": "Beta"}])
    assert run.steps == ["refuse", "leave"]
    assert run.reasons[0].startswith(f"the import {Structure.name} has the customer “Acme” with the reference 1; ")


def test_same_name_twice_in_timix_is_ambiguous(structure: Structure) -> None:
    for _ in range(2):
        structure.sandbox.workspace.create("customers", {"name": "Acme"})
    run = structure.run(ACME[:2])
    assert run.reasons[0].startswith("2 customers of that name are there: ")
    assert run.reasons[1] == "2 customers are called “Acme”; rename one in Timix"


@pytest.mark.long
def test_caps_are_exact(structure: Structure) -> None:
    structure.run([*ACME[:3], {**ACME[DESIGN], "hour_limit": "0.1"}])
    assert structure.created()[DESIGN]["hour_limit"] == Decimal("0.1")
