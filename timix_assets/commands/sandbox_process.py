"""The sandbox as a process of its own, for `demo` and `ui`: it shares neither our interpreter nor our key's name."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from timix_assets import environment
from timix_assets.environment import API_KEY, BASE_URL, OVERRIDES, SANDBOX_KEY, START_MONTH


class SandboxEnded(Exception):  # noqa: N818  it reads as what happened
    """The sandbox's process ended before it answered; what it said itself is on stderr."""


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """Where the sandbox answers, its generated key, and the first month of its firm."""

    base_url: str
    key: str
    first_month: str

    def __repr__(self) -> str:
        return f"RunningSandbox(base_url={self.base_url!r})"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point everything at this sandbox. Overrides are made for a real workspace."""
        return {
            API_KEY.name: self.key,
            BASE_URL.name: self.base_url,
            START_MONTH.name: self.first_month,
            OVERRIDES.name: "",
        }


@contextmanager
def running_sandbox(*options: str) -> Iterator[RunningSandbox]:
    """Starts `timix-assets sandbox` on a free port and ends it with the block.

    SettingError for a setting that the sandbox would refuse; SandboxEnded when it ends for another reason.
    """
    environment.today()
    key = f"bbl_{secrets.token_hex(20)}"
    command = [sys.executable, "-m", "timix_assets.cli", "sandbox", "--port", "0", *options]
    process = subprocess.Popen(
        command,
        # It ends when this ends, however this process goes.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, SANDBOX_KEY: key},
    )
    try:
        assert process.stdout is not None
        said: dict[str, str] = {}
        for line in process.stdout:
            name, _, value = line.strip().partition("=")
            said[name] = value
            if {BASE_URL.name, START_MONTH.name} <= said.keys():
                break
        else:
            raise SandboxEnded(
                f"the sandbox ended before it was ready, with exit status {process.wait(10)}; "
                "start `timix-assets sandbox` to see why."
            )
        yield RunningSandbox(said[BASE_URL.name], key, said[START_MONTH.name])
    finally:
        process.terminate()
        process.wait(10)
