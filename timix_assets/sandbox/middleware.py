"""Middleware for every request: the request log, keys, the rate limit, faults, and sending the response."""

import asyncio
import json
from asyncio import BaseTransport, Transport
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from timix_assets.request_gate.origins import Site

from . import fault_delivery, fault_pages, fault_records, fault_responses
from .api import PREFIX
from .fault_delivery import Connection
from .fault_paths import check_paths
from .faults import KINDS, ActiveFaults, Fault, Faults, Stage
from .keys import Key, KeyRing, RateLimit
from .responses import ApiResponse, ParsedRequest, error_response
from .workspace import Workspace

CONTROL = "/_sandbox/"
FAULTS_PATH = f"{CONTROL}faults"
EXAMPLE = '{"kind": "server_error", "path": "/time-reports", "times": 1}'
MAX_BODY_BYTES = 64_000
FAULT_MODULES = (fault_delivery, fault_pages, fault_records, fault_responses)
"""Imported because they register their kinds."""

Address = tuple[object, object]


class RequestLogEntry(NamedTuple):
    """A received request and the status of its response; 0 if the connection was reset before one."""

    time: float
    method: str
    path: str
    query: str
    status: int


class ConnectionTrackingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the transport of each connection recorded so that faults can act on it."""

    open_connections: dict[Address, Transport] = {}  # noqa: RUF012  shared by all connections on purpose

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.open_connections[self.client, self.server] = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.pop((self.client, self.server), None)
        super().connection_lost(exc)


@dataclass
class SandboxMiddleware:
    """Middleware around the API. It produces 401, 404 outside the API, 429 and faults."""

    app: ASGIApp
    workspace: Workspace
    keys: KeyRing
    rate_limit: RateLimit
    faults: Faults
    requests: list[RequestLogEntry]
    latency: float
    clock: Callable[[], float]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"].startswith(CONTROL):
            await self._control(scope, receive, send)
            return
        if self.latency:
            await asyncio.sleep(self.latency)
        parsed = self._parsed(scope)
        answer, active = await self._answer(scope, receive, parsed)
        reset = any(fault.kind == "reset_connection" and fault.size is None for fault in active.faults)
        query = scope["query_string"].decode("latin-1")
        self.requests.append(
            RequestLogEntry(parsed.now, parsed.method, scope["path"], query, 0 if reset else answer.status)
        )
        await self._deliver(scope, send, answer, active)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Control paths need no key, so requests from other sites are rejected."""
        site = Site.on_loopback(scope["server"][1], scheme=scope["scheme"])
        why = site.rejection(scope["method"], scope["path"], scope["headers"])
        if why is None:
            await self.app(scope, receive, send)
        else:
            body = {"error": {"code": "FORBIDDEN", "message": why}}
            await JSONResponse(body, 403)(scope, receive, send)

    def _parsed(self, scope: Scope) -> ParsedRequest:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        host, port = scope["server"]
        origin = f"{scope['scheme']}://{host}:{port}"
        path = scope["path"].removeprefix(PREFIX)
        return ParsedRequest(scope["method"], path, query, origin, self.clock(), _key_text(scope))

    async def _answer(self, scope: Scope, receive: Receive, parsed: ParsedRequest) -> tuple[ApiResponse, ActiveFaults]:
        if not scope["path"].startswith(PREFIX):
            return error_response(404, f"There is no {parsed.path}."), ActiveFaults()
        key, why_not = self.keys.find(parsed.key_text)
        if key is None:
            return error_response(401, why_not), ActiveFaults()
        if wait := self.rate_limit.admit(key):
            return error_response(429, "Too many requests.", {"Retry-After": str(wait)}), ActiveFaults()
        active = self.faults.matching(parsed.method, parsed.path, parsed.page)
        if not active.faults:
            return await self._ask(scope, receive, key, parsed, active), active
        return await self._faulty(scope, receive, key, parsed, active), active

    async def _faulty(
        self, scope: Scope, receive: Receive, key: Key, parsed: ParsedRequest, active: ActiveFaults
    ) -> ApiResponse:
        parsed = active.apply(Stage.REQUEST, parsed)
        for fault, act in active.at(Stage.RESPONSE):
            instead: ApiResponse | None = act(fault, parsed)
            if instead is not None:
                return instead
        answer = await self._ask(scope, receive, key, parsed, active)
        changed: ApiResponse = active.apply(Stage.FINISHED, answer)
        for fault, act in active.at(Stage.AFTER_RESPONSE):
            act(fault, self.workspace, parsed)
        return changed

    async def _ask(
        self, scope: Scope, receive: Receive, key: Key, parsed: ParsedRequest, active: ActiveFaults
    ) -> ApiResponse:
        """Run the API and collect its response."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        inner = {**scope, "path": PREFIX + parsed.path, "key": key, "parsed": parsed, "faults": active}
        await self.app(inner, receive, keep)
        start, *parts = messages
        body = parts[0]["body"] if len(parts) == 1 else b"".join(part.get("body", b"") for part in parts)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        content_type = headers.pop("content-type", "")
        headers.pop("content-length", None)
        if start["status"] in (404, 405) and not content_type.startswith("application/json"):
            return error_response(start["status"], f"There is no {parsed.method} {parsed.path}.")
        return ApiResponse(start["status"], body, headers, content_type)

    async def _deliver(self, scope: Scope, send: Send, answer: ApiResponse, active: ActiveFaults) -> None:
        async def head(given: ApiResponse, sized: bool) -> None:
            headers = [h for h in given.header_pairs(self.clock()) if sized or h[0] != b"content-length"]
            await send({"type": "http.response.start", "status": given.status, "headers": headers})

        async def part(some: bytes, more: bool) -> None:
            await send({"type": "http.response.body", "body": some, "more_body": more})

        for fault, act in active.at(Stage.DELIVERY):
            transport = ConnectionTrackingProtocol.open_connections[scope["client"], scope["server"]]
            await act(fault, answer, Connection(transport, head, part))
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
    """The JSON object in a request body; TypeError explains what to send otherwise."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise TypeError(f"A fault is a JSON object of at most {MAX_BODY_BYTES} bytes, such as {EXAMPLE}.")
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise TypeError(f"{FAULTS_PATH} needs a fault as a JSON object in the body, such as {EXAMPLE}.")
    return sent


def fault_routes(faults: Faults, paths: Sequence[str]) -> list[Route]:
    """The fault control routes.

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
        kinds = {name: kind.meaning for name, kind in sorted(KINDS.items())}
        return JSONResponse({"on": [fault.settings() for fault in faults], "kinds": kinds})

    async def clear(_: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    return [
        Route(FAULTS_PATH, add, methods=["POST"]),
        Route(FAULTS_PATH, show, methods=["GET"]),
        Route(FAULTS_PATH, clear, methods=["DELETE"]),
    ]
