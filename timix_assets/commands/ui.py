"""`timix-assets ui`: serves the Dagster UI and runs its daemon; without a key, together with the sandbox."""

import errno
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from timix_assets.commands.sandbox_process import RunningSandbox, running_sandbox
from timix_assets.request_gate.origins import Site
from timix_assets.settings import Settings, SettingsError
from timix_assets.state.files import write_atomically
from timix_assets.state.locks import exclusive_lock
from timix_assets.text.wording import excerpt

if TYPE_CHECKING:
    import uvicorn

EVERY_ADDRESS = ("0.0.0.0", "::")
"""Hosts to listen on that a browser cannot open."""

WORKSPACE = Path("workspace.yaml")

CLOSING_SECONDS = 3
"""How long open pages may delay the end."""


def run(
    settings: Settings, host: str, port: int, console: Console, *, read_only: bool = False, web_only: bool = False
) -> int:
    """Serves the UI until Ctrl-C.

    Args:
        read_only: For people who only look: without a daemon, so it may run beside another UI.
        web_only: For servers: the code servers of workspace.yaml and the daemon are started by something else.

    Returns:
        The exit code: 1 if Dagster's daemon ended before.

    Raises:
        SettingsError: The port is taken, or another UI of the folder is running; nothing was started.
    """
    with nullcontext() if read_only or web_only else single_ui(settings.state_folder):
        return _serve(settings, host, port_to_serve_on(host, port), console, read_only=read_only, web_only=web_only)


@contextmanager
def single_ui(folder: Path) -> Iterator[None]:
    """Makes this the only UI of the folder's instance: two daemons would start every schedule twice.

    Raises:
        SettingsError: Another UI of the folder is running.
    """
    holder = folder / "ui.pid"

    def busy() -> SettingsError:
        process = holder.read_text(encoding="ascii") if holder.is_file() else "just started"
        return SettingsError(
            f"the UI of this folder is already running (process {process}); open that one, or stop it first."
        )

    with exclusive_lock(folder / "ui.lock", busy=busy):
        write_atomically(holder, str(os.getpid()).encode())
        yield


def port_to_serve_on(host: str, port: int) -> int:
    """The port to serve on; for 0 a free one.

    Raises:
        SettingsError: The port cannot be used.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                # As the UI itself does: a port that was closed a moment ago is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            chosen: int = probe.getsockname()[1]
            return chosen
    except OSError as refused:
        if refused.errno == errno.EADDRINUSE:
            why = f"port {port} is taken; choose another with --port, or stop what uses it."
        else:
            why = f"cannot bind to {host}:{port} ({refused.strerror}); choose others with --host and --port."
        raise SettingsError(why) from refused


def _serve(settings: Settings, host: str, port: int, console: Console, *, read_only: bool, web_only: bool) -> int:
    # What serves alone reads nothing from Timix.
    with_sandbox = not web_only and not settings.api_key.get_secret_value()
    if with_sandbox:
        console.print(
            "TIMIX_API_KEY is not set; using the built-in sandbox. For a real workspace, set it in .env.",
            highlight=False,
        )
    site = site_of(host, port, os.environ)
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox()) if with_sandbox else None
        url = address(host, port)
        os.environ.update(settings_of(os.environ, url, sandbox))
        console.print(f"The UI will be at {url} in a few seconds. Press Ctrl-C to stop it.", highlight=False)
        try:
            return _serve_dagster(
                settings.state_folder, host, port, site, console, read_only=read_only, web_only=web_only
            )
        except KeyboardInterrupt:
            return 0


def _serve_dagster(
    state_folder: Path, host: str, port: int, site: Site, console: Console, *, read_only: bool, web_only: bool
) -> int:
    # Imported late: the sandbox starts meanwhile, and these are slow.
    import uvicorn  # noqa: PLC0415

    from timix_assets.commands import dagster_services  # noqa: PLC0415
    from timix_assets.request_gate.ui_gate import UiGate  # noqa: PLC0415

    services = dagster_services.running(WORKSPACE, state_folder, read_only=read_only, web_only=web_only)
    with services as (web, daemon):
        config = uvicorn.Config(
            UiGate(web, site),
            host=host,
            port=port,
            # The other parser drops the host of an absolute URL, which the gate rejects.
            http="h11",
            lifespan="off",
            log_level="warning",
            server_header=False,
            # The gate needs Host and Origin as the browser sent them.
            proxy_headers=False,
            timeout_graceful_shutdown=CLOSING_SECONDS,
        )
        server = uvicorn.Server(config)
        if daemon is not None:
            threading.Thread(target=_stop_with, args=(daemon, server), daemon=True).start()
        server.run()
        if daemon is not None and daemon.poll() is not None:
            console.print(
                f"Dagster's daemon ended (exit code {daemon.returncode}), so the UI was stopped; start it again.",
                highlight=False,
            )
        return 1


def _stop_with(daemon: subprocess.Popen[bytes], server: "uvicorn.Server") -> None:
    """Stops the server when the daemon has ended: schedules would stop, and nobody would notice."""
    daemon.wait()
    server.should_exit = True


def site_of(host: str, port: int, environ: Mapping[str, str]) -> Site:
    """The addresses of the UI: this machine's own names, the host that it listens on, and TIMIX_UI_URL."""
    named = environ.get("TIMIX_UI_URL", "").strip()
    try:
        return Site.on_loopback(port, address(host, port), *filter(None, [named]))
    except ValueError as no_address:
        raise SettingsError(
            f"TIMIX_UI_URL is {excerpt(repr(named))}, which is not an address; write it as https://timix.example.com."
        ) from no_address


def address(host: str, port: int) -> str:
    """The URL for a browser on this machine."""
    reached = "127.0.0.1" if host in EVERY_ADDRESS else host
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def settings_of(environ: Mapping[str, str], url: str, sandbox: RunningSandbox | None) -> dict[str, str]:
    """Settings for Dagster's processes. Links in alerts lead to `url` unless the user set another address."""
    settings = {"TIMIX_UI_URL": environ.get("TIMIX_UI_URL", "").strip() or url}
    if sandbox is not None:
        # Never the real workspace's lake, which .env may set already: a lake belongs to one organization.
        settings |= {**sandbox.environment, "TIMIX_LAKE": Settings().lake}
    return settings
