"""What the wheel holds: the package with its data, and no tests; and that it is all that an empty environment needs."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import find_packages

import timix_assets
from timix_assets_tests.required import is_required, skip_without

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git tracks: leftovers of earlier builds would hide what is missing."""
    source, built = (tmp_path_factory.mktemp(name) for name in ("source", "built"))
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    pip("wheel", "--no-deps", "--wheel-dir", str(built), str(source))
    [wheel] = built.glob("*.whl")
    return wheel


def pip(*words: str, python: str = sys.executable) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    # A PYTHONPATH that names the checkout would make it an installed distribution.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_built_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = (file for file in (ROOT / "timix_assets").rglob("*") if file.is_file() and file.suffix != ".pyc")
    assert held == {str(file.relative_to(ROOT)) for file in package}
    assert "timix_assets/py.typed" in held


@pytest.mark.long
@pytest.mark.timeout(900)
def test_wheel_alone_makes_a_project_and_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    if not is_required("wheel"):
        skip_without("wheel", "it installs every dependency afresh, a minute or more")
    environment, project = tmp_path / "environment", tmp_path / "project"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip("install", "-c", str(ROOT / "constraints.txt"), str(wheel), python=str(environment / "bin" / "python"))
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TIMIX_", "DAGSTER_", "PYTHONPATH", "VIRTUAL_ENV"))
    }
    project.mkdir()
    for words in (["init"], ["demo"]):
        command = [str(environment / "bin" / "timix-assets"), *words]
        done = subprocess.run(command, cwd=project, env=inherited, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (project / "data" / "lake" / "rollups" / "budget_health" / "_delta_log").is_dir()
    assert (project / "data" / "lake" / "reports" / "weekly_digest.html").is_file()
