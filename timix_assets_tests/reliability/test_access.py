"""Faults of keys, roles and paths: rows 1 to 4 and 41 to 43 of docs/reliability.md."""

import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import Project, new_project, settings_of

from .conftest import Workplace, contents

RAW_AND_EXPORTS = 17
"""Assets that ask Timix: 14 tables and 3 exports."""

REFUSED_KEY = "TIMIX_API_KEY is wrong, expired or revoked: set a valid key."


def failed_assets(line: str) -> list[str]:
    """The assets that a line of stderr names behind the cause, when there are many."""
    return line.rpartition(" These assets failed: ")[2].removesuffix(".").split(", ")


# The key is refused


@pytest.mark.fault(1)
@pytest.mark.usefixtures("untouched")
def test_a_revoked_key_ends_the_run_after_one_request(workplace: Workplace) -> None:
    workplace.sandbox.revoke(workplace.sandbox.key)
    done = workplace.refresh_in_a_process()

    assert (done.status, done.requests) == (1, ["/me"])
    assert done.sentence.startswith(
        f"failed {RAW_AND_EXPORTS} assets: GET /me: the server answered 401 (UNAUTHORIZED, “The API key was revoked.”); "
        f"{REFUSED_KEY} These assets failed: "
    )


@pytest.mark.fault(1)
@pytest.mark.usefixtures("untouched")
def test_the_message_names_the_cause_once_and_then_every_asset(workplace: Workplace) -> None:
    workplace.sandbox.revoke(workplace.sandbox.key)
    line = workplace.refresh().sentence

    named = failed_assets(line)
    assert len(named) == len(set(named)) == RAW_AND_EXPORTS
    assert line.count("401") == 1
    assert line.index("401") < line.index(", timix/")


@pytest.mark.fault(1)
@pytest.mark.usefixtures("untouched")
def test_an_expired_key_is_reported_as_expired(workplace: Workplace) -> None:
    expired = workplace.sandbox.key_for(expired=True)
    done = workplace.refresh("timix/customers", TIMIX_API_KEY=expired)

    assert (done.status, done.requests) == (1, ["/me"])
    assert "“The API key has expired.”" in done.sentence
    assert expired not in done.stdout + done.stderr


@pytest.mark.fault(1)
@pytest.mark.usefixtures("untouched")
def test_a_key_revoked_during_a_run_stops_all_further_requests(workplace: Workplace) -> None:
    done = workplace.refresh(faults=(Fault("unauthorized", path="/time-reports", page=1),))

    assert done.status == 1
    assert done.sentence.startswith(
        "failed timix/time_reports, timix/unbilled_time_report: GET /time-reports, page 1: "
    )
    assert done.sentence.endswith(REFUSED_KEY)
    assert done.requests[-1] == "/time-reports"
    assert done.requests.count("/time-reports") == 1


@pytest.mark.fault(1)
@pytest.mark.usefixtures("untouched")
def test_a_key_revoked_between_two_pages_fails_at_that_page(workplace: Workplace) -> None:
    done = workplace.refresh("timix/time_reports", faults=(Fault("unauthorized", path="/time-reports", page=2),))

    assert done.status == 1
    assert "GET /time-reports, page 2: the server answered 401" in done.sentence
    assert done.requests.count("/time-reports") <= 4, "each page at most once: nothing is asked again"


@pytest.mark.fault(1)
def test_a_key_that_expires_during_a_run_changes_no_table(firm: Firm, workplace: Workplace) -> None:
    """The clock of the server passes the key's end after ten requests."""
    asked: list[object] = []

    def clock() -> float:
        return time.time() + (timedelta(days=2).total_seconds() if len(asked) >= 10 else 0.0)

    before = contents(workplace.lake)
    with Sandbox(firm, clock=clock) as sandbox:
        asked = sandbox.requests  # type: ignore[assignment]
        key = sandbox.key_for(lasts=timedelta(days=1))
        settings = {**settings_of(sandbox), "TIMIX_API_KEY": key}
        done = Workplace(sandbox, Project(workplace.project.folder, settings)).refresh()
        answers = [seen.status for seen in sandbox.requests]

    assert (done.status, answers.count(200), answers[-1]) == (1, 10, 401)
    assert len(answers) <= 10 + 3, "what was in flight, and nothing after it"
    assert "“The API key has expired.”" in done.sentence
    assert contents(workplace.lake) == before


# The key may not read one thing


NEED_INVOICES = [
    "rollups/organization_money",
    "rollups/person_economics",
    "rollups/receivables_aging",
    "rollups/restatements",
    "rollups/unbilled_aging",
    "rollups/working_capital",
]
"""What cannot be said without invoices; budgets, utilization and profitability can."""


@pytest.mark.fault(2)
@pytest.mark.usefixtures("untouched")
def test_a_403_fails_that_asset_alone(workplace: Workplace) -> None:
    done = workplace.refresh_in_a_process(faults=(Fault("forbidden", path="/invoices"),))

    assert done.status == 1
    assert done.sentence == (
        "failed timix/invoices: GET /invoices, page 1: the server answered 403 (FORBIDDEN, “Your plan or role does not "
        "allow this.”); use a key whose role and plan may see it, or set skip_forbidden for it in TIMIX_OVERRIDES."
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("not computed ")] == [
        f"not computed reports/weekly_digest, {', '.join(NEED_INVOICES)}, because timix/invoices failed; they keep their "
        "previous content."
    ]
    assert done.requests.count("/invoices") == 1
    assert done.requests[-1] != "/invoices"


@pytest.mark.fault(2)
@pytest.mark.usefixtures("untouched")
def test_a_plan_without_the_api_gets_one_request(workplace: Workplace) -> None:
    done = workplace.refresh(faults=(Fault("forbidden"),))

    assert (done.status, done.requests) == (1, ["/me"])
    assert "GET /me: the server answered 403" in done.sentence
    assert len(failed_assets(done.sentence)) == RAW_AND_EXPORTS


SKIP_INVOICES = "endpoints: {invoices: {skip_forbidden: true}}"


@pytest.mark.fault(2)
def test_skip_forbidden_skips_the_asset_and_makes_no_table(workplace: Workplace, tmp_path: Path) -> None:
    project = new_project(tmp_path, settings_of(workplace.sandbox))
    (project.folder / "overrides.yaml").write_text(SKIP_INVOICES)
    done = Workplace(workplace.sandbox, project).refresh_by_command(
        faults=(Fault("forbidden", path="/invoices"),), TIMIX_OVERRIDES="overrides.yaml"
    )

    assert (done.status, done.stderr) == (0, "")
    skipped = sorted(line for line in done.stdout.splitlines() if line.startswith("skipped "))
    assert skipped == [
        *(f"skipped {name}: an upstream asset has no data." for name in NEED_INVOICES),
        "skipped timix/invoices: not read because of skip_forbidden: the server answered 403 (“Your plan or role does not "
        "allow this.”).",
    ]
    assert not any("│ timix/invoices" in line for line in done.stdout.splitlines())
    assert not project.lake.exists("timix/invoices")
    assert not project.lake.exists("rollups/organization_money")
    page = (project.folder / "data/lake/reports/weekly_digest.html").read_text()
    assert "Invoices were never read" in page
    assert "Invoices were never read" in project.run("summary").stdout
    assert project.table("timix/customers")["id"].sort().to_list() == workplace.truth("customers")


@pytest.mark.fault(2)
@pytest.mark.usefixtures("untouched")
def test_a_skipped_table_keeps_its_rows_and_is_reported(workplace: Workplace) -> None:
    (workplace.project.folder / "overrides.yaml").write_text(SKIP_INVOICES)
    done = workplace.refresh(
        "timix/invoices", faults=(Fault("forbidden", path="/invoices"),), TIMIX_OVERRIDES="overrides.yaml"
    )

    assert (done.status, done.stderr) == (0, "")
    assert "skipped timix/invoices: not read" in done.stdout
    assert workplace.ids("invoices") == workplace.truth("invoices")


@pytest.mark.fault(2)
def test_skip_forbidden_skips_nothing_that_can_be_read(workplace: Workplace) -> None:
    (workplace.project.folder / "overrides.yaml").write_text(SKIP_INVOICES)
    done = workplace.refresh("timix/invoices", TIMIX_OVERRIDES="overrides.yaml")

    assert (done.status, "skipped" in done.stdout) == (0, False)
    assert workplace.ids("invoices") == workplace.truth("invoices")


@pytest.mark.fault(2)
@pytest.mark.usefixtures("untouched")
def test_skip_forbidden_covers_no_other_endpoint(workplace: Workplace) -> None:
    (workplace.project.folder / "overrides.yaml").write_text(SKIP_INVOICES)
    done = workplace.refresh(
        "timix/customers", faults=(Fault("forbidden", path="/customers"),), TIMIX_OVERRIDES="overrides.yaml"
    )

    assert done.status == 1
    assert "failed timix/customers: GET /customers, page 1: the server answered 403" in done.sentence


# The path is not there


@pytest.mark.fault(3)
@pytest.mark.usefixtures("untouched")
def test_a_404_on_a_list_fails_without_a_retry(workplace: Workplace) -> None:
    done = workplace.refresh("timix/customers", faults=(Fault("not_found", path="/customers"),))

    assert (done.status, done.requests) == (1, ["/me", "/customers"])
    assert "not computed" not in done.stdout, "only what was asked for could be computed"
    assert done.sentence == (
        "failed timix/customers: GET /customers, page 1: the server answered 404 (NOT_FOUND, “There is no "
        "/customers.”); check TIMIX_BASE_URL, or set another path in TIMIX_OVERRIDES (`timix-assets doctor` shows how)."
    )


@pytest.mark.fault(3)
@pytest.mark.usefixtures("untouched")
def test_another_version_of_the_api_fails_after_one_request(workplace: Workplace) -> None:
    url = workplace.sandbox.base_url
    done = workplace.refresh(TIMIX_BASE_URL=f"{url[:-1]}2")

    assert (done.status, len(done.requests)) == (1, 1)
    assert "GET /me: the server answered 404" in done.sentence
    assert "check TIMIX_BASE_URL" in done.sentence


@pytest.mark.fault(3)
@pytest.mark.parametrize("path", ["/time-entries", "/time"])
def test_time_entries_are_read_from_a_fallback_path(workplace: Workplace, tmp_path: Path, path: str) -> None:
    there = Workplace(workplace.sandbox, new_project(tmp_path, settings_of(workplace.sandbox)))
    done = there.refresh("timix/time_reports", faults=(Fault("moved", path="/time-reports", to=path),))

    assert (done.status, done.stderr) == (0, "")
    assert done.requests.count("/time-reports") == 1
    assert done.requests.count(path) == 4
    assert there.ids("time_reports") == workplace.truth("time_reports")


@pytest.mark.fault(3)
@pytest.mark.usefixtures("untouched")
def test_missing_time_entries_fail_and_name_every_path_tried(workplace: Workplace) -> None:
    done = workplace.refresh("timix/time_reports", faults=(Fault("not_found", path="/time*"),))

    assert (done.status, done.requests) == (1, ["/me", "/time-reports", "/time-entries", "/time"])
    assert done.sentence == (
        "failed timix/time_reports: GET /time-reports: the server answered 404, and for /time-entries and /time too; "
        "check TIMIX_BASE_URL, or set another path in TIMIX_OVERRIDES (`timix-assets doctor` shows how)."
    )


@pytest.mark.fault(3)
@pytest.mark.usefixtures("untouched")
def test_a_404_after_the_first_page_tries_no_other_path(workplace: Workplace) -> None:
    """Half of a listing from one path and half from another would be a table of nothing."""
    done = workplace.refresh("timix/time_reports", faults=(Fault("not_found", path="/time-reports", page=2),))

    assert done.status == 1
    assert "GET /time-reports, page 2: the server answered 404" in done.sentence
    assert set(done.requests) == {"/me", "/time-reports"}


# The request is refused


@pytest.mark.fault(4)
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_request_fails_with_the_servers_words(workplace: Workplace, status: int) -> None:
    refused = Fault("invalid", path="/customers", status=status, value="pageSize is too large.")
    done = workplace.refresh("timix/customers", faults=(refused,))

    assert (done.status, done.requests) == (1, ["/me", "/customers"])
    code = {400: "BAD_REQUEST", 422: "VALIDATION_ERROR"}[status]
    assert done.sentence == (
        f"failed timix/customers: GET /customers, page 1: the server answered {status} ({code}, “pageSize is too "
        "large.”); run `timix-assets doctor` to see what to override in TIMIX_OVERRIDES."
    )


@pytest.mark.fault(4)
@pytest.mark.usefixtures("untouched")
def test_a_report_refused_with_and_without_paging_fails(workplace: Workplace) -> None:
    done = workplace.refresh("timix/revenue_report", faults=(Fault("invalid", path="/financial-reports/revenue"),))

    assert (done.status, done.requests) == (1, ["/me", *["/financial-reports/revenue"] * 2])
    assert "GET /financial-reports/revenue: the server answered 422" in done.sentence


@pytest.mark.fault(4)
@pytest.mark.usefixtures("untouched")
def test_the_servers_message_is_cut_and_its_key_masked(workplace: Workplace) -> None:
    done = workplace.refresh_in_a_process("timix/customers", faults=(Fault("key_echoed", path="/customers"),))

    assert done.status == 1
    words = done.sentence.partition("“")[2].partition("”")[0]
    assert words.startswith("Rejected request with key [key]")
    assert 1_900 < len(words.encode()) <= 2_048
    key = workplace.sandbox.key.encode()
    written = [path for path in workplace.project.folder.rglob("*") if path.is_file()]
    assert [path for path in written if key in path.read_bytes()] == []


# A listing that shrinks


@pytest.mark.fault(41)
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", ["time_reports", "subtasks"])
def test_a_table_that_loses_most_of_its_rows_fails(workplace: Workplace, name: str) -> None:
    before = len(workplace.ids(name))
    done = workplace.refresh(f"timix/{name}", faults=(Fault("shrunk", path=f"/{name.replace('_', '-')}"),))

    assert done.status == 1
    removed = before - int(before * 0.2)
    assert f"would remove {removed:,} of {before:,} rows (limit 50%); table left unchanged" in done.sentence
    assert "refresh --accept-shrink" in done.sentence
    assert done.sentence.startswith(f"failed timix/{name}")
    assert done.sentence.count(f"timix/{name}") == 1


@pytest.mark.fault(41)
@pytest.mark.usefixtures("untouched")
def test_a_table_that_loses_every_row_fails(workplace: Workplace) -> None:
    done = workplace.refresh("timix/time_reports", faults=(Fault("shrunk", path="/time-reports", share=0.0),))

    before = len(workplace.ids("time_reports"))
    assert (done.status, f"remove {before:,} of {before:,} rows" in done.sentence) == (1, True)


@pytest.mark.fault(41)
def test_a_table_that_loses_few_rows_is_replaced(workplace: Workplace) -> None:
    before = len(workplace.ids("time_reports"))
    done = workplace.refresh("timix/time_reports", faults=(Fault("shrunk", path="/time-reports", share=0.6),))

    assert (done.status, len(workplace.ids("time_reports"))) == (0, int(before * 0.6))


@pytest.mark.fault(41)
def test_accept_shrink_accepts_a_loss_once(workplace: Workplace) -> None:
    def shrunk(share: float, *words: str) -> int:
        fault = Fault("shrunk", path="/time-reports", share=share)
        return workplace.refresh_by_command("timix/time_reports", faults=(fault,), words=words).status

    before = len(workplace.ids("time_reports"))
    assert shrunk(0.4, "--accept-shrink") == 0
    assert len(workplace.ids("time_reports")) == int(before * 0.4)

    assert shrunk(0.1) == 1, "the switch holds for one run"
    assert len(workplace.ids("time_reports")) == int(before * 0.4)


@pytest.mark.fault(41)
@pytest.mark.usefixtures("untouched")
def test_a_key_that_no_longer_sees_cost_fails_and_cost_stays(workplace: Workplace) -> None:
    member = workplace.sandbox.key_for("Member")
    done = workplace.refresh("timix/time_reports", TIMIX_API_KEY=member)

    assert done.status == 1
    assert "would remove every value of cost_rate" in done.sentence
    assert "Check that the key's role can still read them" in done.sentence
    assert workplace.table("timix/time_reports")["cost_rate"].drop_nulls().sum() > Decimal(0)
    assert member not in done.stdout + done.stderr


# The key of another organization


@pytest.mark.fault(42)
@pytest.mark.usefixtures("untouched")
def test_another_organizations_key_fails_after_one_request(workplace: Workplace) -> None:
    other = workplace.sandbox.key_for(organization="Northwind Advisory")
    done = workplace.refresh(TIMIX_API_KEY=other)

    assert (done.status, done.requests) == (1, ["/me"])
    assert "belongs to Meridian Bay Services" in done.sentence
    assert "the API key belongs to Northwind Advisory" in done.sentence
    assert "Set TIMIX_LAKE to another location for this key" in done.sentence
    assert len(failed_assets(done.sentence)) == RAW_AND_EXPORTS
    assert other not in done.stdout + done.stderr


@pytest.mark.fault(42)
@pytest.mark.usefixtures("untouched")
def test_the_organization_is_verified_when_me_does_not_name_it(workplace: Workplace) -> None:
    faults = (
        Fault("drop_field", path="/me", field="organizationId"),
        Fault("other_organization", path="/organization"),
    )
    done = workplace.refresh("timix/customers", faults=faults)

    assert (done.status, done.requests) == (1, ["/me", "/organization"])
    assert "(org-another); nothing was written" in done.sentence


@pytest.mark.fault(42)
def test_another_organizations_key_works_in_its_own_lake(workplace: Workplace) -> None:
    other = workplace.sandbox.key_for(organization="Northwind Advisory")
    done = workplace.refresh("timix/customers", TIMIX_API_KEY=other, TIMIX_LAKE="data/northwind")

    assert (done.status, done.stderr) == (0, "")
    assert (workplace.project.folder / "data" / "northwind" / "timix" / "customers" / "_delta_log").is_dir()


# Settings that cannot be right

DAGSTER = (sys.executable, "-m", "dagster")
WRONG_SETTINGS = [
    ("TIMIX_API_KEY", "", "TIMIX_API_KEY is not set; put your Timix key into .env (see .env.example)"),
    ("TIMIX_API_KEY", "blb_0123456789", "TIMIX_API_KEY is not a Timix key: keys start with bbl_."),
    ("TIMIX_API_KEY", "bbl_", "TIMIX_API_KEY is not a Timix key: keys start with bbl_."),
    ("TIMIX_BASE_URL", "http://api.example.com/v1", "TIMIX_BASE_URL must be https, as the API key would be sent to"),
    ("TIMIX_BASE_URL", "http://127.0.0.1.example.com/v1", "TIMIX_BASE_URL must be https"),
    ("TIMIX_BASE_URL", "api.example.com", "TIMIX_BASE_URL is not the URL of an API: write it as https://host/path"),
]


@pytest.mark.fault(43)
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("name", "value", "said"), WRONG_SETTINGS)
def test_a_wrong_setting_exits_2_before_any_request(workplace: Workplace, name: str, value: str, said: str) -> None:
    workplace.project.settings[name] = value
    done = workplace.refresh_by_command()

    assert (done.status, done.requests) == (2, [])
    assert done.sentence.startswith(f"timix-assets: {said}")


@pytest.mark.fault(43)
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("name", "value", "said"), [WRONG_SETTINGS[0], WRONG_SETTINGS[1], WRONG_SETTINGS[3]])
def test_a_wrong_setting_fails_a_dagster_run_before_any_request(
    workplace: Workplace, name: str, value: str, said: str
) -> None:
    project = workplace.project
    environment = project.environment | {name: value, "DAGSTER_HOME": str(project.folder)}
    done = subprocess.run(
        [*DAGSTER, "asset", "materialize", "--select", "key:timix/customers", "-m", "timix_assets.definitions"],
        cwd=project.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert workplace.sandbox.requests == []
    assert said.partition(";")[0] in done.stdout + done.stderr
