"""Lost responses and killed runs: every element is created once."""

from collections.abc import Sequence
from itertools import count

import pytest

from timix_assets.imports import apply
from timix_assets.imports.errors import ImportStopped
from timix_assets.imports.ledger import Ledger, Write
from timix_assets.imports.structure.element import KINDS, Element
from timix_assets.sandbox.faults import Fault

from .conftest import ACME, Structure


def on(kind: str, level: str, **other: int) -> Fault:
    return Fault(kind, path=f"/{level}", method="POST", nth=1, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["customers", "subtasks"])
@pytest.mark.parametrize("kinds", [["reset_connection"], ["reset_connection", "server_error"], ["lost_answer"]])
def test_lost_response_gives_one_element(structure: Structure, level: str, kinds: Sequence[str]) -> None:
    structure.sandbox.faults.add(*(on(kind, level) for kind in kinds))
    run = structure.run(ACME)
    assert set(run.outcomes()) == {"created"}
    assert sorted(structure.names()) == ["Acme", "Build", "Design", "Meetings", "Website"]
    assert run.ledger.in_doubt == []


def test_nothing_is_created_below_what_timix_refused(structure: Structure) -> None:
    structure.sandbox.faults.add(on("invalid", "projects", status=409))
    run = structure.run(ACME)
    assert run.outcomes() == ["created", "refused by Timix", "not sent", "not sent", "not sent"]
    structure.sandbox.faults.clear()
    assert run.importer.lake.scan("imports/structure").collect()["outcome"].to_list() == run.outcomes()
    assert structure.run(ACME).outcomes() == [None, "created", "created", "created", "created"]
    assert len(structure.made()) == 5


def test_update_with_a_lost_response_is_settled(structure: Structure) -> None:
    structure.run(ACME)
    structure.sandbox.faults.add(Fault("reset_connection", path="/tasks/*", method="PUT", nth=1))
    rows = [{**row, "tm_hour_limit": "99"} if row["path"].endswith("Build") else row for row in ACME]
    assert structure.run(rows).outcomes()[2] == "updated"


class Killed(BaseException):
    """Ends the run as SIGKILL does: nothing is recorded after it."""


@pytest.mark.parametrize("nth", [1, 3, 5])
@pytest.mark.parametrize("sent", [True, False])
def test_next_run_goes_on_after_a_killed_one(
    structure: Structure, monkeypatch: pytest.MonkeyPatch, nth: int, *, sent: bool
) -> None:
    once, numbers = apply.Writer._once, count(1)

    def killed(writer: apply.Writer[Element], write: Write[Element]) -> Write[Element]:
        number = next(numbers)
        result = once(writer, write) if number < nth or sent else write
        if number == nth:
            monkeypatch.setattr(Ledger, "record", lambda *_: [])
            raise Killed
        return result

    with monkeypatch.context() as patched:
        monkeypatch = patched
        patched.setattr(apply.Writer, "_once", killed)
        with pytest.raises(Killed):
            structure.run(ACME)
    assert Ledger(structure.lake, "look", KINDS).in_doubt
    assert structure.run(ACME).ledger.in_doubt == []
    assert sorted(structure.names()) == ["Acme", "Build", "Design", "Meetings", "Website"]
    assert set(structure.run(ACME).reasons()) == {"unchanged"}


def test_import_stops_when_the_key_is_refused_and_continues_later(structure: Structure) -> None:
    structure.sandbox.faults.add(on("forbidden", "tasks"))
    with pytest.raises(ImportStopped, match="What was written before is in the ledger"):
        structure.run(ACME)
    structure.sandbox.faults.clear()
    structure.run(ACME)
    assert len(structure.made()) == 5
