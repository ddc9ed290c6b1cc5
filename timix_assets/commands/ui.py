"""`timix-assets ui`: the Dagster UI and its daemon; without a key, together with the sandbox."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from timix_assets.commands.sandbox_process import RunningSandbox, running_sandbox
from timix_assets.environment import API_KEY, LAKE, UI_URL

EVERY_ADDRESS = ("0.0.0.0", "::")
"""Hosts to listen on that are no address to open."""


def run(host: str, port: int, console: Console) -> int:
    """Serves until Ctrl-C; gives Dagster's exit status."""
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
    settings = {**environ, UI_URL.name: environ.get(UI_URL.name, "").strip() or url}
    if sandbox is not None:
        # Never the real workspace's lake, which .env may name already: a lake belongs to one organization.
        settings |= {**sandbox.environment, LAKE.name: LAKE.default}
    return settings


def _dagster() -> str:
    beside = Path(sys.executable).with_name("dagster")
    return str(beside) if beside.exists() else shutil.which("dagster") or "dagster"
