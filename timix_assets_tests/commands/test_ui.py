"""`timix-assets ui`: what Dagster is started with, and when it is not; and that nothing of it is left behind."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from timix_assets.commands.sandbox_process import RunningSandbox
from timix_assets.commands.ui import address, port_to_serve_on, settings_of, single_ui, site_of
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import SettingsError
from timix_assets_tests.automation.dagster_dev import TimixUi
from timix_assets_tests.processes import tree

from .conftest import new_project


@pytest.mark.parametrize("unset", [{}, {"TIMIX_UI_URL": " "}])
def test_alert_links_use_the_port_of_the_ui(unset: dict[str, str]) -> None:
    assert settings_of(unset, address("127.0.0.1", 3111), None)["TIMIX_UI_URL"] == "http://127.0.0.1:3111"


def test_alert_links_use_configured_ui_url() -> None:
    environ = {"TIMIX_UI_URL": "https://timix.example"}
    assert settings_of(environ, address("127.0.0.1", 3111), None)["TIMIX_UI_URL"] == "https://timix.example"


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("localhost", "http://localhost:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://127.0.0.1:3000"),
        ("::1", "http://[::1]:3000"),
    ],
)
def test_address_can_be_opened_in_a_browser(host: str, opened: str) -> None:
    assert address(host, 3000) == opened


def test_sandbox_never_uses_lake_of_real_workspace() -> None:
    sandbox = RunningSandbox("http://127.0.0.1:8000", f"bbl_{secrets.token_hex(20)}", "2025-01")
    settings = settings_of({"TIMIX_LAKE": "data/workspace"}, address("localhost", 3000), sandbox)
    assert settings["TIMIX_LAKE"] == "data/lake"
    assert settings["TIMIX_API_KEY"] == sandbox.key


def test_site_has_loopback_names_host_and_ui_url() -> None:
    assert site_of("0.0.0.0", 3111, {}).hosts == {"127.0.0.1:3111", "localhost:3111", "[::1]:3111"}
    named = site_of("192.168.1.7", 3111, {"TIMIX_UI_URL": " https://timix.example/dagster "})
    assert {"192.168.1.7:3111", "timix.example"} < named.hosts
    assert {"http://192.168.1.7:3111", "https://timix.example"} < named.origins


@pytest.mark.parametrize("address", ["timix.example", "https://", "https://timix.example:port"])
def test_rejects_invalid_ui_url(address: str) -> None:
    with pytest.raises(SettingsError, match=r"TIMIX_UI_URL is '.+', which is not an address; write it as"):
        site_of("127.0.0.1", 3000, {"TIMIX_UI_URL": address})


def test_rejects_taken_port(tmp_path: Path, live: Sandbox) -> None:
    port = live.origin.rpartition(":")[2]
    done = new_project(tmp_path, {}).run("ui", "--port", port)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"timix-assets: port {port} is taken; choose another with --port, or stop what uses it.\n"


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("TIMIX_CRON_NIGHTLY", "99 2 * * *", 'TIMIX_CRON_NIGHTLY: "99 2 * * *" is not a cron expression; write minute'),
        ("TIMIX_SETTINGS", "none.yaml", "none.yaml"),
        ("TIMIX_START_MONTH", "2190-01", "TIMIX_START_MONTH: 2190-01 is in the future"),
    ],
)
def test_refuses_what_the_code_location_cannot_load_with(
    setting: str, value: str, message: str, tmp_path: Path, live: Sandbox
) -> None:
    # Of a taken port too, so that nothing is served if the setting is not refused first.
    done = new_project(tmp_path, {}).run("ui", "--port", live.origin.rpartition(":")[2], **{setting: value})

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_port_0_selects_a_free_port() -> None:
    chosen = port_to_serve_on("127.0.0.1", 0)
    assert chosen > 0
    assert port_to_serve_on("127.0.0.1", chosen) == chosen


def test_rejects_host_of_another_machine() -> None:
    with pytest.raises(SettingsError, match=r"cannot bind to 192\.0\.2\.1:3000 \(.+\); choose others with --host"):
        port_to_serve_on("192.0.2.1", 3000)


HOLD = """
import sys; from pathlib import Path; from timix_assets.commands.ui import single_ui
with single_ui(Path(sys.argv[1])):
    print("held", flush=True); sys.stdin.read()
"""


def test_rejects_second_ui_of_a_folder(tmp_path: Path) -> None:
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
        f"timix-assets: the UI of this folder is already running (process {first.pid}); open that one, or stop it first.\n"
    )
    for _ in range(2):
        with single_ui(state):
            assert (state / "ui.pid").is_file()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[TimixUi]:
    """A UI with the sandbox."""
    ui = TimixUi(tmp_path, {})
    ui.start()
    yield ui
    ui.kill()


class ReadOnlyUi(TimixUi):
    @property
    def _command(self) -> list[str]:
        return [*super()._command, "--read-only"]


@pytest.mark.long
def test_read_only_ui_starts_no_run_and_no_daemon(tmp_path: Path) -> None:
    project = new_project(tmp_path, {})
    ui = ReadOnlyUi(project.folder, {})
    # Beside a UI of the same folder.
    with single_ui(project.folder / ".dagster"):
        try:
            ui.start()
            assert ui.process is not None
            assert not named(tree(ui.process.pid), "ui_daemon")
            with pytest.raises(AssertionError, match="UnauthorizedError"):
                ui.launch("compact_lake", {})
        finally:
            ui.kill()


def alive(pids: set[int]) -> set[int]:
    """Those that are neither gone nor only waiting to be collected."""
    found = set()
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(pid)
    return found


def named(pids: set[int], module: str) -> set[int]:
    return {pid for pid in pids if module in Path(f"/proc/{pid}/cmdline").read_text()}


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_child_processes_end_with_the_ui(served: TimixUi, how: signal.Signals) -> None:
    assert served.process is not None
    started = tree(served.process.pid)
    assert len(started) >= 5
    served.process.send_signal(how)
    assert served.process.wait(30) == 0
    served.wait_for("all its processes to end", lambda: not alive(started), 20)
    assert "Traceback" not in served.log.read_text()


@pytest.mark.long
def test_child_processes_end_when_the_ui_is_killed(served: TimixUi) -> None:
    assert served.process is not None
    started = tree(served.process.pid)
    code = named(started, "timix_assets.definitions")
    assert named(started, "ui_daemon")
    assert code
    served.process.kill()
    served.process.wait()
    served.wait_for("the daemon and the sandbox to end", lambda: alive(started) <= code, 20)
    served.wait_for("the code server to miss its heartbeat", lambda: not alive(code), 90)


@pytest.mark.long
def test_ui_ends_when_the_daemon_is_gone(served: TimixUi) -> None:
    assert served.process is not None
    [daemon] = named(tree(served.process.pid), "ui_daemon")
    os.kill(daemon, signal.SIGKILL)
    assert served.process.wait(30) == 1
    assert "Dagster's daemon ended (exit code -9), so the UI was stopped; start it again." in (served.log.read_text())
