"""`timix-assets doctor`: which assumptions do not match a workspace, and the overrides that fix it."""

import os
import socket
from contextlib import closing

import pytest
import yaml

from timix_assets.api import rate_limit
from timix_assets.api.limits import Limits
from timix_assets.api.rate_limit_bucket import CAPACITY, FileBucket
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings.environment import VARIABLES

from .conftest import Project


def test_matching_workspace_passes(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_TIMEZONE="America/New_York")

    assert (done.returncode, done.stderr) == (0, "")
    assert "documented" in done.stdout
    assert "assumed" in done.stdout
    assert "role Owner; plan Business, at most 1000 requests a minute" in done.stdout
    assert "override" not in done.stdout
    assert all(seen.method == "GET" for seen in live.requests)


def test_refuses_cron_expression_that_a_refresh_refuses(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_CRON_NIGHTLY="99 2 * * *")

    assert (done.returncode, done.stdout, live.requests) == (2, "", [])
    assert done.stderr.startswith(
        'timix-assets: TIMIX_CRON_NIGHTLY: "99 2 * * *" is not a cron expression; write minute'
    )


@pytest.mark.parametrize(("lake", "reserve"), [("data/lake", False), ("s3://lakes/ours", True)])
def test_keeps_to_the_reserve_of_a_lake_in_an_object_store(project: Project, lake: str, reserve: bool) -> None:
    assert project.run("doctor", TIMIX_LAKE=lake).returncode == 0
    [file] = (project.folder / ".dagster").glob("*.pace")
    assert file.name.endswith(".reserve.pace") is reserve


@pytest.mark.long
def test_says_that_it_waits_for_the_rate_limit(
    project: Project, live: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "_MIN_NOTIFIED_SECONDS", 0)
    bucket = FileBucket(project.folder / ".dagster", live.base_url, live.key)
    rate_limit.RateLimiter(bucket, Limits(), print).add([3] * CAPACITY, age=0)
    done = project.run("doctor")
    assert done.returncode == 0
    assert "Rate limit of the plan reached: waiting" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_warns_about_dotenv_readable_by_others(project: Project) -> None:
    message = "• Other users of this machine can read .env, which holds the key: chmod 600 .env\n"
    env_file = project.folder / ".env"
    env_file.write_text("TIMIX_TIMEZONE=UTC\n")
    env_file.chmod(0o644)
    done = project.run("doctor")
    assert done.returncode == 0
    assert done.stdout.count(message) == 1

    assert project.run("doctor", TIMIX_API_KEY="bbl_" + 40 * "0").stdout.count(message) == 1
    env_file.chmod(0o600)
    assert "chmod" not in project.run("doctor").stdout


def test_suggests_working_overrides(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("moved", path="/time-reports", to="/time-entries"))
    live.faults.add(Fault("rename_field", path="/time-entries", old="hours", new="durationMinutes"))
    done = project.run("doctor")
    lines = done.stdout[done.stdout.index("endpoints:") :]

    assert done.returncode == 1
    assert 'hours: "durationMinutes / 60.0"' in lines
    assert "path: /time-entries" in lines

    (project.folder / "overrides.yaml").write_text(lines)
    assert project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").returncode == 0


def test_names_fields_whose_values_fit_a_required_one(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("rename_field", path="/time-reports", old="hours", new="duration"))
    live.faults.add(Fault("new_field", path="/time-reports", field="mood", value='"good"'))
    done = project.run("doctor")
    lines = done.stdout[done.stdout.index("endpoints:") :]

    assert done.returncode == 1
    assert "failed time_reports: cannot be read: no field matches hours (see the lines below).\n" in done.stderr
    assert yaml.safe_load(lines) == {"endpoints": {"time_reports": {"columns": {"hours": "duration"}}}}
    assert "like hours, in 50 of 50 records" in lines
    (project.folder / "overrides.yaml").write_text(lines)
    fixed = project.run("doctor", TIMIX_OVERRIDES="overrides.yaml")
    assert fixed.returncode == 0
    assert "overridden: columns.hours\n" in fixed.stdout


def test_shows_an_overridden_path_as_override(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("moved", path="/customers", to="/clients"))
    (project.folder / "overrides.yaml").write_text("endpoints: {customers: {path: /clients}}")
    assert "/clients (override)" in project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").stdout


def test_does_not_advise_to_run_itself(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("not_found", path="/time-reports"), Fault("not_found", path="/time-entries"))
    live.faults.add(Fault("not_found", path="/customers"), Fault("invalid", path="/projects"))
    live.faults.add(Fault("text_replaced", path="/tasks", old='"items"', new='"stuff"'))
    done = project.run("doctor")
    assert len(done.stderr.splitlines()) == 4
    assert "timix-assets doctor" not in done.stdout + done.stderr


def test_missing_optional_column_passes(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("drop_field", path="/customers", field="contactEmail"))
    done = project.run("doctor")

    assert done.returncode == 0
    assert "contact_email" in done.stdout


def test_expired_key_fails_after_one_request(project: Project, live: Sandbox) -> None:
    done = project.run_in_a_process("doctor", TIMIX_API_KEY=live.key_for(expired=True))

    assert done.returncode == 1
    assert "me: GET /me: the server answered 401" in done.stderr
    assert len(live.requests) == 1


def test_warns_about_key_without_cost(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_API_KEY=live.key_for("Member"))
    assert "The role Member cannot see cost" in done.stdout
    assert "cost_rate" not in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("not_found", path="/me"), "404"),
        (Fault("forbidden", path="/me"), "403"),
        (Fault("server_error", path="/me"), "tried 5 times"),
        (Fault("html", path="/me"), "text/html"),
    ],
    ids=lambda fault: getattr(fault, "kind", ""),
)
def test_stops_when_me_fails(project: Project, live: Sandbox, fault: Fault, message: str) -> None:
    live.faults.add(fault)
    done = project.run("doctor")

    assert done.returncode == 1
    assert done.stderr.startswith("failed me: GET /me")
    assert message in done.stderr
    assert "No other endpoint was checked" in done.stdout
    assert "endpoints:" not in done.stdout
    assert {seen.path.rsplit("/", 1)[-1] for seen in live.requests} == {"me"}


def test_unreachable_server_fails_with_message(project: Project, live: Sandbox) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        done = project.run("doctor", TIMIX_BASE_URL=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")

    assert done.returncode == 1
    assert "failed me: GET /me" in done.stderr


def test_prints_each_endpoint_as_it_answers(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/holiday-profiles", seconds=60))
    process = project.start("doctor")
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "\n")
        settings = {line.split()[0] for line in lines}
        shown = [process.stdout.readline().split()[0] for _ in range(4)]
    finally:
        process.kill()
        process.wait()
    assert "TIMIX_LAKE" in settings
    assert shown == ["endpoint", "me", "organization", "org_users"]


def test_lists_settings_with_their_source_but_no_secret(project: Project, live: Sandbox) -> None:
    (project.folder / ".env").write_text("TIMIX_ALERT_DAYS=30\nTIMIX_ATTEMPTS=3\n")
    (project.folder / "urls").write_text("json://hooks.example.com/secret-path")
    done = project.run("doctor", TIMIX_ATTEMPTS="4", TIMIX_ALERT_URLS_FILE="urls")
    settings = dict(line.split(maxsplit=1) for line in done.stdout.partition("\n\n")[0].splitlines())

    assert list(settings) == ["setting", *VARIABLES]
    assert list(settings)[1] == "TIMIX_API_KEY"
    wanted = {
        "TIMIX_API_KEY": "environment  set",
        "TIMIX_ALERT_URLS": "file         set",
        "TIMIX_ALERT_DAYS": ".env         30",
        "TIMIX_ATTEMPTS": "environment  4",
        "TIMIX_START_MONTH": f"environment  {live.firm.first_day:%Y-%m}",
        "TIMIX_LAKE": "default      data/lake",
        "TIMIX_OVERRIDES": "default      not set",
    }
    assert {name: settings[name] for name in wanted} == wanted
    assert live.key not in done.stdout
    assert "secret-path" not in done.stdout


def test_override_of_plan_sets_rate_limit(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("rename_field", path="/me", old="plan", new="tier"))
    assert "no plan is named, assuming at most 300 requests a minute" in project.run("doctor").stdout

    (project.folder / "overrides.yaml").write_text("endpoints: {me: {columns: {plan: tier}}}")
    again = project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").stdout
    assert "plan Business, at most 1000 requests a minute" in again


def test_suggests_path_for_missing_endpoint(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("moved", path="/customers", to="/clients"))
    done = project.run("doctor")
    lines = done.stdout[done.stdout.index("endpoints:") :]

    assert done.returncode == 1
    assert yaml.safe_load(lines) == {"endpoints": {"customers": {"path": "/customers"}}}
    (project.folder / "overrides.yaml").write_text(lines.replace("path: /customers", "path: /clients"))
    assert project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").returncode == 0


def test_warns_about_report_per_customer(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("customer_required", path="/financial-reports/customer-billing"))
    done = project.run("doctor")

    assert done.returncode == 0
    assert f"each of the {len(live.workspace.rows('customers'))} customers and month" in done.stdout


def test_detects_report_that_ignores_dates(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("ignore_parameters", path="/financial-reports/revenue"))
    assert "revenue_report has the same content in" in project.run("doctor").stdout


def test_suggests_end_exclusive(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("end_exclusive", path="/time-reports"))
    done = project.run("doctor")
    lines = done.stdout[done.stdout.index("endpoints:") :]

    assert done.returncode == 1
    assert yaml.safe_load(lines) == {"endpoints": {"time_reports": {"end_exclusive": True}}}
    (project.folder / "overrides.yaml").write_text(lines)
    assert project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").returncode == 0

    live.faults.clear()
    needless = project.run("doctor", TIMIX_OVERRIDES="overrides.yaml")
    assert needless.returncode == 1
    assert "so `endpoints.time_reports.end_exclusive` in overrides.yaml is wrong; remove it" in needless.stderr
    assert "endpoints:" not in needless.stdout


def test_failures_go_to_stderr_and_table_to_stdout(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("moved", path="/customers", to="/clients"))
    live.faults.add(Fault("drop_field", path="/projects", field="id"))
    live.faults.add(Fault("drop_field", path="/tasks", field="description"))
    done = project.run("doctor")

    first, second = done.stderr.splitlines()
    assert first.startswith("failed customers: GET /customers: the server answered 404")
    assert second == "failed projects: cannot be read: no field matches id."
    assert "missing columns: id" in done.stdout
    assert "the server answered 404" not in done.stdout


WRONG_OVERRIDES = """
endpoints:
  customers: {path: /clientz}
  time_reports:
    parameters: {startDate: since}
    columns: {text: "textz"}
"""


def test_names_wrong_override_without_suggestions(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("ignore_parameters", path="/time-reports"))
    (project.folder / "overrides.yaml").write_text(WRONG_OVERRIDES)
    done = project.run("doctor", TIMIX_OVERRIDES="overrides.yaml")

    assert done.returncode == 1
    assert (
        "The request for customers uses `endpoints.customers.path` in overrides.yaml; correct or remove the override."
        in done.stdout
    )
    assert (
        "`endpoints.time_reports.columns.text` in overrides.yaml computes column `text` of time_reports" in done.stdout
    )
    assert "Correct `endpoints.time_reports.parameters.startDate` in overrides.yaml." in done.stdout
    assert "These overrides may fix it" not in done.stdout


def test_detects_listing_that_ignores_dates(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("ignore_parameters", path="/time-reports"))
    assert "parameters.startDate" in project.run("doctor").stdout


def test_warns_about_time_zone_of_organization(project: Project) -> None:
    assert "is America/New_York, but TIMIX_TIMEZONE is UTC; leave" in project.run("doctor").stdout
    assert "time zone" not in project.run("doctor", TIMIX_TIMEZONE="").stdout


def test_doctor_writes_nothing(project: Project) -> None:
    project.run("doctor")
    assert not (project.folder / "data").exists()
