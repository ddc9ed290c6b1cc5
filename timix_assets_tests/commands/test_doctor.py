"""`timix-assets doctor`: honest about every assumption that did not hold, and how to put it right."""

from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.server import Sandbox

from .conftest import Project


def test_a_workspace_that_keeps_the_contract_is_healthy(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_TIMEZONE="America/New_York")

    assert (done.returncode, done.stderr) == (0, "")
    assert "documented" in done.stdout
    assert "assumed" in done.stdout
    assert "plan Business, role Owner; at most 1000 requests a minute" in done.stdout
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
    assert "401" in done.stdout
    assert len(live.requests) == 1


def test_a_key_that_sees_no_cost_is_told_so(project: Project, live: Sandbox) -> None:
    done = project.run("doctor", TIMIX_API_KEY=live.key_for("Member"))
    assert "A Member never sees cost" in done.stdout


def test_dates_that_the_server_ignores_are_noticed(project: Project, live: Sandbox) -> None:
    live.faults.add(Fault("ignore_parameters", path="/time-reports"))
    assert "parameters.startDate" in project.run("doctor").stdout


def test_another_time_zone_of_the_organization_is_told(project: Project) -> None:
    assert "TIMIX_TIMEZONE=America/New_York" in project.run("doctor").stdout


def test_the_doctor_writes_nothing(project: Project) -> None:
    project.run("doctor")
    assert not (project.folder / "data").exists()
