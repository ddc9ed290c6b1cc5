"""Lost responses, refusals and killed runs: every row is written once, and the ledger accounts for it."""

from collections.abc import Sequence
from itertools import count

import pytest

from timix_assets.imports import apply
from timix_assets.imports.entry import KINDS, Entry
from timix_assets.imports.errors import ImportStopped
from timix_assets.imports.ledger import Ledger, Outcome, Write
from timix_assets.sandbox.faults import Fault

from .firm import Firm, month_of_rows, row

CUT = Fault("reset_connection", path="/time-reports", method="POST", nth=2)
CUT_UNAPPLIED = [CUT, Fault("server_error", path="/time-reports", method="POST", nth=2)]


def lost(status: int) -> Fault:
    return Fault("lost_answer", path="/time-reports", method="POST", nth=2, status=status)


def unapplied(kind: str) -> Fault:
    return Fault(kind, path="/time-reports", method="POST", nth=2)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([CUT], id="cut after the commit"),
        pytest.param(CUT_UNAPPLIED, id="cut before the commit"),
        pytest.param([lost(502)], id="502 after the commit"),
        pytest.param([lost(200)], id="empty 200 after the commit"),
        pytest.param([unapplied("server_error")], id="500"),
        pytest.param([unapplied("html")], id="HTML"),
        pytest.param([unapplied("rate_limited")], id="429"),
    ],
)
def test_lost_response_gives_one_entry_per_row(firm: Firm, faults: Sequence[Fault]) -> None:
    firm.sandbox.faults.add(*faults)
    run = firm.run(month_of_rows(5))
    assert set(run.outcomes().values()) == {"created"}
    assert len(firm.entries()) == len({entry["text"] for entry in firm.entries()}) == 5
    assert run.ledger.in_doubt == []


def test_update_and_delete_with_lost_responses_are_settled(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    for method in ("PUT", "DELETE"):
        firm.sandbox.faults.add(Fault("reset_connection", path="/time-reports/*", method=method, nth=1))
    run = firm.run([row("A", 7)], delete_removed=True)
    assert run.outcomes() == {"A": "updated", "B": "deleted"}
    assert [entry["hours"] for entry in firm.entries()] == [7]


def test_delete_whose_responses_are_all_lost_is_looked_up(firm: Firm) -> None:
    firm.run([row("A"), row("B")])
    firm.sandbox.faults.add(Fault("lost_answer", path="/time-reports/*", method="DELETE", times=2))
    assert firm.run([row("A")], delete_removed=True).outcomes() == {"A": None, "B": "deleted"}
    assert len(firm.entries()) == 1


def test_refusal_of_timix_is_the_outcome_of_its_row(firm: Firm) -> None:
    firm.sandbox.faults.add(
        Fault("invalid", path="/time-reports", method="POST", nth=2, status=409, value="The week is locked.")
    )
    rows = month_of_rows(3)
    run = firm.run(rows)
    assert list(run.outcomes().values()) == ["created", "refused by Timix", "created"]
    [refused] = [write for write in run.ledger.writes if write.outcome is Outcome.REFUSED]
    assert refused.message == "The week is locked."
    # Nothing is left over: the next run tries that row again.
    assert list(firm.run(rows).steps().values()) == ["leave", "create", "leave"]


@pytest.mark.parametrize("kind", ["unauthorized", "forbidden"])
def test_import_stops_when_the_key_is_refused(firm: Firm, kind: str) -> None:
    firm.sandbox.faults.add(Fault(kind, path="/time-reports", method="POST", nth=3))
    rows = month_of_rows(6)
    with pytest.raises(ImportStopped, match="What was written before is in the ledger"):
        firm.run(rows)
    assert firm.lake.scan("imports/time_entries").collect()["outcome"].to_list() == ["created"] * 2 + ["not sent"] * 4
    firm.sandbox.faults.clear()
    assert list(firm.run(rows).outcomes().values()).count("created") == 4
    assert len(firm.entries()) == 6


def test_write_that_always_fails_holds_up_no_other(firm: Firm) -> None:
    firm.sandbox.faults.add(Fault("server_error", path="/time-reports", method="POST", after=1))
    run = firm.run(month_of_rows(2))
    assert list(run.outcomes().values()) == ["created", "not written"]


def test_import_stops_when_timix_carries_out_nothing(firm: Firm) -> None:
    firm.sandbox.faults.add(Fault("server_error", path="/time-reports", method="POST"))
    with pytest.raises(ImportStopped, match="carried out none of 2 writes in 3 tries each"):
        firm.run(month_of_rows(2))
    assert Ledger(firm.lake, "look", KINDS).in_doubt == []


class Killed(BaseException):
    """Ends the run as SIGKILL does: nothing is recorded after it."""


@pytest.mark.parametrize("sent", [True, False])
def test_next_run_settles_what_a_killed_run_left(firm: Firm, monkeypatch: pytest.MonkeyPatch, *, sent: bool) -> None:
    rows = month_of_rows(5)
    kill_at(monkeypatch, 3, sent=sent)
    with pytest.raises(Killed):
        firm.run(rows)
    monkeypatch.undo()
    in_doubt = Ledger(firm.lake, "look", KINDS).in_doubt
    assert len(in_doubt) == 5
    assert len(firm.entries()) == 2 + sent

    assert set(firm.run(rows, apply=False).steps().values()) == {"leave", "create"}
    firm.run(rows)
    assert len(firm.entries()) == 5
    assert firm.run(rows).ledger.in_doubt == []


def kill_at(monkeypatch: pytest.MonkeyPatch, nth: int, *, sent: bool) -> None:
    """Kills the run at its nth write, before or after the request."""
    once = apply.Writer._once
    numbers = count(1)

    def killed(writer: apply.Writer[Entry], write: Write[Entry]) -> Write[Entry]:
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
