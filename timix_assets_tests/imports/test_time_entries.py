"""An import from its plan to its rollback, against the sandbox: who changes what, and what is never done twice."""

from decimal import Decimal

import pytest

from timix_assets.imports.errors import ImportRefused
from timix_assets.imports.mapping import own_columns

from .firm import CAPPED, COLUMNS, MONDAY, WRONG, Firm, month_of_rows, row, with_marks, wrong_rows


def test_plan_writes_nothing_and_names_every_wrong_row(refreshed_firm: Firm) -> None:
    run = refreshed_firm.run([*month_of_rows(40), *wrong_rows()], apply=False)
    refused = {reference: run.reasons()[reference] for reference, step in run.steps().items() if step == "refuse"}
    assert len(refused) == 12
    for reason, (_, expected) in zip(refused.values(), WRONG.values(), strict=True):
        assert expected in reason
    assert list(run.steps().values()).count("create") == 40
    assert refreshed_firm.entries() == []
    assert refreshed_firm.lake.scan("imports/time_entries").collect().height == 52


def test_import_is_applied_once(firm: Firm) -> None:
    rows = month_of_rows(60)
    first = firm.run(rows)
    assert set(first.outcomes().values()) == {"created"}
    assert sorted(entry["hours"] for entry in firm.entries()) == [Decimal("0.75")] * 60

    second = firm.run(rows)
    assert set(second.reasons().values()) == {"unchanged"}
    assert len(firm.entries()) == 60
    assert not any(entry.method == "POST" for entry in firm.sandbox.requests[-second.requests :])


def test_correction_updates_the_entry_of_its_row(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    before = {entry["text"]: entry["id"] for entry in firm.entries()}
    run = firm.run([row("A", "2.25"), row("B")])
    assert run.steps() == {"A": "update", "B": "leave"}
    assert run.reasons()["A"] == "hours 1.5 -> 2.25"
    assert {entry["text"]: entry["id"] for entry in firm.entries()} == before
    assert sorted(entry["hours"] for entry in firm.entries()) == [Decimal("1.5"), Decimal("2.25")]


def test_removed_row_is_deleted_only_on_request(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    assert firm.run([row("A")]).steps() == {"A": "leave", "B": "removed"}
    assert len(firm.entries()) == 2
    assert firm.run([row("A")], delete_removed=True).outcomes() == {"A": None, "B": "deleted"}
    assert len(firm.entries()) == 1


def test_rollback_deletes_what_the_import_created(firm: Firm) -> None:
    firm.run(month_of_rows(30))
    assert set(firm.roll_back("october", apply=False).steps().values()) == {"delete"}
    assert len(firm.entries()) == 30
    assert set(firm.roll_back("october").outcomes().values()) == {"deleted"}
    assert firm.entries() == []
    # A second rollback finds nothing, and the file can be imported again.
    assert set(firm.roll_back("october").steps().values()) == {"leave"}
    assert set(firm.run(month_of_rows(30)).outcomes().values()) == {"created"}


def test_rollback_of_a_correction_restores_the_values_before(firm: Firm) -> None:
    firm.run([row("A", "1.5")])
    correction = firm.run([row("A", "4")])
    undone = firm.roll_back(correction.importer.occasion.run_id)
    assert undone.steps() == {"A": "update"}
    assert [entry["hours"] for entry in firm.entries()] == [Decimal("1.5")]


@pytest.mark.parametrize("status", ["Approved", "Invoiced"])
def test_approved_or_invoiced_entry_stays_and_is_named(firm: Firm, status: str) -> None:
    firm.run([row("A"), row("B")])
    fixed = next(entry for entry in firm.entries() if entry["text"].startswith("Work A"))
    firm.sandbox.workspace._put("time_reports", {**fixed, "status": status})

    assert firm.run([row("A", 3), row("B")]).reasons()["A"] == f"cannot be corrected (hours 1.5 -> 3): it is {status}"
    undone = firm.roll_back("october")
    assert undone.steps() == {"A": "refuse", "B": "delete"}
    assert undone.reasons()["A"] == f"{fixed['id']} stays: it is {status}"
    assert [entry["id"] for entry in firm.entries()] == [fixed["id"]]


def test_entry_changed_in_timix_is_not_overwritten(firm: Firm) -> None:
    firm.run([row("A")])
    [entry] = firm.entries()
    firm.sandbox.workspace.update("time_reports", entry["id"], {"hours": 6})

    assert firm.run([row("A")]).reasons() == {"A": "changed in Timix since: hours 1.5 -> 6"}
    assert "changed both in the file and in Timix (hours 1.5 -> 6)" in firm.run([row("A", 2)]).reasons()["A"]
    assert firm.roll_back("october").steps() == {"A": "refuse"}
    assert [entry["hours"] for entry in firm.entries()] == [Decimal(6)]


def test_entry_deleted_in_timix_is_not_created_again(firm: Firm) -> None:
    firm.run([row("A")])
    firm.sandbox.workspace.delete("time_reports", firm.entries()[0]["id"])
    assert firm.run([row("A")]).steps() == {"A": "leave"}
    assert firm.entries() == []


def test_entry_moved_in_timix_is_found(firm: Firm) -> None:
    firm.run([row("A")])
    firm.sandbox.workspace.update("time_reports", firm.entries()[0]["id"], {"date": "2026-09-01"})
    assert firm.run([row("A")]).reasons() == {"A": "changed in Timix since: date 2026-11-09 -> 2026-09-01"}


def test_same_entry_in_timix_is_matched_once(firm: Firm) -> None:
    there = firm.sandbox.workspace.create(
        "time_reports",
        {"userId": "usr-000-0", "subtaskId": "sub-15320-1-1", "date": MONDAY.isoformat(), "hours": 1, "text": "Call"},
    )
    rows = [row("A", 1, text="Call"), row("B", 1, text="Call")]
    run = firm.run(rows)
    assert run.steps() == {"A": "match", "B": "create"}
    assert run.reasons()["A"] == f"the same entry is in Timix already: {there['id']}"
    assert set(firm.run(rows).reasons().values()) == {"unchanged"}
    # It was there before the import, so the rollback leaves it.
    assert firm.roll_back("october").steps() == {"A": "leave", "B": "delete"}


def test_identical_rows_are_separate_entries(firm: Firm) -> None:
    mapping = with_marks(own_columns(COLUMNS), marker=False)
    rows = [row("A", 1, text="Call"), row("B", 1, text="Call")]
    assert set(firm.run(rows, mapping=mapping).outcomes().values()) == {"created"}
    assert set(firm.run(rows, mapping=mapping).reasons().values()) == {"unchanged"}
    assert [e["text"] for e in firm.sandbox.workspace.entries(MONDAY, MONDAY)].count("Call") == 2


def test_second_entry_with_the_mark_of_a_row_is_named(firm: Firm) -> None:
    firm.run([row("A")])
    copy = firm.entries()[0]
    fields = {"userId": copy["user_id"], "subtaskId": copy["subtask_id"], "hours": 1, "text": copy["text"]}
    second = firm.sandbox.workspace.create("time_reports", {**fields, "date": MONDAY.isoformat()})
    assert firm.run([row("A")]).reasons() == {"A": f"unchanged; its mark is also on {second['id']}, entered twice?"}


def test_same_entry_from_another_source_is_refused(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    toggl = own_columns(COLUMNS).model_copy(update={"source": "toggl"})
    rows = [row("1", text="Work A"), row("2", text="Other work")]
    run = firm.run(rows, mapping=toggl)
    assert run.steps() == {"1": "refuse", "2": "create"}
    assert "was imported from another source already" in run.reasons()["1"]
    allowed = toggl.model_copy(update={"other_sources": "allow"})
    assert firm.run(rows, mapping=allowed, apply=False).steps()["1"] == "create"


def test_rows_of_one_file_share_a_budget_and_a_day(refreshed_firm: Firm) -> None:
    rows = [row(reference, hours, date="2026-11-08") for reference, hours in (("A", 20), ("B", 4), ("C", "0.25"))]
    assert firm_reason(refreshed_firm, rows, "C") == "Naomi Brandt would have 24.25 hours on 2026-11-08"
    capped = [row(f"{n}", 8, subtask=CAPPED, date=f"2026-11-{n:02d}") for n in range(2, 8)]
    steps = refreshed_firm.run(capped, apply=False).steps()
    assert "create" in steps.values()
    assert "refuse" in steps.values()
    allowed = own_columns(COLUMNS).model_copy(update={"over_budget": "allow"})
    assert set(refreshed_firm.run(capped, mapping=allowed).steps().values()) == {"create"}
    # What imports have created since the refresh counts.
    reason = firm_reason(refreshed_firm, [row("Z", 1, subtask=CAPPED)], "Z")
    assert reason == "over budget: the project has 0 of 60 hours left, and this needs 1"


def firm_reason(firm: Firm, rows: list[dict[str, object]], reference: str) -> str:
    return firm.run(rows, apply=False).reasons()[reference]


def test_member_writes_own_entries_without_rates(firm: Firm) -> None:
    member = firm.sandbox.key_for("Member")
    own = "004-2@meridian-bay.example"
    rows = [row("A", person=own), row("B"), {**row("C", person=own), "rate": "100"}]
    for cells in rows:
        cells.setdefault("rate", "")
    run = firm.run(rows, key=member)
    assert run.steps() == {"A": "create", "B": "refuse", "C": "refuse"}
    assert run.reasons()["B"] == "the key's role is Member, which may write its owner's entries only"
    assert run.reasons()["C"] == "the key's role is Member, which may not set rates"


@pytest.mark.parametrize("rate", ["-1", "100.00005"])
def test_rate_that_is_none_is_refused(firm: Firm, rate: str) -> None:
    assert "rate must be at least 0 with at most 4 decimals" in firm.run([{**row("A"), "rate": rate}]).reasons()["A"]


def test_rate_is_written(firm: Firm) -> None:
    firm.run([{**row("A"), "rate": "99.5"}])
    assert [entry["customer_rate"] for entry in firm.entries()] == [Decimal("99.5")]


def test_viewer_may_not_import(firm: Firm) -> None:
    with pytest.raises(ImportRefused, match="the key's role is Viewer"):
        firm.run([row("A")], key=firm.sandbox.key_for("Viewer"))


def test_larger_plan_than_allowed_writes_nothing(firm: Firm) -> None:
    rows = [row(str(n), "0.01", date=f"2026-10-{n % 28 + 1:02d}") for n in range(1001)]
    with pytest.raises(ImportRefused, match="1,001 entries, more than the limit of 1,000"):
        firm.run(rows)
    assert firm.entries() == []
