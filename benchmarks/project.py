"""A project folder as a user has it, in a temporary place: so that a benchmark leaves nothing in the real one."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .child import ROOT, run

CONFIGURATION = ("dagster.yaml", "workspace.yaml")
_ONE_ASSET = """from dagster import Definitions, asset


@asset
def empty() -> None: ...


defs = Definitions(assets=[empty])
"""
# Under the name of ours, by which `DagsterDev` asks whether it is loaded.
_ITS_WORKSPACE = "load_from:\n  - python_module:\n      module_name: one_asset\n      location_name: timix_assets\n"
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


def put_one_asset(folder: Path) -> None:
    """One empty asset in the place of this project's definitions; what else the folder configures stays."""
    (folder / "one_asset.py").write_text(_ONE_ASSET, "utf-8")
    (folder / "workspace.yaml").write_text(_ITS_WORKSPACE, "utf-8")
