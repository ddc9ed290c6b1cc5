"""`timix-assets demo` and `timix-assets sandbox`: what a newcomer without an account starts."""

import os
import shutil
import signal
import time
from io import StringIO
from pathlib import Path

import httpx
import pytest
from dotenv import dotenv_values

from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.sandbox.server import Sandbox

from .conftest import ROOT, Project, new_project


@pytest.mark.long
def test_the_demo_needs_nothing_but_its_folder_and_never_reads_the_env_file(tmp_path: Path) -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".env").write_text("TIMIX_LAKE=data/real\nTIMIX_API_KEY=bbl_not-to-be-used\n")
    project = Project(tmp_path)

    done = project.run("demo")

    assert (done.returncode, done.stderr) == (0, "")
    for endpoint in ENDPOINTS:
        assert project.table(f"timix/{endpoint.name}").height > 0, endpoint.name
    assert "make ui" in done.stdout
    assert not (tmp_path / "data" / "real").exists()


def test_the_sandbox_says_its_address_and_a_generated_key_that_works(tmp_path: Path) -> None:
    process = Project(tmp_path).start("sandbox", "--port", "0", "--people", "4", "--months", "1")
    try:
        assert process.stdout is not None
        said = dict(process.stdout.readline().strip().split("=", 1) for _ in range(3))
        answer = httpx.get(f"{said['TIMIX_BASE_URL']}/me", headers={"X-Api-Key": said["TIMIX_API_KEY"]})
        assert (answer.status_code, answer.json()["role"]) == (200, "Owner")
    finally:
        process.terminate()
        process.wait(10)


def test_a_sandbox_key_that_a_parent_hands_over_is_not_printed(tmp_path: Path) -> None:
    key = f"bbl_{os.urandom(12).hex()}"
    process = Project(tmp_path).start("sandbox", "--people", "4", "--months", "1", TIMIX_SANDBOX_KEY=key)
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2)]
        url = next(line.strip().split("=", 1)[1] for line in said if line.startswith("TIMIX_BASE_URL"))
        assert httpx.get(f"{url}/me", headers={"X-Api-Key": key}).status_code == 200
        assert not any(key in line for line in said)
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_the_sandbox_of_a_demo_ends_with_it_however_it_ends(tmp_path: Path, ending: signal.Signals) -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    demo = Project(tmp_path).start("demo")
    assert demo.stdout is not None
    url = next(line for line in iter(demo.stdout.readline, "") if line.startswith("Reading ")).split()[-2]
    demo.send_signal(ending)
    demo.communicate(timeout=15)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/me", timeout=1)
        except httpx.TransportError:
            return
        time.sleep(0.1)
    pytest.fail("the sandbox still answers")


def test_what_the_sandbox_prints_can_be_pasted_into_a_dotenv_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    process = Project(tmp_path).start("sandbox", "--people", "4", "--months", "2")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)

    assert dotenv_values(stream=StringIO("".join(lines))).keys() == {
        "TIMIX_START_MONTH",
        "TIMIX_BASE_URL",
        "TIMIX_API_KEY",
    }
    assert lines[-1].startswith("# Put these lines into .env")
    assert "Ctrl-C" in lines[-1]
    assert (process.returncode, rest) == (0, "")


def test_a_taken_port_is_wrong_use_and_nothing_is_printed_that_could_be_pasted(tmp_path: Path, live: Sandbox) -> None:
    port = live.origin.rpartition(":")[2]
    done = Project(tmp_path).run("sandbox", "--port", port, "--people", "4", "--months", "1")

    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} is taken" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("words", [["demo"], ["ui", "--port", "0"]])
def test_a_setting_that_the_sandbox_could_not_use_is_refused_before_it_starts(tmp_path: Path, words: list[str]) -> None:
    done = new_project(tmp_path, {}).run(*words, TIMIX_TIMEZONE="Foo/Bar")

    assert done.returncode == 2
    assert done.stderr == (
        "timix-assets: TIMIX_TIMEZONE is 'Foo/Bar', which is no IANA time zone; use a name such as Europe/Berlin.\n"
    )


@pytest.mark.long
def test_a_setting_that_only_rollups_need_is_refused_before_the_demo_reads_anything(tmp_path: Path) -> None:
    done = new_project(tmp_path, {}).run("demo", TIMIX_AS_OF="31.10.2026")

    assert done.returncode == 2
    assert done.stderr == "timix-assets: TIMIX_AS_OF is '31.10.2026', which is no date; write it as YYYY-MM-DD.\n"


@pytest.mark.long
def test_a_sandbox_that_ends_by_itself_is_told_in_a_sentence(tmp_path: Path) -> None:
    # Started in this folder, the sandbox finds this module in the place of the server that it needs.
    (tmp_path / "uvicorn.py").write_text("raise SystemExit(3)\n")
    done = new_project(tmp_path, {}).run("demo")

    assert done.returncode == 1
    assert done.stderr == (
        "timix-assets: the sandbox ended before it was ready, with exit status 3; start `timix-assets sandbox` to see why.\n"
    )


@pytest.mark.parametrize("words", [["--people", "2"], ["--months", "0"], ["--port", "99999"]])
def test_a_sandbox_that_cannot_be_is_wrong_use(tmp_path: Path, words: list[str]) -> None:
    done = Project(tmp_path).run("sandbox", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
