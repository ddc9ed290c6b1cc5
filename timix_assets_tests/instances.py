"""Dagster instances in a folder. Making their databases takes half a second, so they are copies of those that were made first."""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from dagster import DagsterInstance


def local_instance(folder: Path, overrides: dict[str, Any] | None = None) -> DagsterInstance:
    """An instance that keeps its runs in the folder. overrides: of its dagster.yaml."""
    shutil.copytree(_made_first(), folder, dirs_exist_ok=True)
    return DagsterInstance.local_temp(str(folder), overrides)


@cache
def _made_first() -> Path:
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with DagsterInstance.local_temp(folder):
        return Path(folder)
