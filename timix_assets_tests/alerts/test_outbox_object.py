"""The outbox in an object store: machines that share nothing but the lake deliver each message once."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from timix_assets.alerts.delivery import POSSIBLE_DUPLICATE_NOTE, NotDelivered, deliver
from timix_assets.alerts.message import Message
from timix_assets.alerts.outbox import OutboxBusy, OutboxError, open_outbox
from timix_assets.alerts.outbox_file import OutboxFile
from timix_assets.alerts.outbox_object import FOLDER, STILL_SECONDS, OutboxObject
from timix_assets.lake.lease import now
from timix_assets.lake.maintenance import list_tables
from timix_assets.lake.storage import open_store
from timix_assets.resources import OF_A_TICK
from timix_assets_tests.lake.s3 import store as s3_store

FIRST, SECOND = Message("first", "one"), Message("second", "two")
NAME = "budget_alerts.json"
FORKSERVER = multiprocessing.get_context("forkserver")

Machine = Callable[..., OutboxObject]


def outbox_of(folder: Path, url: str, options: dict[str, str], clock: Callable[[], float] = now) -> OutboxObject:
    store = open_store(url, {**options, **OF_A_TICK})
    return OutboxObject(store, url, NAME, OutboxFile(folder / NAME), clock=clock)


@pytest.fixture
def machine(tmp_path: Path, url: str, options: dict[str, str]) -> Machine:
    """The outbox on a machine with a state folder of its own."""
    return lambda name, clock=now: outbox_of(tmp_path / name, url, options, clock)


class Mailbox:
    """A receiver. meanwhile: called with each message, before it is accepted."""

    id = "mailbox"

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.meanwhile = meanwhile
        self.taken: list[Message] = []

    def send(self, message: Message) -> None:
        self.meanwhile()
        self.taken.append(message)


def tick(storage: OutboxObject, mailbox: Mailbox, *messages: Message) -> None:
    with open_outbox(storage) as outbox:
        if messages:
            outbox.record("seen", messages)
        assert deliver(outbox, [mailbox]) == []


def test_what_one_machine_sent_no_other_sends(machine: Machine) -> None:
    first, second = Mailbox(), Mailbox()
    tick(machine("first"), first, FIRST)
    with open_outbox(machine("second")) as outbox:
        assert (outbox.state, outbox.pending) == ("seen", [])
    tick(machine("second"), second, SECOND)
    tick(machine("first"), first)
    assert (first.taken, second.taken) == ([FIRST], [SECOND])


def test_another_machine_delivers_what_the_first_could_not(machine: Machine) -> None:
    def refuse() -> None:
        raise NotDelivered("It is down.")

    with open_outbox(machine("first")) as outbox:
        outbox.record("seen", [FIRST])
        assert deliver(outbox, [Mailbox(refuse)]) == ["It is down."]
    second = Mailbox()
    tick(machine("second"), second)
    assert second.taken == [FIRST]


def test_of_two_that_read_the_same_state_one_sends(machine: Machine) -> None:
    first, second = Mailbox(), Mailbox()
    with open_outbox(machine("a")) as late:
        tick(machine("b"), second, FIRST)
        with pytest.raises(OutboxBusy, match=f"delivering from {FOLDER}/{NAME}; the next tick tries again"):
            late.record("seen", [FIRST])
    tick(machine("a"), first)
    assert (first.taken, second.taken) == ([], [FIRST])


def test_a_message_under_way_is_not_sent_by_another(machine: Machine) -> None:
    second = Mailbox()

    def interfere() -> None:
        with pytest.raises(OutboxBusy):
            tick(machine("second"), second)

    first = Mailbox(interfere)
    tick(machine("first"), first, FIRST, SECOND)
    assert (first.taken, second.taken) == ([FIRST, SECOND], [])


def kill_while_sending(folder: Path, url: str, options: dict[str, str]) -> None:
    tick(outbox_of(folder, url, options), Mailbox(kill), FIRST)


def kill_before_sending(folder: Path, url: str, options: dict[str, str]) -> None:
    with open_outbox(outbox_of(folder, url, options)) as outbox:
        outbox.record("seen", [FIRST])
        kill()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.long
@pytest.mark.parametrize(
    ("killed", "text"),
    [(kill_before_sending, "one"), (kill_while_sending, f"one\n{POSSIBLE_DUPLICATE_NOTE}")],
)
def test_a_killed_process_is_followed(
    machine: Machine, tmp_path: Path, url: str, options: dict[str, str], killed: Any, text: str
) -> None:
    process = FORKSERVER.Process(target=killed, args=(tmp_path / "first", url, options))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL

    mailbox, times = Mailbox(), iter([0.0, 0.0, STILL_SECONDS - 1, STILL_SECONDS])
    second = machine("second", lambda: next(times))
    for _ in range(2):
        with pytest.raises(OutboxBusy):
            tick(second, mailbox)
    tick(second, mailbox)
    assert mailbox.taken == [Message("first", text)]


def test_a_lost_answer_is_no_other_process(tmp_path: Path, url: str) -> None:
    mailbox = Mailbox()
    with s3_store(loses=FOLDER) as (options, asked):
        for _ in range(2):
            tick(outbox_of(tmp_path, url, options), mailbox, *([] if mailbox.taken else [FIRST]))
        puts = [path for method, path in asked if method == "PUT" and FOLDER in path]
    # Recorded (twice: the answer got lost), attempted, delivered, pruned, closed.
    assert len(puts) == 6
    assert mailbox.taken == [FIRST]


def test_nothing_is_lost_while_the_store_is_away(tmp_path: Path, url: str) -> None:
    away, mailbox = Event(), Mailbox()
    times = iter([0.0, 0.0, STILL_SECONDS])
    with s3_store(away=away) as (options, _):
        storage = outbox_of(tmp_path, url, options, lambda: next(times))
        with open_outbox(storage) as outbox:
            outbox.record("seen", [FIRST])
            away.set()
            with pytest.raises(
                OutboxError, match=rf"{url}/{FOLDER}/{NAME} cannot be written \(.*503.*nothing more is sent"
            ):
                deliver(outbox, [mailbox])
        with pytest.raises(OutboxError, match="cannot be read .* Check that the store can be reached"):
            tick(storage, mailbox)
        away.clear()
        with pytest.raises(OutboxBusy):
            tick(storage, mailbox)
        tick(storage, mailbox)
    assert mailbox.taken == [FIRST]


def test_a_quiet_tick_costs_one_request(tmp_path: Path, url: str) -> None:
    with s3_store() as (options, asked):
        tick(outbox_of(tmp_path, url, options), Mailbox(), FIRST)
        asked.clear()
        tick(outbox_of(tmp_path, url, options), Mailbox())
        assert [method for method, _ in asked] == ["GET"]


def test_the_file_of_an_earlier_release_is_adopted_once(machine: Machine, tmp_path: Path) -> None:
    for name in ("first", "second"):
        with open_outbox(OutboxFile(tmp_path / name / NAME)) as outbox:
            outbox.record(f"state of {name}", [FIRST])
    mailbox = Mailbox()
    tick(machine("first"), mailbox)
    with open_outbox(machine("second")) as outbox:
        assert outbox.state == "state of first"
    with open_outbox(machine("first")):
        pass
    assert mailbox.taken == [FIRST]
    assert list(tmp_path.rglob(NAME)) == []


def test_without_an_object_it_is_the_first_tick(machine: Machine, url: str, options: dict[str, str]) -> None:
    tick(machine("first"), Mailbox(), FIRST)
    open_store(url, options).delete(f"{FOLDER}/{NAME}")
    with open_outbox(machine("first")) as outbox:
        assert outbox.state is None


def test_an_attachment_is_found_by_another_machine(machine: Machine, tmp_path: Path) -> None:
    storage = machine("first")
    with open_outbox(storage) as outbox:
        for page in (b"last week", b"this week"):
            attached = outbox.attach("page.html", page)
        outbox.record("seen", [Message("first", "one", attachment=attached)])
    mailbox = Mailbox()
    tick(machine("second"), mailbox)
    [message] = mailbox.taken
    assert Path(message.attachment).read_bytes() == b"this week"
    assert Path(message.attachment).is_relative_to(tmp_path / "second")
    assert Path(message.attachment).stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_of_an_earlier_release_is_named(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "first" / NAME
    file.parent.mkdir()
    file.write_bytes(b"{")
    with (
        pytest.raises(OutboxError, match=f"The alert outbox {file} cannot be read; move it away"),
        open_outbox(machine("first")),
    ):
        pass


def test_a_damaged_object_fails_with_one_message(machine: Machine, url: str, options: dict[str, str]) -> None:
    open_store(url, options).put(f"{FOLDER}/{NAME}", b"{")
    with (
        pytest.raises(OutboxError, match=f"The alert outbox {url}/{FOLDER}/{NAME} cannot be read; move it away"),
        open_outbox(machine("first")),
    ):
        pass


def test_it_is_no_table(machine: Machine, url: str, options: dict[str, str]) -> None:
    tick(machine("first"), Mailbox(), FIRST)
    assert list_tables(url, options) == []
