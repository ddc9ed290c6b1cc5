"""The sensor timix_changes against a real sandbox: what it asks, what it compares, what it starts."""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance, DagsterRunStatus, DefaultSensorStatus, Failure, RunRequest, build_sensor_context
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import create_run_for_test

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import DeadlineExceeded, RateLimited
from timix_assets.api.limits import Limits, Quota
from timix_assets.api.rate_limit import RateLimiter
from timix_assets.api.rate_limit_bucket import FileBucket
from timix_assets.automation.changes import MAX_ATTEMPTS, SKIPPED_TICKS_KEPT, probe_all, timix_changes
from timix_assets.automation.cursor import Cursor
from timix_assets.automation.month_ranges import months_before
from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS
from timix_assets.definitions import defs
from timix_assets.ingest.probes import PROBED_ENDPOINTS, Probe, probe_endpoint
from timix_assets.lake.tables import Lake
from timix_assets.metrics import ROLLUPS
from timix_assets.partitions import RANGE_END, RANGE_START
from timix_assets.resources import LakeResource, TimixResource
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.reports import unbilled_time
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings
from timix_assets.webhooks.inbox import Inbox
from timix_assets.webhooks.look_timing import EVENT_TICK_SECONDS, MIN_GAP_SECONDS
from timix_assets_tests.alerts.ticks import Ticks
from timix_assets_tests.api.scripted import NOT_SCRIPTED, Asked, Reply, serving
from timix_assets_tests.instances import local_instance

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
    settings: Settings = field(default_factory=Settings)

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
            ticked = timix_changes(self.settings).evaluate_tick(context)
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
    with local_instance(tmp_path) as temporary:
        yield temporary


@pytest.fixture(scope="session")
def full_lake(tmp_path_factory: pytest.TempPathFactory) -> LakeResource:
    """Every table is there; the sensor asks for nothing more of it."""
    resource = LakeResource(url=str(tmp_path_factory.mktemp("full")))
    for key in defs.resolve_asset_graph().get_all_asset_keys():
        if key.path[0] in ("timix", "rollups"):
            put_table(resource.store, key.to_user_string())
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


def test_sensor_is_off_and_ticks_at_most_once_a_minute() -> None:
    sensor = timix_changes(Settings())
    assert sensor.default_status is DefaultSensorStatus.STOPPED
    assert sensor.minimum_interval_seconds == 60
    assert len((sensor.description or "").splitlines()) <= 10


def test_first_tick_only_records(watch: Watch) -> None:
    first = watch.tick()
    assert first.run_requests == []
    people = len(watch.sandbox.workspace.rows("org_users"))
    recorded = f"First tick, only recorded: me 1, organization 1, org_users {people}, "
    assert (first.skip_message or "").startswith(recorded)
    assert set(Cursor.read(watch.cursor).seen) == {endpoint.name for endpoint in PROBED_ENDPOINTS}


def test_idle_tick_probes_each_endpoint_once(watching: Watch) -> None:
    cursor = watching.cursor
    idle = watching.tick()
    assert idle.run_requests == []
    assert (idle.skip_message or "").startswith("Nothing changed. Compared: me 1, ")
    assert watching.cursor == cursor
    assert sorted(watching.asked()) == sorted(endpoint.path for endpoint in PROBED_ENDPOINTS)
    assert len(watching.asked()) <= MOST_REQUESTS
    lists = [seen for seen in watching.sandbox.requests if seen.path.endswith(("/customers", "/time-reports"))]
    assert [seen.query for seen in lists] == ["page=1&pageSize=1"] * 2
    [report] = [seen for seen in watching.sandbox.requests if seen.path.endswith("/budget-health")]
    assert report.query == "page=1&pageSize=200"


def test_new_customer_refreshes_customers_and_downstream(watching: Watch) -> None:
    add_a_customer(watching)
    assert watching.requested() == {
        "timix/customers",
        *(
            key.to_user_string()
            for key in defs.resolve_asset_graph().get_all_asset_keys()
            if key.path[0] in ("rollups", "reports") and is_below(key.to_user_string(), "timix/customers")
        ),
    }


def is_below(asset: str, above: str) -> bool:
    graph = defs.resolve_asset_graph()
    [key] = [key for key in graph.get_all_asset_keys() if key.to_user_string() == asset]
    return above in {ancestor.to_user_string() for ancestor in graph.get_ancestor_asset_keys(key)}


def test_deleted_entry_refreshes_two_months_and_reports(watching: Watch) -> None:
    entry = watching.sandbox.workspace.rows("time_reports")[-1]
    watching.sandbox.workspace.discard("time_reports", [entry["id"]])
    [request] = watching.tick().run_requests or []
    assets = {key.to_user_string() for key in request.asset_selection or []}
    assert {"timix/time_reports", "timix/revenue_report", "timix/customer_billing_report"} <= assets
    assert {name for name in ALL_ROLLUPS if is_below(name, "timix/time_reports")} <= assets
    assert "timix/customers" not in assets
    today = Settings().today()
    assert request.tags[RANGE_START] == months_before(today, 1).isoformat()
    assert request.tags[RANGE_END] == months_before(today, 0).isoformat()
    assert "time_reports" in request.tags["timix/changed"]


def test_a_change_of_nothing_dated_names_no_months(watching: Watch) -> None:
    add_a_customer(watching)
    [request] = watching.tick().run_requests or []
    assert not {RANGE_START, RANGE_END} & request.tags.keys()


def test_edited_hours_are_detected_by_the_budget_report(watching: Watch) -> None:
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


def test_volatile_columns_are_not_a_change(watching: Watch) -> None:
    workspace = watching.sandbox.workspace
    before = unbilled_time(workspace)
    workspace.today += timedelta(days=31)
    workspace.version += 1
    assert [row["aging"] for row in unbilled_time(workspace)] != [row["aging"] for row in before]
    named = [request.tags["timix/changed"] for request in watching.tick().run_requests or []]
    assert "unbilled_time_report" not in ", ".join(named)


def test_repeated_tick_has_the_same_run_key(watching: Watch) -> None:
    before = watching.cursor
    add_a_customer(watching)
    [first] = watching.tick().run_requests or []
    watching.cursor = before
    [again] = watching.tick().run_requests or []
    assert first.run_key == again.run_key


def test_repeated_add_and_delete_are_separate_changes(watching: Watch) -> None:
    row = watching.sandbox.workspace.rows("customers")[-1]
    keys = []
    for _ in range(2):
        watching.sandbox.workspace.discard("customers", [row["id"]])
        keys += [request.run_key for request in watching.tick().run_requests or []]
        watching.sandbox.workspace._put("customers", row)
        keys += [request.run_key for request in watching.tick().run_requests or []]
    assert len(keys) == len(set(keys)) == 4


def test_failing_api_fails_the_tick_and_keeps_the_cursor(watching: Watch) -> None:
    cursor = watching.cursor
    add_a_customer(watching)
    watching.sandbox.revoke(watching.sandbox.key)
    with pytest.raises(Failure) as failed:
        watching.tick()
    said = str(failed.value)
    assert "GET /me: the server answered 401" in said
    assert watching.sandbox.key not in said
    assert watching.cursor == cursor


def test_used_up_rate_limit_skips_the_tick(watching: Watch) -> None:
    cursor = watching.cursor
    watching.sandbox.faults.add(Fault("rate_limited", path="/projects", times=1))
    skipped = watching.tick()
    said = skipped.skip_message or ""
    assert said.startswith("No room in the rate limit for this tick: GET /projects: the server answered 429")
    assert watching.cursor == cursor


def test_tick_that_waited_for_the_limit_says_so(watch: Watch) -> None:
    with_this_key = FileBucket(Settings().state_folder, watch.sandbox.base_url, watch.sandbox.key)
    other = RateLimiter(with_this_key, Limits(), print)
    other.set_limit(1)
    with other.slot():
        pass
    other.close()
    with pytest.raises(RateLimited, match=r"waited 0\.\d of 0\.3 s"):
        probe_all(watch.timix, {}, seconds=0.3)
    assert watch.asked() == []


def test_tick_during_rate_limit_pause_makes_no_request(watch: Watch) -> None:
    with_this_key = FileBucket(Settings().state_folder, watch.sandbox.base_url, watch.sandbox.key)
    other = RateLimiter(with_this_key, Limits(), print)
    assert other.pause_all(60)
    other.close()
    with pytest.raises(RateLimited, match=r"^GET /me: not sent, as .* 429 before, and the limit resets in 60 s"):
        probe_all(watch.timix, {}, seconds=30)
    assert watch.asked() == []


@pytest.mark.parametrize(("lake", "quota"), [("data/lake", Quota.ALL), ("s3://lakes/ours", Quota.RESERVE)])
def test_look_keeps_to_the_reserve_of_a_lake_in_an_object_store(watch: Watch, lake: str, quota: Quota) -> None:
    watch.settings = Settings(lake=lake)
    watch.tick()
    counted = {each: counting(watch.sandbox, each) for each in (Quota.ALL, Quota.RESERVE)}
    assert counted == {Quota.ALL: 0, Quota.RESERVE: 0} | {quota: len(watch.asked())}


def counting(sandbox: Sandbox, quota: Quota) -> int:
    """The requests that count on this machine."""
    bucket = FileBucket(Settings().state_folder, sandbox.base_url, sandbox.key, quota=quota)
    return len(RateLimiter(bucket, Limits(), print).counting())


@pytest.mark.parametrize(
    "slow",
    [Fault("silence", seconds=0.2), Fault("silence", path="/projects", seconds=1)],
    ids=["every answer", "one answer that is under way"],
)
def test_tick_of_a_slow_server_exceeds_the_deadline(watch: Watch, slow: Fault) -> None:
    watch.sandbox.faults.add(slow)
    with pytest.raises(DeadlineExceeded, match=r"longer than 0\.5 s \(0\.0 s of it .* Timix is slow"):
        probe_all(watch.timix, {}, seconds=0.5)
    assert len(watch.asked()) < len(PROBED_ENDPOINTS)


@pytest.mark.parametrize("kind", ["server_error", "reset_connection"])
def test_a_request_that_fails_is_made_once_a_tick(watching: Watch, kind: str) -> None:
    watching.sandbox.faults.add(Fault(kind, path="/projects"))
    with pytest.raises(Failure, match="GET /projects"):
        watching.tick()
    assert sorted(set(watching.asked())) == sorted(watching.asked())
    watching.sandbox.faults.clear()
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_while_its_own_run_is_queued_or_running_it_asks_nothing(watching: Watch) -> None:
    create_run_for_test(
        watching.instance,
        job_name="refresh_changed",
        status=DagsterRunStatus.STARTED,
        tags={"timix/job": "refresh_changed"},
    )
    assert "refresh_changed is already queued or running" in (watching.tick().skip_message or "")
    assert watching.asked() == []


def test_a_path_that_had_to_be_found_is_remembered(watch: Watch) -> None:
    watch.sandbox.faults.add(Fault("moved", path="/time-reports", to="/time-entries"))
    watch.tick()
    assert [path for path in watch.asked() if path.startswith("/time")] == ["/time-reports", "/time-entries"]
    watch.sandbox.requests.clear()
    watch.tick()
    assert [path for path in watch.asked() if path.startswith("/time")] == ["/time-entries"]


def test_moved_path_is_searched_once(watching: Watch) -> None:
    watching.sandbox.faults.add(Fault("moved", path="/time-reports", to="/time-entries"))
    assert "Nothing changed" in (watching.tick().skip_message or "")
    watching.tick()
    assert [path for path in watching.asked() if path.startswith("/time")] == [
        "/time-reports",
        "/time-entries",
        "/time-entries",
    ]


@pytest.fixture
def without_invoices(watch: Watch, tmp_path: Path) -> Watch:
    """After the first tick of a key that may not read them yet."""
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text("endpoints: {invoices: {skip_forbidden: true}}", encoding="utf-8")
    watch.resource = TimixResource(
        api_key=watch.sandbox.key,
        base_url=watch.sandbox.base_url,
        overrides_file=str(overrides),
    )
    watch.sandbox.faults.add(Fault("forbidden", path="/invoices"))
    watch.tick()
    return watch


def test_what_the_key_may_not_read_and_need_not_is_left_out(without_invoices: Watch) -> None:
    assert "invoices" not in Cursor.read(without_invoices.cursor).seen


def test_endpoint_that_becomes_readable_is_recorded_first(
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
    assert "First tick" in (watch.tick().skip_message or "")


@pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED])
def test_failed_change_is_retried_with_another_run_key(watching: Watch, status: DagsterRunStatus) -> None:
    add_a_customer(watching)
    first = watching.run(status)
    again = watching.run(DagsterRunStatus.SUCCESS)
    assert again.run_key != first.run_key
    assert again.asset_selection == first.asset_selection
    assert again.tags["timix/changed"] == first.tags["timix/changed"] == "customers"
    assert (first.tags["timix/attempt"], again.tags["timix/attempt"]) == ("1", "2")
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_change_whose_run_never_started_is_retried(watching: Watch) -> None:
    add_a_customer(watching)
    [first] = watching.tick().run_requests or []
    [again] = watching.tick().run_requests or []
    assert again.run_key != first.run_key
    assert again.asset_selection == first.asset_selection


def test_change_with_successful_run_is_not_retried(watching: Watch) -> None:
    add_a_customer(watching)
    watching.run(DagsterRunStatus.SUCCESS)
    assert watching.tick().run_requests == []
    for run in watching.instance.get_runs():
        watching.instance.delete_run(run.run_id)
    assert watching.tick().run_requests == []


def test_retried_run_counts_for_the_change(watching: Watch) -> None:
    add_a_customer(watching)
    request = watching.run(DagsterRunStatus.FAILURE)
    create_run_for_test(
        watching.instance, job_name="refresh_changed", tags=dict(request.tags), status=DagsterRunStatus.SUCCESS
    )
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_new_changes_are_read_with_unread_ones(watching: Watch) -> None:
    add_a_customer(watching)
    watching.run(DagsterRunStatus.FAILURE)
    start_a_project(watching)
    both = watching.run(DagsterRunStatus.FAILURE)
    assert {"customers", "projects"} <= set(both.tags["timix/changed"].split(", "))
    assert both.tags["timix/attempt"] == "1"
    again = watching.run(DagsterRunStatus.SUCCESS)
    assert again.tags["timix/changed"] == both.tags["timix/changed"]
    assert watching.tick().run_requests == []


def test_read_change_is_not_read_again(watching: Watch) -> None:
    start_a_project(watching)
    watching.run(DagsterRunStatus.SUCCESS)
    add_a_customer(watching)
    assert watching.run(DagsterRunStatus.SUCCESS).tags["timix/changed"] == "customers"


def test_five_failed_runs_wait_for_the_next_change(watching: Watch) -> None:
    add_a_customer(watching)
    requests = [watching.run(DagsterRunStatus.FAILURE) for _ in range(MAX_ATTEMPTS)]
    assert len({request.run_key for request in requests}) == MAX_ATTEMPTS == 5
    for _ in range(2):
        waiting = watching.tick()
        assert waiting.run_requests == []
        said = waiting.skip_message or ""
        assert "customers" in said
        assert "5 consecutive runs" in said
        assert watching.instance.get_runs(limit=1)[0].run_id[:8] in said
        assert "it is retried only with the next change" in said
    start_a_project(watching)
    assert "customers" in watching.run(DagsterRunStatus.SUCCESS).tags["timix/changed"]
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_manual_retry_acknowledges_the_change(watching: Watch) -> None:
    add_a_customer(watching)
    requests = [watching.run(DagsterRunStatus.FAILURE) for _ in range(MAX_ATTEMPTS)]
    create_run_for_test(
        watching.instance, job_name="refresh_changed", tags=dict(requests[-1].tags), status=DagsterRunStatus.SUCCESS
    )
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_cursor_of_an_earlier_version_is_accepted(watching: Watch) -> None:
    kept = json.loads(watching.cursor or "")
    watching.cursor = json.dumps({"change": "abc", "seen": kept["seen"]})
    assert "Nothing changed" in (watching.tick().skip_message or "")


def test_empty_lake_reads_only_the_changed_table(watching: Watch, tmp_path: Path) -> None:
    watching.lake = LakeResource(url=str(tmp_path / "empty"))
    add_a_customer(watching)
    request = watching.run(DagsterRunStatus.SUCCESS)
    assert [key.to_user_string() for key in request.asset_selection or []] == ["timix/customers"]
    assert "timix/time_reports" in request.tags["timix/missing"]
    assert watching.tick().run_requests == []


def test_only_what_needs_a_table_that_was_never_read_is_left_out(watching: Watch, tmp_path: Path) -> None:
    watching.lake = LakeResource(url=str(tmp_path / "without_report"))
    for endpoint in ENDPOINTS:
        if endpoint.name not in ("budget_health_report", "customers"):
            put_table(watching.lake.store, f"timix/{endpoint.name}")
    for name in ("capacity_daily", "utilization_daily", "utilization_weekly", "timesheet_compliance"):
        put_table(watching.lake.store, f"rollups/{name}")
    add_a_customer(watching)
    request = watching.run(DagsterRunStatus.SUCCESS)
    selected = {key.to_user_string() for key in request.asset_selection or []}
    assert request.tags["timix/missing"] == "timix/budget_health_report"
    below = {name for name in ALL_ROLLUPS if is_below(name, "timix/customers")}
    assert selected == {"timix/customers"} | {
        name for name in below if not is_below(name, "timix/budget_health_report")
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
def test_probe_counts_rows_like_a_refresh(reply: Reply) -> None:
    def answer(asked: Asked) -> Reply:
        return reply if asked.path == "/customers" else NOT_SCRIPTED

    with serving(answer) as server, TimixClient(server.base_url, f"bbl_{secrets.token_hex(8)}") as client:
        assert probe_endpoint(client, BY_NAME["customers"]).total == 60


SEEN = Probe("/customers", 60, "cus-1", "abc", "2026-11-01T00:00:00.000000+00:00")


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
def test_what_counts_as_a_change(now: Probe, changed: bool) -> None:
    assert now.differs_from(SEEN) is changed


@pytest.fixture
def inbox(watch: Watch, tmp_path: Path) -> Iterator[Inbox]:
    """Of the sensor with webhooks, which has looked a moment ago."""
    watch.settings = Settings(webhook_secrets="YWE=", home=tmp_path)
    watch.settings.state_folder.mkdir()
    watch.tick()
    watch.sandbox.requests.clear()
    assert watch.settings.webhook_inbox is not None
    with Inbox(watch.settings.webhook_inbox, 16) as opened:
        yield opened


def looked(inbox: Inbox, seconds_ago: float) -> None:
    inbox.record_look(inbox.looks().up_to, time.time() - seconds_ago)


def test_webhooks_make_one_look(watch: Watch, inbox: Inbox) -> None:
    looked(inbox, MIN_GAP_SECONDS)
    assert (watch.tick().skip_message or "").startswith("No new webhook")
    assert watch.asked() == []

    add_a_customer(watch)
    for key in "abc":
        inbox.add(key, None, time.time())
    assert "timix/customers" in watch.requested()
    assert len(watch.asked()) == len(PROBED_ENDPOINTS)

    looked(inbox, MIN_GAP_SECONDS)
    inbox.add("a", None, time.time())
    assert watch.requested() == set()
    assert len(watch.asked()) == len(PROBED_ENDPOINTS)


def test_false_webhook_starts_no_run(watch: Watch, inbox: Inbox) -> None:
    looked(inbox, MIN_GAP_SECONDS)
    inbox.add("forged, and verified all the same", "customers.deleted", time.time())
    assert (watch.tick().skip_message or "").startswith("Nothing changed (1 new event). Compared: ")


def test_lost_webhook_delays_the_look_only(watch: Watch, inbox: Inbox) -> None:
    add_a_customer(watch)
    looked(inbox, watch.settings.changes_seconds)
    assert "timix/customers" in watch.requested()


def test_failed_look_is_not_repeated_at_every_tick(watch: Watch, inbox: Inbox) -> None:
    looked(inbox, MIN_GAP_SECONDS)
    inbox.add("a", None, time.time())
    watch.sandbox.faults.add(Fault("server_error", path="/customers", times=1))
    with pytest.raises(Failure):
        watch.tick()
    assert (watch.tick().skip_message or "").startswith("No new webhook")
    add_a_customer(watch)
    looked(inbox, watch.settings.changes_seconds)
    assert "timix/customers" in watch.requested()


def test_ticks_without_a_look_are_kept_for_an_hour(watch: Watch, inbox: Inbox) -> None:
    ours = Ticks(watch.instance)
    others = [Ticks(watch.instance, "orphaned_runs"), Ticks(watch.instance, location="another_team")]
    for ticks in [ours, *others]:
        for status in (TickStatus.SKIPPED, TickStatus.FAILURE):
            ticks.add(status, SKIPPED_TICKS_KEPT + timedelta(minutes=1))
            ticks.add(status, SKIPPED_TICKS_KEPT - timedelta(minutes=1))
    watch.tick()
    assert ours.statuses() == ["FAILURE", "FAILURE", "SKIPPED", "SKIPPED"]
    looked(inbox, watch.settings.changes_seconds)
    watch.tick()
    assert ours.statuses() == ["FAILURE", "FAILURE", "SKIPPED"]
    assert [len(ticks.statuses()) for ticks in others] == [4, 4]


def test_sensor_ticks_more_often_with_webhooks() -> None:
    with_webhooks = Settings(webhook_secrets="YWE=")
    assert timix_changes(with_webhooks).minimum_interval_seconds == EVENT_TICK_SECONDS
    assert timix_changes(with_webhooks.model_copy(update={"changes_seconds": 1})).minimum_interval_seconds == 1
