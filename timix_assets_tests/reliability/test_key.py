"""The API key in nothing that is written: row 34 of docs/reliability.md."""

import base64
import gzip
import json
import secrets
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.lake.months import Months
from timix_assets.partitions import range_tags
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import REPOSITORY, DagsterDev
from timix_assets_tests.commands.conftest import Project, new_project, settings_of

from .conftest import Workplace
from .traces import SHORTEST_PART, Traces

EVERYTHING_LOGGED = "\npython_logs:\n  python_log_level: DEBUG\n  managed_python_loggers: [root]\n"


def logging_everything(folder: Path) -> None:
    """Every word of every package, from DEBUG on, into the run's log: httpcore's, which sees each header, too."""
    own = (folder / "dagster.yaml").read_text()
    (folder / "dagster.yaml").write_text(own.partition("\npython_logs:")[0] + EVERYTHING_LOGGED)


def echoing(key: str) -> tuple[Fault, ...]:
    """A server that gives the key back in whatever it can: words of errors, places to go to, values of records."""
    return (
        Fault("key_echoed", path="/customers"),
        Fault("key_echoed", path="/subtasks", status=403),
        Fault("invalid", path="/tasks", value=f"The keys {key[:18]} and {key[-18:]} are refused"),
        Fault("redirect", path="/projects", to=f"https://elsewhere.example/login?api_key={key}"),
        Fault("redirect", path="/invoices", to="/" + "".join(f"%{byte:02x}" for byte in key.encode())),
        Fault("redirect", path="/time-reports", to=f"http://{key}@elsewhere.example/"),
        Fault(
            "invalid", path="/financial-reports/unbilled-time", value=f"Basic {base64_of(key)}, {key.encode().hex()}"
        ),
        Fault("new_field", path="/me", field="apiKey", value=json.dumps(key)),
        Fault("odd_text", path="/org-users", field="email", value=f"{key}@elsewhere.example"),
    )


def base64_of(key: str) -> str:
    """The key as clients send it for a user name."""
    return base64.b64encode(f"{key}:".encode()).decode()


@pytest.fixture
def place(firm: Firm, tmp_path: Path) -> Iterator[tuple[Sandbox, Project]]:
    """A project folder without a lake, which holds the processes' temporary files too."""
    folder = tmp_path / "project"
    (folder / "tmp").mkdir(parents=True)
    with Sandbox(firm) as sandbox:
        project = new_project(folder, settings_of(sandbox, TMPDIR=str(folder / "tmp")))
        logging_everything(folder)
        yield sandbox, project


def stored_log(project: Project) -> str:
    """All that the event log of the project holds."""
    texts = []
    for path in (project.folder / ".dagster").rglob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'event_logs'").fetchone():
                texts += [event for (event,) in database.execute("SELECT event FROM event_logs")]
    return "\n".join(texts)


@pytest.mark.fault(34)
@pytest.mark.timeout(400)
def test_no_run_writes_the_key_anywhere(place: tuple[Sandbox, Project]) -> None:
    sandbox, project = place
    traces, said = Traces(sandbox.key), list[str]()

    def run(status: int, *words: str, **env: str) -> str:
        done = project.run_in_a_process(*words, **env)
        assert done.returncode == status, done.stdout + done.stderr
        said.extend([done.stdout, done.stderr])
        return done.stdout + done.stderr

    run(0, "refresh")
    assert "receive_response_headers.complete" in stored_log(project)
    run(0, "summary")
    run(0, "doctor")

    sandbox.faults.add(*echoing(sandbox.key))
    failed = run(1, "refresh")
    assert failed.count("[key]") >= 8
    assert "[key]" in project.table("timix/me")["_rescued_data"].item()
    assert "[key]@elsewhere.example" in project.table("timix/org_users")["email"].to_list()
    assert "[key]" in run(1, "doctor")
    sandbox.faults.clear()

    (project.folder / "data/lake/timix/customers/_delta_log/00000000000000000000.json").write_text("no JSON")
    assert "timix/customers" in run(1, "refresh", "--only", "timix/customers")
    assert "Traceback" in stored_log(project) or "stack" in stored_log(project)

    sandbox.faults.add(Fault("key_echoed", path="/me", status=401))
    assert "answered 401" in run(1, "refresh", TIMIX_AUTHENTICATION="Bearer")
    sandbox.faults.clear()
    run(1, "refresh", "--only", "timix/customers", TIMIX_BASE_URL="http://127.0.0.1:9/v1", TIMIX_ATTEMPTS="1")

    assert not any(traces.in_text(text) for text in said)
    assert traces.in_folder(project.folder) == []


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("TIMIX_API_KEY", "{key} # my key"),
        ("TIMIX_API_KEY", "Bearer {key}"),
        ("TIMIX_AUTHENTICATION", "Bearer {key}"),
        ("TIMIX_BASE_URL", "http://{key}"),
        ("TIMIX_BASE_URL", "https://api.example/{key}/v1"),
        ("TIMIX_BASE_URL", "https://{key}@api.example/v1"),
        ("TIMIX_START_MONTH", "{key}"),
        ("TIMIX_OVERRIDES", "{key}"),
        ("TIMIX_LAKE", "{key}"),
        ("TIMIX_UI_URL", "{key}"),
    ],
)
def test_a_key_in_the_wrong_variable_is_refused_and_not_shown(
    place: tuple[Sandbox, Project], setting: str, value: str
) -> None:
    sandbox, project = place
    done = project.run("refresh", **{setting: value.format(key=sandbox.key)})

    assert done.returncode == 2
    assert setting in done.stderr
    assert not Traces(sandbox.key).in_text(done.stdout, done.stderr)
    assert Traces(sandbox.key).in_folder(project.folder) == []


@pytest.mark.fault(34)
@pytest.mark.timeout(400)
def test_the_ui_never_shows_the_key(firm: Firm, tmp_path: Path) -> None:
    with Sandbox(firm) as sandbox:
        (tmp_path / "tmp").mkdir()
        dev = DagsterDev(tmp_path, settings_of(sandbox, TMPDIR=str(tmp_path / "tmp")))
        logging_everything(tmp_path)
        traces = Traces(sandbox.key)
        sandbox.faults.add(*echoing(sandbox.key))
        try:
            dev.start()
            resource, schema = dev.ask(RESOURCE, s={**REPOSITORY, "resourceName": "timix"}), dev.ask(SCHEMA, s=JOB)
            run_id = dev.launch("refresh_everything", range_tags(Months(firm.first_day, firm.first_day)))
            dev.wait_for("the run to end", lambda: dev.run(run_id)["status"] in ("SUCCESS", "FAILURE"))
            run = dev.ask(RUN, id=run_id)
            events = dev.ask(EVENTS, id=run_id)
            captured = [dev.ask(CAPTURED, k=key) for key in log_keys(events)]
        finally:
            dev.kill()

    assert "api_key" not in json.dumps([resource["configFields"], resource["configuredValues"], schema])
    assert run["status"] == "FAILURE"
    assert "[key]" in json.dumps(events)
    assert any(each["stderr"] for each in captured)
    assert not traces.in_text(*map(json.dumps, (resource, schema, run, events, captured)))
    assert traces.in_folder(tmp_path) == []


JOB = {**REPOSITORY, "pipelineName": "refresh_everything"}
RESOURCE = """query($s: ResourceSelector!) { topLevelResourceDetailsOrError(resourceSelector: $s) { __typename
  ... on ResourceDetails { name description configFields { name description defaultValueAsJson }
    configuredValues { key value type } } } }"""
SCHEMA = """query($s: PipelineSelector!) { runConfigSchemaOrError(selector: $s) { __typename
  ... on RunConfigSchema { rootDefaultYaml allConfigTypes { key ... on CompositeConfigType {
    fields { name defaultValueAsJson } } } } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { __typename ... on Run {
  status runConfigYaml tags { key value } } } }"""
EVENTS = """query($id: ID!) { logsForRun(runId: $id) { __typename ... on EventConnection { events { __typename
  ... on MessageEvent { message stepKey level }
  ... on LogsCapturedEvent { runId fileKey }
  ... on ExecutionStepFailureEvent { error { message stack causes { message stack } } }
  ... on MaterializationEvent { description metadataEntries { label description } } } } } }"""
CAPTURED = """query($k: [String!]!) { capturedLogs(logKey: $k) { stdout stderr } }"""


def log_keys(events: Any) -> list[list[str]]:
    return [[each["runId"], "compute_logs", each["fileKey"]] for each in events["events"] if each.get("fileKey")]


@pytest.mark.fault(34)
def test_the_search_finds_a_key_in_every_place_and_form(tmp_path: Path) -> None:
    key = "bbl_" + secrets.token_hex(20)
    plain = json.dumps({"log": f"sent {key} to"}).encode()
    (tmp_path / "plain.log").write_bytes(plain)
    (tmp_path / "half.log").write_text(f"…{key[20 : 20 + SHORTEST_PART].upper()}…")
    (tmp_path / "base64.log").write_bytes(base64.b64encode(plain))
    (tmp_path / "percent.log").write_text("".join(f"%{byte:02X}" for byte in key.encode()))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(plain))
    pl.DataFrame({"lines": [[{"text": key}]]}).write_parquet(tmp_path / "rows.parquet")
    with closing(sqlite3.connect(tmp_path / "runs.db")) as database:
        database.execute("CREATE TABLE snapshots (body)")
        database.execute("INSERT INTO snapshots VALUES (?)", [zlib.compress(plain)])
        database.commit()
    (tmp_path / key).mkdir()

    found = Traces(key).in_folder(tmp_path)
    found.remove("rows.parquet")  # its statistics are not packed
    assert set(found) == {
        key,
        "plain.log",
        "half.log",
        "base64.log",
        "percent.log",
        "packed.gz unpacked",
        "rows.parquet rows",
        "runs.db table snapshots, unpacked",
    }
    assert Traces("bbl_" + secrets.token_hex(20)).in_folder(tmp_path) == []


@pytest.mark.fault(62)
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_key_in_json_escapes_is_masked_in_the_row(place: tuple[Sandbox, Project], is_whole: bool) -> None:
    sandbox, project = place
    letters = sandbox.key if is_whole else sandbox.key[8:9]
    spelled = sandbox.key.replace(letters, "".join(f"\\u{ord(letter):04x}" for letter in letters))
    for old, new in (('"name":"', f'"name":"{spelled} '), ('{"id":', f'{{"{spelled}":"{spelled}","id":')):
        sandbox.faults.add(Fault("text_replaced", path="/customers", old=old, new=new))
    done = Workplace(sandbox, project).refresh("timix/customers")

    assert (done.status, done.stderr) == (0, "")
    rows = project.table("timix/customers")
    assert rows["name"].str.starts_with("[key] ").all()
    assert {json.loads(rescued)["[key]"] for rescued in rows["_rescued_data"]} == {"[key]"}
    assert Traces(sandbox.key).in_folder(Path(project.lake.url)) == []
