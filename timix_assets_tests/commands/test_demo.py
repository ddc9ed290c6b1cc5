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
def test_demo_fills_lake_without_reading_dotenv(tmp_path: Path) -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".env").write_text("TIMIX_LAKE=data/real\nTIMIX_API_KEY=bbl_not-to-be-used\n")
    project = Project(tmp_path)

    done = project.run_in_a_process("demo")

    assert (done.returncode, done.stderr) == (0, "")
    for endpoint in ENDPOINTS:
        assert project.table(f"timix/{endpoint.name}").height > 0, endpoint.name
    assert "timix-assets ui" in done.stdout
    assert not (tmp_path / "data" / "real").exists()


def test_sandbox_prints_address_and_working_key(tmp_path: Path) -> None:
    process = Project(tmp_path).start("sandbox", "--port", "0", "--people", "4", "--months", "1")
    try:
        assert process.stdout is not None
        printed = dict(process.stdout.readline().strip().split("=", 1) for _ in range(3))
        answer = httpx.get(f"{printed['TIMIX_BASE_URL']}/me", headers={"X-Api-Key": printed["TIMIX_API_KEY"]})
        assert (answer.status_code, answer.json()["role"]) == (200, "Owner")
    finally:
        process.terminate()
        process.wait(10)


def test_sandbox_does_not_print_key_of_parent(tmp_path: Path) -> None:
    key = f"bbl_{os.urandom(12).hex()}"
    process = Project(tmp_path).start("sandbox", "--people", "4", "--months", "1", TIMIX_SANDBOX_KEY=key)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        url = next(line.strip().split("=", 1)[1] for line in lines if line.startswith("TIMIX_BASE_URL"))
        assert httpx.get(f"{url}/me", headers={"X-Api-Key": key}).status_code == 200
        assert not any(key in line for line in lines)
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.long
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_sandbox_ends_with_its_demo(tmp_path: Path, ending: signal.Signals) -> None:
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


def test_sandbox_output_is_valid_dotenv(tmp_path: Path) -> None:
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


def test_sandbox_rejects_taken_port(tmp_path: Path, live: Sandbox) -> None:
    port = live.origin.rpartition(":")[2]
    done = Project(tmp_path).run("sandbox", "--port", port, "--people", "4", "--months", "1")

    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} is taken" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("words", [["demo"], ["ui", "--port", "0"]])
def test_rejects_setting_before_sandbox_starts(tmp_path: Path, words: list[str]) -> None:
    done = new_project(tmp_path, {}).run(*words, TIMIX_TIMEZONE="Foo/Bar")

    assert done.returncode == 2
    assert done.stderr == (
        'timix-assets: TIMIX_TIMEZONE: "Foo/Bar" is not an IANA time zone; use a name such as Europe/Berlin.\n'
    )


@pytest.mark.long
def test_demo_rejects_as_of_before_reading(tmp_path: Path) -> None:
    done = new_project(tmp_path, {}).run("demo", TIMIX_AS_OF="31.10.2026")

    assert done.returncode == 2
    assert done.stderr == 'timix-assets: TIMIX_AS_OF: "31.10.2026" is not a date; write it as YYYY-MM-DD.\n'


@pytest.mark.long
def test_reports_sandbox_that_ended(tmp_path: Path) -> None:
    # Started in this folder, the sandbox finds this module in the place of the server that it needs.
    (tmp_path / "uvicorn.py").write_text("raise SystemExit(3)\n")
    done = new_project(tmp_path, {}).run("demo")

    assert done.returncode == 1
    assert done.stderr == (
        "timix-assets: the sandbox ended before it was ready (exit code 3); run `timix-assets sandbox` to see why.\n"
    )


@pytest.mark.parametrize("words", [["--people", "2"], ["--months", "0"], ["--port", "99999"]])
def test_rejects_impossible_sandbox_options(tmp_path: Path, words: list[str]) -> None:
    done = Project(tmp_path).run("sandbox", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
