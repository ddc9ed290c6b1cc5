"""`timix-assets ui`: what Dagster is started with, and when it is not."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from timix_assets.commands.sandbox_process import RunningSandbox
from timix_assets.commands.ui import address, alone_in, port_to_serve_on, settings_of
from timix_assets.environment import SettingError
from timix_assets.sandbox.server import Sandbox

from .conftest import new_project


@pytest.mark.parametrize("unset", [{}, {"TIMIX_UI_URL": " "}])
def test_links_in_alerts_lead_to_the_port_that_the_ui_is_served_on(unset: dict[str, str]) -> None:
    assert settings_of(unset, address("127.0.0.1", 3111), None)["TIMIX_UI_URL"] == "http://127.0.0.1:3111"


def test_links_in_alerts_lead_where_the_user_says_that_people_open_the_ui() -> None:
    told = {"TIMIX_UI_URL": "https://timix.example"}
    assert settings_of(told, address("127.0.0.1", 3111), None)["TIMIX_UI_URL"] == "https://timix.example"


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("localhost", "http://localhost:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://127.0.0.1:3000"),
        ("::1", "http://[::1]:3000"),
    ],
)
def test_the_address_is_one_that_a_browser_opens(host: str, opened: str) -> None:
    assert address(host, 3000) == opened


def test_the_sandbox_never_fills_the_lake_of_a_real_workspace() -> None:
    sandbox = RunningSandbox("http://127.0.0.1:8000", f"bbl_{secrets.token_hex(20)}", "2025-01")
    settings = settings_of({"TIMIX_LAKE": "data/workspace", "HOME": "/home"}, address("localhost", 3000), sandbox)
    assert settings["TIMIX_LAKE"] == "data/lake"
    assert settings["TIMIX_API_KEY"] == sandbox.key
    assert settings["HOME"] == "/home"


def test_dagsters_advice_to_use_another_command_is_not_shown_and_other_warnings_stay_as_they_were() -> None:
    quiet = settings_of({"PYTHONWARNINGS": "error::BytesWarning"}, address("localhost", 3000), None)["PYTHONWARNINGS"]
    warn = (
        "import warnings\n"
        "class SupersessionWarning(FutureWarning): pass\n"
        "warnings.warn('Function `dev_command` is superseded and its usage is discouraged.', SupersessionWarning)\n"
        "warnings.warn('another', FutureWarning)\n"
    )
    said = subprocess.run(
        [sys.executable, "-S", "-c", warn], env={"PYTHONWARNINGS": quiet}, capture_output=True, text=True, check=True
    ).stderr
    assert "another" in said
    assert "superseded" not in said
    assert quiet.startswith("error::BytesWarning,")


def test_a_taken_port_is_wrong_use_before_anything_starts(tmp_path: Path, live: Sandbox) -> None:
    port = live.origin.rpartition(":")[2]
    done = new_project(tmp_path, {}).run("ui", "--port", port)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"timix-assets: port {port} is taken; choose another by --port, or end what uses it.\n"


def test_port_0_is_a_free_one_that_the_link_can_name() -> None:
    chosen = port_to_serve_on("127.0.0.1", 0)
    assert chosen > 0
    assert port_to_serve_on("127.0.0.1", chosen) == chosen


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(
        SettingError, match=r"nobody can listen on 192\.0\.2\.1, port 3000 \(.+\); choose others by --host"
    ):
        port_to_serve_on("192.0.2.1", 3000)


HOLD = """
import sys; from pathlib import Path; from timix_assets.commands.ui import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True); sys.stdin.read()
"""


def test_a_second_ui_of_a_folder_is_refused_until_the_first_has_ended_also_when_it_was_killed(tmp_path: Path) -> None:
    project = new_project(tmp_path, {})
    state = tmp_path / ".dagster"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        second = project.run("ui", "--port", "0")
        first.kill()

    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == (
        f"timix-assets: the UI of this folder is already served (process {first.pid}); open that one, or end it first.\n"
    )
    for _ in range(2):
        with alone_in(state):
            assert (state / "ui.pid").is_file()
