"""How long `make demo` keeps a newcomer waiting, from the second time on, when everything is installed."""

import re
import sys
import time
from pathlib import Path

from .child import MeasurementFailedError, run
from .figures import Figure
from .project import empty_project

ROUNDS = 3
MOST_SECONDS = 8

_CLOSING = re.compile(r"([\d.]+) s for the refresh")


def figures() -> list[Figure]:
    with empty_project() as folder:
        _demo(folder)
        rounds = [_demo(folder) for _ in range(ROUNDS)]
    return [
        Figure("the whole command", [whole for whole, _ in rounds], "s", MOST_SECONDS),
        Figure("the refresh in it", [refresh for _, refresh in rounds]),
    ]


def _demo(folder: Path) -> tuple[float, float]:
    """Seconds of the command from its start to its end, and those that it says the refresh took."""
    began = time.perf_counter()
    said = run([sys.executable, "-m", "timix_assets.cli", "demo"], folder, {})
    whole = time.perf_counter() - began
    closing = _CLOSING.search(said)
    if closing is None:
        raise MeasurementFailedError(f"the demo has no closing line with its seconds; it said:\n{said[-500:]}")
    return whole, float(closing[1])
