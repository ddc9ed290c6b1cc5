"""An import from its plan to its rollback, against the sandbox: who changes what, and what is never done twice."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.imports.errors import ImportRefused
from timix_assets.imports.ledger import TABLE
from timix_assets.imports.mapping import READY_NAMES, FieldMapping, Fields, ImportMapping, load_mapping
from timix_assets.imports.sources import read_source
from timix_assets.imports.time_entries import TimeEntryImporter
from timix_assets.imports.workspace import CLOSED
from timix_assets.lake.errors import LakeError

from .firm import CAPPED, COLUMNS, MONDAY, OTHER, PERSON, WRONG, Firm, month_of_rows, row, wrong_rows
from .importing import updates_sent
from .structure import Structure
from .test_rows import EXPORTS


@pytest.mark.long
def test_month_with_wrong_rows_from_its_plan_to_its_rollback(refreshed_firm: Firm) -> None:
    firm, wrong = refreshed_firm, len(WRONG)
    rows = [*month_of_rows(40), *wrong_rows()]
    plan = firm.run(rows, apply=False)
    assert plan.steps == ["create"] * 40 + ["refuse"] * wrong
    for reason, (_, expected) in zip(plan.reasons[40:], WRONG.values(), strict=True):
        assert expected in reason
    assert (firm.created(), firm.writes) == ([], 0)

    assert firm.run(rows).outcomes == ["created"] * 40 + [None] * wrong
    assert firm.run(rows).steps == ["leave"] * 40 + ["refuse"] * wrong
    assert firm.writes == 40

    corrected = [{**rows[0], "hours": "0.5"}, *rows[1:40], {**rows[40], "hours": "2"}]
    assert firm.run(corrected).outcomes == ["updated"] + [None] * 39 + ["created"]
    assert sorted({entry["hours"] for entry in firm.created()}) == [Decimal("0.5"), Decimal("0.75"), 2]

    assert firm.roll_back().outcomes == ["deleted"] * 41
    assert firm.created() == []
    assert firm.lake.scan("imports/time_entries").collect()["outcome"].to_list() == ["deleted"] * 41


@pytest.mark.long
@pytest.mark.parametrize("name", READY_NAMES)
def test_export_of_a_tool_is_imported_by_its_ready_mapping(
    firm: Firm, structure: Structure, tmp_path: Path, name: str
) -> None:
    names = ["Acme", "Website", "Design", "Screens"]
    rows = [{"path": " / ".join(names[:depth]), "billing_types": "", "billing_type": ""} for depth in range(1, 5)]
    rows[1]["billing_types"], rows[3]["billing_type"] = "TM", "TM"
    structure.run(rows)
    file = tmp_path / "export.csv"
    text = EXPORTS[name].replace("ann@example.com", PERSON).replace("Ann,Lee", "Naomi,Brandt")
    file.write_text(text, encoding="utf-8")
    _, cells = read_source(file)
    run = firm.run(cells, mapping=load_mapping(name))
    assert run.outcomes == ["created"]
    [entry] = firm.created()
    assert (entry["date"], entry["hours"], entry["text"][:5]) == (MONDAY, Decimal("1.5"), "Logo ")
    assert firm.run(cells, mapping=load_mapping(name)).steps == ["leave"]


def test_import_is_applied_once(firm: Firm) -> None:
    rows = month_of_rows(60)
    first = firm.run(rows)
    assert set(first.outcomes) == {"created"}
    assert sorted(entry["hours"] for entry in firm.created()) == [Decimal("0.75")] * 60

    second = firm.run(rows)
    assert set(second.reasons) == {"unchanged"}
    assert len(firm.created()) == 60
    assert firm.writes == 60


def test_correction_updates_the_entry_of_its_row(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    before = {entry["text"]: entry["id"] for entry in firm.created()}
    run = firm.run([row("A", "2.25"), row("B")])
    assert run.steps == ["update", "leave"]
    assert run.reasons[0] == "hours 1.5 -> 2.25"
    assert {entry["text"]: entry["id"] for entry in firm.created()} == before
    assert sorted(entry["hours"] for entry in firm.created()) == [Decimal("1.5"), Decimal("2.25")]


def test_start_time_is_compared_by_the_minute(firm: Firm) -> None:
    firm.run([{**row("A"), "start_time": "9:05:27"}])
    [entry] = firm.created()
    assert entry["start_time"] == "09:05"
    firm.sandbox.workspace.update("time_reports", entry["id"], {"startTime": "09:05:00"})
    assert firm.run([{**row("A"), "start_time": "09:05"}]).reasons == ["unchanged"]
    assert firm.run([{**row("A"), "start_time": "9:06"}]).reasons == ["start_time 09:05:00 -> 09:06"]


def test_correction_sends_the_whole_entry(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.run([{**row("A"), "start_time": "09:00", "rate": "99.5"}])
    [entry] = firm.created()
    firm.sandbox.workspace.update("time_reports", entry["id"], {"status": "Submitted"})
    sent = updates_sent(monkeypatch)
    assert firm.run([row("A", 2)]).outcomes == ["updated"]
    assert sent == [
        {
            "userId": entry["user_id"],
            "subtaskId": entry["subtask_id"],
            "date": MONDAY,
            "startTime": "09:00",
            "hours": 2,
            "text": entry["text"],
            "customerRate": Decimal("99.5"),
            "status": "Submitted",
        }
    ]


def test_rate_of_one_subtask_is_not_that_of_another(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.run([{**row("A"), "rate": "99.5"}, row("B")])
    rates = [entry["customer_rate"] for entry in firm.created()]
    sent = updates_sent(monkeypatch)
    run = firm.run([row("A", subtask="Internal tools"), {**row("B", 2), "rate": ""}])
    assert run.outcomes == ["updated", "updated"]
    assert run.reasons[0].endswith(", customer_rate 99.5 -> set by Timix")
    assert run.reasons[1] == "hours 1.5 -> 2"
    assert [body["customerRate"] for body in sent] == [None, rates[1]]
    assert [entry["customer_rate"] for entry in firm.created()] == [None, rates[1]]


def test_rules_are_those_of_what_is_sent(firm: Firm) -> None:
    firm.run([row("A", subtask="Internal tools")])
    firm.sandbox.workspace.update("time_reports", firm.created()[0]["id"], {"customerRate": 50})
    assert firm.run([row("A", 2, subtask="Internal tools")]).reasons == ["overhead (OVH) has no customer rate, not 50"]


@pytest.mark.parametrize("day", ["0206-11-09", "2926-11-09", "9999-12-31"])
def test_day_that_could_not_be_read_again_is_refused(firm: Firm, day: str) -> None:
    assert firm.run([row("A", date=day)]).reasons == [f"the day {day} is not in the years 1900 to 2200"]


def test_removed_row_is_deleted_only_on_request(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    assert firm.run([row("A")]).steps == ["leave", "removed"]
    assert len(firm.created()) == 2
    assert firm.run([row("A")], delete_removed=True).outcomes == [None, "deleted"]
    assert len(firm.created()) == 1


def test_removed_row_keeps_its_entry_where_somebody_changed_it(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    firm.sandbox.workspace.update("time_reports", firm.created()[1]["id"], {"hours": Decimal(4)})
    run = firm.run([row("A")], delete_removed=True)
    assert run.steps == ["leave", "refuse"]
    assert run.reasons[1].endswith("the entry stays: changed in Timix since (hours 1.5 -> 4)")
    assert len(firm.created()) == 2


@pytest.mark.long
def test_equal_references_of_another_file_change_no_entry(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.run([row("1"), row("2")])
    monkeypatch.setattr(firm, "name", "another file")
    other = [row("1", 3, person=OTHER), row("2")]
    run = firm.run(other)
    assert run.steps == ["refuse", "leave"]
    assert run.reasons[0].startswith("the import october has a row with the reference 1, whose entry this would change")
    named = ImportMapping.of_columns(other[0]).model_copy(update={"source": "planner"})
    assert firm.run(other[:1], mapping=named).outcomes == ["created"]
    # Of a tool that is named, a later export corrects an earlier one.
    monkeypatch.setattr(firm, "name", "a later export")
    assert firm.run([row("1", 4, person=OTHER)], mapping=named).outcomes == ["updated"]


def test_entry_that_is_changed_while_an_import_runs_stays(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.run([row("A"), row("B"), row("C")])
    ids = [entry["id"] for entry in firm.created()]
    apply = TimeEntryImporter.apply

    def edited_before(*arguments: Any, **named: Any) -> None:
        firm.sandbox.workspace.update("time_reports", ids[0], {"hours": Decimal(4)})
        firm.sandbox.workspace.delete("time_reports", ids[1])
        apply(*arguments, **named)

    monkeypatch.setattr(TimeEntryImporter, "apply", edited_before)
    run = firm.run([row("A", 2), row("B", 2), row("C", 2)])
    assert run.outcomes == ["not written", "not written", "updated"]
    messages = [write.message for write in run.ledger.writes if write.run_id == run.ledger.writes[-1].run_id]
    assert messages == ["changed in Timix since the plan (hours 1.5 -> 4)", "deleted in Timix since the plan", None]
    assert [entry["hours"] for entry in firm.created()] == [4, 2]


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"status": "Approved"}, "it is Approved"), ({"invoice_id": "inv-1"}, "it is on the invoice inv-1")],
)
@pytest.mark.parametrize("undo", [False, True])
def test_entry_that_is_approved_or_invoiced_while_an_import_runs_stays(
    firm: Firm, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], why: str, *, undo: bool
) -> None:
    firm.run([row("A"), row("B")])
    before = [{**entry, **fields, "updated_at": 0} for entry in firm.created()]
    apply = TimeEntryImporter.apply

    def fixed_before(*arguments: Any, **named: Any) -> None:
        for entry in firm.created():
            firm.sandbox.workspace._put("time_reports", {**entry, **fields})
        apply(*arguments, **named)

    monkeypatch.setattr(TimeEntryImporter, "apply", fixed_before)
    run = firm.roll_back() if undo else firm.run([row("A", 2)], delete_removed=True)
    assert run.steps == (["delete", "delete"] if undo else ["update", "delete"])
    assert run.outcomes == ["not written", "not written"]
    assert [write.message for write in run.ledger.writes[-2:]] == [f"{why} since the plan"] * 2
    assert [{**entry, "updated_at": 0} for entry in firm.created()] == before


def test_lost_ledger_overwrites_nothing(firm: Firm, tmp_path: Path) -> None:
    rows = [row("A"), row("B")]
    firm.run(rows)
    shutil.rmtree(tmp_path / "lake" / TABLE)
    firm.sandbox.workspace.update("time_reports", firm.created()[1]["id"], {"hours": Decimal(4)})
    run = firm.run(rows)
    assert run.steps == ["match", "refuse"]
    assert "has its mark and differs (hours 4 -> 1.5)" in run.reasons[1]
    assert [entry["hours"] for entry in firm.created()] == [Decimal("1.5"), 4]


def test_damaged_ledger_stops_the_import(firm: Firm) -> None:
    firm.run([row("A")])
    damaged = firm.lake.scan(TABLE).with_columns(values=pl.lit("{")).collect()
    firm.lake.replace(TABLE, damaged, key=["number"])
    with pytest.raises(LakeError, match="a row has a value that no import writes"):
        firm.run([row("A"), row("B")])
    assert len(firm.created()) == 1


def test_nothing_is_deleted_or_changed_back_in_a_closed_month(firm: Firm) -> None:
    rows = [row("A"), row("B", date="2026-10-15"), row("C", date="2026-10-15")]
    firm.run(rows)
    moved = firm.run([rows[0], rows[1], {**rows[2], "date": "2026-11-10"}]).importer.occasion.run_id
    firm.lake.replace(CLOSED, pl.DataFrame({"month": [date(2026, 10, 1)]}), key=["month"])
    run = firm.run([{**rows[2], "date": "2026-11-10"}], delete_removed=True, apply=False)
    assert run.steps == ["leave", "delete", "refuse"]
    assert run.reasons[2] == "no longer in the file, but the entry stays: the month 2026-10 is closed"
    undone = firm.roll_back(apply=False)
    # The third is an entry of November now. To move it back would change October.
    assert undone.steps == ["delete", "refuse", "delete"]
    assert undone.reasons[1].endswith("stays: the month 2026-10 is closed")
    [back] = firm.roll_back(moved, apply=False).reasons
    assert back.endswith("stays: the month 2026-10 is closed")
    allowed = ImportMapping(closed_months="allow")
    assert firm.roll_back(mapping=allowed).outcomes == ["deleted"] * 3


def test_rollback_in_an_open_month_asks_only_for_the_months_that_it_changes(firm: Firm) -> None:
    firm.run([row("A", date="2026-10-15")])
    firm.run([row("A", date="2026-11-10")])
    correction = firm.run([row("A", 3, date="2026-11-10")]).importer.occasion.run_id
    firm.lake.replace(CLOSED, pl.DataFrame({"month": [date(2026, 10, 1)]}), key=["month"])
    assert firm.roll_back(correction).outcomes == ["updated"]
    assert [(entry["date"], entry["hours"]) for entry in firm.created()] == [(date(2026, 11, 10), Decimal("1.5"))]


def test_ledger_with_a_column_of_an_earlier_version_is_read_and_written(firm: Firm) -> None:
    firm.run([row("A")])
    earlier = firm.lake.scan(TABLE).with_columns(hash=pl.lit("1f9a20c4")).collect()
    firm.lake.replace(TABLE, earlier, key=["number"])
    assert firm.run([row("A"), row("B")]).outcomes == [None, "created"]
    assert set(firm.run([row("A"), row("B")]).reasons) == {"unchanged"}


@pytest.mark.long
def test_rollback_deletes_what_the_import_created(firm: Firm) -> None:
    firm.run(month_of_rows(30))
    assert set(firm.roll_back(apply=False).steps) == {"delete"}
    assert len(firm.created()) == 30
    assert set(firm.roll_back().outcomes) == {"deleted"}
    assert firm.created() == []
    # A second rollback finds nothing, and the file can be imported again.
    assert set(firm.roll_back().steps) == {"leave"}
    assert set(firm.run(month_of_rows(30)).outcomes) == {"created"}


def test_rollback_of_a_correction_restores_the_values_before(firm: Firm) -> None:
    firm.run([row("A", "1.5")])
    correction = firm.run([row("A", "4")])
    undone = firm.roll_back(correction.importer.occasion.run_id)
    assert undone.steps == ["update"]
    assert [entry["hours"] for entry in firm.created()] == [Decimal("1.5")]


def test_rollback_restores_what_was_set_by_hand_before_the_correction(firm: Firm) -> None:
    firm.run([{**row("A"), "start_time": ""}])
    entry_id = firm.created()[0]["id"]
    firm.sandbox.workspace.update("time_reports", entry_id, {"customerRate": 77, "startTime": "08:00"})
    correction = firm.run([{**row("A", subtask=CAPPED), "start_time": "09:00"}]).importer.occasion.run_id
    assert firm.created()[0]["customer_rate"] != 77
    assert firm.roll_back(correction).outcomes == ["updated"]
    [entry] = firm.created()
    assert (entry["subtask_id"], entry["customer_rate"], entry["start_time"]) == ("sub-15320-1-1", 77, "08:00")


def test_rollback_of_a_correction_overwrites_nothing_that_was_set_by_hand_since(firm: Firm) -> None:
    firm.run([row("A", "1.5")])
    correction = firm.run([row("A", "4")]).importer.occasion.run_id
    [entry] = firm.created()
    firm.sandbox.workspace.update("time_reports", entry["id"], {"customerRate": 77})
    [reason] = firm.roll_back(correction).reasons
    assert f"{entry['id']} stays: changed in Timix since (customer_rate " in reason
    assert firm.created()[0]["customer_rate"] == 77


@pytest.mark.parametrize("status", ["Approved", "Invoiced"])
def test_approved_or_invoiced_entry_stays_and_is_named(firm: Firm, status: str) -> None:
    firm.run([row("A"), row("B")])
    fixed = next(entry for entry in firm.created() if entry["text"].startswith("Work A"))
    firm.sandbox.workspace._put("time_reports", {**fixed, "status": status})

    assert firm.run([row("A", 3), row("B")]).reasons[0] == f"cannot be corrected (hours 1.5 -> 3): it is {status}"
    undone = firm.roll_back()
    assert undone.steps == ["refuse", "delete"]
    assert undone.reasons[0] == f"{fixed['id']} stays: it is {status}"
    assert [entry["id"] for entry in firm.created()] == [fixed["id"]]


def test_entry_changed_in_timix_is_not_overwritten(firm: Firm) -> None:
    firm.run([row("A")])
    [entry] = firm.created()
    firm.sandbox.workspace.update("time_reports", entry["id"], {"hours": 6})

    assert firm.run([row("A")]).reasons == ["changed in Timix since: hours 1.5 -> 6"]
    assert "changed both in the file and in Timix (hours 1.5 -> 6)" in firm.run([row("A", 2)]).reasons[0]
    assert firm.roll_back().steps == ["refuse"]
    assert [entry["hours"] for entry in firm.created()] == [Decimal(6)]


def test_entry_deleted_in_timix_is_not_created_again(firm: Firm) -> None:
    firm.run([row("A")])
    firm.sandbox.workspace.delete("time_reports", firm.created()[0]["id"])
    assert firm.run([row("A")]).steps == ["leave"]
    assert firm.created() == []


def test_entry_moved_in_timix_is_found(firm: Firm) -> None:
    firm.run([row("A")])
    firm.sandbox.workspace.update("time_reports", firm.created()[0]["id"], {"date": "2026-09-01"})
    assert firm.run([row("A")]).reasons == ["changed in Timix since: date 2026-11-09 -> 2026-09-01"]


def test_same_entry_in_timix_is_matched_once(firm: Firm) -> None:
    there = firm.sandbox.workspace.create(
        "time_reports",
        {"userId": "usr-000-0", "subtaskId": "sub-15320-1-1", "date": MONDAY.isoformat(), "hours": 1, "text": "Call"},
    )
    rows = [row("A", 1, text="Call"), row("B", 1, text="Call")]
    run = firm.run(rows)
    assert run.steps == ["match", "create"]
    assert run.reasons[0] == f"the same entry is in Timix already: {there['id']}"
    assert set(firm.run(rows).reasons) == {"unchanged"}
    # It was there before the import, so the rollback leaves it.
    assert firm.roll_back().steps == ["leave", "delete"]


def test_identical_rows_are_separate_entries(firm: Firm) -> None:
    mapping = ImportMapping.of_columns(COLUMNS).model_copy(update={"marker": False})
    rows = [row("A", 1, text="Call"), row("B", 1, text="Call")]
    assert set(firm.run(rows, mapping=mapping).outcomes) == {"created"}
    assert set(firm.run(rows, mapping=mapping).reasons) == {"unchanged"}
    assert [e["text"] for e in firm.sandbox.workspace.entries(MONDAY, MONDAY)].count("Call") == 2


def test_second_entry_with_the_mark_of_a_row_is_named(firm: Firm) -> None:
    firm.run([row("A")])
    copy = firm.created()[0]
    fields = {"userId": copy["user_id"], "subtaskId": copy["subtask_id"], "hours": 1, "text": copy["text"]}
    second = firm.sandbox.workspace.create("time_reports", {**fields, "date": MONDAY.isoformat()})
    assert firm.run([row("A")]).reasons == [f"unchanged; its mark is also on {second['id']}, entered twice?"]


def test_same_entry_from_another_source_is_refused(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    toggl = ImportMapping.of_columns(COLUMNS).model_copy(update={"source": "toggl"})
    rows = [row("1", text="Work A"), row("2", text="Other work")]
    run = firm.run(rows, mapping=toggl)
    assert run.steps == ["refuse", "create"]
    assert "was imported from another source already" in run.reasons[0]
    allowed = toggl.model_copy(update={"other_sources": "allow"})
    assert firm.run(rows, mapping=allowed, apply=False).steps[0] == "create"


def test_same_entry_under_another_reference_is_refused(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{name: cell for name, cell in row(each).items() if name != "reference"} for each in "AB"]
    firm.run(rows)
    # Without a reference, the whole row is its own: one more column makes it another one.
    wider = [{**each, "start_time": ""} for each in rows]
    run = firm.run(wider)
    assert run.steps == ["refuse", "refuse", "removed", "removed"]
    assert run.reasons[0].startswith("the same entry was imported under another reference: ")
    monkeypatch.setattr(firm, "name", "another file")
    assert firm.run(wider).steps == ["refuse", "refuse"]
    assert len(firm.created()) == 2
    allowed = ImportMapping.of_columns(wider[0]).model_copy(update={"other_sources": "allow"})
    assert firm.run(wider, mapping=allowed, apply=False).steps == ["create", "create"]
    # An equal row more is an entry more.
    assert firm.run([*rows, rows[0]]).steps == ["leave", "leave", "create"]


BY_START = ImportMapping(
    source="toggl",
    fields=Fields(
        reference=FieldMapping(columns=("person", "date", "start_time")),
        **{name: FieldMapping(columns=(name,)) for name in (*COLUMNS[1:], "start_time")},
    ),
)
"""Recognizes a row by its person, day and start time, as the ready mapping of Toggl does."""


def started(at: str, hours: object = "0.25") -> dict[str, Any]:
    return row("", hours, date="2026-11-08", text="Daily sync") | {"start_time": at}


@pytest.mark.parametrize("hours", ["0.25", "20"])
def test_row_with_another_start_replaces_the_removed_one(firm: Firm, hours: str) -> None:
    firm.run([started("09:00", hours)], mapping=BY_START)
    run = firm.run([started("09:15", hours)], mapping=BY_START, delete_removed=True)
    assert run.outcomes == ["created", "deleted"]
    assert [(entry["start_time"], str(entry["hours"])) for entry in firm.created()] == [("09:15", hours)]


def test_equal_work_at_another_time_of_the_day_is_no_copy(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.run([started("09:00")], mapping=BY_START)
    assert firm.run([started("09:15")], mapping=BY_START, apply=False).steps == ["create", "removed"]
    monkeypatch.setattr(firm, "name", "another file")
    assert firm.run([started("16:00")], mapping=BY_START).outcomes == ["created"]
    assert firm.run([started("")], mapping=BY_START).steps[0] == "refuse"
    of_another_tool = BY_START.model_copy(update={"source": "clockify"})
    assert firm.run([started("10:00")], mapping=of_another_tool).steps == ["refuse"]


@pytest.mark.parametrize("stored", ["0.12", "0.13"])
def test_same_entry_is_matched_however_its_hours_were_rounded(firm: Firm, stored: str) -> None:
    entry = {"userId": "usr-000-0", "subtaskId": "sub-15320-1-1", "date": MONDAY.isoformat(), "text": "Call"}
    firm.sandbox.workspace.create("time_reports", {**entry, "hours": Decimal(stored)})
    assert firm.run([row("A", "0.125", text="Call"), row("B", "0.14", text="Call")]).steps == ["match", "create"]


@pytest.mark.long
def test_rows_of_one_file_share_a_budget_and_a_day(refreshed_firm: Firm) -> None:
    rows = [row(reference, hours, date="2026-11-08") for reference, hours in (("A", 20), ("B", 4), ("C", "0.25"))]
    assert refreshed_firm.run(rows, apply=False).reasons[2] == "Naomi Brandt would have 24.25 hours on 2026-11-08"
    capped = [row(f"{n}", 8, subtask=CAPPED, date=f"2026-11-{n:02d}") for n in range(2, 8)]
    steps = refreshed_firm.run(capped, apply=False).steps
    assert "create" in steps
    assert "refuse" in steps
    allowed = ImportMapping.of_columns(COLUMNS).model_copy(update={"over_budget": "allow"})
    assert set(refreshed_firm.run(capped, mapping=allowed).steps) == {"create"}
    # What imports have created since the refresh counts.
    reason, *_ = refreshed_firm.run([row("Z", 1, subtask=CAPPED)], apply=False).reasons
    assert reason == "over budget: the project has 0 of 60 hours left, and this needs 1"


def test_member_writes_own_entries_without_rates(firm: Firm) -> None:
    member = firm.sandbox.key_for("Member")
    own = "004-2@meridian-bay.example"
    rows = [row("A", person=own), row("B"), {**row("C", person=own), "rate": "100"}]
    for cells in rows:
        cells.setdefault("rate", "")
    run = firm.run(rows, key=member)
    assert run.steps == ["create", "refuse", "refuse"]
    assert run.reasons[1] == "the key's role is Member, which may write its owner's entries only"
    assert run.reasons[2] == "the key's role is Member, which may not set rates"


@pytest.mark.parametrize("rate", ["-1", "100.00005"])
def test_rate_that_is_none_is_refused(firm: Firm, rate: str) -> None:
    assert "rate must be at least 0 with at most 4 decimals" in firm.run([{**row("A"), "rate": rate}]).reasons[0]


def test_rate_is_written(firm: Firm) -> None:
    firm.run([{**row("A"), "rate": "99.5"}])
    assert [entry["customer_rate"] for entry in firm.created()] == [Decimal("99.5")]


def test_viewer_may_not_import(firm: Firm) -> None:
    with pytest.raises(ImportRefused, match="the key's role is Viewer"):
        firm.run([row("A")], key=firm.sandbox.key_for("Viewer"))
    firm.run([row("A")])
    with pytest.raises(ImportRefused, match="Nothing can be rolled back: the key's role is Viewer"):
        firm.roll_back(key=firm.sandbox.key_for("Viewer"))


def test_larger_plan_than_allowed_writes_nothing(firm: Firm) -> None:
    rows = [row(str(n), "0.01", date=f"2026-10-{n % 28 + 1:02d}") for n in range(1001)]
    with pytest.raises(ImportRefused, match="1,001 entries, more than the limit of 1,000"):
        firm.run(rows)
    assert firm.created() == []
