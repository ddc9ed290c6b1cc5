"""Files beside the lake are for their owner alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from timix_assets.state.permissions import create_owner_only, is_readable_by_others, restrict_to_owner

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_module_loads_without_pwd() -> None:
    without = "import sys; sys.modules['pwd'] = None; import timix_assets.state.permissions"
    assert subprocess.run([sys.executable, "-c", without], check=False).returncode == 0


def test_new_folder_is_owner_only_with_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_owner_only(tmp_path / "state")
    finally:
        os.umask(before)
    assert mode(tmp_path / "state") == 0o700


@pytest.mark.parametrize("open_to", [0o755, 0o777, 0o750, 0o500])
def test_existing_folder_is_restricted_to_its_owner(tmp_path: Path, open_to: int) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(open_to)
    restrict_to_owner(folder)
    assert mode(folder) == 0o700


def test_impossible_folder_raises_nothing(tmp_path: Path) -> None:
    restrict_to_owner(tmp_path / "not there")
    (tmp_path / "file").write_text("")
    create_owner_only(tmp_path / "file" / "state")
    (tmp_path / "file").chmod(0o644)
    create_owner_only(tmp_path / "file")
    assert mode(tmp_path / "file") == 0o644


def test_folder_of_another_user_is_left_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "state").stat().st_uid + 1)
    restrict_to_owner(tmp_path / "state")
    assert mode(tmp_path / "state") == 0o755


@pytest.mark.parametrize(
    ("found", "readable"), [(0o644, True), (0o640, True), (0o604, True), (0o600, False), (0o711, False)]
)
def test_is_readable_by_others_follows_the_mode(tmp_path: Path, found: int, readable: bool) -> None:
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env").chmod(found)
    assert is_readable_by_others(tmp_path / ".env") is readable


def test_missing_file_is_not_readable_by_others(tmp_path: Path) -> None:
    assert not is_readable_by_others(tmp_path / ".env")
