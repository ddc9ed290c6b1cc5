"""How much longer this project's definitions take to load than those of a project with one empty asset."""

import sys
import time
from pathlib import Path

from .child import ROOT, run
from .figures import Figure
from .project import empty_project, put_one_asset

ROUNDS = 5
MOST_TIMES = 1.2


def figures() -> list[Figure]:
    with empty_project() as ours, empty_project() as other:
        put_one_asset(other)
        rounds = [(_validate(ours, ROOT), _validate(other, other)) for _ in range(ROUNDS)]
    return [
        Figure("wall, times a project with one asset", [a / b for a, b in rounds], "", MOST_TIMES),
        Figure("wall, this project", [a for a, _ in rounds]),
        Figure("wall, one empty asset", [b for _, b in rounds]),
    ]


def _validate(folder: Path, code: Path) -> float:
    """Seconds of the command from its start to its end. code: where the module of the definitions is."""
    began = time.perf_counter()
    run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        folder,
        {"PYTHONPATH": str(code)},
    )
    return time.perf_counter() - began
