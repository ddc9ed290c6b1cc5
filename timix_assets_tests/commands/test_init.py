"""`timix-assets init`: the files of a new project folder, which are those of the repository."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from timix_assets.cli import main
from timix_assets.commands.init import PACKAGED, project_files
from timix_assets_tests.commands.conftest import ROOT


def init(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["init", *arguments])
    return result.exit_code, result.output


def test_writes_the_project_files(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    code, output = init(str(folder))
    assert code == 0
    assert {file.name: file.read_text() for file in folder.iterdir()} == project_files()
    assert "run `timix-assets demo`" in output


def test_writes_into_the_current_folder_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert init()[0] == 0
    assert (tmp_path / "dagster.yaml").is_file()


@pytest.mark.parametrize("name", [*PACKAGED, ".gitignore"])
def test_overwrites_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    code, output = init(str(tmp_path))
    assert code == 2
    assert f"already has {name}, and init overwrites nothing" in output
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_files_equal_those_of_the_repository(name: str) -> None:
    packaged = f"timix_assets/project_files/{PACKAGED[name]}"
    assert project_files()[name] == (ROOT / name).read_text(), f"run: cp {name} {packaged}"


def test_ignored_files_are_ignored_by_the_repository() -> None:
    assert set(project_files()[".gitignore"].splitlines()) <= set((ROOT / ".gitignore").read_text().splitlines())
