"""The receiver: POST /webhooks. An answer of 200 means that the event is in the inbox."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from timix_assets.webhooks.inbox import Inbox, InboxError
from timix_assets.webhooks.rate_limit import RateLimit
from timix_assets.webhooks.signatures import EventRefused, Signatures

PATH = "/webhooks"
BODY_SECONDS = 10.0
"""The longest time for a body to arrive."""

MAX_CONNECTIONS = 256
"""With this many open, others are answered with 503: the memory for bodies is bounded."""

MAX_TYPE_CHARACTERS = 80
TYPE_FIELDS = ("type", "event", "event_type", "eventType", "action", "topic")
"""Where other senders write an event's type. It is shown by the doctor, and nothing depends on it."""


class _BodyTooLarge(Exception):  # noqa: N818  it reads as what happened
    """More bytes than an event may have."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Verifies an event, stores it and answers.

    Args:
        inbox: Where events go.
        signatures: Who may send them.
        rate_limit: How many are accepted. Forged requests do not count, so they cannot crowd out real events.
        max_body_bytes: Size of the largest event.
        clock: Seconds since 1970.
        log: For what the person who runs this must know. It gets nothing that was sent.
    """

    inbox: Inbox
    signatures: Signatures
    rate_limit: RateLimit
    max_body_bytes: int
    clock: Callable[[], float] = time.time
    log: Callable[[str], None] = print

    def app(self) -> Starlette:
        return Starlette(routes=[Route(PATH, self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body(request)
            # SQLite answers in a fraction of a millisecond; a thread would take longer.
            return self._store(dict(request.headers), body)
        except _BodyTooLarge:
            return self._refuse(413, f"the event is larger than {self.max_body_bytes} bytes")
        except TimeoutError:
            return self._refuse(408, f"the event did not arrive within {BODY_SECONDS:g} s")
        except ClientDisconnect:
            return Response(status_code=400)
        except InboxError as error:
            self.log(str(error))
            return PlainTextResponse(
                "The event could not be stored; send it again later.\n", 503, {"Retry-After": "60"}
            )

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self.max_body_bytes:
                raise _BodyTooLarge
        return bytes(body)

    def _store(self, headers: dict[str, str], body: bytes) -> Response:
        now = self.clock()
        try:
            key = self.signatures.verify(headers, body, now)
        except EventRefused as refused:
            return self._refuse(401, str(refused))
        if wait := self.rate_limit.seconds_to_wait(time.monotonic()):
            return self._refuse(429, "too many events in a minute", {"Retry-After": str(math.ceil(wait))})
        is_new = self.inbox.add(key, event_type(body), now)
        return PlainTextResponse("stored\n" if is_new else "stored before\n")

    def _refuse(self, status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
        # Only a count, for the doctor; it must not change the answer.
        with suppress(InboxError):
            self.inbox.count_refusal(reason, self.clock())
        # What is left of a body is not read.
        return PlainTextResponse(f"Refused: {reason}.\n", status, {"Connection": "close", **(headers or {})})


def event_type(body: bytes) -> str | None:
    """What the sender calls the event, as far as that can be seen."""
    try:
        event: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = (event.get(name) for name in TYPE_FIELDS) if isinstance(event, dict) else ()
    text = next((value for value in found if isinstance(value, str) and value), None)
    # A lone surrogate is valid JSON and cannot be stored.
    return text[:MAX_TYPE_CHARACTERS].encode(errors="replace").decode() if text else None


def http_server(receiver: Receiver) -> uvicorn.Server:
    """The receiver as a server; its `run` takes a listening socket."""
    return uvicorn.Server(
        uvicorn.Config(
            receiver.app(),
            http="httptools",
            ws="none",
            lifespan="off",
            # No access log: it would write a line for each request of anybody.
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=int(BODY_SECONDS),
        )
    )
