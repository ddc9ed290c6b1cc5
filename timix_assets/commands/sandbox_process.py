"""The sandbox as a separate process, for `demo` and `ui`."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from timix_assets.errors import TimixAssetsError

SANDBOX_KEY = "TIMIX_SANDBOX_KEY"
"""Passes the key that the sandbox accepts to its process: a command line would show it."""

BASE_URL, START_MONTH = "TIMIX_BASE_URL", "TIMIX_START_MONTH"
"""What the sandbox prints when it is ready: the settings that select it."""


class SandboxEnded(TimixAssetsError):  # noqa: N818  it reads as what happened
    """The sandbox process ended before it was ready; its own messages are on stderr."""


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """The address of a sandbox, its generated key, and the first month of its data."""

    base_url: str
    key: str = field(repr=False)
    first_month: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings that select this sandbox. Overrides are for a real workspace, so they are cleared."""
        return {
            "TIMIX_API_KEY": self.key,
            "TIMIX_API_KEY_FILE": "",
            BASE_URL: self.base_url,
            START_MONTH: self.first_month,
            "TIMIX_OVERRIDES": "",
        }


@contextmanager
def running_sandbox(*options: str) -> Iterator[RunningSandbox]:
    """Runs `timix-assets sandbox` on a free port while the block lasts.

    Raises:
        SandboxEnded: It ended before it was ready.
    """
    with starting_sandbox(*options) as ready:
        yield ready()


@contextmanager
def starting_sandbox(*options: str) -> Iterator[Callable[[], RunningSandbox]]:
    """The same without waiting until it is ready, which takes two seconds. Calling what this gives waits, and may raise."""
    key = f"bbl_{secrets.token_hex(20)}"
    command = [sys.executable, "-m", "timix_assets.cli", "sandbox", "--port", "0", *options]
    process = subprocess.Popen(
        command,
        # It ends when this process ends, however that happens.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, SANDBOX_KEY: key},
    )
    try:
        yield lambda: _when_ready(process, key)
    finally:
        process.terminate()
        process.wait(10)


def _when_ready(process: subprocess.Popen[str], key: str) -> RunningSandbox:
    assert process.stdout is not None
    printed: dict[str, str] = {}
    for line in process.stdout:
        name, _, value = line.strip().partition("=")
        printed[name] = value
        if {BASE_URL, START_MONTH} <= printed.keys():
            return RunningSandbox(printed[BASE_URL], key, printed[START_MONTH])
    raise SandboxEnded(
        f"the sandbox ended before it was ready (exit code {process.wait(10)}); run `timix-assets sandbox` to see why."
    )
