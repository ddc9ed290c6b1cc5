"""What the gate passes to the application behind it. Complete attacks are in reliability/test_web_pages.py."""

import asyncio
from typing import Any

import pytest

from timix_assets.request_gate.origins import Site
from timix_assets.request_gate.ui_gate import UiGate

HOST = (b"host", b"127.0.0.1:3000")
OURS = (b"origin", b"http://127.0.0.1:3000")
JSON = (b"content-type", b"application/json")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 to every request."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def sent(kind: str, method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """The first message of the answer."""
    messages: list[dict[str, Any]] = []

    async def keep(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": f"{kind}.connect" if kind == "websocket" else "http.request"}

    scope = {"type": kind, "method": method, "path": path, "headers": [HOST, *headers]}
    asyncio.run(UiGate(application, Site.on_loopback(3000))(scope, receive, keep))
    return messages[0]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", (), 200),
        ("HEAD", "/", (), 200),
        ("GET", "/", ((b"origin", b"http://evil.example"),), 403),
        ("GET", "/graphql", (), 403),
        ("HEAD", "/graphql", (), 403),
        ("GET", "/graphql", (OURS,), 403),
        ("GET", "/graphqlx", (), 200),
        ("POST", "/graphql", (JSON,), 200),
        ("POST", "/graphql", (OURS, (b"content-type", b"Application/JSON; charset=utf-8")), 200),
        ("POST", "/graphql", (), 403),
        ("POST", "/graphql", (OURS,), 403),
        ("POST", "/graphql", ((b"content-type", b"text/plain; application/json"),), 403),
        ("POST", "/graphql", ((b"content-type", b"application/jsonx"),), 403),
        ("POST", "/report_asset_check/x", (), 403),
        ("DELETE", "/anything", (), 403),
        ("OPTIONS", "/graphql", (), 403),
    ],
)
def test_passes_reads_and_json_writes(
    method: str, path: str, headers: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    assert sent("http", method, path, *headers)["status"] == status


def test_accepts_own_websockets_only() -> None:
    assert sent("websocket", "", "/graphql", OURS)["type"] == "websocket.accept"
    assert sent("websocket", "", "/graphql")["type"] == "websocket.close"
    assert sent("websocket", "", "/graphql", (b"origin", b"null"))["type"] == "websocket.close"


def test_pages_cannot_be_framed_by_other_sites() -> None:
    assert (b"x-frame-options", b"SAMEORIGIN") in sent("http", "GET", "/")["headers"]
