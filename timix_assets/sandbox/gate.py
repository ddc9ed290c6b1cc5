"""What every request passes: the log, the key, the limit and the faults; and the way its answer takes to the wire."""

import asyncio
from asyncio import BaseTransport, Transport
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import fault_answers, fault_delivery, fault_pages, fault_records
from .answers import Answer, Asked, refusal
from .api import PREFIX
from .fault_delivery import Line
from .fault_paths import check_paths
from .faults import KINDS, Fault, Faults, Stage, Struck
from .keys import Key, KeyRing, Limits
from .workspace import Workspace

FAULTS_PATH = "/_sandbox/faults"
EXAMPLE = '{"kind": "server_error", "path": "/time-reports", "times": 1}'
MODULES_OF_KINDS = (fault_answers, fault_delivery, fault_pages, fault_records)
"""Imported for their kinds, which declare themselves."""

Address = tuple[object, object]


class Seen(NamedTuple):
    """One request that arrived, and the status of its answer; 0 when the connection was reset before one."""

    time: float
    method: str
    path: str
    query: str
    status: int


class LineProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which remembers the transport of each connection, so that faults can act on it."""

    open_lines: dict[Address, Transport] = {}  # noqa: RUF012  shared by all connections on purpose

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.open_lines[self.client, self.server] = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_lines.pop((self.client, self.server), None)
        super().connection_lost(exc)


class Gate:
    """Middleware around the API. It answers 401, 404 outside the API, 429 and faults itself."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        workspace: Workspace,
        keys: KeyRing,
        limits: Limits,
        faults: Faults,
        requests: list[Seen],
        latency: float,
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._workspace = workspace
        self._keys = keys
        self._limits = limits
        self._faults = faults
        self._requests = requests
        self._latency = latency
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == FAULTS_PATH:
            await self._app(scope, receive, send)
            return
        if self._latency:
            await asyncio.sleep(self._latency)
        asked = self._asked(scope)
        answer, struck = await self._answer(scope, receive, asked)
        reset = any(fault.kind == "reset_connection" and fault.size is None for fault in struck.faults)
        query = scope["query_string"].decode("latin-1")
        self._requests.append(Seen(asked.now, asked.method, scope["path"], query, 0 if reset else answer.status))
        await self._deliver(scope, send, answer, struck)

    def _asked(self, scope: Scope) -> Asked:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        host, port = scope["server"]
        origin = f"{scope['scheme']}://{host}:{port}"
        path = scope["path"].removeprefix(PREFIX)
        return Asked(scope["method"], path, query, origin, self._clock(), _key_text(scope))

    async def _answer(self, scope: Scope, receive: Receive, asked: Asked) -> tuple[Answer, Struck]:
        if not scope["path"].startswith(PREFIX):
            return refusal(404, f"There is no {asked.path}."), Struck()
        key, why_not = self._keys.find(asked.key_text)
        if key is None:
            return refusal(401, why_not), Struck()
        if wait := self._limits.admit(key):
            return refusal(429, "Too many requests.", {"Retry-After": str(wait)}), Struck()
        struck = self._faults.meet(asked.method, asked.path, asked.page)
        if not struck.faults:
            return await self._ask(scope, receive, key, asked, struck), struck
        return await self._faulty(scope, receive, key, asked, struck), struck

    async def _faulty(self, scope: Scope, receive: Receive, key: Key, asked: Asked, struck: Struck) -> Answer:
        asked = struck.bend(Stage.REQUEST, asked)
        for fault, act in struck.at(Stage.INSTEAD):
            instead: Answer | None = act(fault, asked)
            if instead is not None:
                return instead
        answer = await self._ask(scope, receive, key, asked, struck)
        bent: Answer = struck.bend(Stage.ANSWER, answer)
        for fault, act in struck.at(Stage.AFTERWARDS):
            act(fault, self._workspace, asked)
        return bent

    async def _ask(self, scope: Scope, receive: Receive, key: Key, asked: Asked, struck: Struck) -> Answer:
        """Let the API answer, and keep the answer back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        inner = {**scope, "path": PREFIX + asked.path, "key": key, "asked": asked, "struck": struck}
        await self._app(inner, receive, keep)
        start, *parts = messages
        body = parts[0]["body"] if len(parts) == 1 else b"".join(part.get("body", b"") for part in parts)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        content_type = headers.pop("content-type", "")
        headers.pop("content-length", None)
        if start["status"] in (404, 405) and not content_type.startswith("application/json"):
            return refusal(start["status"], f"There is no {asked.method} {asked.path}.")
        return Answer(start["status"], body, headers, content_type)

    async def _deliver(self, scope: Scope, send: Send, answer: Answer, struck: Struck) -> None:
        async def head(given: Answer, sized: bool) -> None:
            headers = [h for h in given.all_headers(self._clock()) if sized or h[0] != b"content-length"]
            await send({"type": "http.response.start", "status": given.status, "headers": headers})

        async def part(some: bytes, more: bool) -> None:
            await send({"type": "http.response.body", "body": some, "more_body": more})

        for fault, act in struck.at(Stage.DELIVERY):
            transport = LineProtocol.open_lines[scope["client"], scope["server"]]
            await act(fault, answer, Line(transport, head, part))
            return
        await head(answer, True)
        await part(answer.body, False)


def _key_text(scope: Scope) -> str:
    headers = dict(scope["headers"])
    if b"x-api-key" in headers:
        return str(headers[b"x-api-key"].decode("latin-1"))
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return str(token.strip()) if scheme.lower() == "bearer" else ""


async def _object(request: Request) -> dict[str, Any]:
    """The JSON object that a request sends; TypeError says what to send when it sends none."""
    try:
        sent = await request.json()
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise TypeError(f"{FAULTS_PATH} needs a fault as a JSON object in the body, such as {EXAMPLE}.")
    return sent


def fault_routes(faults: Faults, paths: Sequence[str]) -> list[Route]:
    """The fault switch over HTTP. Only loopback can reach it, because the sandbox listens nowhere else.

    paths: those of the API, below the base URL.
    """

    async def add(request: Request) -> Response:
        try:
            fault = Fault.of(await _object(request))
            check_paths(fault, paths, faults)
        except (TypeError, ValueError) as unusable:
            return JSONResponse({"error": {"code": "VALIDATION_ERROR", "message": str(unusable)}}, 422)
        faults.add(fault)
        return JSONResponse(fault.settings(), 201)

    async def show(_: Request) -> Response:
        kinds = {kind.name: kind.meaning for kind in sorted(KINDS.values(), key=lambda kind: kind.name)}
        return JSONResponse({"on": [fault.settings() for fault in faults], "kinds": kinds})

    async def clear(_: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    return [
        Route(FAULTS_PATH, add, methods=["POST"]),
        Route(FAULTS_PATH, show, methods=["GET"]),
        Route(FAULTS_PATH, clear, methods=["DELETE"]),
    ]
