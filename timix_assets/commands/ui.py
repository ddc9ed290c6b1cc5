"""`timix-assets ui`: the Dagster UI and its daemon; without a key, together with the sandbox."""

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from timix_assets.commands.sandbox_process import running_sandbox
from timix_assets.environment import API_KEY, LAKE


def run(host: str, port: int, console: Console) -> int:
    """Serves until Ctrl-C; gives Dagster's exit status."""
    without_key = not API_KEY.read(os.environ)
    if without_key:
        console.print(
            f"{API_KEY.name} is not set, so the built-in sandbox plays the API; put a key into .env for a real workspace.",
            highlight=False,
        )
    with running_sandbox() if without_key else nullcontext() as sandbox:
        # Never the real workspace's lake, which .env may name already: a lake belongs to one organization.
        settings = {**sandbox.environment, LAKE.name: LAKE.default} if sandbox else {}
        console.print(f"The UI opens on http://{host}:{port} in a few seconds; Ctrl-C ends it.", highlight=False)
        command = [_dagster(), "dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)]
        with subprocess.Popen(command, env={**os.environ, **settings}) as dagster:
            try:
                return dagster.wait()
            except KeyboardInterrupt:
                # Ctrl-C has reached Dagster too, a plain `kill` has not; it ends its own processes in order.
                dagster.terminate()
                dagster.wait()
                return 0


def _dagster() -> str:
    beside = Path(sys.executable).with_name("dagster")
    return str(beside) if beside.exists() else shutil.which("dagster") or "dagster"
