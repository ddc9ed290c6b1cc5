"""Delivery over real HTTP: each receiver gets each message once, whatever fails, and no URL is ever shown."""

import itertools
import logging
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.alerts.delivery import MAYBE_A_REPEAT, TICK_SECONDS, NotDelivered, Receiver, deliver, receivers_of
from timix_assets.alerts.ledger import LedgerBusy, LedgerError, opened
from timix_assets.alerts.messages import Message
from timix_assets_tests.alerts.receiver import WebhookReceiver

FIRST, SECOND = Message("first", "one"), Message("second", "two")


def tick(path: Path, receivers: Iterable[Receiver], *messages: Message) -> list[str]:
    """One look by a process of its own: whatever it knows comes from the file."""
    with opened(path) as ledger:
        ledger.record("seen", messages)
        return deliver(ledger, list(receivers))


@dataclass
class Mailbox:
    """A receiver that can be out of order; kill: it takes the message, and then the process dies."""

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts" / "budget_alerts.json"


def test_a_message_arrives_whole_hebrew_names_included(webhook: WebhookReceiver, path: Path) -> None:
    message = Message("פרויקט: at risk", "• <b> & *פרויקט* of 100 %\n\nhttp://127.0.0.1:3000/assets/x")
    assert tick(path, receivers_of(webhook.url), message) == []
    assert webhook.messages == [(message.title, message.text)]


def test_what_is_longer_than_a_service_takes_arrives_in_parts(webhook: WebhookReceiver, path: Path) -> None:
    lines = [f"• budget {n}, customer Acme: over budget" for n in range(1_000)]
    tick(path, receivers_of(webhook.url), Message("1,000 budgets need attention", "\n".join(lines)))
    assert len(webhook.messages) == 2
    assert "".join("".join(text.split()) for _, text in webhook.messages) == "".join("".join(lines).split())


def test_what_a_receiver_refused_is_sent_again_at_the_next_look_until_it_is_taken_once(
    webhook: WebhookReceiver, path: Path
) -> None:
    webhook.answers = 503
    [trouble] = tick(path, receivers_of(webhook.url), FIRST)
    assert "URL 1 of TIMIX_ALERT_URLS (json) did not take the message: it answered 503" in trouble
    tick(path, receivers_of(webhook.url), SECOND)
    webhook.answers = 200
    for _ in range(3):
        assert tick(path, receivers_of(webhook.url)) == []
    assert webhook.titles == ["first", "second"]


def test_a_dead_receiver_neither_holds_up_nor_doubles_the_others(
    webhook: WebhookReceiver, second_webhook: WebhookReceiver, path: Path
) -> None:
    both = receivers_of(f"{webhook.url} {second_webhook.url}")
    webhook.answers = 500
    tick(path, both, FIRST, SECOND)
    tick(path, both)
    assert second_webhook.titles == ["first", "second"]
    assert webhook.asked == 2  # one attempt a look
    webhook.answers = 200
    tick(path, both)
    assert (webhook.titles, second_webhook.titles) == (["first", "second"], ["first", "second"])


def test_a_receiver_that_nobody_listens_at_is_told_of_without_its_address(path: Path) -> None:
    with WebhookReceiver() as gone:
        url = gone.url
    [trouble] = tick(path, receivers_of(url), FIRST)
    assert "could not be reached" in trouble
    assert "127.0.0.1" not in trouble


def test_what_waits_goes_to_the_url_that_replaces_a_dead_one(webhook: WebhookReceiver, path: Path) -> None:
    with WebhookReceiver() as gone:
        url = gone.url
    tick(path, receivers_of(url), FIRST)
    tick(path, receivers_of(webhook.url))
    assert webhook.titles == ["first"]


def test_urls_are_told_apart_by_blanks_or_commas_and_a_repeated_one_counts_once() -> None:
    urls = "slack://a/b/c, mailto://u:p@x.example?to=a@x.example,b@x.example\n json://h/1 slack://a/b/c"
    assert [receiver.name for receiver in receivers_of(urls)] == [
        "URL 1 of TIMIX_ALERT_URLS (slack)",
        "URL 2 of TIMIX_ALERT_URLS (mailto)",
        "URL 3 of TIMIX_ALERT_URLS (json)",
    ]
    assert receivers_of("  ") == []


@pytest.mark.parametrize("wrong", ["nosuch://{}", "{}", "slack://{}"])
def test_a_url_that_apprise_does_not_understand_is_named_by_its_place_only(wrong: str, path: Path) -> None:
    secret = "hunter2hunter2"
    [receiver] = receivers_of(wrong.format(secret))
    [trouble] = tick(path, [receiver], FIRST)
    assert "URL 1 of TIMIX_ALERT_URLS" in trouble
    assert "Apprise understands" in trouble
    assert secret not in trouble + repr(receiver) + receiver.id


@pytest.mark.parametrize("answers", [200, 403])
def test_no_url_shows_in_logs_output_reprs_or_the_ledger(
    webhook: WebhookReceiver,
    path: Path,
    answers: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    webhook.answers = answers
    with caplog.at_level(1), caplog.at_level(1, "apprise"), caplog.at_level(1, "urllib3"):
        receivers = receivers_of(webhook.url)
        troubles = tick(path, receivers, FIRST)
        logging.getLogger("urllib3.connectionpool").debug("others may still speak")
    assert webhook.asked == 1
    assert "others may still speak" in caplog.text
    shown = f"{caplog.text}{capfd.readouterr()}{receivers}{troubles}{path.read_text()}"
    assert webhook.secret not in shown
    assert webhook.url.rsplit(":", 1)[1].split("/")[0] not in caplog.text


def test_a_message_is_kept_on_disk_before_it_is_sent(path: Path) -> None:
    with opened(path) as ledger:
        ledger.record("seen", [FIRST])
    mailbox = Mailbox("a")
    tick(path, [mailbox])
    assert mailbox.taken == [FIRST]


def test_after_a_kill_between_taking_and_writing_down_the_second_copy_says_that_it_may_be_one(path: Path) -> None:
    before, killed, after = Mailbox("a"), Mailbox("b", kill=True), Mailbox("c")
    with pytest.raises(KeyboardInterrupt):
        tick(path, [before, killed, after], FIRST)
    killed.kill = False
    tick(path, [before, killed, after])
    assert before.taken == after.taken == [FIRST]
    assert killed.taken == [FIRST, Message("first", f"one\n{MAYBE_A_REPEAT}")]


def test_an_attempt_that_failed_for_sure_is_no_repeat(path: Path) -> None:
    mailbox = Mailbox("a", up=False)
    tick(path, [mailbox], FIRST)
    mailbox.up = True
    tick(path, [mailbox])
    assert mailbox.taken == [FIRST]


def test_when_time_is_up_the_next_look_goes_on(path: Path) -> None:
    mailbox, clock = Mailbox("a"), itertools.count(0, TICK_SECONDS)
    with opened(path) as ledger:
        ledger.record("seen", [FIRST, SECOND])
        assert "no time left" in deliver(ledger, [mailbox], clock=lambda: float(next(clock)))[0]
    assert mailbox.taken == [FIRST]
    tick(path, [mailbox])
    assert mailbox.taken == [FIRST, SECOND]


def test_two_processes_never_deliver_from_one_ledger_at_once(path: Path) -> None:
    with opened(path), pytest.raises(LedgerBusy, match="Another process"), opened(path):
        pass


def test_a_ledger_that_cannot_be_read_says_what_to_do(path: Path) -> None:
    path.parent.mkdir()
    for broken in ("{", '{"format": 99}', "[]"):
        path.write_text(broken)
        with pytest.raises(LedgerError, match="cannot be read; move it away"), opened(path):
            pass


def test_nothing_is_sent_while_the_ledger_cannot_be_written(path: Path) -> None:
    mailbox = Mailbox("a")
    with opened(path) as ledger:
        ledger.record("seen", [FIRST])
        # A folder in the draft's place stops any user, root too.
        path.with_suffix(".draft").mkdir()
        with pytest.raises(LedgerError, match="cannot be written"):
            deliver(ledger, [mailbox])
    assert mailbox.taken == []
    path.with_suffix(".draft").rmdir()
    tick(path, [mailbox])
    assert mailbox.taken == [FIRST]


def test_only_its_owner_may_read_a_ledger(path: Path) -> None:
    tick(path, [Mailbox("a")], FIRST)
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), max_size=5))
def test_whatever_fails_when_each_receiver_gets_every_message_once_and_in_order(
    looks: list[tuple[bool, bool, int]],
) -> None:
    a, b, numbers, said = Mailbox("a"), Mailbox("b"), itertools.count(1), []
    with TemporaryDirectory() as folder:
        for a.up, b.up, news in [*looks, (True, True, 0)]:
            fresh = [Message(f"message {next(numbers)}", "") for _ in range(news)]
            said += fresh
            tick(Path(folder) / "ledger.json", [a, b], *fresh)
    assert a.taken == b.taken == said
