"""The services behind the UI, as `dagster dev` runs them, but with the web application in this process and no open port.

`dagster dev` has no place for a request gate before its webserver.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from dagster import DagsterInstance
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__
from starlette.types import ASGIApp

from timix_assets.dagster_internals import code_server_behind_proxy, configure_service_logs, workspace_context

LOG_LEVEL = "warning"
DATABASE_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW = 15_000, 3_600, 20
POLL_MS = 2_000
"""How often the page asks for updates. These are the webserver's own defaults."""

DAEMON_SECONDS = 60
"""How long the daemon may take to stop."""


@contextmanager
def running(
    workspace: Path, folder: Path, *, read_only: bool, web_only: bool
) -> Iterator[tuple[ASGIApp, subprocess.Popen[bytes] | None]]:
    """Runs code server, daemon and web application of the instance in DAGSTER_HOME while the block lasts.

    Args:
        folder: For a workspace file that points the other services to the code server.
        read_only: The application starts and changes nothing, and no daemon runs.
        web_only: The workspace file names code servers, and the daemon runs elsewhere: none is started here.

    Yields:
        The web application, which no port serves yet, and the process of schedules, sensors and backfills.
    """
    # Then errors of user code are shown without Dagster's own frames.
    os.environ["DAGSTER_IS_DEV_CLI"] = "1"
    configure_service_logs()
    with ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.get())
        served = workspace
        if not web_only:
            # One code server for both, behind a proxy that restarts the code when the UI reloads it.
            code = stack.enter_context(code_server_behind_proxy(instance, str(workspace), LOG_LEVEL))
            served = folder / ("ui-workspace-read-only.yaml" if read_only else "ui-workspace.yaml")
            served.write_text(yaml.safe_dump({"load_from": [*code.get_code_server_specs()]}), encoding="utf-8")
        daemon = None if read_only or web_only else stack.enter_context(_daemon(served))
        instance.optimize_for_webserver(DATABASE_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW)
        context = stack.enter_context(
            workspace_context(
                instance, str(served), version=__version__, code_server_log_level=LOG_LEVEL, read_only=read_only
            )
        )
        yield create_app_from_workspace_process_context(context, "", POLL_MS), daemon


@contextmanager
def _daemon(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "timix_assets.commands.ui_daemon", str(workspace)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(DAEMON_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
