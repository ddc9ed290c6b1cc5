"""The receiver on a loopback port, its clock in the test's hands."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.webhooks.inbox import Inbox
from timix_assets.webhooks.rate_limit import RateLimit
from timix_assets.webhooks.server import PATH, Receiver, http_server
from timix_assets.webhooks.signatures import Signatures

NOW = 1_800_000_000.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = b'{"type": "customers.updated"}'


@dataclass
class Receiving:
    """A running receiver. now: the time by its clock."""

    url: str
    inbox: Inbox
    now: float = NOW
    logged: list[str] = field(default_factory=list)

    def post(self, headers: dict[str, str], body: bytes = BODY) -> int:
        return httpx.post(self.url, content=body, headers=headers).status_code

    def event(self, event_id: str, *, secret: str = SECRET, at: float = NOW) -> int:
        """The status of one event of Standard Webhooks."""
        signatures = Signatures.of(WebhookSettings(webhook_secrets=secret))
        return self.post(signatures.sign(event_id, at, BODY))

    @property
    def refused(self) -> dict[str | None, int]:
        return {each.what: each.count for each in self.inbox.refusals()}


@contextmanager
def receiving(folder: Path, **settings: object) -> Iterator[Receiving]:
    """A receiver with these settings; without a secret, with SECRET."""
    declared = WebhookSettings.model_validate({"webhook_secrets": SECRET, **settings})
    with (
        Inbox(folder / "webhooks.sqlite", declared.webhook_inbox_mb) as inbox,
        socket.create_server(("127.0.0.1", 0), backlog=512) as listening,
    ):
        running = Receiving(f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}", inbox)
        server = http_server(
            Receiver(
                inbox,
                Signatures.of(declared),
                RateLimit(declared.webhook_per_minute),
                declared.webhook_max_body_kb * 1024,
                clock=lambda: running.now,
                log=running.logged.append,
            )
        )
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            # The kernel takes connections already, so the first request waits until it is served.
            yield running
        finally:
            server.should_exit = True
            thread.join()
