"""The sandbox sends a signed event for every change, to the receiver of this package and to any other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.sandbox.webhook_sender import WAITS_SECONDS, WebhookSender
from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.webhooks.signatures import Signatures
from timix_assets_tests.webhooks.receiving import NOW, OTHER_SECRET, SECRET, Receiving, receiving

HEX = {"webhook_scheme": "hmac-sha256-hex", "webhook_timestamp_header": "X-Time", "webhook_id_header": "X-Id"}


@contextmanager
def sending(firm: Firm, to: Receiving, log: Callable[[str], None] = print, **settings: object) -> Iterator[Sandbox]:
    signatures = Signatures.of(WebhookSettings.model_validate({"webhook_secrets": SECRET, **settings}))
    with Sandbox(firm, webhooks=WebhookSender(to.url, signatures, log=log, clock=lambda: NOW)) as sandbox:
        yield sandbox


def wait_for(running: Receiving, events: int) -> dict[str | None, int]:
    until = Event()
    for _ in range(500):
        if running.inbox.looks().newest >= events:
            break
        until.wait(0.02)
    return {each.what: each.count for each in running.inbox.events()}


@pytest.mark.parametrize("settings", [{}, HEX, {"webhook_scheme": "token"}])
def test_every_change_is_an_event(firm: Firm, tmp_path: Path, settings: dict[str, object]) -> None:
    with receiving(tmp_path, **settings) as running, sending(firm, running, **settings) as sandbox:
        headers = {"X-Api-Key": sandbox.key}
        customers = f"{sandbox.base_url}/customers"
        row = httpx.post(customers, json={"name": "New"}, headers=headers).json()
        httpx.put(f"{customers}/{row['id']}", json={"name": "Newer"}, headers=headers)
        httpx.delete(f"{customers}/{row['id']}", headers=headers)
        httpx.post(f"{customers}/{row['id']}/restore", headers=headers)
        httpx.get(customers, headers=headers)
        assert wait_for(running, 4) == {"customers.created": 2, "customers.updated": 1, "customers.deleted": 1}


def test_event_that_is_refused_is_sent_again_and_then_given_up(
    firm: Firm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timix_assets.sandbox.webhook_sender.WAITS_SECONDS", [0.0 for _ in WAITS_SECONDS])
    given_up, lines = Event(), list[str]()

    def log(line: str) -> None:
        lines.append(line)
        given_up.set()

    with receiving(tmp_path) as running, sending(firm, running, log, webhook_secrets=OTHER_SECRET) as sandbox:
        sandbox.workspace.create("customers", {"name": "New"})
        assert given_up.wait(10)
        assert running.refused == {"the signature is wrong": 1 + len(WAITS_SECONDS)}
    assert lines[0].endswith(f"was not delivered to {running.url}: status 401.")
