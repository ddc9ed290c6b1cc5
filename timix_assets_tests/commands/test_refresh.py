"""`timix-assets refresh`, from the command line to the tables, the exit status and what is said."""

import json
import signal
import sqlite3
from pathlib import Path

import pytest

from timix_assets.commands.refresh import hint
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.server import Sandbox

from .conftest import Project, wait_for_request


def recorded_runs(folder: Path) -> list[tuple[str, str]]:
    """(job, status) of the runs in the instance that the UI reads, oldest first."""
    with sqlite3.connect(folder / ".dagster" / "storage" / "history" / "runs.db") as storage:
        return storage.execute("select pipeline_name, status from runs order by id").fetchall()


def test_one_command_fills_the_lake_and_its_run_is_in_the_instance_that_the_ui_reads(
    project: Project, live: Sandbox
) -> None:
    done = project.run("refresh")

    assert (done.returncode, done.stderr) == (0, "")
    assert project.table("timix/time_reports").height == len(live.workspace.rows("time_reports"))
    assert "timix/time_reports" in done.stdout
    assert recorded_runs(project.folder) == [("refresh_everything", "SUCCESS")]


def test_only_reads_just_what_is_named(project: Project, live: Sandbox) -> None:
    done = project.run("refresh", "--only", "timix/customers", "--only", "timix/projects")

    assert done.returncode == 0
    assert {seen.path.rsplit("/", 1)[-1] for seen in live.requests} == {"me", "customers", "projects"}


def test_from_and_to_read_just_those_months(project: Project, live: Sandbox) -> None:
    first = f"{live.firm.first_day:%Y-%m}"
    done = project.run("refresh", "--only", "timix/time_reports", "--from", first, "--to", first)

    assert done.returncode == 0
    assert project.lake.memory.months_read("timix/time_reports") == {live.firm.first_day}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "2001-01"], "--from 2001-01 is before the first month"),
        (["--to", "2999-01"], "--to 2999-01 is in the future"),
        (["--from", "yesterday"], "--from is 'yesterday', which is no month to read"),
        (["--only", "timix/customer"], "--only timix/customer is no asset; did you mean timix/customers?"),
        (["--frm", "2025-01"], "No such option"),
    ],
)
def test_wrong_use_is_exit_2_and_says_what_would_be_right(
    project: Project, live: Sandbox, words: list[str], said: str
) -> None:
    done = project.run("refresh", *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert live.requests == []


KEYS = ["timix/time_reports", "timix/customers", "rollups/budget_health", "timix/budget_health_report"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("timix/time_report", "did you mean timix/time_reports?"),
        ("time_reports", "did you mean timix/time_reports?"),
        ("timix/budget_health", "did you mean rollups/budget_health?"),
        ("rollup/budget_helth", "did you mean rollups/budget_health?"),
        ("timix/xyz", "there are timix/budget_health_report, timix/customers, timix/time_reports."),
        ("xyz", "their groups are rollups, timix, and the README lists them."),
    ],
)
def test_of_a_name_that_no_asset_has_the_nearest_key_is_said_and_others_only_when_none_is_near(
    typed: str, said: str
) -> None:
    assert hint(typed, KEYS).endswith(said)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TIMIX_API_KEY", "", "TIMIX_API_KEY is not set"),
        ("TIMIX_API_KEY", "secret", "TIMIX_API_KEY is not a Timix key"),
        ("TIMIX_BASE_URL", "http://api.example.com", "TIMIX_BASE_URL"),
        ("TIMIX_TIMEZONE", "Mars", "TIMIX_TIMEZONE is 'Mars'"),
        ("TIMIX_OVERRIDES", "missing.yaml", "missing.yaml"),
        ("TIMIX_LAKE", "foo://x", "TIMIX_LAKE"),
        ("TIMIX_LAKE", "s3:/bucket", "a URL with a slash too few"),
        ("TIMIX_AS_OF", "soon", "TIMIX_AS_OF is 'soon'"),
        ("TIMIX_ATTEMTPS", "3", "TIMIX_ATTEMTPS is no setting; did you mean TIMIX_ATTEMPTS?"),
        ("TIMIX_ATTEMPTS", "0", "TIMIX_ATTEMPTS is '0'; write a whole number of at least 1"),
        ("TIMIX_GUARD_FROM_ROWS", "many", "TIMIX_GUARD_FROM_ROWS is 'many'"),
    ],
)
def test_a_wrong_setting_is_exit_2_before_any_request(
    project: Project, live: Sandbox, name: str, value: str, said: str
) -> None:
    done = project.run("refresh", **{name: value})

    assert (done.returncode, live.requests) == (2, [])
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_revoked_key_is_exit_1_and_one_sentence_for_all_assets(project: Project, live: Sandbox) -> None:
    live.revoke(live.key)
    done = project.run("refresh")

    assert done.returncode == 1
    [said] = done.stderr.strip().splitlines()
    assert said.startswith("failed 17 assets: GET /me: the server answered 401")
    assert "timix/customers" in said.partition(" They are ")[2]
    assert "Traceback" not in done.stderr
    assert len(live.requests) == 1
    assert live.key not in done.stdout + done.stderr


@pytest.mark.long
def test_a_spelling_and_a_path_that_differ_are_put_right_by_the_overrides_file(project: Project, live: Sandbox) -> None:
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


def test_outside_a_project_folder_the_sentence_says_where_to_start_it(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = Project(tmp_path_factory.mktemp("elsewhere"), project.settings)
    done = elsewhere.run("refresh")
    assert (done.returncode, "there is no dagster.yaml in" in done.stderr) == (2, True)


@pytest.mark.long
def test_a_sigterm_ends_a_refresh_in_seconds_and_the_next_one_starts_at_once(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/projects", times=1, seconds=30))
    stopped = project.start("refresh")
    wait_for_request(live, "/projects", stopped)
    stopped.send_signal(signal.SIGTERM)
    said, _ = stopped.communicate(timeout=10)

    assert stopped.returncode == 1
    assert "interrupted" in said
    done = project.run("refresh")
    assert (done.returncode, done.stderr) == (0, "")
    # Dagster knows of no wish to end it: docs/operations.md says so.
    assert [status for _, status in recorded_runs(project.folder)] == ["FAILURE", "SUCCESS"]


@pytest.mark.long
def test_a_killed_refresh_leaves_no_run_that_looks_alive(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/projects", times=1, seconds=30))
    killed = project.start("refresh")
    wait_for_request(live, "/projects", killed)
    killed.kill()
    killed.wait()

    assert project.run("refresh").returncode == 0
    assert [status for _, status in recorded_runs(project.folder)] == ["FAILURE", "SUCCESS"]


@pytest.mark.long
def test_a_record_of_runs_that_another_process_holds_is_told_as_such(project: Project, live: Sandbox) -> None:
    assert project.run("refresh", "--only", "timix/me").returncode == 0
    with sqlite3.connect(project.folder / ".dagster" / "storage" / "history" / "runs.db") as storage:
        storage.execute("begin immediate")
        held = project.run("refresh", "--only", "timix/me")
        storage.rollback()

    assert held.returncode == 1
    assert "(database is locked)" in held.stderr
    assert "another process holds it: wait for that or end it, then run it again." in held.stderr
    assert project.run("refresh", "--only", "timix/me").returncode == 0


@pytest.mark.long
def test_two_refreshes_at_once_take_turns_and_both_end_right(project: Project, live: Sandbox) -> None:
    both = [project.start("refresh"), project.start("refresh")]
    said = [process.communicate(timeout=90)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert project.table("timix/time_reports").height == len(live.workspace.rows("time_reports"))


@pytest.mark.long
def test_a_shrink_is_accepted_once_by_the_option_that_the_sentence_names(project: Project, live: Sandbox) -> None:
    assert project.run("refresh", "--only", "timix/time_reports").returncode == 0
    live.faults.add(Fault("shrunk", path="/time-reports"))

    refused = project.run("refresh", "--only", "timix/time_reports")
    assert (refused.returncode, "refresh --accept-shrink" in refused.stderr) == (1, True)

    accepted = project.run("refresh", "--only", "timix/time_reports", "--accept-shrink")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert project.table("timix/time_reports").height < len(live.workspace.rows("time_reports"))


@pytest.mark.long
def test_who_waits_for_the_lake_says_for_whom(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/projects", times=1, seconds=4))
    first = project.start("refresh", "--only", "timix/projects")
    wait_for_request(live, "/projects", first)
    second = project.run("refresh", "--only", "timix/customers")
    first.communicate()

    assert second.returncode == 0
    assert "it is in use by refresh_everything (run " in second.stdout


def test_a_bearer_key_is_a_setting(project: Project) -> None:
    assert project.run("refresh", "--only", "timix/customers", TIMIX_AUTHENTICATION="Bearer").returncode == 0
    wrong = project.run("refresh", TIMIX_AUTHENTICATION="Basic")
    assert (wrong.returncode, "TIMIX_AUTHENTICATION is 'basic'" in wrong.stderr) == (2, True)


def test_the_home_of_another_dagster_project_is_refused(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    done = project.run("refresh", DAGSTER_HOME=str(other))
    assert (done.returncode, "there is no workspace.yaml in" in done.stderr) == (2, True)
