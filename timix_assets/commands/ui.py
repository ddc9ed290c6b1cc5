"""`timix-assets ui`: the Dagster UI and its daemon; without a key, together with the sandbox."""

import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from timix_assets.commands.sandbox_process import RunningSandbox, running_sandbox
from timix_assets.environment import API_KEY, LAKE, UI_URL, SettingError, state_folder

EVERY_ADDRESS = ("0.0.0.0", "::")
"""Hosts to listen on that are no address to open."""

SUPERSEDED = "ignore:Function `dev_command` is superseded:FutureWarning"
"""For PYTHONWARNINGS: Dagster's advice to use another command, which knows nothing of our sandbox and our lock."""


def run(host: str, port: int, console: Console) -> int:
    """Serves until Ctrl-C; gives Dagster's exit status. SettingError, before anything starts, where it cannot serve."""
    with alone_in(state_folder()):
        return _serve(host, port_to_serve_on(host, port), console)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """The block is the only one on this folder's instance: two daemons would start every schedule twice.

    The lock is the operating system's, freed also when its holder is killed. SettingError when another holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / "ui.lock"), folder / "ui.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout as held:
        process = holder.read_text(encoding="ascii") if holder.is_file() else "just started"
        raise SettingError(
            f"the UI of this folder is already served (process {process}); open that one, or end it first."
        ) from held
    try:
        holder.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


def port_to_serve_on(host: str, port: int) -> int:
    """The port, or a free one for 0. SettingError when nobody can listen there now."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                # As the UI itself does: a port that was left a moment ago is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            chosen: int = probe.getsockname()[1]
            return chosen
    except OSError as refused:
        if refused.errno == errno.EADDRINUSE:
            why = f"port {port} is taken; choose another by --port, or end what uses it."
        else:
            why = f"nobody can listen on {host}, port {port} ({refused.strerror}); choose others by --host and --port."
        raise SettingError(why) from refused


def _serve(host: str, port: int, console: Console) -> int:
    without_key = not API_KEY.read(os.environ)
    if without_key:
        console.print(
            f"{API_KEY.name} is not set, so the built-in sandbox plays the API; put a key into .env for a real workspace.",
            highlight=False,
        )
    with running_sandbox() if without_key else nullcontext() as sandbox:
        url = address(host, port)
        console.print(f"The UI opens on {url} in a few seconds; Ctrl-C ends it.", highlight=False)
        command = [_dagster(), "dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)]
        with subprocess.Popen(command, env=settings_of(os.environ, url, sandbox)) as dagster:
            try:
                return dagster.wait()
            except KeyboardInterrupt:
                # Ctrl-C has reached Dagster too, a plain `kill` has not; it ends its own processes in order.
                dagster.terminate()
                dagster.wait()
                return 0


def address(host: str, port: int) -> str:
    """Where a browser on this machine opens what listens there."""
    reached = "127.0.0.1" if host in EVERY_ADDRESS else host
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def settings_of(environ: Mapping[str, str], url: str, sandbox: RunningSandbox | None) -> dict[str, str]:
    """The environment that Dagster gets: links in alerts lead to `url` unless the user said where people open the UI."""
    settings = {
        **environ,
        UI_URL.name: environ.get(UI_URL.name, "").strip() or url,
        "PYTHONWARNINGS": ",".join(filter(None, (environ.get("PYTHONWARNINGS"), SUPERSEDED))),
    }
    if sandbox is not None:
        # Never the real workspace's lake, which .env may name already: a lake belongs to one organization.
        settings |= {**sandbox.environment, LAKE.name: LAKE.default}
    return settings


def _dagster() -> str:
    beside = Path(sys.executable).with_name("dagster")
    return str(beside) if beside.exists() else shutil.which("dagster") or "dagster"
