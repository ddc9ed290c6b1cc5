"""A project folder as a user has it, in a temporary place: so that a benchmark leaves nothing in the real one."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .child import ROOT, run

CONFIGURATION = ("dagster.yaml", "workspace.yaml")
_MAKE_INSTANCE = "from dagster import DagsterInstance\nwith DagsterInstance.get(): pass"


@contextmanager
def empty_project(*, used_before: bool = False) -> Iterator[Path]:
    """A folder with this project's configuration and no lake. used_before: its run storage is there already."""
    with TemporaryDirectory(prefix="timix-benchmark-") as name:
        folder = Path(name)
        for file in CONFIGURATION:
            shutil.copy(ROOT / file, folder)
        if used_before:
            run([sys.executable, "-c", _MAKE_INSTANCE], folder, {"DAGSTER_HOME": name})
        yield folder
