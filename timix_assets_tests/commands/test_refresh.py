"""`timix-assets refresh`: from the command line to the tables, the exit code and the messages."""

import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.server import Sandbox
from timix_assets.text.near_miss import hint

from .conftest import Project, wait_for_request


def recorded_runs(folder: Path) -> list[tuple[str, str]]:
    """(job, status) of the runs in the instance that the UI reads, oldest first."""
    with sqlite3.connect(folder / ".dagster" / "storage" / "history" / "runs.db") as storage:
        return storage.execute("select pipeline_name, status from runs order by id").fetchall()


@pytest.mark.long
def test_fills_lake_and_records_run(project: Project, live: Sandbox) -> None:
    done = project.run("refresh")

    assert (done.returncode, done.stderr) == (0, "")
    assert project.table("timix/time_reports").height == len(live.workspace.rows("time_reports"))
    assert "timix/time_reports" in done.stdout
    assert recorded_runs(project.folder) == [("refresh_everything", "SUCCESS")]


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize(("umask", "folders", "files"), [(0o022, 0o755, 0o644), (0o027, 0o750, 0o640)])
def test_runs_are_private_and_lake_follows_umask(project: Project, umask: int, folders: int, files: int) -> None:
    before = os.umask(umask)
    try:
        done = project.run("refresh", "--only", "timix/customers", "--only", "exports/revenue_report")
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((project.folder / ".dagster").stat().st_mode) == 0o700
    lake = list((project.folder / "data").rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in lake if path.is_dir()} == {folders}
    assert {stat.S_IMODE(path.stat().st_mode) for path in lake if path.is_file()} == {files}
    assert any("exports" in path.parts for path in lake)


@pytest.mark.long
def test_run_belongs_to_the_code_location_of_the_ui(project: Project, live: Sandbox) -> None:
    workspace = project.folder / "workspace.yaml"
    workspace.write_text(workspace.read_text().replace("location_name: timix_assets", "location_name: firm"))

    month = f"{live.firm.first_day:%Y-%m}"
    assert project.run("refresh", "--only", "timix/customers", "--from", month, "--to", month).returncode == 0
    with sqlite3.connect(project.folder / ".dagster" / "storage" / "history" / "runs.db") as storage:
        tags = dict(storage.execute("select key, value from run_tags").fetchall())
        [[run]] = storage.execute("select run_body from runs").fetchall()
    assert tags[".dagster/repository"] == "__repository__@firm"
    assert (
        tags["dagster/code_location"]
        == json.loads(run)["external_pipeline_origin"]["external_repository_origin"]["repository_location_origin"][
            "location_name"
        ]
    )
    assert tags["timix/job"] == "refresh_everything"
    assert tags["timix/months"] == month


def test_only_reads_named_assets(project: Project, live: Sandbox) -> None:
    done = project.run("refresh", "--only", "timix/customers", "--only", "timix/projects")

    assert done.returncode == 0
    assert {seen.path.rsplit("/", 1)[-1] for seen in live.requests} == {"me", "customers", "projects"}
    assert (
        "Next: `timix-assets refresh` computes the rollups from them again; until then they are those of before."
        in done.stdout
    )


def test_from_and_to_limit_months(project: Project, live: Sandbox) -> None:
    first = f"{live.firm.first_day:%Y-%m}"
    done = project.run("refresh", "--only", "timix/time_reports", "--from", first, "--to", first)

    assert done.returncode == 0
    assert f"1 asset, month {first}, " in done.stdout
    assert project.lake.metadata.months_read("timix/time_reports") == {live.firm.first_day}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "2001-01"], "--from 2001-01 is before the first month"),
        (["--from", "2999-01"], "--from 2999-01 is in the future; the current month is"),
        (["--to", "2999-01"], "--to 2999-01 is in the future"),
        (["--to", "2001-01"], "--to 2001-01 is before the first month"),
        (["--from", "yesterday"], '--from: "yesterday" is not a month that can be read'),
        (["--only", "timix/customer"], "--only timix/customer is not an asset; did you mean timix/customers?"),
        (["--frm", "2025-01"], "No such option"),
    ],
)
def test_wrong_usage_exits_2_with_advice(project: Project, live: Sandbox, words: list[str], message: str) -> None:
    done = project.run("refresh", *words)

    assert done.returncode == 2
    assert message in done.stderr
    assert live.requests == []


KEYS = ["timix/time_reports", "timix/customers", "rollups/budget_health", "timix/budget_health_report"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("timix/time_report", "did you mean timix/time_reports?"),
        ("time_reports", "did you mean timix/time_reports?"),
        ("timix/budget_health", "did you mean rollups/budget_health?"),
        ("rollup/budget_helth", "did you mean rollups/budget_health?"),
        ("timix/xyz", "this group has timix/budget_health_report, timix/customers, timix/time_reports."),
        ("xyz", "the groups are rollups, timix, listed in the README."),
    ],
)
def test_suggests_nearest_asset_key(typed: str, message: str) -> None:
    assert hint(typed, KEYS).endswith(message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TIMIX_API_KEY", "", "TIMIX_API_KEY is not set"),
        ("TIMIX_API_KEY", "secret", "TIMIX_API_KEY is not a Timix key"),
        ("TIMIX_BASE_URL", "http://api.example.com", "TIMIX_BASE_URL"),
        ("TIMIX_TIMEZONE", "Mars", 'TIMIX_TIMEZONE: "Mars"'),
        ("TIMIX_OVERRIDES", "missing.yaml", "missing.yaml"),
        ("TIMIX_LAKE", "foo://x", "TIMIX_LAKE"),
        ("TIMIX_LAKE", "s3:/bucket", "a URL with a missing slash"),
        ("TIMIX_AS_OF", "soon", 'TIMIX_AS_OF: "soon"'),
        ("TIMIX_ATTEMTPS", "3", "TIMIX_ATTEMTPS is not a setting; did you mean TIMIX_ATTEMPTS?"),
        ("TIMIX_ATTEMPTS", "0", 'TIMIX_ATTEMPTS: "0" is not valid; set a whole number of at least 1'),
        ("TIMIX_GUARD_FROM_ROWS", "many", 'TIMIX_GUARD_FROM_ROWS: "many"'),
    ],
)
def test_wrong_setting_exits_2_before_any_request(
    project: Project, live: Sandbox, name: str, value: str, message: str
) -> None:
    done = project.run("refresh", **{name: value})

    assert (done.returncode, live.requests) == (2, [])
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_revoked_key_exits_1_with_one_message(project: Project, live: Sandbox) -> None:
    live.revoke(live.key)
    done = project.run("refresh")

    assert done.returncode == 1
    [message] = done.stderr.strip().splitlines()
    assert re.match(r"failed \d+ assets: GET /me: the server answered 401", message)
    assert "timix/customers" in message.partition(" These assets failed: ")[2]
    assert "Traceback" not in done.stderr
    assert len(live.requests) == 1
    assert live.key not in done.stdout + done.stderr


@pytest.mark.long
def test_overrides_fix_field_and_path(project: Project, live: Sandbox) -> None:
    assert project.run("refresh", "--only", "timix/time_reports").returncode == 0
    expected = project.table("timix/time_reports").sort("id")
    live.faults.add(Fault("moved", path="/time-reports", to="/work-log"))
    live.faults.add(Fault("rename_field", path="/work-log", old="hours", new="workedHours"))
    lines = {"endpoints": {"time_reports": {"path": "/work-log", "columns": {"hours": "workedHours"}}}}
    (project.folder / "overrides.yaml").write_text(json.dumps(lines))

    assert project.run("refresh", "--only", "timix/time_reports").returncode == 1
    done = project.run("refresh", "--only", "timix/time_reports", TIMIX_OVERRIDES="overrides.yaml")

    assert (done.returncode, done.stderr) == (0, "")
    assert project.table("timix/time_reports").sort("id").equals(expected)


def test_fails_outside_project_folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = Project(tmp_path_factory.mktemp("elsewhere"), project.settings)
    done = elsewhere.run_in_a_process("refresh")
    assert (done.returncode, "there is no dagster.yaml in" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", ["summary", "doctor"])
def test_wrong_setting_is_reported_before_a_missing_project(command: str, tmp_path: Path) -> None:
    done = Project(tmp_path).run(command, TIMIX_CONCURRENCY="1_0")
    message = 'timix-assets: TIMIX_CONCURRENCY: "1_0" is not valid; set a whole number from 1 to 64.\n'
    assert (done.returncode, done.stderr) == (2, message)


@pytest.mark.long
def test_sigterm_stops_refresh_and_next_one_starts(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/projects", times=1, seconds=30))
    stopped = project.start("refresh")
    wait_for_request(live, "/projects", stopped)
    stopped.send_signal(signal.SIGTERM)
    message, _ = stopped.communicate(timeout=10)

    assert stopped.returncode == 1
    assert "interrupted" in message
    done = project.run("refresh")
    assert (done.returncode, done.stderr) == (0, "")
    # Dagster knows of no wish to end it: docs/operations.md says so.
    assert [status for _, status in recorded_runs(project.folder)] == ["FAILURE", "SUCCESS"]


@pytest.mark.long
def test_ctrl_c_leaves_no_traceback(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/projects", times=1, seconds=30))
    with subprocess.Popen(
        project.command("refresh"),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        wait_for_request(live, "/projects", running)
        # As a terminal does: the process and all that it started.
        os.killpg(running.pid, signal.SIGINT)
        message, _ = running.communicate(timeout=30)

    assert running.returncode == 1
    assert "timix-assets: interrupted." in message
    assert "Traceback" not in message


@pytest.mark.long
def test_killed_refresh_is_recorded_as_failed(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/projects", times=1, seconds=30))
    killed = project.start("refresh")
    wait_for_request(live, "/projects", killed)
    killed.kill()
    killed.wait()

    assert project.run("refresh").returncode == 0
    assert [status for _, status in recorded_runs(project.folder)] == ["FAILURE", "SUCCESS"]


@pytest.mark.long
def test_locked_run_storage_fails_with_advice(project: Project, live: Sandbox) -> None:
    assert project.run("refresh", "--only", "timix/me").returncode == 0
    with sqlite3.connect(project.folder / ".dagster" / "storage" / "history" / "runs.db") as storage:
        storage.execute("begin immediate")
        held = project.run("refresh", "--only", "timix/me")
        storage.rollback()

    assert held.returncode == 1
    assert "(database is locked)" in held.stderr
    assert "another process has it locked: wait for it or stop it, then run it again." in held.stderr
    assert project.run("refresh", "--only", "timix/me").returncode == 0


@pytest.mark.long
def test_concurrent_refreshes_both_succeed(project: Project, live: Sandbox) -> None:
    both = [project.start("refresh"), project.start("refresh")]
    message = [process.communicate(timeout=90)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], message
    assert project.table("timix/time_reports").height == len(live.workspace.rows("time_reports"))


@pytest.mark.long
def test_accept_shrink_applies_to_one_run(project: Project, live: Sandbox) -> None:
    assert project.run("refresh", "--only", "timix/time_reports").returncode == 0
    live.faults.add(Fault("shrunk", path="/time-reports"))

    refused = project.run("refresh", "--only", "timix/time_reports")
    assert (refused.returncode, "refresh --accept-shrink" in refused.stderr) == (1, True)

    accepted = project.run("refresh", "--only", "timix/time_reports", "--accept-shrink")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert project.table("timix/time_reports").height < len(live.workspace.rows("time_reports"))


@pytest.mark.long
def test_waiting_for_the_lake_names_the_other_run(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/projects", times=1, seconds=4))
    first = project.start("refresh", "--only", "timix/projects")
    wait_for_request(live, "/projects", first)
    second = project.run("refresh", "--only", "timix/customers")
    first.communicate()

    assert second.returncode == 0
    assert "held by refresh_everything (run " in second.stdout


def test_sends_key_as_bearer_token(project: Project) -> None:
    assert project.run("refresh", "--only", "timix/customers", TIMIX_AUTHENTICATION="Bearer").returncode == 0
    wrong = project.run("refresh", TIMIX_AUTHENTICATION="Basic")
    assert (wrong.returncode, 'TIMIX_AUTHENTICATION: "basic"' in wrong.stderr) == (2, True)


def test_rejects_dagster_home_of_another_project(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    done = project.run("refresh", DAGSTER_HOME=str(other))
    assert (done.returncode, "there is no workspace.yaml in" in done.stderr) == (2, True)
