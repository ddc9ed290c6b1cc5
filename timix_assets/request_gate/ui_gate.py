"""The request gate of the UI: Dagster's webserver alone executes what any web page in the user's browser sends it."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timix_assets.request_gate.origins import Site

ADVICE = "The UI is available on its port on this machine and at TIMIX_UI_URL; see docs/operations.md."

GRAPHQL = "/graphql"
SAFE_METHODS = ("GET", "HEAD")


class UiGate:
    """ASGI middleware: passes requests of the site itself and rejects all others with 403 and the reason."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._rejection(scope)
        if reason is None:
            await self._app(scope, receive, _without_framing(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason} {ADVICE}\n", 403)(scope, receive, send)

    def _rejection(self, scope: Scope) -> str | None:
        websocket = scope["type"] == "websocket"
        method = "GET" if websocket else scope["method"]
        reason = self._site.rejection(method, scope["path"], scope["headers"], websocket=websocket)
        if reason is not None or websocket:
            return reason
        if method in SAFE_METHODS:
            # An image or a link can send this, and Dagster executes mutations sent so.
            return "Send GraphQL requests by POST." if scope["path"] == GRAPHQL else None
        # A form sends another type; a script of another site needs a preflight before it sends this one.
        content_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        return None if content_type == "application/json" else "Send JSON, with the content type application/json."


def _without_framing(send: Send) -> Send:
    """Keeps other sites from showing a page in a frame and having its buttons clicked."""

    async def send_with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["x-frame-options"] = "SAMEORIGIN"
        await send(message)

    return send_with_header
