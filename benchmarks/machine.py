"""The machine a figure was measured on; a figure means nothing without it."""

import os
import platform
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("dagster", "polars", "deltalake", "httpx", "msgspec")


def describe() -> str:
    """One line: the day, the cores, how busy they are, and the versions that matter."""
    load = f"load {os.getloadavg()[0]:.1f} before it began"
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{date.today()}, {os.cpu_count()} cores ({_processor()}), {load}, {sys.platform}, "
        f"Python {platform.python_version()}, {versions}."
    )


MOST_LOAD_PER_CORE = 0.25
MOST_OTHER_USE = 0.10
"""Share of all cores that others use while this process sleeps."""
LONGEST_WAIT_SECONDS = 300
_LOOK_SECONDS = 3


def why_busy() -> str | None:
    """Why figures of this machine would mean nothing now; None when it is quiet."""
    if not hasattr(os, "getloadavg"):
        return None
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > MOST_LOAD_PER_CORE * cores:
        return f"the load is {load:.1f} on {cores} cores, and at most {MOST_LOAD_PER_CORE * cores:.1f} is quiet"
    used = _other_use(_LOOK_SECONDS)
    if used > MOST_OTHER_USE:
        return f"others use {used:.0%} of the cores, and at most {MOST_OTHER_USE:.0%} is quiet"
    return None


def why_still_busy(seconds: float = LONGEST_WAIT_SECONDS) -> str | None:
    """As `why_busy`, once the machine had that long to become quiet: the load of a measurement falls slowly."""
    until = time.monotonic() + seconds
    while (why := why_busy()) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    return why


def _other_use(seconds: float) -> float:
    """The share of the cores that was in use during a sleep; 0 where the system does not say."""
    before = _ticks()
    time.sleep(seconds)
    idle, total = (after - earlier for after, earlier in zip(_ticks(), before, strict=True))
    return 1 - idle / total if total else 0.0


def _ticks() -> tuple[int, int]:
    """Idle ticks of all cores since the start of the system, and all ticks; zeros where there is no /proc."""
    counters = Path("/proc/stat")
    if not counters.exists():
        return 0, 0
    ticks = [int(number) for number in counters.read_text("utf-8").splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
