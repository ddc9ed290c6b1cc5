"""What a figure was measured on: without that it says nothing."""

import os
import platform
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("dagster", "polars", "deltalake", "httpx")


def describe() -> str:
    """One line: the day, the cores, how busy they were before anything began, and the versions that matter."""
    load = f"load {os.getloadavg()[0]:.1f} at the start"
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{date.today()}, {os.cpu_count()} cores ({_processor()}), {load}, {sys.platform}, "
        f"Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
