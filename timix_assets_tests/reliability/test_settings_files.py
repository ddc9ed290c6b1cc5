"""A settings or overrides file that is something else is given away nowhere: row 47 of docs/reliability.md."""

import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from timix_assets_tests.workspace import Workspace, failures

from .conftest import Workplace
from .traces import Traces

SETTINGS = ["TIMIX_OVERRIDES", "TIMIX_SETTINGS"]
FILES: dict[str, Callable[[str, str], bytes]] = {
    ".env": lambda key, secret: f"TIMIX_API_KEY={key}\nAWS_SECRET_ACCESS_KEY={secret}\n".encode(),
    "a mapping": lambda key, secret: f"TIMIX_API_KEY: {key}\n{secret}: {secret}\n".encode(),
    "a binary": lambda key, secret: b"\x7fELF\x00\xff" + f"{key} {secret}".encode() + bytes(1000),
    "10 MB": lambda key, secret: f"{key}: {secret}\n".encode() * 110_000,
    "no YAML": lambda key, secret: f"a: '{key} {secret}".encode(),
}


@pytest.fixture
def secret() -> str:
    return secrets.token_hex(20)


@pytest.mark.fault(47)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", FILES)
def test_a_foreign_settings_file_is_refused_and_not_shown(
    workplace: Workplace, untouched: None, secret: str, setting: str, kind: str
) -> None:
    key = workplace.sandbox.key
    (workplace.project.folder / "other").write_bytes(FILES[kind](key, secret))
    done = workplace.refresh_by_command(**{setting: "other"})
    assert done.status == 2
    assert done.requests == []
    assert "other" in done.sentence
    assert not Traces(key).in_text(done.stdout, done.stderr)
    assert not Traces(secret).in_text(done.stdout, done.stderr)


@pytest.mark.fault(47)
@pytest.mark.parametrize("kind", FILES)
def test_a_run_with_a_foreign_settings_file_stores_nothing_of_it(workspace: Workspace, secret: str, kind: str) -> None:
    file = workspace.folder / "other"
    file.write_bytes(FILES[kind](workspace.sandbox.key, secret))
    workspace.settings["overrides_file"] = str(file)
    result = workspace.refresh("timix/customers")
    assert str(file) in failures(result)["timix/customers"]
    assert workspace.sandbox.requests == []
    stored = "\n".join(entry.to_json() for entry in workspace.instance.all_logs(result.run_id))
    assert not Traces(workspace.sandbox.key).in_text(stored)
    assert not Traces(secret).in_text(stored)


@pytest.mark.fault(47)
@pytest.mark.parametrize("kind", FILES)
def test_loading_a_foreign_settings_file_shows_nothing_of_it(tmp_path: Path, secret: str, kind: str) -> None:
    key = "bbl_" + secrets.token_hex(20)
    (tmp_path / "other").write_bytes(FILES[kind](key, secret))
    done = subprocess.run(
        [sys.executable, "-c", "import timix_assets.definitions"],
        cwd=tmp_path,
        env={"TIMIX_SETTINGS": "other", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "SettingsError: " in done.stderr
    assert not Traces(key).in_text(done.stdout, done.stderr)
    assert not Traces(secret).in_text(done.stdout, done.stderr)
