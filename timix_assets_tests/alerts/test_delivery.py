"""Delivery over real HTTP: each receiver gets each message once, whatever fails, and no URL is shown.

The outbox is a file, and an object in a store.
"""

import itertools
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.alerts.delivery import (
    POSSIBLE_DUPLICATE_NOTE,
    TICK_SECONDS,
    NotDelivered,
    Receiver,
    deliver,
    receivers_of,
)
from timix_assets.alerts.message import Message
from timix_assets.alerts.outbox import OutboxBusy, OutboxError, Storage, open_outbox
from timix_assets.alerts.outbox_file import OutboxFile
from timix_assets.alerts.outbox_object import OutboxObject
from timix_assets.lake.storage import open_store
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.lake.s3 import store

FIRST, SECOND = Message("first", "one"), Message("second", "two")

Place = Callable[[], Storage]
"""The outbox as another process finds it."""


def tick(place: Place, receivers: Iterable[Receiver], *messages: Message) -> list[str]:
    """A tick in a process of its own: whatever it knows comes from the outbox."""
    with open_outbox(place()) as outbox:
        outbox.record("seen", messages)
        return deliver(outbox, list(receivers))


@dataclass
class Mailbox:
    """A receiver that can be down; kill: it accepts the message, then the process dies."""

    id: str
    up: bool = True
    kill: bool = False
    taken: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        if not self.up:
            raise NotDelivered(f"{self.id} is down.")
        self.taken.append(message)
        if self.kill:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    with store() as (options, _):
        yield options


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts" / "budget_alerts.json"


@pytest.fixture(params=["file", "object"])
def place(request: pytest.FixtureRequest, path: Path) -> Place:
    file = OutboxFile(path)
    if request.param == "file":
        return lambda: file
    url, options = f"s3://lakes/{secrets.token_hex(4)}", request.getfixturevalue("options")
    return lambda: OutboxObject(open_store(url, options), url, path.name, file)


def test_message_arrives_complete_with_hebrew_names(webhook: WebhookReceiver, place: Place) -> None:
    message = Message("פרויקט: at risk", "• <b> & *פרויקט* of 100 %\n\nhttp://127.0.0.1:3000/assets/x")
    assert tick(place, receivers_of(webhook.url), message) == []
    assert webhook.messages == [(message.title, message.text)]


def test_long_message_arrives_in_parts(webhook: WebhookReceiver, place: Place) -> None:
    lines = [f"• budget {n}, customer Acme: over budget" for n in range(1_000)]
    tick(place, receivers_of(webhook.url), Message("1,000 budgets need attention", "\n".join(lines)))
    assert len(webhook.messages) == 2
    assert "".join("".join(text.split()) for _, text in webhook.messages) == "".join("".join(lines).split())


def test_rejected_message_is_retried_until_accepted_once(webhook: WebhookReceiver, place: Place) -> None:
    webhook.answers = 503
    [trouble] = tick(place, receivers_of(webhook.url), FIRST)
    assert "URL 1 of TIMIX_ALERT_URLS (json) did not accept the message: it answered 503" in trouble
    tick(place, receivers_of(webhook.url), SECOND)
    webhook.answers = 200
    for _ in range(3):
        assert tick(place, receivers_of(webhook.url)) == []
    assert webhook.titles == ["first", "second"]


def test_dead_receiver_does_not_affect_others(
    webhook: WebhookReceiver, second_webhook: WebhookReceiver, place: Place
) -> None:
    both = receivers_of(f"{webhook.url} {second_webhook.url}")
    webhook.answers = 500
    tick(place, both, FIRST, SECOND)
    tick(place, both)
    assert second_webhook.titles == ["first", "second"]
    assert webhook.asked == 2  # one attempt a tick
    webhook.answers = 200
    tick(place, both)
    assert (webhook.titles, second_webhook.titles) == (["first", "second"], ["first", "second"])


def test_unreachable_receiver_is_reported_without_url(place: Place) -> None:
    with WebhookReceiver() as gone:
        url = gone.url
    [trouble] = tick(place, receivers_of(url), FIRST)
    assert "could not be reached" in trouble
    assert "127.0.0.1" not in trouble


def test_replacing_url_gets_waiting_messages(webhook: WebhookReceiver, place: Place) -> None:
    with WebhookReceiver() as gone:
        url = gone.url
    tick(place, receivers_of(url), FIRST)
    tick(place, receivers_of(webhook.url))
    assert webhook.titles == ["first"]


def test_splits_urls_and_drops_duplicates() -> None:
    urls = "slack://a/b/c, mailto://u:p@x.example?to=a@x.example,b@x.example\n json://h/1 slack://a/b/c"
    assert [receiver.name for receiver in receivers_of(urls)] == [
        "URL 1 of TIMIX_ALERT_URLS (slack)",
        "URL 2 of TIMIX_ALERT_URLS (mailto)",
        "URL 3 of TIMIX_ALERT_URLS (json)",
    ]
    assert receivers_of("  ") == []


@pytest.mark.parametrize("wrong", ["nosuch://{}", "{}", "slack://{}"])
def test_unsupported_url_is_named_by_position(wrong: str, place: Place) -> None:
    secret = "hunter2hunter2"
    [receiver] = receivers_of(wrong.format(secret))
    [trouble] = tick(place, [receiver], FIRST)
    assert "URL 1 of TIMIX_ALERT_URLS" in trouble
    assert "not a URL that Apprise supports" in trouble
    assert secret not in trouble + repr(receiver) + receiver.id


def kept(place: Place) -> bytes | None:
    storage = place()
    with storage.exclusive():
        return storage.read()


@pytest.mark.parametrize("answers", [200, 403])
def test_url_is_not_in_logs_output_reprs_or_outbox(
    webhook: WebhookReceiver,
    place: Place,
    answers: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    webhook.answers = answers
    with caplog.at_level(1), caplog.at_level(1, "apprise"), caplog.at_level(1, "urllib3"):
        receivers = receivers_of(webhook.url)
        troubles = tick(place, receivers, FIRST)
        logging.getLogger("urllib3.connectionpool").debug("others may still speak")
    assert webhook.asked == 1
    assert "others may still speak" in caplog.text
    shown = f"{caplog.text}{capfd.readouterr()}{receivers}{troubles}{kept(place)!r}"
    assert webhook.secret not in shown
    assert webhook.url.rsplit(":", 1)[1].split("/")[0] not in caplog.text


def test_message_is_stored_before_it_is_sent(place: Place) -> None:
    with open_outbox(place()) as outbox:
        outbox.record("seen", [FIRST])
    mailbox = Mailbox("a")
    tick(place, [mailbox])
    assert mailbox.taken == [FIRST]


def test_duplicate_after_kill_says_so(place: Place) -> None:
    before, killed, after = Mailbox("a"), Mailbox("b", kill=True), Mailbox("c")
    with pytest.raises(KeyboardInterrupt):
        tick(place, [before, killed, after], FIRST)
    killed.kill = False
    tick(place, [before, killed, after])
    assert before.taken == after.taken == [FIRST]
    assert killed.taken == [FIRST, Message("first", f"one\n{POSSIBLE_DUPLICATE_NOTE}")]


def test_duplicate_note_survives_attempts_at_other_receivers(place: Place) -> None:
    down, killed = Mailbox("a", up=False), Mailbox("b", kill=True)
    with pytest.raises(KeyboardInterrupt):
        tick(place, [down, killed], FIRST)
    killed.kill = False
    tick(place, [down, killed])
    assert killed.taken[1].text.endswith(POSSIBLE_DUPLICATE_NOTE)


def test_failed_attempt_is_not_marked_as_duplicate(place: Place) -> None:
    mailbox = Mailbox("a", up=False)
    tick(place, [mailbox], FIRST)
    mailbox.up = True
    tick(place, [mailbox])
    assert mailbox.taken == [FIRST]


def test_next_tick_continues_when_time_is_up(place: Place) -> None:
    mailbox, clock = Mailbox("a"), itertools.count(0, TICK_SECONDS)
    with open_outbox(place()) as outbox:
        outbox.record("seen", [FIRST, SECOND])
        assert "Not enough time" in deliver(outbox, [mailbox], clock=lambda: float(next(clock)))[0]
    assert mailbox.taken == [FIRST]
    tick(place, [mailbox])
    assert mailbox.taken == [FIRST, SECOND]


def test_only_one_process_delivers_at_a_time(place: Place) -> None:
    with open_outbox(place()) as outbox:
        outbox.record("seen", [FIRST])
        with pytest.raises(OutboxBusy, match="Another process"), open_outbox(place()):
            pass


def test_sends_nothing_while_outbox_is_not_writable(path: Path) -> None:
    mailbox = Mailbox("a")
    with open_outbox(OutboxFile(path)) as outbox:
        outbox.record("seen", [FIRST])
        # A folder in its place stops any user, root too.
        path.rename(path.with_suffix(".aside"))
        path.mkdir()
        with pytest.raises(OutboxError, match="cannot be written"):
            deliver(outbox, [mailbox])
    assert mailbox.taken == []
    path.rmdir()
    path.with_suffix(".aside").rename(path)
    tick(lambda: OutboxFile(path), [mailbox])
    assert mailbox.taken == [FIRST]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), max_size=5))
def test_every_receiver_gets_each_message_once_in_order(
    ticks: list[tuple[bool, bool, int]],
) -> None:
    a, b, numbers, sent = Mailbox("a"), Mailbox("b"), itertools.count(1), []
    with TemporaryDirectory() as folder:
        for a.up, b.up, news in [*ticks, (True, True, 0)]:
            fresh = [Message(f"message {next(numbers)}", "") for _ in range(news)]
            sent += fresh
            tick(lambda: OutboxFile(Path(folder) / "outbox.json"), [a, b], *fresh)
    assert a.taken == b.taken == sent
