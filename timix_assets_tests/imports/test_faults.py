"""Lost responses, refusals and killed runs: every row is written once, and the ledger accounts for it."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from timix_assets.api.errors import ContractError
from timix_assets.imports import apply
from timix_assets.imports.entry import KINDS
from timix_assets.imports.errors import ImportStopped
from timix_assets.imports.ledger import Ledger, Outcome, Write
from timix_assets.imports.mapping import ImportMapping
from timix_assets.imports.workspace import Workspace
from timix_assets.sandbox.faults import Fault

from .firm import COLUMNS, Firm, month_of_rows, row
from .importing import Importing
from .structure import ACME, Structure

pytestmark = pytest.mark.long

Any_ = Importing[Any, Any, Any]


def at(path: str, kind: str, **other: Any) -> Fault:
    """One that the first record of that path meets."""
    return Fault(kind, path=path, method="POST", nth=1, **other)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([("reset_connection", {})], id="cut after the commit"),
        pytest.param([("reset_connection", {}), ("server_error", {})], id="cut before the commit"),
        pytest.param([("lost_answer", {"status": 502})], id="502 after the commit"),
        pytest.param([("lost_answer", {"status": 200})], id="empty 200 after the commit"),
        pytest.param([("server_error", {})], id="500"),
        pytest.param([("html", {})], id="HTML"),
        pytest.param([("rate_limited", {})], id="429"),
    ],
)
@pytest.mark.parametrize("path", ["/time-reports", "/projects", "/subtasks"])
def test_lost_response_gives_one_record_per_row(
    request: pytest.FixtureRequest, path: str, faults: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    importing: Any_ = request.getfixturevalue("firm" if path == "/time-reports" else "structure")
    importing.sandbox.faults.add(*(at(path, kind, **other) for kind, other in faults))
    run = importing.run(importing.rows())
    assert set(run.outcomes) == {"created"}
    assert len(importing.created()) == 5
    assert run.ledger.in_doubt == []
    assert set(importing.run(importing.rows()).reasons) == {"unchanged"}


def test_lost_response_of_the_last_day_is_found_where_the_end_date_is_exclusive(firm: Firm) -> None:
    firm.sandbox.faults.add(Fault("end_exclusive"), at("/time-reports", "lost_answer"))
    assert firm.run([row("A")]).outcomes == ["created"]
    assert len(firm.created()) == 1


def test_update_and_delete_with_lost_responses_are_settled(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    for method in ("PUT", "DELETE"):
        firm.sandbox.faults.add(Fault("reset_connection", path="/time-reports/*", method=method, nth=1))
    assert firm.run([row("A", 7)], delete_removed=True).outcomes == ["updated", "deleted"]
    assert [entry["hours"] for entry in firm.created()] == [7]


def test_update_of_structure_with_a_lost_response_is_settled(structure: Structure) -> None:
    structure.run(ACME)
    structure.sandbox.faults.add(Fault("reset_connection", path="/tasks/*", method="PUT", nth=1))
    rows = [{**row, "tm_hour_limit": "99"} if row["path"].endswith("Build") else row for row in ACME]
    assert structure.run(rows).outcomes[2] == "updated"


def test_entry_of_an_identical_row_is_not_taken_for_the_lost_one(firm: Firm) -> None:
    mapping = ImportMapping.of_columns(COLUMNS).model_copy(update={"marker": False})
    firm.sandbox.faults.add(Fault("server_error", path="/time-reports", method="POST", nth=2))
    run = firm.run([row("A", 1, text="Call"), row("B", 1, text="Call")], mapping=mapping)
    assert run.outcomes == ["created", "created"]
    assert len({write.record_id for write in run.ledger.writes}) == 2


@pytest.mark.parametrize(
    ("method", "fault"),
    [("PUT", Fault("lost_answer", method="PUT", times=1)), ("DELETE", Fault("server_error", method="DELETE", times=2))],
)
def test_change_made_before_a_write_is_repeated_stays(
    firm: Firm, monkeypatch: pytest.MonkeyPatch, method: str, fault: Fault
) -> None:
    firm.run([row("A"), row("B")])
    [kept, changed] = [entry["id"] for entry in firm.created()][:: 1 if method == "DELETE" else -1]
    firm.sandbox.faults.add(fault)
    look, before = Workspace.look, firm.writes

    def edited_after_the_write(*arguments: Any) -> Any:
        if firm.writes > before:
            firm.sandbox.workspace.update("time_reports", changed, {"hours": 3})
        return look(*arguments)

    monkeypatch.setattr(Workspace, "look", edited_after_the_write)
    rows = [row("A")] if method == "DELETE" else [row("A", "2.25"), row("B")]
    run = firm.run(rows, delete_removed=True)
    assert "not written" in run.outcomes
    assert run.ledger.writes[-1].message == "changed in Timix since the plan (hours 1.5 -> 3)"
    assert {entry["id"]: entry["hours"] for entry in firm.created()} == {kept: Decimal("1.5"), changed: 3}


def test_delete_whose_responses_are_all_lost_is_looked_up(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    firm.sandbox.faults.add(Fault("lost_answer", path="/time-reports/*", method="DELETE", times=2))
    assert firm.run([row("A")], delete_removed=True).outcomes == [None, "deleted"]
    assert len(firm.created()) == 1


def test_refusal_of_timix_is_the_outcome_of_its_row(firm: Firm) -> None:
    firm.sandbox.faults.add(
        Fault("invalid", path="/time-reports", method="POST", nth=2, status=409, value="The week is locked.")
    )
    rows = month_of_rows(3)
    run = firm.run(rows)
    assert run.outcomes == ["created", "refused by Timix", "created"]
    [refused] = [write for write in run.ledger.writes if write.outcome is Outcome.REFUSED]
    assert refused.message == "The week is locked."
    # Nothing is left over: the next run tries that row again.
    assert firm.run(rows).steps == ["leave", "create", "leave"]


def test_nothing_is_created_below_what_timix_refused(structure: Structure) -> None:
    structure.sandbox.faults.add(at("/projects", "invalid", status=409))
    run = structure.run(ACME)
    assert run.outcomes == ["created", "refused by Timix", "not sent", "not sent", "not sent"]
    structure.sandbox.faults.clear()
    assert run.importer.lake.scan("imports/structure").collect()["outcome"].to_list() == run.outcomes
    assert structure.run(ACME).outcomes == [None, "created", "created", "created", "created"]
    assert len(structure.created()) == 5


def test_row_that_the_key_may_not_write_is_refused(firm: Firm) -> None:
    firm.sandbox.faults.add(at("/time-reports", "forbidden"))
    rows = month_of_rows(3)
    run = firm.run(rows)
    assert run.outcomes == ["refused by Timix", "created", "created"]
    assert run.ledger.writes[0].message == "Your plan or role does not allow this."
    firm.sandbox.faults.clear()
    assert firm.run(rows).steps == ["create", "leave", "leave"]


def test_import_stops_when_the_key_may_write_nothing(importing: Any_) -> None:
    path = "/customers" if isinstance(importing, Structure) else "/time-reports"
    importing.sandbox.faults.add(Fault("forbidden", path=path, method="POST"))
    rows = [{"path": "Acme"}, {"path": "Beta"}] if isinstance(importing, Structure) else month_of_rows(2)
    expected = (
        f"403 for each of 2 writes, {rows[0].get('reference', 'acme')} first: Your plan or role does not allow this"
    )
    with pytest.raises(ImportStopped, match=expected):
        importing.run(rows)
    assert importing.writes == 2
    assert importing.lake.scan(importing.importer.table).collect()["outcome"].to_list() == ["refused by Timix"] * 2


def test_import_stops_when_the_key_is_refused_and_continues_later(importing: Any_) -> None:
    path = "/subtasks" if isinstance(importing, Structure) else "/time-reports"
    importing.sandbox.faults.add(Fault("unauthorized", path=path, method="POST", nth=2))
    with pytest.raises(ImportStopped, match=r"(T-001|meetings): POST .* What was written before is in the ledger"):
        importing.run(importing.rows())
    written = len(importing.created())
    outcomes = importing.lake.scan(importing.importer.table).collect()["outcome"].to_list()
    assert 0 < written < 5
    assert outcomes == ["created"] * written + ["not sent"] * (5 - written)
    importing.sandbox.faults.clear()
    assert importing.run(importing.rows()).outcomes == [None] * written + ["created"] * (5 - written)
    assert len(importing.created()) == 5


def test_write_that_always_fails_holds_up_no_other(firm: Firm) -> None:
    firm.sandbox.faults.add(Fault("server_error", path="/time-reports", method="POST", after=1))
    assert firm.run(month_of_rows(2)).outcomes == ["created", "not written"]


def test_import_stops_when_timix_carries_out_nothing(firm: Firm) -> None:
    firm.run(month_of_rows(2))
    firm.sandbox.faults.add(Fault("server_error", path="/time-reports/*", method="PUT"))
    with pytest.raises(ImportStopped, match="carried out none of 2 writes in 3 tries each"):
        firm.run([{**each, "hours": 2} for each in month_of_rows(2)])
    assert Ledger(firm.lake, "look", KINDS).in_doubt == []


UNREADABLE = Fault("rename_field", path="/time-reports*", old="userId", new="user")
"""A workspace that names the person of an entry otherwise, where no override says so."""


def test_nothing_is_written_where_records_cannot_be_read(firm: Firm) -> None:
    firm.sandbox.faults.add(UNREADABLE)
    with pytest.raises(
        ContractError, match=r"time_reports cannot be read \(`user_id` is missing\).* `timix-assets doctor`"
    ):
        firm.run(month_of_rows(3))
    assert firm.writes == 0


def test_record_that_cannot_be_read_is_named_with_its_day(firm: Firm) -> None:
    entry = {"userId": "usr-000-0", "subtaskId": "sub-15320-1-1", "date": "2026-11-28", "hours": 1}
    ids = [firm.sandbox.workspace.create("time_reports", entry)["id"] for _ in range(4)]
    firm.sandbox.faults.add(Fault("raw_value", path="/time-reports*", field="hours", value="null", count=1000))
    with pytest.raises(ContractError) as stopped:
        firm.run([row("A", date="2026-11-28")])
    named = ", ".join(f"{each} of 2026-11-28" for each in ids[:3])
    assert f"4 of 4 records of time_reports cannot be read (`hours` is missing): {named}, …; so it" in str(
        stopped.value
    )
    assert "Correct or delete such records there, or run `timix-assets doctor`" in str(stopped.value)


def test_unreadable_record_stops_the_import_and_is_settled_once_it_can_be_read(firm: Firm) -> None:
    rows = [row(reference, date="2026-11-28") for reference in "ABC"]
    firm.sandbox.faults.add(UNREADABLE)
    with pytest.raises(ImportStopped, match="A: 1 of 1 record of time_reports cannot be read"):
        firm.run(rows)
    assert firm.lake.scan(firm.importer.table).collect()["outcome"].to_list() == ["in doubt", "not sent", "not sent"]
    firm.sandbox.faults.clear()
    assert firm.run(rows).steps == ["leave", "create", "create"]
    assert len(firm.created()) == 3


def test_response_with_the_id_alone_is_enough(firm: Firm) -> None:
    for field in ("userId", "subtaskId"):
        firm.sandbox.faults.add(Fault("drop_field", path="/time-reports", method="POST", field=field))
    run = firm.run(month_of_rows(3))
    assert run.outcomes == ["created"] * 3
    assert (
        sum(request.path.endswith("/time-reports") and request.method == "GET" for request in firm.sandbox.requests)
        == 1
    )


def as_stored(field: str, value: str) -> Fault:
    """Every response has this value, as if Timix kept it so."""
    return Fault("raw_value", path="/time-reports*", field=field, value=value, count=1000)


def test_values_that_timix_stores_in_another_form_are_unchanged(firm: Firm) -> None:
    rows = [{**row("A", "0:20", date="2026-11-28", text="Two  blanks"), "start_time": "9:00"}]
    firm.sandbox.faults.add(as_stored("hours", "0.33"), as_stored("startTime", '"09:00:00"'))
    firm.sandbox.faults.add(
        Fault("raw_value", path="/time-reports", field="text", value='"Two blanks [#10f0ca57]"', count=1)
    )
    assert firm.run(rows).outcomes == ["created"]
    assert firm.run(rows).reasons == ["unchanged"]
    assert firm.run([{**rows[0], "hours": "0:21"}], apply=False).reasons == ["hours 0.33 -> 0.35"]
    assert firm.roll_back().outcomes == ["deleted"]


def test_value_that_timix_does_not_store_stops_the_import(firm: Firm) -> None:
    firm.sandbox.faults.add(Fault("drop_field", path="/time-reports*", field="text"))
    with pytest.raises(
        ImportStopped, match=r"A: Timix stored it otherwise: text Work A \[#10f0ca57\] -> .*TIMIX_OVERRIDES"
    ):
        firm.run([row(reference, date="2026-11-28") for reference in "ABC"])
    table = firm.lake.scan(firm.importer.table).collect()
    assert table["outcome"].to_list() == ["created", "not sent", "not sent"]
    # The ledger has what is there, so it can be undone.
    assert firm.roll_back().outcomes == ["deleted"]


def test_value_of_an_update_that_timix_does_not_store_stops_the_import(structure: Structure) -> None:
    structure.run(ACME)
    structure.sandbox.faults.add(Fault("raw_value", path="/tasks/*", method="PUT", field="tmHourLimit", value="80"))
    rows = [{**row, "tm_hour_limit": "99"} if row["path"].endswith("Build") else row for row in ACME]
    with pytest.raises(ImportStopped, match="build: Timix stored it otherwise: tm_hour_limit 99 -> 80"):
        structure.run(rows)


NO_START = Fault("drop_field", path="/time-reports*", field="startTime")
"""Timix ignores the field."""


@pytest.mark.parametrize("lost", [1, 2])
def test_value_that_timix_does_not_store_stops_the_import_also_where_a_response_is_lost(firm: Firm, lost: int) -> None:
    rows = [{**row(each, date="2026-11-28"), "start_time": "09:00"} for each in "ABC"]
    firm.sandbox.faults.add(NO_START, Fault("lost_answer", path="/time-reports", method="POST", times=lost))
    with pytest.raises(ImportStopped, match="Timix stored it otherwise: start_time 09:00 -> nothing"):
        firm.run(rows)
    # The ledger has what is there, so all of it can be undone.
    assert firm.roll_back().outcomes == ["deleted"] * (lost + 1)
    assert firm.created() == []


def test_value_of_an_update_that_timix_does_not_store_is_noticed_where_the_response_is_lost(firm: Firm) -> None:
    firm.run([{**row("A"), "start_time": "09:00"}])
    firm.sandbox.faults.add(
        Fault("lost_answer", path="/time-reports/*", method="PUT"),
        Fault("drop_field", path="/time-reports", field="startTime", nth=3),
    )
    with pytest.raises(ImportStopped, match="A: Timix stored it otherwise: start_time 09:00 -> nothing"):
        firm.run([row("A", 2)])


def test_create_is_not_repeated_before_a_record_came_back_as_it_was_sent(firm: Firm) -> None:
    unmarked = Fault("drop_field", path="/time-reports*", field="text")
    firm.sandbox.faults.add(unmarked, Fault("lost_answer", path="/time-reports", method="POST"))
    before = len(firm.sandbox.workspace.rows("time_reports"))
    with pytest.raises(ImportStopped, match="A: its response was lost, and it is not found in Timix"):
        firm.run([row("A")])
    assert len(firm.sandbox.workspace.rows("time_reports")) == before + 1
    assert len(Ledger(firm.lake, "look", KINDS).in_doubt) == 1
    firm.sandbox.faults.clear()
    assert firm.run([row("A")]).reasons == ["unchanged"]


def test_first_record_that_was_not_created_is_created_by_the_next_run(importing: Any_) -> None:
    path = "/customers" if isinstance(importing, Structure) else "/time-reports"
    importing.sandbox.faults.add(Fault("server_error", path=path, method="POST"))
    for _ in range(2):
        with pytest.raises(
            ImportStopped, match="It is not sent again before a new record has come back as it was sent"
        ):
            importing.run(importing.rows())
    importing.sandbox.faults.clear()
    assert importing.run(importing.rows()).outcomes == ["created"] * 5
    assert len(importing.created()) == 5


class Killed(BaseException):
    """Ends the run as SIGKILL does: nothing is recorded after it."""


@pytest.mark.parametrize("nth", [1, 3, 5])
@pytest.mark.parametrize("sent", [True, False])
def test_next_run_settles_what_a_killed_run_left(
    importing: Any_, monkeypatch: pytest.MonkeyPatch, nth: int, *, sent: bool
) -> None:
    rows = importing.rows()
    with monkeypatch.context() as patched:
        kill_at(patched, nth, sent=sent)
        with pytest.raises(Killed):
            importing.run(rows)
    assert len(importing.created()) == nth - 1 + sent
    assert Ledger(importing.lake, "look", importing.importer.kinds()).in_doubt

    plan = importing.run(rows, apply=False)
    assert plan.steps == ["leave"] * (nth - 1 + sent) + ["create"] * (6 - nth - sent)
    importing.run(rows)
    assert len(importing.created()) == 5
    again = importing.run(rows)
    assert set(again.reasons) == {"unchanged"}
    assert again.ledger.in_doubt == []


def test_change_by_hand_after_a_killed_run_stays(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        kill_at(patched, 1, sent=True)
        with pytest.raises(Killed):
            firm.run([row("A")])
    firm.sandbox.workspace.update("time_reports", firm.created()[0]["id"], {"hours": 3})
    assert firm.run([row("A")]).reasons == ["changed in Timix since: hours 1.5 -> 3"]


def kill_at(monkeypatch: pytest.MonkeyPatch, nth: int, *, sent: bool) -> None:
    """Kills the run at its nth write, before or after the request."""
    once, numbers = apply.Writer._once, count(1)

    def killed(writer: apply.Writer[Any], write: Write[Any]) -> Write[Any]:
        number = next(numbers)
        result = once(writer, write) if number < nth or sent else write
        if number == nth:
            monkeypatch.setattr(Ledger, "record", lambda *_: [])
            raise Killed
        return result

    monkeypatch.setattr(apply.Writer, "_once", killed)


def test_other_run_that_writes_the_same_rows_is_noticed(firm: Firm) -> None:
    slow = Ledger(firm.lake, "slow", KINDS)
    assert slow.writes == []
    run = firm.run([row("A")])
    [planned] = run.planned
    assert planned.write is not None
    with pytest.raises(ImportStopped, match="Another run wrote the row with the reference A meanwhile"):
        slow.record([planned.write])
