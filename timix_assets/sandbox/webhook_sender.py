"""Sends a signed event for every change in the sandbox, as a vendor with webhooks would. Its event names are made up."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import httpx

from timix_assets.webhooks.signatures import Signatures

TIMEOUT_SECONDS = 5.0
WAITS_SECONDS = (0.5, 2.0, 8.0)
"""Before the second attempt to send an event, and the next ones; then it is lost, as with other senders."""


class WebhookSender:
    """Sends events in the order of the changes, from a thread of its own.

    Args:
        url: Where they go.
        signatures: How they are signed.
        log: Gets a line for each event that could not be delivered.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        url: str,
        signatures: Signatures,
        *,
        log: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._signatures = signatures
        self._log = log
        self._clock = clock
        self._changes = SimpleQueue[tuple[str, str, str] | None]()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timix-sandbox-webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is not sent by now is lost."""
        self._stopping.set()
        self._changes.put(None)
        self._thread.join()

    def send(self, table: str, row_id: str, what: str) -> None:
        """Queues the event of one change: `customers`, `cus-1`, `updated`."""
        self._changes.put((table, row_id, what))

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            while (change := self._changes.get()) is not None and not self._stopping.is_set():
                table, row_id, what = change
                event_id = f"evt_{secrets.token_hex(12)}"
                event = {"id": event_id, "type": f"{table}.{what}", "data": {"id": row_id}}
                self._deliver(client, event_id, json.dumps(event).encode())

    def _deliver(self, client: httpx.Client, event_id: str, body: bytes) -> None:
        for wait in (*WAITS_SECONDS, None):
            headers = {"Content-Type": "application/json", **self._signatures.sign(event_id, self._clock(), body)}
            try:
                response = client.post(self._url, content=body, headers=headers)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem = type(error).__name__
            else:
                if response.is_success:
                    return
                problem = f"status {response.status_code}"
            if wait is None or self._stopping.wait(wait):
                break
        self._log(f"webhook {event_id} was not delivered to {self._url}: {problem}.")
