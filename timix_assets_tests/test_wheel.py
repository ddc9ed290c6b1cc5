"""What the wheel holds: the package with its data, and no tests."""

import tomllib
from pathlib import Path

from setuptools import find_packages

import timix_assets

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_wheel_has_every_package_and_no_tests() -> None:
    packaged = set(find_packages(str(ROOT), include=SETUPTOOLS["packages"]["find"]["include"]))
    modules = (file.relative_to(ROOT).parent for file in (ROOT / "timix_assets").rglob("*.py"))
    assert packaged == {".".join(folder.parts) for folder in modules}


def test_wheel_has_type_marker_and_project_files() -> None:
    patterns = SETUPTOOLS["package-data"]["timix_assets"]
    data = {file for pattern in patterns for file in (ROOT / "timix_assets").glob(pattern)}
    others = {
        file for file in (ROOT / "timix_assets").rglob("*") if file.is_file() and file.suffix not in {".py", ".pyc"}
    }
    assert data == others


def test_version_is_declared_once() -> None:
    assert SETUPTOOLS["dynamic"]["version"] == {"attr": "timix_assets.__version__"}
    assert timix_assets.__version__
