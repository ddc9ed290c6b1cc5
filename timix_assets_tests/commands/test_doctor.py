"""`timix-assets doctor`: honest about every assumption that did not hold, and how to put it right."""

import socket
from contextlib import closing

import pytest
import yaml

from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.server import Sandbox

from .conftest import Project


def test_a_workspace_that_keeps_the_contract_is_healthy(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_TIMEZONE="America/New_York")

    assert (done.returncode, done.stderr) == (0, "")
    assert "documented" in done.stdout
    assert "assumed" in done.stdout
    assert "role Owner; plan Business, at most 1000 requests a minute" in done.stdout
    assert "override" not in done.stdout
    assert all(seen.method == "GET" for seen in live.requests)


def test_a_renamed_field_and_a_moved_path_end_in_lines_to_paste_that_work(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("moved", path="/time-reports", to="/time-entries"))
    live.faults.add(Fault("rename_field", path="/time-entries", old="hours", new="durationMinutes"))
    done = project.run("doctor")
    lines = done.stdout[done.stdout.index("endpoints:") :]

    assert done.returncode == 1
    assert 'hours: "durationMinutes / 60.0"' in lines
    assert "path: /time-entries" in lines

    (project.folder / "overrides.yaml").write_text(lines)
    assert project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").returncode == 0


def test_a_column_that_nobody_sends_is_named_and_is_no_failure(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("drop_field", path="/customers", field="contactEmail"))
    done = project.run("doctor")

    assert done.returncode == 0
    assert "contact_email" in done.stdout


def test_an_expired_key_ends_it_at_once(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_API_KEY=live.key_for(expired=True))

    assert done.returncode == 1
    assert "me: GET /me: the server answered 401" in done.stderr
    assert len(live.requests) == 1


def test_a_key_that_sees_no_cost_is_told_so(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_API_KEY=live.key_for("Member"))
    assert "A Member never sees cost" in done.stdout
    assert "cost_rate" not in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("not_found", path="/me"), "404"),
        (Fault("forbidden", path="/me"), "403"),
        (Fault("server_error", path="/me"), "tried 5 times"),
        (Fault("html", path="/me"), "text/html"),
    ],
    ids=lambda fault: getattr(fault, "kind", ""),
)
def test_when_me_does_not_answer_it_says_so_and_asks_nothing_else(
    project: Project, live: Sandbox, fault: Fault, said: str
) -> None:
    live.faults.add(fault)
    done = project.run("doctor")

    assert done.returncode == 1
    assert done.stderr.startswith("failed me: GET /me")
    assert said in done.stderr
    assert "Nothing else was asked" in done.stdout
    assert "endpoints:" not in done.stdout
    assert {seen.path.rsplit("/", 1)[-1] for seen in live.requests} == {"me"}


def test_a_server_that_is_not_there_is_told_in_a_sentence(project: Project, live: Sandbox) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        done = project.run("doctor", TIMIX_BASE_URL=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")

    assert done.returncode == 1
    assert "failed me: GET /me" in done.stderr


def test_each_endpoint_is_shown_as_soon_as_it_answered(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("silence", path="/holiday-profiles", seconds=60))
    process = project.start("doctor")
    try:
        assert process.stdout is not None
        shown = [process.stdout.readline().split()[0] for _ in range(4)]
    finally:
        process.kill()
        process.wait()
    assert shown == ["endpoint", "me", "organization", "org_users"]


def test_a_plan_under_another_name_is_read_by_an_override_and_kept_to(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("rename_field", path="/me", old="plan", new="tier"))
    assert "no plan is named, so at most 300 requests a minute are made" in project.run("doctor").stdout

    (project.folder / "overrides.yaml").write_text("endpoints: {me: {columns: {plan: tier}}}")
    again = project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").stdout
    assert "plan Business, at most 1000 requests a minute" in again


def test_a_path_that_is_not_there_ends_in_a_line_to_fill_in(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("moved", path="/customers", to="/clients"))
    done = project.run("doctor")
    lines = done.stdout[done.stdout.index("endpoints:") :]

    assert done.returncode == 1
    assert yaml.safe_load(lines) == {"endpoints": {"customers": {"path": "/customers"}}}
    (project.folder / "overrides.yaml").write_text(lines.replace("path: /customers", "path: /clients"))
    assert project.run("doctor", TIMIX_OVERRIDES="overrides.yaml").returncode == 0


def test_billing_that_wants_a_customer_is_not_broken_but_its_cost_is_told(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("customer_required", path="/financial-reports/customer-billing"))
    done = project.run("doctor")

    assert done.returncode == 0
    assert f"each of the {len(live.workspace.rows('customers'))} customers in each month" in done.stdout


def test_a_report_that_ignores_its_dates_is_noticed(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("ignore_parameters", path="/financial-reports/revenue"))
    assert "revenue_report holds the very same in" in project.run("doctor").stdout


def test_an_end_date_that_is_left_out_ends_in_a_line_that_puts_it_right(project: Project, live: Sandbox) -> None:
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


def test_what_fails_is_named_on_stderr_and_the_table_stays_on_stdout(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("moved", path="/customers", to="/clients"))
    live.faults.add(Fault("drop_field", path="/projects", field="id"))
    live.faults.add(Fault("drop_field", path="/tasks", field="description"))
    done = project.run("doctor")

    first, second = done.stderr.splitlines()
    assert first.startswith("failed customers: GET /customers: the server answered 404")
    assert second == "failed projects: it cannot be read, for no field is known for id."
    assert "columns missing: id" in done.stdout
    assert "the server answered 404" not in done.stdout


WRONG_OVERRIDES = """
endpoints:
  customers: {path: /clientz}
  time_reports:
    parameters: {startDate: since}
    columns: {text: "textz"}
"""


def test_an_override_that_is_wrong_is_named_and_no_other_is_proposed_in_its_place(
    project: Project, live: Sandbox
) -> None:
    live.faults.add(Fault("ignore_parameters", path="/time-reports"))
    (project.folder / "overrides.yaml").write_text(WRONG_OVERRIDES)
    done = project.run("doctor", TIMIX_OVERRIDES="overrides.yaml")

    assert done.returncode == 1
    assert "customers is asked as said by `endpoints.customers.path` in overrides.yaml; correct" in done.stdout
    assert "`text` of time_reports is read by `endpoints.time_reports.columns.text` in overrides.yaml" in done.stdout
    assert "Correct `endpoints.time_reports.parameters.startDate` in overrides.yaml." in done.stdout
    assert "These lines may put it right" not in done.stdout


def test_dates_that_the_server_ignores_are_noticed(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("ignore_parameters", path="/time-reports"))
    assert "parameters.startDate" in project.run("doctor").stdout


def test_another_time_zone_of_the_organization_is_told(project: Project) -> None:
    assert "TIMIX_TIMEZONE=America/New_York" in project.run("doctor").stdout


def test_the_doctor_writes_nothing(project: Project) -> None:
    project.run("doctor")
    assert not (project.folder / "data").exists()
