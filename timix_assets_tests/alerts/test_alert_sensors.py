"""The sensors, tick by tick, on real tables and a real webhook."""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInstance, DefaultSensorStatus, Failure, OpExecutionContext, SensorDefinition, job, op
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    PARENT_RUN_ID_TAG,
    ROOT_RUN_ID_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from timix_assets.alerts.failed_runs import RETRY_GRACE
from timix_assets.alerts.outbox import open_outbox
from timix_assets.alerts.outbox_file import OutboxFile
from timix_assets.contract.endpoints import UNBILLED_TIME_REPORT
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.metrics.budget_health import BUDGET_HEALTH
from timix_assets.metrics.organization import ORGANIZATION_KPIS
from timix_assets.metrics.organization_money import ORGANIZATION_MONEY
from timix_assets.metrics.receivables import WORKING_CAPITAL
from timix_assets.metrics.timesheets import TIMESHEET_COMPLIANCE
from timix_assets.metrics.unbilled import UNBILLED_AGING
from timix_assets.partitions import range_tags
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.watch import ALERTS, Watch, budget_alerts, failure_alerts, key_expiry, weekly_summary
from timix_assets_tests.instances import local_instance

from ..conftest import TODAY

OURS = {"timix/job": "close_month"}
HEBREW = "פרויקט תשתיות"


def budget(**fields: Any) -> dict[str, Any]:
    """A row of budget_health: an hour budget of the project `a`, 70 % used."""
    project = {"level": "project", "project_id": "a", "customer_id": "cus-1", "scope": "TM", "status": "on_track"}
    return project | {"cap": 100, "used": 70, "burn": 0.7, "as_of": TODAY} | fields


@dataclass
class Firm:
    """A lake with the budgets that a test sets."""

    folder: Path
    instance: DagsterInstance

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    @property
    def outbox(self) -> Path:
        """Of the alert of failed runs."""
        return self.folder / ".dagster" / "alerts" / "failure_alerts.json"

    def watch(self, sensor: SensorDefinition) -> Watch:
        return Watch(
            sensor,
            {"url": str(self.folder / "lake"), "state_folder": str(self.folder / ".dagster")},
            self.instance,
        )

    def after_first_tick(self, sensor: SensorDefinition) -> Watch:
        watch = self.watch(sensor)
        watch.tick()
        return watch

    def budgets(self, *, named: str = "Apollo", as_of: date = TODAY, **used: int) -> None:
        """Project id -> hours used of a cap of 100, as a refresh would leave them."""
        rows = [
            budget(
                project_id=project,
                used=hours,
                burn=hours / 100,
                status="over_budget" if hours >= 100 else "at_risk" if hours >= 80 else "on_track",
                as_of=as_of,
                project_name=f"{named} {project}",
                customer_name="Acme",
            )
            for project, hours in used.items()
        ]
        self.store("rollups/budget_health", rows, BUDGET_HEALTH.schema, BUDGET_HEALTH.key)
        text = pl.String()
        projects = [{"id": project, "name": f"{named} {project}", "status": "Active"} for project in used]
        self.store("timix/projects", projects, {"id": text, "name": text, "status": text}, ["id"])
        self.store("timix/customers", [{"id": "cus-1", "name": "Acme"}], {"id": text, "name": text}, ["id"])

    def october(self, as_of: date = TODAY) -> None:
        """The firm's hours of one month, and no unbilled work."""
        kpis = {"month": date(2026, 10, 1), "total_hours": 90, "billable_hours": 75, "capacity_hours": 100}
        kpis |= {"target_gap_hours": -1}
        self.store(
            "rollups/organization_kpis", [kpis | {"as_of": as_of}], ORGANIZATION_KPIS.schema, ORGANIZATION_KPIS.key
        )
        for table in (UNBILLED_AGING, ORGANIZATION_MONEY, WORKING_CAPITAL, TIMESHEET_COMPLIANCE):
            self.store(f"rollups/{table.name}", [], table.schema, table.key)
        report = UNBILLED_TIME_REPORT
        self.store("timix/unbilled_time_report", [], report.schema, report.key)
        text = pl.String()
        self.store("timix/organization", [{"id": "org", "name": "Acme Inc"}], {"id": text, "name": text}, ["id"])

    def me(self, expires_at: datetime | None, name: str = "lake") -> None:
        schema = {"user_id": pl.String(), "key_name": pl.String(), "key_expires_at": pl.Datetime("us", "UTC")}
        row = {"user_id": "usr-1", "key_name": name, "key_expires_at": expires_at}
        self.store("timix/me", [row], schema, ["user_id"])

    def store(self, table: str, rows: list[dict[str, Any]], schema: Any, key: Any) -> None:
        self.lake.replace(table, pl.DataFrame(rows, schema=schema), key=list(key))


@pytest.fixture
def firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Firm]:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    with DagsterInstance.ephemeral() as instance:
        yield Firm(tmp_path, instance)


@pytest.fixture
def webhook(webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> WebhookReceiver:
    """The webhook, as the one URL that is configured."""
    monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
    return webhook


def test_alerts_are_off_by_default_and_described() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "alerts.md").read_text(encoding="utf-8")
    for alert in ALERTS:
        assert f"\n| `{alert.name}` | " in page
        assert alert.default_status is DefaultSensorStatus.STOPPED
        assert alert.minimum_interval_seconds >= 60
        assert "TIMIX_ALERT_URLS" in (alert.description or "")


def test_transition_is_one_message_over_many_ticks(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70, b=95)
    watch.tick()
    assert webhook.messages == []
    assert "recorded the state of 2 budgets" in watch.reason
    firm.budgets(a=85, b=95)
    for _ in range(3):
        watch.tick()
    assert webhook.titles == ["Apollo a: time and materials budget at risk"]
    assert "has not changed since the last tick" in watch.reason


def test_transitions_of_one_refresh_are_one_message(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70, b=75, c=50)
    watch.tick()
    firm.budgets(named=HEBREW, a=85, b=120, c=60)
    watch.tick()
    [(title, text)] = webhook.messages
    assert title == "2 budgets need attention"
    first, second = text.splitlines()[:2]
    assert f"{HEBREW} b" in first
    assert "over budget (was on track). Burn 120 %: 120 of 100 h" in first
    assert f"{HEBREW} a" in second
    assert "http://127.0.0.1:3000/assets/rollups/budget_health" in text


def test_budget_alerts_again_only_after_recovery(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    for hours in (70, 85, 90, 70, 85):
        firm.budgets(a=hours)
        watch.tick()
    assert len(webhook.messages) == 2


def test_next_tick_retries_failed_delivery(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    webhook.answers = 500
    firm.budgets(a=85)
    watch.tick()
    assert "1 message not delivered yet: URL 1 of TIMIX_ALERT_URLS (json) did not accept the message" in watch.reason
    watch.tick()
    webhook.answers = 200
    watch.tick()
    watch.tick()
    assert len(webhook.messages) == 1
    assert "not delivered" not in watch.reason


def test_lost_cursor_neither_duplicates_nor_loses(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    for hours in (70, 85):
        firm.budgets(a=hours)
        watch.tick()
        watch.cursor = None
        watch.tick()
    firm.budgets(a=100)
    watch.cursor = None
    watch.tick()
    assert len(webhook.messages) == 2


def test_removed_outbox_means_first_tick(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    [outbox] = (firm.folder / ".dagster" / "alerts").glob("*.json")
    outbox.unlink()
    watch.tick()
    assert "First tick" in watch.reason
    firm.budgets(a=85)
    watch.tick()
    assert len(webhook.messages) == 1


def test_tick_skips_while_another_process_delivers(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    [outbox] = (firm.folder / ".dagster" / "alerts").glob("*.json")
    firm.budgets(a=85)
    with open_outbox(OutboxFile(outbox)):
        watch.tick()
    assert "Another process is delivering" in watch.reason
    watch.tick()
    assert len(webhook.messages) == 1


def test_without_url_event_log_has_message_once(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMIX_ALERT_URLS", raising=False)
    watch = firm.watch(budget_alerts)
    for hours in (70, 85, 85):
        firm.budgets(a=hours)
        watch.tick()
    [event] = watch.logged("rollups/budget_health")
    assert event.startswith("Apollo a: time and materials budget at risk\n• Apollo a, customer Acme")


def test_url_is_not_in_ticks_logs_events_or_files(
    firm: Firm, webhook: WebhookReceiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    watch, ticks = firm.watch(budget_alerts), []
    with caplog.at_level(1):
        for hours, webhook.answers in ((70, 200), (85, 403), (100, 403), (100, 200)):
            firm.budgets(a=hours)
            ticks.append(watch.tick())
    assert len(webhook.messages) == 2
    files = [path.read_bytes() for path in (firm.folder / ".dagster").rglob("*") if path.is_file()]
    logged = watch.logged("rollups/budget_health")
    assert webhook.secret not in f"{caplog.text}{capfd.readouterr()}{ticks}{files!r}{logged}{watch.cursor}"


def test_lake_of_another_organization_means_first_tick(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    for organization, hours in (("org-1", 70), ("org-2", 100)):
        firm.lake.metadata.set_organization(organization, None)
        firm.budgets(a=hours)
        watch.tick()
    assert webhook.messages == []


def test_lake_without_budgets_compares_nothing(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    watch.tick()
    assert "rollups/budget_health has not been computed yet" in watch.reason


def test_tables_of_an_earlier_version_are_a_reason_to_wait_for_the_first_refresh(firm: Firm) -> None:
    firm.budgets(a=70)
    watch = firm.after_first_tick(budget_alerts)
    current = firm.lake.scan("rollups/budget_health").collect()
    firm.lake.replace("rollups/budget_health", current.drop("project_name"), key=BUDGET_HEALTH.key, exact_columns=True)
    watch.tick()
    assert watch.reason.startswith(
        "rollups/budget_health was computed by an earlier version; run `timix-assets refresh`"
    )
    firm.budgets(a=85)
    watch.tick()
    assert "1 of 1 budget got worse" in watch.reason


def test_uses_configured_days_and_links(firm: Firm, webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_UI_URL", "https://lake.example/")
    monkeypatch.setenv("TIMIX_ALERT_DAYS", "30")
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    row = budget(exhaustion_date=TODAY + timedelta(days=30))
    firm.store("rollups/budget_health", [row], BUDGET_HEALTH.schema, BUDGET_HEALTH.key)
    watch.tick()
    [(title, text)] = webhook.messages
    assert title == "a: time and materials budget running out soon"
    assert "At this rate exhausted on 18 Dec 2026." in text
    assert text.endswith("https://lake.example/assets/rollups/budget_health")


def test_days_count_from_today_and_message_has_as_of_date(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(as_of=TODAY - timedelta(days=3), a=70)
    watch.tick()
    for days in (15, 14):
        exhausted = budget(as_of=TODAY - timedelta(days=3), exhaustion_date=TODAY + timedelta(days=days))
        firm.store("rollups/budget_health", [exhausted], BUDGET_HEALTH.schema, BUDGET_HEALTH.key)
        watch.tick()
        assert len(webhook.messages) == (days == 14)
    [(_, text)] = webhook.messages
    assert "At this rate exhausted on 2 Dec 2026." in text
    assert "As of 15 Nov 2026, computed 3 days ago; refresh first. http" in text


def test_reopened_project_alerts_on_budget_that_got_worse(firm: Firm, webhook: WebhookReceiver) -> None:
    def project(status: str) -> None:
        text = pl.String()
        row = {"id": "a", "name": "Apollo", "status": status}
        firm.store("timix/projects", [row], {"id": text, "name": text, "status": text}, ["id"])

    watch = firm.watch(budget_alerts)
    firm.budgets(a=50)
    watch.tick()
    firm.budgets(a=95)
    project("Completed")
    watch.tick()
    assert webhook.messages == []
    project("Active")
    watch.tick()
    assert len(webhook.messages) == 1


@op
def read(context: OpExecutionContext) -> None:
    if reason := context.run.tags.get("reason"):
        raise Failure(f"The key bbl_{secrets.token_hex(16)} was refused; {reason.removesuffix(' b')}.")


@op
def read_more(context: OpExecutionContext) -> None:
    if context.run.tags.get("reason") == "a b":
        raise Failure("There is no room.")


@job(tags={"timix/job": "refresh_something"})
def refresh_something() -> None:
    read()
    read_more()


@job(tags={"timix/job": "refresh_another"})
def refresh_another() -> None:
    read()


def run(instance: DagsterInstance, **tags: str) -> str:
    tags = range_tags(Months(date(2026, 9, 1), date(2026, 11, 1))) | tags
    return refresh_something.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id


def fail(instance: DagsterInstance, reason: str = "make a new one") -> str:
    return run(instance, reason=reason)


def test_failed_run_alerts_once_with_cause_months_and_link(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    fail(firm.instance)
    watch.tick()
    assert webhook.messages == []
    run_id = fail(firm.instance)
    for _ in range(2):
        watch.tick()
    [(title, text)] = webhook.messages
    assert title == "refresh_something failed (2026-09 to 2026-11)"
    assert "• read: The key [key] was refused; make a new one.\n" in text
    assert text.endswith(f"http://127.0.0.1:3000/runs/{run_id}")


def test_failure_message_masks_key(firm: Firm, webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    key = f"bbl_{secrets.token_hex(16)}"
    monkeypatch.setenv("TIMIX_API_KEY", key)

    @op
    def leak() -> None:
        raise Failure(f"The server said {key[4:]} is wrong; so is {key} too.")

    @job(tags={"timix/job": "leaking"})
    def leaking() -> None:
        leak()

    watch = firm.after_first_tick(failure_alerts)
    leaking.execute_in_process(instance=firm.instance, raise_on_error=False)
    watch.tick()
    [(_, text)] = webhook.messages
    assert "The server said [key] is wrong; so is [key] too." in text


def test_repeated_tick_does_not_repeat_failures(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    before = watch.cursor
    fail(firm.instance)
    fail(firm.instance, "ask its owner")
    watch.tick()
    watch.cursor = before  # killed before the daemon stored it
    watch.tick()
    assert len(webhook.messages) == 2


def test_same_cause_is_suppressed_until_job_succeeds(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    fail(firm.instance)
    watch.tick()
    fail(firm.instance)
    fail(firm.instance)
    watch.tick()
    assert len(webhook.messages) == 1
    assert watch.reason == "2 runs failed since the last tick, 2 of them for causes already reported."
    fail(firm.instance, "ask its owner")
    watch.tick()
    assert len(webhook.messages) == 2
    run(firm.instance)
    fail(firm.instance, "ask its owner")
    watch.tick()
    assert len(webhook.messages) == 3


def test_same_cause_of_other_job_or_months_alerts(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    fail(firm.instance)
    watch.tick()
    months = range_tags(Months(date(2024, 1, 1), date(2024, 12, 1)))
    run(firm.instance, reason="make a new one", **months)
    refresh_another.execute_in_process(
        instance=firm.instance, raise_on_error=False, tags={"reason": "make a new one", **months}
    )
    watch.tick()
    assert [title for title, _ in webhook.messages] == [
        "refresh_something failed (2026-09 to 2026-11)",
        "refresh_something failed (2024-01 to 2024-12)",
        "refresh_another failed (2024-01 to 2024-12)",
    ]


def test_cause_that_returns_alerts_again(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    for reasons in ("a", "a b", "a", "a b"):
        fail(firm.instance, reasons)
        watch.tick()
    assert len(webhook.messages) == 3


def test_nothing_is_suppressed_without_receivers(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = firm.after_first_tick(failure_alerts)
    fail(firm.instance)
    watch.tick()
    with WebhookReceiver() as receiver:
        monkeypatch.setenv("TIMIX_ALERT_URLS", receiver.url)
        fail(firm.instance)
        watch.tick()
        assert len(receiver.messages) == 1


def test_terminated_run_alerts_despite_known_causes(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    fail(firm.instance)
    watch.tick()
    killed = fail(firm.instance)
    firm.instance.add_run_tags(killed, {RUN_FAILURE_REASON_TAG: "UNEXPECTED_TERMINATION"})
    watch.tick()
    assert len(webhook.messages) == 2


def test_every_killed_run_alerts(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    for _ in range(2):
        firm.instance.report_run_failed(
            create_run_for_test(firm.instance, job_name="close_month", tags=OURS), "It was killed."
        )
    watch.tick()
    assert len(webhook.messages) == 2


def test_killed_run_message_has_its_own_error(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    run = create_run_for_test(firm.instance, job_name="close_month", tags=OURS)
    firm.instance.report_run_failed(run, "Its process was killed: it holds its lake no more.")
    watch.tick()
    [(title, text)] = webhook.messages
    assert title == "close_month failed"
    assert "• the run: Its process was killed" in text


def test_failure_alert_survives_event_log_id_reuse(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    first = fail(firm.instance)
    watch.tick()
    firm.instance.delete_run(first)
    second = fail(firm.instance, "ask its owner")
    watch.tick()
    watch.tick()
    assert [text.splitlines()[-1].rsplit("/")[-1] for _, text in webhook.messages] == [first, second]


def test_failures_before_first_tick_never_alert(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    early = fail(firm.instance)
    watch.tick()
    firm.instance.add_run_tags(early, {"seen by": "us"})
    watch.tick()
    assert webhook.messages == []


def test_reset_cursor_or_outbox_repeats_nothing(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.after_first_tick(failure_alerts)
    fail(firm.instance)
    watch.tick()
    watch.cursor = None
    watch.tick()
    firm.outbox.unlink()
    watch.tick()
    watch.tick()
    assert len(webhook.messages) == 1


def test_reads_cursor_and_state_of_earlier_version(firm: Firm, webhook: WebhookReceiver) -> None:
    watch, known = firm.watch(failure_alerts), fail(firm.instance)
    with open_outbox(OutboxFile(firm.outbox)) as outbox:
        outbox.record([known])
    watch.cursor = "2"
    news = fail(firm.instance)
    watch.tick()
    watch.tick()
    [(_, text)] = webhook.messages
    assert text.endswith(news)
    assert datetime.fromisoformat(watch.cursor) <= datetime.now(UTC)


@pytest.fixture
def retrying(tmp_path: Path) -> Iterator[Firm]:
    """The firm on an instance that retries killed runs, as dagster.yaml configures it; the test is its daemon."""
    retries = {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    with local_instance(tmp_path, {"run_retries": retries}) as instance:
        yield Firm(tmp_path, instance)


ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(
        InProcessCodeLocationOrigin(
            LoadableTargetOrigin(module_name="timix_assets.definitions"), location_name="timix_assets"
        ),
        "__repository__",
    ),
    "close_month",
)


def killed(firm: Firm, origin: RemoteJobOrigin | None = ORIGIN) -> str:
    """A run that Dagster means to retry: from `origin`, without which it cannot."""
    run = create_run_for_test(firm.instance, job_name="close_month", remote_job_origin=origin, tags=OURS)
    firm.instance.report_run_failed(run, "Its process was killed.")
    ended = firm.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.tags[WILL_RETRY_TAG] == "true"
    return run.run_id


def test_killed_command_line_run_alerts_immediately(retrying: Firm, webhook: WebhookReceiver) -> None:
    watch = retrying.after_first_tick(failure_alerts)
    killed(retrying, origin=None)
    watch.tick()
    watch.tick()
    assert webhook.titles == ["close_month failed"]


def test_retried_run_alerts_only_on_last_failure(retrying: Firm, webhook: WebhookReceiver) -> None:
    watch = retrying.after_first_tick(failure_alerts)
    first = killed(retrying)
    watch.tick()
    assert "1 more run may be retried" in watch.reason
    again = create_run_for_test(
        retrying.instance,
        job_name="close_month",
        root_run_id=first,
        parent_run_id=first,
        tags={PARENT_RUN_ID_TAG: first, ROOT_RUN_ID_TAG: first},
        remote_job_origin=ORIGIN,
    )
    retrying.instance.add_run_tags(first, {AUTO_RETRY_RUN_ID_TAG: again.run_id})
    waited(retrying)
    watch.tick()
    assert webhook.messages == []
    retrying.instance.report_run_failed(again)
    watch.tick()
    watch.tick()
    [(_, text)] = webhook.messages
    assert text.endswith(again.run_id)


def test_run_without_expected_retry_alerts_after_grace(retrying: Firm, webhook: WebhookReceiver) -> None:
    watch = retrying.after_first_tick(failure_alerts)
    run_id = killed(retrying)
    watch.tick()
    assert webhook.messages == []
    waited(retrying)
    watch.tick()
    watch.tick()
    [(_, text)] = webhook.messages
    assert text.endswith(run_id)


def waited(firm: Firm) -> None:
    """As if the runs whose retry is awaited had been seen earlier, by the grace."""
    with open_outbox(OutboxFile(firm.outbox)) as outbox:
        waiting = {
            run_id: datetime.fromisoformat(first) - RETRY_GRACE for run_id, first in outbox.state["waiting"].items()
        }
        outbox.record(outbox.state | {"waiting": {run_id: first.isoformat() for run_id, first in waiting.items()}})


def test_key_expiry_alert_fires_per_key(firm: Firm, webhook: WebhookReceiver) -> None:
    watch, now = firm.watch(key_expiry), datetime.now(UTC)
    for name, days in (("old", 20), ("old", 12.5), ("new", 6.5), ("new", 90)):
        firm.me(now + timedelta(days=days), name)
        watch.tick()
        watch.tick()
    assert webhook.titles == ["The Timix API key old expires in 12 days", "The Timix API key new expires in 6 days"]


def test_key_without_expiry_does_not_alert(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(key_expiry)
    watch.tick()
    assert "timix/me has not been read yet" in watch.reason
    firm.me(None)
    watch.tick()
    assert watch.reason == "The key does not expire."
    assert webhook.messages == []


def test_weekly_summary_is_sent_once_a_week(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(weekly_summary)
    watch.tick()
    assert "due next Monday" in watch.reason
    a_week_ago(firm)
    watch.tick()
    assert "rollups/organization_kpis is not in the lake yet" in watch.reason
    firm.budgets(a=120)
    firm.october()
    for _ in range(2):
        watch.tick()
    [(title, text)] = webhook.messages
    assert title == "Acme Inc as of 18 Nov 2026"
    assert "• October 2026: 75 % billable, 1 point above the target of 74 %; 90 % total (90 of 100 h)" in text
    assert "• Apollo a, customer Acme: time and materials budget over budget, burn 120 %" in text
    assert watch.logged("rollups/organization_kpis") == [f"{title}\n{text}"]


def test_weekly_summary_says_how_old_figures_are(firm: Firm, webhook: WebhookReceiver) -> None:
    watch = firm.watch(weekly_summary)
    watch.tick()
    a_week_ago(firm)
    firm.budgets(as_of=TODAY - timedelta(days=1), a=120)
    firm.october(as_of=TODAY - timedelta(days=16))
    watch.tick()
    [(title, text)] = webhook.messages
    assert title == "Acme Inc as of 2 Nov 2026"
    assert text.splitlines()[0] == "Computed 16 days ago; refresh first."
    assert "• October 2026: 75 % billable" in text


def a_week_ago(firm: Firm) -> None:
    """Sets the outbox back, as if the last summary had been that of the Monday before."""
    [path] = (firm.folder / ".dagster" / "alerts").glob("weekly_summary-*.json")
    with open_outbox(OutboxFile(path)) as outbox:
        outbox.record({"monday": str(date.fromisoformat(outbox.state["monday"]) - timedelta(days=7))})


def test_weekly_summary_attaches_the_page(
    firm: Firm, refreshed_once: Path, webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_ALERT_DIGEST", "page")
    watch = firm.watch(weekly_summary)
    shutil.copytree(refreshed_once / "lake", firm.folder / "lake")
    watch.tick()
    a_week_ago(firm)
    watch.tick()
    [(name, page)] = webhook.attachments
    assert name.endswith("weekly_digest.html")
    assert page.startswith(b"<!doctype html>")
