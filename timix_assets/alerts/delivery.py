"""How messages reach people: through Apprise, to each URL by itself. A URL is a secret and shows nowhere."""

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from timix_assets.alerts.ledger import Ledger, Pending
from timix_assets.alerts.messages import Message

TICK_SECONDS = 25
"""No attempt begins later than this after the first: Dagster gives a tick 60 s, and the last attempt needs its time."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
"""Long enough for a slow receiver: one that takes a message after we gave up gets it again."""

ATTEMPT_SECONDS = 25
MAYBE_A_REPEAT = "(Sending this was interrupted before; it may be a repeat.)"

_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_STATUS = re.compile(r"error=(\d{3})")


class NotDelivered(Exception):  # noqa: N818  it reads as what happened
    """A receiver did not take a message; the sentence says which and why, without its URL."""


class Receiver(Protocol):
    """Where messages go. id: the same in every process, and nothing can be read from it."""

    @property
    def id(self) -> str: ...

    def send(self, message: Message) -> None:
        """NotDelivered."""


@dataclass(frozen=True, slots=True)
class AppriseReceiver:
    """One URL of TIMIX_ALERT_URLS. name: its place in the list and its kind, for logs."""

    name: str
    _url: str = field(repr=False)

    @property
    def id(self) -> str:
        return sha256(self._url.encode()).hexdigest()[:16]

    def send(self, message: Message) -> None:
        """Waits for the receiver's answer."""
        with _secretly() as heard:
            try:
                taken = self._notify(message)
            except NotDelivered:
                raise
            # Whatever a plugin raises may show the URL, so nothing of it goes on.
            except Exception:  # noqa: BLE001
                taken = False
        if not taken:
            status = next((found[1] for line in heard if (found := _STATUS.search(line))), None)
            why = f"it answered {status}" if status else "it could not be reached or gave no answer in time"
            raise NotDelivered(f"{self.name} did not take the message: {why}; the next tick tries again.")

    def _notify(self, message: Message) -> bool:
        from apprise import Apprise, NotifyFormat, OverflowMode  # noqa: PLC0415

        apprise = Apprise()
        if not apprise.add(self._url):
            raise NotDelivered(
                f"{self.name} is none that Apprise understands, so it gets no messages; put it right (docs/alerts.md), and "
                "it gets those that are waiting."
            )
        for service in apprise:
            service.socket_connect_timeout = CONNECT_SECONDS
            service.socket_read_timeout = ANSWER_SECONDS
            if service.overflow_mode is OverflowMode.UPSTREAM:
                service.overflow_mode = OverflowMode.SPLIT
        return bool(
            apprise.notify(
                title=message.title, body=message.text, body_format=NotifyFormat.TEXT, timeout=ATTEMPT_SECONDS
            )
        )


def receivers_of(urls: str) -> list[AppriseReceiver]:
    """The receivers of a list of Apprise URLs, between blanks or commas; each once."""
    listed = [url for url in _BETWEEN_URLS.split(urls.strip()) if url]
    return [
        AppriseReceiver(f"URL {place} of TIMIX_ALERT_URLS ({_kind(url)})", url)
        for place, url in enumerate(dict.fromkeys(listed), 1)
    ]


def _kind(url: str) -> str:
    """Its scheme; a text without one may be anything, a password too."""
    scheme, found, _ = url.partition("://")
    return scheme.lower() if found and scheme.isalnum() else "no URL"


def deliver(ledger: Ledger, receivers: Sequence[Receiver], *, clock: Callable[[], float] = time.monotonic) -> list[str]:
    """Sends what is pending, the oldest first, to each receiver that lacks it. Gives a sentence for each that took none.

    A receiver that fails gets nothing more this time, so that its messages stay in order; the others go on. LedgerError.
    """
    until = clock() + TICK_SECONDS
    troubles: dict[str, str] = {}
    for pending in list(ledger.pending):
        for receiver in receivers:
            if receiver.id in pending.delivered or receiver.id in troubles:
                continue
            if clock() > until:
                troubles[receiver.id] = "There was no time left for all receivers; the next tick goes on."
                continue
            message = _marked(pending, receiver.id)
            ledger.attempt(pending.number, receiver.id)
            try:
                receiver.send(message)
            except NotDelivered as failed:
                troubles[receiver.id] = str(failed)
                ledger.give_up(pending.number)
            else:
                ledger.tick_off(pending.number, receiver.id)
    ledger.settle([receiver.id for receiver in receivers])
    return list(dict.fromkeys(troubles.values()))


def _marked(pending: Pending, receiver: str) -> Message:
    message = pending.message
    if pending.attempted != receiver:
        return message
    return Message(message.title, f"{message.text}\n{MAYBE_A_REPEAT}", message.asset)


_HEARD: ContextVar[list[str] | None] = ContextVar("what the libraries log while we send", default=None)


class _Hush(logging.Filter):
    """Keeps what a library logs while we send out of every log: it holds the URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        heard = _HEARD.get()
        if heard is None:
            return True
        heard.append(record.getMessage())
        return False


_HUSH = _Hush()
_TALKATIVE = ("apprise", "urllib3", "urllib3.connectionpool", "urllib3.util.retry", "requests")


@contextmanager
def _secretly() -> Iterator[list[str]]:
    """Nothing of what Apprise and the libraries below it log in this block is shown; the lines are given instead."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_HUSH)
    heard: list[str] = []
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)
