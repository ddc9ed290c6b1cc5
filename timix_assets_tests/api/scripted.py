"""A small real HTTP server whose every answer a test scripts, down to the bytes."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from timix_assets.api import Limits

BRISK = Limits(
    backoff_base_seconds=0.001,
    backoff_cap_seconds=0.005,
    request_deadline_seconds=5,
    window_seconds=0.2,
    window_margin_seconds=0.02,
)
"""Limits that make no test wait."""


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it. at: seconds of the monotonic clock on arrival."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def page(self) -> int:
        return int(self.params["page"])


@dataclass(frozen=True)
class Reply:
    """An answer; a body that is not bytes is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Raw = Callable[[Any], None]
"""Writes whatever it likes to the connection's socket; the connection is closed after it."""

Script = Callable[[Asked], Reply | Raw]


class ScriptedServer:
    """base_url: where it is. asked: every request so far, /me included."""

    def __init__(self, script: Script, plan: str = "Business") -> None:
        self.asked: list[Asked] = []
        self._script = script
        self._plan = plan
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet for head and body

            def answer(self) -> None:
                owner.answer(self)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Clients that break off are part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/api/v1"

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        at = time.monotonic()
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        path = url.path.removeprefix("/api/v1")
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, path, dict(parse_qsl(url.query)), headers, body, at)
        with self._lock:
            self.asked.append(asked)
        reply = self._script(asked)
        if path == "/me" and reply == NOT_SCRIPTED:
            reply = Reply({"userId": "u1", "plan": self._plan})
        if isinstance(reply, Reply):
            _send(handler, reply)
        else:
            handler.close_connection = True
            handler.wfile.flush()
            reply(handler.connection)

    def requests_for(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]


NOT_SCRIPTED = Reply({"error": {"code": "not_found", "message": "no such path"}}, status=404)


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    handler.send_response(reply.status)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
    if reply.status == 204:
        del headers["Content-Length"]
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


@contextmanager
def serving(script: Script, plan: str = "Business") -> Iterator[ScriptedServer]:
    server = ScriptedServer(script, plan)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def in_turn(path: str, *replies: Reply | Raw) -> Script:
    """`replies` to the requests for `path`, one after another, the last one for ever."""
    left = list(replies)

    def script(asked: Asked) -> Reply | Raw:
        if asked.path != path:
            return NOT_SCRIPTED
        return left.pop(0) if len(left) > 1 else left[0]

    return script


def sheet(rows: list[Any], page: int, page_size: int, **changed: Any) -> dict[str, Any]:
    """The documented envelope around one page of `rows`."""
    start = (page - 1) * page_size
    items = rows[start : start + page_size]
    more = start + len(items) < len(rows)
    whole = {"items": items, "totalCount": len(rows), "page": page, "pageSize": page_size, "hasMore": more}
    return {**whole, **changed}


def listing(path: str, rows: list[Any], largest_page: int = 200) -> Script:
    """Serves `rows` at `path` as documented, in pages as large as asked, at most `largest_page`."""

    def script(asked: Asked) -> Reply:
        if asked.path != path:
            return NOT_SCRIPTED
        return Reply(sheet(rows, asked.page, min(largest_page, int(asked.params["pageSize"]))))

    return script


def refusing_paging(path: str, reply: Reply) -> Script:
    """`reply` at `path`, unless a page is asked for: then 422."""

    def script(asked: Asked) -> Reply:
        if asked.path != path:
            return NOT_SCRIPTED
        paged = {"page", "pageSize"} & asked.params.keys()
        return Reply({"error": {"code": "x", "message": "unknown parameter"}}, status=422) if paged else reply

    return script


def rows_of(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "hours": n} for n in range(count)]
