"""The sandbox as a server: `with Sandbox(firm) as sandbox:` in tests, `serve(...)` at the command line."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from timix_assets.vendor import REQUESTS_PER_MINUTE

from .api import PREFIX, Api
from .faults import Faults
from .firm import Firm
from .keys import KeyRing, RateLimit, utc
from .middleware import ConnectionTrackingProtocol, RequestLogEntry, SandboxMiddleware, fault_routes
from .webhook_sender import WebhookSender
from .workspace import Workspace

HOST = "127.0.0.1"
WINDOW_SECONDS = 60.0
START_SECONDS = 30.0


class Sandbox:
    """A simulated Timix workspace on a loopback port, served from a daemon thread while the `with` block lasts.

    plan: sets the rate limit and the plan in `/me`. port: 0 chooses a free one. latency: seconds added to every response.
    key: an owner's key to accept; generated if omitted. requests_per_minute: in place of the plan's.
    fixed_window: the limit counts by the clock's windows and not by any stretch of `window_seconds`.
    copies: lists each time entry so many times, for load. tls: paths of a certificate and its key; the base URL is https then.
    webhooks: gets an event for every change.
    clock: seconds since the epoch; it rules limits, expiry and the Date header, but not the firm's `today`.
    """

    def __init__(
        self,
        firm: Firm,
        *,
        plan: str = "Business",
        port: int = 0,
        latency: float = 0.0,
        key: str | None = None,
        requests_per_minute: int | None = None,
        window_seconds: float = WINDOW_SECONDS,
        fixed_window: bool = False,
        read_only: bool = False,
        copies: int = 1,
        tls: tuple[str, str] | None = None,
        webhooks: WebhookSender | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.firm = firm
        self._webhooks = webhooks
        self.workspace = Workspace(firm, utc(clock), copies=copies, on_change=webhooks.send if webhooks else None)
        self.faults = Faults()
        self.requests: list[RequestLogEntry] = []
        self._keys = KeyRing(utc(clock))
        self.key = self._keys.issue("Owner", secret=key)
        per_minute = requests_per_minute or REQUESTS_PER_MINUTE.get(plan, REQUESTS_PER_MINUTE["Professional"])
        rate_limit = RateLimit(per_minute, clock, seconds=window_seconds, fixed=fixed_window)
        gate = Middleware(
            SandboxMiddleware,
            workspace=self.workspace,
            keys=self._keys,
            rate_limit=rate_limit,
            faults=self.faults,
            requests=self.requests,
            latency=latency,
            clock=clock,
        )
        routes = Api(self.workspace, plan, read_only).routes()
        switch = fault_routes(self.faults, [route.path.removeprefix(PREFIX) for route in routes])
        self.app = Starlette(routes=[*routes, *switch], middleware=[gate])
        self._port = port
        self._tls = tls
        self._server: _Server | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self._port}"

    @property
    def base_url(self) -> str:
        return self.origin + PREFIX

    def key_for(
        self,
        role: str = "Owner",
        *,
        lasts: timedelta | None = None,
        expired: bool = False,
        revoked: bool = False,
        organization: str | None = None,
    ) -> str:
        """Another key. organization: the name of another organization that /me and /organization speak of with it."""
        lasts = timedelta(days=-1) if expired else lasts
        return self._keys.issue(role, lasts=lasts, revoked=revoked, organization=organization)

    def revoke(self, key: str) -> None:
        """Revoke a key immediately; KeyError if the sandbox did not issue it."""
        self._keys.revoke(key)

    def __enter__(self) -> "Sandbox":
        self.workspace.warm()
        listening = socket.create_server((HOST, self._port), backlog=512)
        self._port = listening.getsockname()[1]
        self._server = _Server(self.app, self._tls)
        self._server.start(listening)
        if self._webhooks is not None:
            self._webhooks.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._webhooks is not None:
            self._webhooks.stop()


class _Server(uvicorn.Server):
    """uvicorn in a thread, which signals when it is ready and stops immediately."""

    def __init__(self, app: Starlette, tls: tuple[str, str] | None) -> None:
        certificate, private_key = tls or (None, None)
        super().__init__(
            uvicorn.Config(
                app,
                http=ConnectionTrackingProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=0,
                ssl_certfile=certificate,
                ssl_keyfile=private_key,
            )
        )
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, listening: socket.socket) -> None:
        self._thread = threading.Thread(target=self.run, args=([listening],), name="timix-sandbox", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError(f"The sandbox did not start within {START_SECONDS:g} s.")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop, self._stop_requested = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()

    async def main_loop(self) -> None:
        await self._stop_requested.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down without waiting for open connections."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop_requested.set)
        if self._thread is not None:
            self._thread.join()


def serve(
    port: int,
    *,
    today: date,
    people: int = 40,
    months: int = 24,
    seed: int = 7,
    plan: str = "Business",
    latency: float = 0.0,
    key: str | None = None,
    webhooks: WebhookSender | None = None,
    echo: Callable[[str], None] = print,
    until: threading.Event | None = None,
) -> None:
    """Generate a firm and serve it until `until` is set, or indefinitely. key: an API key to accept; it is not printed.

    Prints lines for a .env file once it is ready. Raises OSError if the port is taken, before printing anything.
    """
    firm = Firm.generate(people=people, months=months, seed=seed, today=today)
    with Sandbox(firm, plan=plan, port=port, latency=latency, key=key, webhooks=webhooks) as sandbox:
        echo(f"TIMIX_START_MONTH={firm.first_day:%Y-%m}")
        echo(f"TIMIX_BASE_URL={sandbox.base_url}")
        if key is None:
            echo(f"TIMIX_API_KEY={sandbox.key}")
            echo("# Put these lines into .env, with a TIMIX_LAKE of their own. Ctrl-C stops the sandbox.")
        ended = until or threading.Event()
        # In slices: a Ctrl-C delivered to another thread does not interrupt an unbounded wait.
        while not ended.wait(1):
            pass
