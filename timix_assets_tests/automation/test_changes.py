"""The sensor timix_changes against a real sandbox: what it asks, what it compares, what it starts."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance, DagsterRunStatus, DefaultSensorStatus, Failure, RunRequest, build_sensor_context
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.test_utils import create_run_for_test

from timix_assets import environment
from timix_assets.api.client import TimixClient
from timix_assets.api.errors import DeadlineExceeded, RateLimited
from timix_assets.api.limits import Limits
from timix_assets.api.pacing import FileBucket, Pacer
from timix_assets.automation.changes import MOST_ATTEMPTS, look_at_everything, timix_changes
from timix_assets.automation.cursor import Cursor
from timix_assets.automation.jobs import RANGE_END, RANGE_START
from timix_assets.automation.sightings import WATCHED, Sighting, look
from timix_assets.automation.windows import months_before
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.definitions import defs
from timix_assets.lake.io_manager import LakeResource, table_of
from timix_assets.lake.tables import Lake
from timix_assets.metrics.tables import ROLLUPS
from timix_assets.resources import EndpointOverride, TimixResource
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.reports import unbilled_time
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.api.scripted import NOT_SCRIPTED, Asked, Reply, serving

ALL_ROLLUPS = {f"rollups/{table.name}" for table in ROLLUPS}
MOST_REQUESTS = 14


@dataclass
class Watch:
    """The sensor on one sandbox, tick after tick, as the daemon would call it."""

    sandbox: Sandbox
    instance: DagsterInstance
    lake: LakeResource
    cursor: str | None = None
    resource: TimixResource | None = None

    @property
    def timix(self) -> TimixResource:
        return self.resource or TimixResource(api_key=self.sandbox.key, base_url=self.sandbox.base_url)

    def tick(self) -> SensorExecutionData:
        with build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=defs.get_repository_def(),
            resources={"timix": self.timix, "lake": self.lake},
        ) as context:
            ticked = timix_changes.evaluate_tick(context)
        self.cursor = ticked.cursor or self.cursor
        return ticked

    def requested(self) -> set[str]:
        """The assets of the tick's one run request; none when it was skipped."""
        requests = self.tick().run_requests or []
        assert len(requests) <= 1
        return {key.to_user_string() for request in requests for key in request.asset_selection or []}

    def run(self, status: DagsterRunStatus) -> RunRequest:
        """The tick's one run request, after its run has ended like this."""
        [request] = self.tick().run_requests or []
        create_run_for_test(self.instance, job_name="refresh_changed", tags=dict(request.tags), status=status)
        return request

    def asked(self) -> list[str]:
        return [seen.path.removeprefix("/api/integration/v1") for seen in self.sandbox.requests]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    monkeypatch.chdir(tmp_path)
    with DagsterInstance.local_temp(str(tmp_path)) as temporary:
        yield temporary


@pytest.fixture(scope="session")
def full_lake(tmp_path_factory: pytest.TempPathFactory) -> LakeResource:
    """Every table is there; the sensor asks for nothing more of it."""
    resource = LakeResource(url=str(tmp_path_factory.mktemp("full")))
    for key in defs.resolve_asset_graph().get_all_asset_keys():
        if key.path[0] in ("timix", "rollups"):
            put_table(resource.lake, table_of(key))
    return resource


def put_table(lake: Lake, name: str) -> None:
    lake.replace(name, pl.DataFrame(schema={"id": pl.String}), key=["id"])


@pytest.fixture
def watch(sandbox: Sandbox, instance: DagsterInstance, full_lake: LakeResource) -> Watch:
    return Watch(sandbox, instance, full_lake)


@pytest.fixture
def watching(watch: Watch) -> Watch:
    """After its first tick."""
    watch.tick()
    watch.sandbox.requests.clear()
    return watch


def add_a_customer(watch: Watch) -> None:
    watch.sandbox.workspace.create("customers", {"name": "Newcomer"})


def start_a_project(watch: Watch) -> None:
    customer = watch.sandbox.workspace.rows("customers")[0]
    watch.sandbox.workspace.create("projects", {"name": "New", "customerId": customer["id"]})


def test_it_is_off_until_somebody_switches_it_on_and_looks_once_a_minute_at_most() -> None:
    assert timix_changes.default_status is DefaultSensorStatus.STOPPED
    assert timix_changes.minimum_interval_seconds == 60
    assert "Its limits" in (timix_changes.description or "")


def test_the_first_look_only_remembers(watch: Watch) -> None:
    first = watch.tick()
    assert first.run_requests == []
    assert (first.skip_message or "").startswith("First look, only remembered: me 1, organization 1, org_users 10, ")
    assert set(Cursor.read(watch.cursor).seen) == {endpoint.name for endpoint in WATCHED}


def test_an_idle_tick_asks_each_resource_once_and_says_what_it_compared(watching: Watch) -> None:
    cursor = watching.cursor
    idle = watching.tick()
    assert idle.run_requests == []
    assert (idle.skip_message or "").startswith("Nothing changed since the last change seen. Compared: me 1, ")
    assert watching.cursor == cursor
    assert sorted(watching.asked()) == sorted(
        [
            "/me",
            "/organization",
            "/customers",
            "/projects",
            "/tasks",
            "/subtasks",
            "/org-users",
            "/time-reports",
            "/invoices",
            "/holiday-profiles",
            "/financial-reports/budget-health",
            "/financial-reports/unbilled-time",
        ]
    )
    assert len(watching.asked()) <= MOST_REQUESTS
    lists = [seen for seen in watching.sandbox.requests if seen.path.endswith(("/customers", "/time-reports"))]
    assert [seen.query for seen in lists] == ["page=1&pageSize=1"] * 2
    [report] = [seen for seen in watching.sandbox.requests if seen.path.endswith("/budget-health")]
    assert report.query == "page=1&pageSize=200"


def test_a_new_customer_refreshes_customers_and_what_hangs_below_them(watching: Watch) -> None:
    add_a_customer(watching)
    assert watching.requested() == {
        "timix/customers",
        *(
            key.to_user_string()
            for key in defs.resolve_asset_graph().get_all_asset_keys()
            if key.path[0] == "rollups" and is_below(key.to_user_string(), "timix/customers")
        ),
    }


def is_below(asset: str, above: str) -> bool:
    graph = defs.resolve_asset_graph()
    [key] = [key for key in graph.get_all_asset_keys() if key.to_user_string() == asset]
    return above in {ancestor.to_user_string() for ancestor in graph.get_ancestor_asset_keys(key)}


def test_a_deleted_entry_refreshes_two_months_of_time_reports_and_the_reports_on_them(watching: Watch) -> None:
    entry = watching.sandbox.workspace.rows("time_reports")[-1]
    watching.sandbox.workspace.discard("time_reports", [entry["id"]])
    [request] = watching.tick().run_requests or []
    assets = {key.to_user_string() for key in request.asset_selection or []}
    assert {"timix/time_reports", "timix/revenue_report", "timix/customer_billing_report"} <= assets
    assert assets >= ALL_ROLLUPS
    assert "timix/customers" not in assets
    today = environment.today()
    assert request.tags[RANGE_START] == months_before(today, 1).isoformat()
    assert request.tags[RANGE_END] == months_before(today, 0).isoformat()
    assert "time_reports" in request.tags["timix/changed"]


def test_a_change_of_nothing_dated_names_no_months(watching: Watch) -> None:
    add_a_customer(watching)
    [request] = watching.tick().run_requests or []
    assert not {RANGE_START, RANGE_END} & request.tags.keys()


def test_hours_that_were_edited_show_in_the_budget_report_although_no_count_changed(watching: Watch) -> None:
    entry = next(
        row
        for row in reversed(watching.sandbox.workspace.rows("time_reports"))
        if row["status"] == "Draft" and row["date"] <= watching.sandbox.firm.today
    )
    watching.sandbox.workspace.update("time_reports", entry["id"], {"hours": float(entry["hours"]) + 0.25})
    assert {"timix/budget_health_report", "timix/time_reports", "timix/projects"} <= watching.requested()


def test_an_invoice_that_was_voided_shows_in_the_unbilled_report(watching: Watch) -> None:
    invoice = next(row for row in watching.sandbox.workspace.rows("invoices") if row["status"] == "Sent")
    watching.sandbox.workspace.void(invoice["id"])
    assert {"timix/unbilled_time_report", "timix/time_reports", "timix/invoices"} <= watching.requested()


def test_ages_that_grow_by_themselves_are_no_change(watching: Watch) -> None:
    workspace = watching.sandbox.workspace
    before = unbilled_time(workspace)
    workspace.today += timedelta(days=31)
    workspace.version += 1
    assert [row["aging"] for row in unbilled_time(workspace)] != [row["aging"] for row in before]
    named = [request.tags["timix/changed"] for request in watching.tick().run_requests or []]
    assert "unbilled_time_report" not in ", ".join(named)


def test_the_run_key_names_the_change_so_that_a_tick_that_is_repeated_starts_no_second_run(watching: Watch) -> None:
    before = watching.cursor
    add_a_customer(watching)
    [first] = watching.tick().run_requests or []
    watching.cursor = before
    [again] = watching.tick().run_requests or []
    assert first.run_key == again.run_key


def test_a_row_that_comes_goes_and_comes_again_is_a_new_change_each_time(watching: Watch) -> None:
    row = watching.sandbox.workspace.rows("customers")[-1]
    keys = []
    for _ in range(2):
        watching.sandbox.workspace.discard("customers", [row["id"]])
        keys += [request.run_key for request in watching.tick().run_requests or []]
        watching.sandbox.workspace._put("customers", row)
        keys += [request.run_key for request in watching.tick().run_requests or []]
    assert len(keys) == len(set(keys)) == 4


def test_a_failing_api_fails_the_tick_with_its_sentence_and_the_cursor_stays(watching: Watch) -> None:
    cursor = watching.cursor
    add_a_customer(watching)
    watching.sandbox.revoke(watching.sandbox.key)
    with pytest.raises(Failure) as failed:
        watching.tick()
    said = str(failed.value)
    assert "GET /me: the server answered 401" in said
    assert watching.sandbox.key not in said
    assert watching.cursor == cursor


def test_a_limit_that_others_have_used_up_skips_the_tick_with_a_reason(watching: Watch) -> None:
    cursor = watching.cursor
    watching.sandbox.faults.add(Fault("rate_limited", path="/projects", times=1))
    skipped = watching.tick()
    said = skipped.skip_message or ""
    assert said.startswith("The plan's limit left no room for this look: GET /projects: the server answered 429")
    assert watching.cursor == cursor


def test_a_look_that_mostly_waited_for_the_limit_says_so(watch: Watch) -> None:
    with_this_key = FileBucket(environment.state_folder(), watch.sandbox.base_url, watch.sandbox.key)
    other = Pacer(with_this_key, Limits(), print)
    other.allow(1)
    with other.turn():
        pass
    other.close()
    with pytest.raises(RateLimited, match=r"waited 0\.\d of its 0\.3 s for the plan's limit"):
        look_at_everything(watch.timix, {}, seconds=0.3)
    assert watch.asked() == []


def test_a_look_while_a_429_holds_the_key_asks_nothing_and_waits_for_nothing(watch: Watch) -> None:
    with_this_key = FileBucket(environment.state_folder(), watch.sandbox.base_url, watch.sandbox.key)
    other = Pacer(with_this_key, Limits(), print)
    assert other.hold_back(60)
    other.close()
    with pytest.raises(RateLimited, match=r"^GET /me: not asked, for .* 429 before, and the limit resets in 60 s"):
        look_at_everything(watch.timix, {}, seconds=30)
    assert watch.asked() == []


@pytest.mark.parametrize(
    "slow",
    [Fault("silence", seconds=0.2), Fault("silence", path="/projects", seconds=1)],
    ids=["every answer", "one answer that is under way"],
)
def test_a_look_that_a_slow_server_kept_too_long_is_no_matter_of_the_limit(watch: Watch, slow: Fault) -> None:
    watch.sandbox.faults.add(slow)
    with pytest.raises(DeadlineExceeded, match=r"not all answers within 0\.5 s, 0\.0 s of which .* Timix is slow"):
        look_at_everything(watch.timix, {}, seconds=0.5)
    assert len(watch.asked()) < len(WATCHED)


@pytest.mark.parametrize("kind", ["server_error", "reset_connection"])
def test_a_request_that_fails_is_made_once_a_tick(watching: Watch, kind: str) -> None:
    watching.sandbox.faults.add(Fault(kind, path="/projects"))
    with pytest.raises(Failure, match="GET /projects"):
        watching.tick()
    assert sorted(set(watching.asked())) == sorted(watching.asked())
    watching.sandbox.faults.clear()
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_while_its_own_run_is_queued_or_running_it_asks_nothing(watching: Watch) -> None:
    create_run_for_test(watching.instance, job_name="refresh_changed", status=DagsterRunStatus.STARTED)
    assert "refresh_changed is already queued or running" in (watching.tick().skip_message or "")
    assert watching.asked() == []


def test_a_path_that_had_to_be_found_is_remembered(watch: Watch) -> None:
    watch.sandbox.faults.add(Fault("moved", path="/time-reports", to="/time-entries"))
    watch.tick()
    assert [path for path in watch.asked() if path.startswith("/time")] == ["/time-reports", "/time-entries"]
    watch.sandbox.requests.clear()
    watch.tick()
    assert [path for path in watch.asked() if path.startswith("/time")] == ["/time-entries"]


def test_a_path_that_moves_later_is_looked_for_once_although_nothing_else_changed(watching: Watch) -> None:
    watching.sandbox.faults.add(Fault("moved", path="/time-reports", to="/time-entries"))
    assert "Nothing changed" in (watching.tick().skip_message or "")
    watching.tick()
    assert [path for path in watching.asked() if path.startswith("/time")] == [
        "/time-reports",
        "/time-entries",
        "/time-entries",
    ]


@pytest.fixture
def without_invoices(watch: Watch) -> Watch:
    """After the first tick of a key that may not read them yet."""
    watch.resource = TimixResource(
        api_key=watch.sandbox.key,
        base_url=watch.sandbox.base_url,
        endpoints={"invoices": EndpointOverride(skip_forbidden=True)},
    )
    watch.sandbox.faults.add(Fault("forbidden", path="/invoices"))
    watch.tick()
    return watch


def test_what_the_key_may_not_read_and_need_not_is_left_out(without_invoices: Watch) -> None:
    assert "invoices" not in Cursor.read(without_invoices.cursor).seen


def test_what_becomes_readable_is_remembered_at_its_first_sight_and_compared_from_then_on(
    without_invoices: Watch,
) -> None:
    watch = without_invoices
    watch.sandbox.faults.clear()
    assert "Nothing changed" in (watch.tick().skip_message or "")
    invoice = watch.sandbox.workspace.rows("invoices")[-1]
    watch.sandbox.workspace.discard("invoices", [invoice["id"]])
    [request] = watch.tick().run_requests or []
    assert "invoices" in request.tags["timix/changed"].split(", ")


def test_a_cursor_of_another_form_counts_as_none(watch: Watch) -> None:
    watch.cursor = json.dumps({"seen": {"customers": {"rows": 3}}})
    assert "First look" in (watch.tick().skip_message or "")


@pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED])
def test_a_change_whose_run_did_not_succeed_is_asked_for_again_under_another_run_key(
    watching: Watch, status: DagsterRunStatus
) -> None:
    add_a_customer(watching)
    first = watching.run(status)
    again = watching.run(DagsterRunStatus.SUCCESS)
    assert again.run_key != first.run_key
    assert again.asset_selection == first.asset_selection
    assert again.tags["timix/changed"] == first.tags["timix/changed"] == "customers"
    assert (first.tags["timix/attempt"], again.tags["timix/attempt"]) == ("1", "2")
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_a_change_whose_run_was_never_launched_is_asked_for_again(watching: Watch) -> None:
    add_a_customer(watching)
    [first] = watching.tick().run_requests or []
    [again] = watching.tick().run_requests or []
    assert again.run_key != first.run_key
    assert again.asset_selection == first.asset_selection


def test_a_change_whose_run_succeeded_is_asked_for_no_more_even_when_that_run_is_deleted_later(watching: Watch) -> None:
    add_a_customer(watching)
    watching.run(DagsterRunStatus.SUCCESS)
    assert watching.tick().run_requests == []
    for run in watching.instance.get_runs():
        watching.instance.delete_run(run.run_id)
    assert watching.tick().run_requests == []


def test_a_run_that_dagster_or_a_person_started_again_counts_for_the_change_too(watching: Watch) -> None:
    add_a_customer(watching)
    request = watching.run(DagsterRunStatus.FAILURE)
    create_run_for_test(
        watching.instance, job_name="refresh_changed", tags=dict(request.tags), status=DagsterRunStatus.SUCCESS
    )
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_what_changed_meanwhile_is_read_with_what_is_still_unread(watching: Watch) -> None:
    add_a_customer(watching)
    watching.run(DagsterRunStatus.FAILURE)
    start_a_project(watching)
    both = watching.run(DagsterRunStatus.FAILURE)
    assert {"customers", "projects"} <= set(both.tags["timix/changed"].split(", "))
    assert both.tags["timix/attempt"] == "1"
    again = watching.run(DagsterRunStatus.SUCCESS)
    assert again.tags["timix/changed"] == both.tags["timix/changed"]
    assert watching.tick().run_requests == []


def test_a_change_that_was_read_is_not_read_again_with_the_next_one(watching: Watch) -> None:
    start_a_project(watching)
    watching.run(DagsterRunStatus.SUCCESS)
    add_a_customer(watching)
    assert watching.run(DagsterRunStatus.SUCCESS).tags["timix/changed"] == "customers"


def test_after_five_runs_in_a_row_that_failed_it_waits_for_the_next_change_and_says_why(watching: Watch) -> None:
    add_a_customer(watching)
    requests = [watching.run(DagsterRunStatus.FAILURE) for _ in range(MOST_ATTEMPTS)]
    assert len({request.run_key for request in requests}) == MOST_ATTEMPTS == 5
    for _ in range(2):
        waiting = watching.tick()
        assert waiting.run_requests == []
        said = waiting.skip_message or ""
        assert "customers" in said
        assert "5 runs in a row" in said
        assert watching.instance.get_runs(limit=1)[0].run_id[:8] in said
        assert "only with the next change; a schedule reads it too" in said
    start_a_project(watching)
    assert "customers" in watching.run(DagsterRunStatus.SUCCESS).tags["timix/changed"]
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_a_run_repeated_by_hand_after_all_attempts_settles_the_change(watching: Watch) -> None:
    add_a_customer(watching)
    requests = [watching.run(DagsterRunStatus.FAILURE) for _ in range(MOST_ATTEMPTS)]
    create_run_for_test(
        watching.instance, job_name="refresh_changed", tags=dict(requests[-1].tags), status=DagsterRunStatus.SUCCESS
    )
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_a_cursor_from_before_changes_were_kept_until_read_goes_on(watching: Watch) -> None:
    kept = json.loads(watching.cursor or "")
    watching.cursor = json.dumps({"change": "abc", "seen": kept["seen"]})
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_on_an_empty_lake_only_the_changed_table_is_read_for_what_hangs_below_needs_tables_that_are_not_there(
    watching: Watch, tmp_path: Path
) -> None:
    watching.lake = LakeResource(url=str(tmp_path / "empty"))
    add_a_customer(watching)
    request = watching.run(DagsterRunStatus.SUCCESS)
    assert [table_of(key) for key in request.asset_selection or []] == ["timix/customers"]
    assert "timix/time_reports" in request.tags["timix/missing"]
    assert watching.tick().run_requests == []


def test_only_what_needs_a_table_that_was_never_read_is_left_out(watching: Watch, tmp_path: Path) -> None:
    watching.lake = LakeResource(url=str(tmp_path / "without_invoices"))
    for name in ("organization", "projects", "subtasks", "tasks", "time_reports", "budget_health_report"):
        put_table(watching.lake.lake, f"timix/{name}")
    put_table(watching.lake.lake, "rollups/utilization_daily")
    add_a_customer(watching)
    request = watching.run(DagsterRunStatus.SUCCESS)
    assert request.tags["timix/missing"] == "timix/invoices"
    assert {table_of(key) for key in request.asset_selection or []} == {
        "timix/customers",
        "rollups/budget_burn",
        "rollups/budget_health",
        "rollups/organization_kpis",
        "rollups/project_profitability",
        "rollups/unbilled_aging",
    }


ROW = {"id": "cus-1", "name": "Acme"}


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"items": [ROW], "totalCount": 60}),
        Reply({"items": [ROW], "totalCount": "60"}),
        Reply({"data": [ROW], "totalCount": 60}),
        Reply({"rows": [ROW]}, headers={"X-Total-Count": "60"}),
        Reply([ROW], headers={"X-Total-Count": "60"}),
    ],
    ids=["a number", "a text", "another envelope", "a header", "a header of a bare list"],
)
def test_a_look_counts_the_rows_in_every_way_that_a_refresh_does(reply: Reply) -> None:
    def answer(asked: Asked) -> Reply:
        return reply if asked.path == "/customers" else NOT_SCRIPTED

    with serving(answer) as server, TimixClient(server.base_url, f"bbl_{secrets.token_hex(8)}") as client:
        assert look(client, BY_NAME["customers"]).total == 60


SEEN = Sighting("/customers", 60, "cus-1", "abc", "2026-11-01T00:00:00.000000+00:00")


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        (SEEN, False),
        (replace(SEEN, total=61), True),
        (replace(SEEN, content="def"), True),
        (replace(SEEN, first="cus-2", content="def"), False),
        (replace(SEEN, first="cus-2", content="def", moment="2026-11-02T00:00:00.000000+00:00"), True),
    ],
    ids=["the same", "another count", "the first row changed", "another row first", "a younger row first"],
)
def test_what_counts_as_a_change(now: Sighting, changed: bool) -> None:
    assert now.differs_from(SEEN) is changed
