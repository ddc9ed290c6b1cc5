"""The sandbox as a server: `with Sandbox(firm) as sandbox:` in tests, `serve(...)` at the command line."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from timix_assets.documented import REQUESTS_PER_MINUTE

from .api import PREFIX, Api
from .faults import Faults
from .firm import Firm
from .gate import Gate, LineProtocol, Seen, fault_routes
from .keys import KeyRing, Limits, utc
from .workspace import Workspace

HOST = "127.0.0.1"
WINDOW_SECONDS = 60.0
START_SECONDS = 30.0


class Sandbox:
    """A simulated Timix workspace on a loopback port, served from a daemon thread while the `with` block lasts.

    plan: sets the rate limit and what `/me` says. port: 0 takes a free one. latency: seconds added to every answer.
    key: an owner's key to accept; made up when left out. requests_per_minute: in place of the plan's.
    fixed_window: the limit counts by the clock's windows and not by any stretch of `window_seconds`.
    copies: lists each time entry so many times, for load. tls: paths of a certificate and its key; the base URL is https then.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.firm = firm
        self.workspace = Workspace(firm, utc(clock), copies=copies)
        self.faults = Faults()
        self.requests: list[Seen] = []
        self._keys = KeyRing(utc(clock))
        self.key = self._keys.issue("Owner", secret=key)
        most = requests_per_minute or REQUESTS_PER_MINUTE.get(plan, REQUESTS_PER_MINUTE["Professional"])
        limits = Limits(most, clock, seconds=window_seconds, fixed=fixed_window)
        gate = Middleware(
            Gate,
            workspace=self.workspace,
            keys=self._keys,
            limits=limits,
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
        """Revoke a key at once; KeyError when the sandbox never made it."""
        self._keys.revoke(key)

    def __enter__(self) -> "Sandbox":
        self.workspace.warm()
        listening = socket.create_server((HOST, self._port), backlog=512)
        self._port = listening.getsockname()[1]
        self._server = _Server(self.app, self._tls)
        self._server.start(listening)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


class _Server(uvicorn.Server):
    """uvicorn in a thread of its own, which says when it is ready and ends at once when told."""

    def __init__(self, app: Starlette, tls: tuple[str, str] | None) -> None:
        certificate, private_key = tls or (None, None)
        super().__init__(
            uvicorn.Config(
                app,
                http=LineProtocol,
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
        self._loop, self._told_to_stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()

    async def main_loop(self) -> None:
        await self._told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End without waiting for anybody: what is still under way dies with the loop."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._told_to_stop.set)
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
    say: Callable[[str], None] = print,
    until: threading.Event | None = None,
) -> None:
    """Generate a firm and serve it until `until` is set, or for ever. key: one to accept, which is then not printed.

    What it says is lines for a .env, once it answers. Raises OSError when the port is taken, before it says anything.
    """
    firm = Firm.generate(people=people, months=months, seed=seed, today=today)
    with Sandbox(firm, plan=plan, port=port, latency=latency, key=key) as sandbox:
        say(f"TIMIX_START_MONTH={firm.first_day:%Y-%m}")
        say(f"TIMIX_BASE_URL={sandbox.base_url}")
        if key is None:
            say(f"TIMIX_API_KEY={sandbox.key}")
            say("# Put these lines into .env, with a TIMIX_LAKE of its own; it answers until Ctrl-C.")
        ended = until or threading.Event()
        # In slices: Ctrl-C that the system gives to another thread does not interrupt an endless wait.
        while not ended.wait(1):
            pass
