"""Sends messages to people through Apprise, to each URL separately. A URL is a secret and is never shown."""

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from timix_assets.alerts.message import Message
from timix_assets.alerts.outbox import Outbox
from timix_assets.errors import TimixAssetsError

TICK_SECONDS = 25
"""No attempt starts later than this after the first: Dagster gives a tick 60 s, and the last attempt needs its time."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
"""Long enough for a slow receiver: one that accepts a message after this gets it again."""

ATTEMPT_SECONDS = 25
POSSIBLE_DUPLICATE_NOTE = "(An earlier attempt was interrupted; you may have this message already.)"

_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_STATUS = re.compile(r"error=(\d{3})")


class NotDelivered(TimixAssetsError):  # noqa: N818  it reads as what happened
    """A receiver did not accept a message; the message says which and why, without its URL."""


class Receiver(Protocol):
    """Where messages go. id: the same in every process; it reveals nothing."""

    @property
    def id(self) -> str: ...

    def send(self, message: Message) -> None:
        """Sends it and waits until it is accepted.

        Raises:
            NotDelivered: It was not accepted.
        """


@dataclass(frozen=True, slots=True)
class AppriseReceiver:
    """One URL of TIMIX_ALERT_URLS. name: its position in the list and its scheme, for logs."""

    name: str
    _url: str = field(repr=False)

    @property
    def id(self) -> str:
        return sha256(self._url.encode()).hexdigest()[:16]

    def send(self, message: Message) -> None:
        """Sends it and waits for the answer."""
        with _suppressed_logs() as captured:
            try:
                accepted = self._notify(message)
            except NotDelivered:
                raise
            # Whatever a plugin raises may show the URL, so nothing of it is passed on.
            except Exception:  # noqa: BLE001
                accepted = False
        if not accepted:
            status = next((found[1] for line in captured if (found := _STATUS.search(line))), None)
            why = f"it answered {status}" if status else "it could not be reached or did not answer in time"
            raise NotDelivered(f"{self.name} did not accept the message: {why}; the next tick tries again.")

    def _notify(self, message: Message) -> bool:
        # Every run imports this module and none sends alerts: 0.1 s of its start.
        from apprise import Apprise, NotifyFormat, OverflowMode  # noqa: PLC0415

        apprise = Apprise()
        if not apprise.add(self._url):
            raise NotDelivered(
                f"{self.name} is not a URL that Apprise supports; correct it (docs/alerts.md) and restart Dagster. Its "
                "messages wait until then."
            )
        for service in apprise:
            service.socket_connect_timeout = CONNECT_SECONDS
            service.socket_read_timeout = ANSWER_SECONDS
            if service.overflow_mode is OverflowMode.UPSTREAM:
                service.overflow_mode = OverflowMode.SPLIT
        return bool(
            apprise.notify(
                title=message.title,
                body=message.text,
                body_format=NotifyFormat.TEXT,
                attach=message.attachment if Path(message.attachment).is_file() else None,
                timeout=ATTEMPT_SECONDS,
            )
        )


def receivers_of(urls: str) -> list[AppriseReceiver]:
    """The receivers of a list of Apprise URLs, separated by spaces or commas; each once."""
    listed = [url for url in _BETWEEN_URLS.split(urls.strip()) if url]
    return [
        AppriseReceiver(f"URL {position} of TIMIX_ALERT_URLS ({_scheme(url)})", url)
        for position, url in enumerate(dict.fromkeys(listed), 1)
    ]


def _scheme(url: str) -> str:
    """Text without a scheme may be anything, even a password."""
    scheme, found, _ = url.partition("://")
    return scheme.lower() if found and scheme.isalnum() else "not a URL"


def deliver(outbox: Outbox, receivers: Sequence[Receiver], *, clock: Callable[[], float] = time.monotonic) -> list[str]:
    """Sends pending messages, the oldest first, to each receiver that lacks them.

    A receiver that fails gets nothing more in this tick, so that its messages stay in order; the others continue.

    Returns:
        Why messages are still pending, one message for each reason.

    Raises:
        OutboxError: The outbox cannot be written; nothing more was sent.
    """
    until = clock() + TICK_SECONDS
    failures: dict[str, str] = {}
    for pending in list(outbox.pending):
        # Before this tick's attempts overwrite it.
        message, uncertain = outbox.to_send(pending), pending.attempted
        with_note = replace(message, text=f"{message.text}\n{POSSIBLE_DUPLICATE_NOTE}")
        for receiver in receivers:
            if receiver.id in pending.delivered or receiver.id in failures:
                continue
            if clock() > until:
                failures[receiver.id] = "Not enough time for all receivers; the next tick continues."
                continue
            outbox.mark_attempted(pending, receiver.id)
            try:
                receiver.send(message if receiver.id != uncertain else with_note)
            except NotDelivered as error:
                failures[receiver.id] = str(error)
                outbox.mark_attempted(pending, None)
            else:
                outbox.mark_delivered(pending, receiver.id)
    outbox.prune([receiver.id for receiver in receivers])
    return list(dict.fromkeys(failures.values()))


_captured: ContextVar[list[str] | None] = ContextVar("log lines captured while sending", default=None)


class _CaptureLogs(logging.Filter):
    """Keeps what a library logs while sending out of every log: it contains the URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        captured = _captured.get()
        if captured is None:
            return True
        captured.append(record.getMessage())
        return False


_CAPTURE_LOGS = _CaptureLogs()
_NOISY_LOGGERS = ("apprise", "urllib3", "urllib3.connectionpool", "urllib3.util.retry", "requests")


@contextmanager
def _suppressed_logs() -> Iterator[list[str]]:
    """Collects what Apprise and the libraries below it log in this block, instead of logging it."""
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).addFilter(_CAPTURE_LOGS)
    lines: list[str] = []
    token = _captured.set(lines)
    try:
        yield lines
    finally:
        _captured.reset(token)
