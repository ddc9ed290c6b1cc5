"""The sensors, tick by tick, on real tables and a real webhook."""

import secrets
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

from timix_assets.alerts.failed_runs import GRACE
from timix_assets.alerts.ledger import opened
from timix_assets.automation.alerts import (
    ALERTS,
    budget_alerts,
    failure_alerts,
    key_expiry,
    last_monday,
    weekly_summary,
)
from timix_assets.automation.jobs import range_tags
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.metrics.tables import BUDGET_HEALTH, ORGANIZATION_KPIS, UNBILLED_AGING
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.watch import Watch

from ..conftest import TODAY

HEBREW = "פרויקט תשתיות"


@dataclass
class Firm:
    """A lake whose budgets a test sets as it likes."""

    folder: Path
    instance: DagsterInstance

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    @property
    def ledger(self) -> Path:
        """Of the alert of failed runs."""
        return self.folder / ".dagster" / "alerts" / "failure_alerts.json"

    def watch(self, sensor: SensorDefinition) -> Watch:
        return Watch(
            sensor,
            {"url": str(self.folder / "lake"), "state_folder": str(self.folder / ".dagster")},
            self.instance,
        )

    def budgets(self, *, named: str = "Apollo", as_of: date = TODAY, **used: int) -> None:
        """Project id -> hours used of a cap of 100, as a refresh would leave them."""
        rows = [
            {
                "level": "project",
                "project_id": project,
                "customer_id": "cus-1",
                "scope": "TM",
                "cap": 100,
                "used": hours,
                "burn": hours / 100,
                "status": "over_budget" if hours >= 100 else "at_risk" if hours >= 80 else "on_track",
                "as_of": as_of,
            }
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
        self.store(
            "rollups/organization_kpis", [kpis | {"as_of": as_of}], ORGANIZATION_KPIS.schema, ORGANIZATION_KPIS.key
        )
        self.store("rollups/unbilled_aging", [], UNBILLED_AGING.schema, UNBILLED_AGING.key)
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
def told(webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> WebhookReceiver:
    """The webhook, as the one URL that is configured."""
    monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
    return webhook


def test_every_alert_is_off_until_somebody_switches_it_on_and_says_what_it_does() -> None:
    assert [alert.name for alert in ALERTS] == ["budget_alerts", "failure_alerts", "key_expiry", "weekly_summary"]
    for alert in ALERTS:
        assert alert.default_status is DefaultSensorStatus.STOPPED
        assert alert.minimum_interval_seconds >= 60
        assert "TIMIX_ALERT_URLS" in (alert.description or "")


def test_a_crossing_is_one_message_however_often_the_sensor_looks(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70, b=95)
    watch.tick()
    assert told.messages == []
    assert "remembered how 2 budgets stand" in watch.said
    firm.budgets(a=85, b=95)
    for _ in range(3):
        watch.tick()
    assert told.titles == ["Apollo a: time and materials at risk"]
    assert "is as at the last look" in watch.said


def test_crossings_of_one_refresh_are_one_message_the_heaviest_burn_first(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70, b=75, c=50)
    watch.tick()
    firm.budgets(named=HEBREW, a=85, b=120, c=60)
    watch.tick()
    [(title, text)] = told.messages
    assert title == "2 budgets need attention"
    first, second = text.splitlines()[:2]
    assert f"{HEBREW} b" in first
    assert "over budget, was on track. Burn 120 %: 120 of a cap of 100 h" in first
    assert f"{HEBREW} a" in second
    assert "http://127.0.0.1:3000/assets/rollups/budget_health" in text


def test_it_is_told_again_only_after_it_recovered(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    for hours in (70, 85, 90, 70, 85):
        firm.budgets(a=hours)
        watch.tick()
    assert len(told.messages) == 2


def test_a_failed_delivery_is_made_up_at_the_next_tick_though_nothing_is_new(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    told.answers = 500
    firm.budgets(a=85)
    watch.tick()
    assert "1 message waits for a receiver: URL 1 of TIMIX_ALERT_URLS (json) did not take the message" in watch.said
    watch.tick()
    told.answers = 200
    watch.tick()
    watch.tick()
    assert len(told.messages) == 1
    assert "wait" not in watch.said


def test_a_lost_cursor_neither_doubles_nor_loses_a_message(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    for hours in (70, 85):
        firm.budgets(a=hours)
        watch.tick()
        watch.cursor = None
        watch.tick()
    firm.budgets(a=100)
    watch.cursor = None
    watch.tick()
    assert len(told.messages) == 2


def test_a_ledger_that_was_taken_away_is_a_first_look_again(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    [ledger] = (firm.folder / ".dagster" / "alerts").glob("*.json")
    ledger.unlink()
    watch.tick()
    assert "First look" in watch.said
    firm.budgets(a=85)
    watch.tick()
    assert len(told.messages) == 1


def test_a_tick_beside_another_process_that_delivers_waits_for_the_next(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    [ledger] = (firm.folder / ".dagster" / "alerts").glob("*.json")
    firm.budgets(a=85)
    with opened(ledger):
        watch.tick()
    assert "Another process is delivering" in watch.said
    watch.tick()
    assert len(told.messages) == 1


def test_without_any_url_the_event_log_has_it_once(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMIX_ALERT_URLS", raising=False)
    watch = firm.watch(budget_alerts)
    for hours in (70, 85, 85):
        firm.budgets(a=hours)
        watch.tick()
    [said] = watch.logged("rollups/budget_health")
    assert said.startswith("Apollo a: time and materials at risk\n• Apollo a, customer Acme")


def test_a_url_is_in_no_tick_no_log_no_event_and_no_file(
    firm: Firm, told: WebhookReceiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    watch, ticks = firm.watch(budget_alerts), []
    with caplog.at_level(1):
        for hours, told.answers in ((70, 200), (85, 403), (100, 403), (100, 200)):
            firm.budgets(a=hours)
            ticks.append(watch.tick())
    assert len(told.messages) == 2
    files = [path.read_bytes() for path in (firm.folder / ".dagster").rglob("*") if path.is_file()]
    logged = watch.logged("rollups/budget_health")
    assert told.secret not in f"{caplog.text}{capfd.readouterr()}{ticks}{files!r}{logged}{watch.cursor}"


def test_another_organizations_lake_in_the_same_place_is_a_first_look(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    for organization, hours in (("org-1", 70), ("org-2", 100)):
        firm.lake.memory.remember_organization(organization, None)
        firm.budgets(a=hours)
        watch.tick()
    assert told.messages == []


def test_a_lake_without_budgets_is_nothing_to_compare(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(budget_alerts)
    watch.tick()
    assert "rollups/budget_health was never computed" in watch.said


def test_a_wrong_number_of_days_fails_the_tick_with_a_sentence(
    firm: Firm, told: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_ALERT_DAYS", "soon")
    firm.budgets(a=70)
    with pytest.raises(Failure, match="TIMIX_ALERT_DAYS is 'soon'"):
        firm.watch(budget_alerts).tick()


def test_days_and_links_are_as_configured(firm: Firm, told: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_UI_URL", "https://lake.example/")
    monkeypatch.setenv("TIMIX_ALERT_DAYS", "30")
    row: dict[str, Any] = {
        "level": "project",
        "project_id": "a",
        "customer_id": "cus-1",
        "scope": "TM",
        "status": "on_track",
    }
    watch = firm.watch(budget_alerts)
    firm.budgets(a=70)
    watch.tick()
    row |= {"cap": 100, "used": 70, "burn": 0.7, "exhaustion_date": TODAY + timedelta(days=30), "as_of": TODAY}
    firm.store("rollups/budget_health", [row], BUDGET_HEALTH.schema, BUDGET_HEALTH.key)
    watch.tick()
    [(title, text)] = told.messages
    assert title == "Apollo a: time and materials soon used up"
    assert "At this rate used up on 18 Dec 2026." in text
    assert text.endswith("https://lake.example/assets/rollups/budget_health")


def test_days_are_counted_from_today_and_the_message_says_from_which_day_the_figures_are(
    firm: Firm, told: WebhookReceiver
) -> None:
    row: dict[str, Any] = {
        "level": "project",
        "project_id": "a",
        "customer_id": "cus-1",
        "scope": "TM",
        "status": "on_track",
    }
    row |= {"cap": 100, "used": 70, "burn": 0.7, "as_of": TODAY - timedelta(days=3)}
    watch = firm.watch(budget_alerts)
    firm.budgets(as_of=TODAY - timedelta(days=3), a=70)
    watch.tick()
    for days in (15, 14):
        exhausted = row | {"exhaustion_date": TODAY + timedelta(days=days)}
        firm.store("rollups/budget_health", [exhausted], BUDGET_HEALTH.schema, BUDGET_HEALTH.key)
        watch.tick()
        assert len(told.messages) == (days == 14)
    [(_, text)] = told.messages
    assert "At this rate used up on 2 Dec 2026." in text
    assert "As of 15 Nov 2026, computed 3 days ago; refresh first. http" in text


def test_what_got_worse_while_a_project_was_closed_is_told_as_soon_as_it_is_opened_again(
    firm: Firm, told: WebhookReceiver
) -> None:
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
    assert told.messages == []
    project("Active")
    watch.tick()
    assert len(told.messages) == 1


@op
def read(context: OpExecutionContext) -> None:
    if reason := context.run.tags.get("reason"):
        raise Failure(f"The key bbl_{secrets.token_hex(16)} was refused; {reason.removesuffix(' b')}.")


@op
def read_more(context: OpExecutionContext) -> None:
    if context.run.tags.get("reason") == "a b":
        raise Failure("There is no room.")


@job
def refresh_something() -> None:
    read()
    read_more()


@job
def refresh_another() -> None:
    read()


def run(instance: DagsterInstance, **tags: str) -> str:
    tags = range_tags(Months(date(2026, 9, 1), date(2026, 11, 1))) | tags
    return refresh_something.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id


def fail(instance: DagsterInstance, reason: str = "make a new one") -> str:
    return run(instance, reason=reason)


def test_a_failed_run_is_told_once_with_its_sentence_months_and_link(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    fail(firm.instance)
    watch.tick()
    assert told.messages == []
    run_id = fail(firm.instance)
    for _ in range(2):
        watch.tick()
    [(title, text)] = told.messages
    assert title == "refresh_something failed (2026-09 to 2026-11)"
    assert "• read: The key [key] was refused; make a new one.\n" in text
    assert text.endswith(f"http://127.0.0.1:3000/runs/{run_id}")


def test_the_key_is_in_no_failure_message(firm: Firm, told: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    key = f"bbl_{secrets.token_hex(16)}"
    monkeypatch.setenv("TIMIX_API_KEY", key)

    @op
    def leak() -> None:
        raise Failure(f"The server said {key[4:]} is wrong; so is {key} too.")

    @job
    def leaking() -> None:
        leak()

    watch = firm.watch(failure_alerts)
    watch.tick()
    leaking.execute_in_process(instance=firm.instance, raise_on_error=False)
    watch.tick()
    [(_, text)] = told.messages
    assert "The server said [key] is wrong; so is [key] too." in text


def test_two_failures_are_two_messages_and_a_repeated_look_none(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    before = watch.cursor
    fail(firm.instance)
    fail(firm.instance, "ask its owner")
    watch.tick()
    watch.cursor = before  # killed before the daemon stored it
    watch.tick()
    assert len(told.messages) == 2


def test_runs_that_fail_for_one_reason_are_one_message_until_their_job_has_ended_well(
    firm: Firm, told: WebhookReceiver
) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    fail(firm.instance)
    watch.tick()
    fail(firm.instance)
    fail(firm.instance)
    watch.tick()
    assert len(told.messages) == 1
    assert watch.said == "2 runs failed since the last look, 2 of them for reasons that were told."
    fail(firm.instance, "ask its owner")
    watch.tick()
    assert len(told.messages) == 2
    run(firm.instance)
    fail(firm.instance, "ask its owner")
    watch.tick()
    assert len(told.messages) == 3


def test_another_job_or_other_months_are_told_though_they_fail_for_the_same_reason(
    firm: Firm, told: WebhookReceiver
) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    fail(firm.instance)
    watch.tick()
    months = range_tags(Months(date(2024, 1, 1), date(2024, 12, 1)))
    run(firm.instance, reason="make a new one", **months)
    refresh_another.execute_in_process(
        instance=firm.instance, raise_on_error=False, tags={"reason": "make a new one", **months}
    )
    watch.tick()
    assert [title for title, _ in told.messages] == [
        "refresh_something failed (2026-09 to 2026-11)",
        "refresh_something failed (2024-01 to 2024-12)",
        "refresh_another failed (2024-01 to 2024-12)",
    ]


def test_a_reason_that_was_mended_is_news_when_it_returns(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    for reasons in ("a", "a b", "a", "a b"):
        fail(firm.instance, reasons)
        watch.tick()
    assert len(told.messages) == 3


def test_what_nobody_could_hear_is_told_once_somebody_can(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    fail(firm.instance)
    watch.tick()
    with WebhookReceiver() as receiver:
        monkeypatch.setenv("TIMIX_ALERT_URLS", receiver.url)
        fail(firm.instance)
        watch.tick()
        assert len(receiver.messages) == 1


def test_a_run_that_was_ended_after_a_known_failure_is_told_all_the_same(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    fail(firm.instance)
    watch.tick()
    killed = fail(firm.instance)
    firm.instance.add_run_tags(killed, {RUN_FAILURE_REASON_TAG: "UNEXPECTED_TERMINATION"})
    watch.tick()
    assert len(told.messages) == 2


def test_that_a_run_was_killed_is_news_each_time(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    for _ in range(2):
        firm.instance.report_run_failed(create_run_for_test(firm.instance, job_name="close_month"), "It was killed.")
    watch.tick()
    assert len(told.messages) == 2


def test_a_run_that_was_killed_is_told_in_its_own_words(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    run = create_run_for_test(firm.instance, job_name="close_month")
    firm.instance.report_run_failed(run, "Its process was killed: it holds its lake no more.")
    watch.tick()
    [(title, text)] = told.messages
    assert title == "close_month failed"
    assert "• the run: Its process was killed" in text


def test_a_failure_is_told_although_an_earlier_run_was_deleted_and_its_number_in_the_event_log_is_anothers_now(
    firm: Firm, told: WebhookReceiver
) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    first = fail(firm.instance)
    watch.tick()
    firm.instance.delete_run(first)
    second = fail(firm.instance, "ask its owner")
    watch.tick()
    watch.tick()
    assert [text.splitlines()[-1].rsplit("/")[-1] for _, text in told.messages] == [first, second]


def test_failures_from_before_the_first_look_are_never_told_even_when_somebody_tags_their_runs(
    firm: Firm, told: WebhookReceiver
) -> None:
    watch = firm.watch(failure_alerts)
    early = fail(firm.instance)
    watch.tick()
    firm.instance.add_run_tags(early, {"seen by": "us"})
    watch.tick()
    assert told.messages == []


def test_neither_a_reset_cursor_nor_a_ledger_moved_away_tells_anything_again(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(failure_alerts)
    watch.tick()
    fail(firm.instance)
    watch.tick()
    watch.cursor = None
    watch.tick()
    firm.ledger.unlink()
    watch.tick()
    watch.tick()
    assert len(told.messages) == 1


def test_the_cursor_of_an_earlier_version_tells_nothing_again_and_loses_nothing(
    firm: Firm, told: WebhookReceiver
) -> None:
    watch, known = firm.watch(failure_alerts), fail(firm.instance)
    with opened(firm.ledger) as ledger:
        ledger.record([known])
    watch.cursor = "2"
    news = fail(firm.instance)
    watch.tick()
    watch.tick()
    [(_, text)] = told.messages
    assert text.endswith(news)
    assert datetime.fromisoformat(watch.cursor) <= datetime.now(UTC)


@pytest.fixture
def retrying(tmp_path: Path) -> Iterator[Firm]:
    """The firm on an instance that starts killed runs once more, as dagster.yaml has it; its daemon is the test."""
    retries = {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    with DagsterInstance.local_temp(str(tmp_path), {"run_retries": retries}) as instance:
        yield Firm(tmp_path, instance)


ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(
        InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="timix_assets.definitions")), "__repository__"
    ),
    "close_month",
)


def killed(firm: Firm, origin: RemoteJobOrigin | None = ORIGIN) -> str:
    """A run that Dagster means to start again: from `origin`, without which it cannot."""
    run = create_run_for_test(firm.instance, job_name="close_month", remote_job_origin=origin)
    firm.instance.report_run_failed(run, "Its process was killed.")
    ended = firm.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.tags[WILL_RETRY_TAG] == "true"
    return run.run_id


def test_a_killed_refresh_of_the_command_line_is_told_at_once_whatever_dagster_means_to_do(
    retrying: Firm, told: WebhookReceiver
) -> None:
    watch = retrying.watch(failure_alerts)
    watch.tick()
    killed(retrying, origin=None)
    watch.tick()
    watch.tick()
    assert told.titles == ["close_month failed"]


def test_a_run_that_dagster_starts_again_by_itself_is_told_only_when_the_last_one_fails(
    retrying: Firm, told: WebhookReceiver
) -> None:
    watch = retrying.watch(failure_alerts)
    watch.tick()
    first = killed(retrying)
    watch.tick()
    assert "1 more may be started again" in watch.said
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
    assert told.messages == []
    retrying.instance.report_run_failed(again)
    watch.tick()
    watch.tick()
    [(_, text)] = told.messages
    assert text.endswith(again.run_id)


def test_a_run_whose_retry_does_not_come_is_told_after_a_while(retrying: Firm, told: WebhookReceiver) -> None:
    watch = retrying.watch(failure_alerts)
    watch.tick()
    run_id = killed(retrying)
    watch.tick()
    assert told.messages == []
    waited(retrying)
    watch.tick()
    watch.tick()
    [(_, text)] = told.messages
    assert text.endswith(run_id)


def waited(firm: Firm) -> None:
    """As if the runs whose retry is waited for had been seen so much earlier."""
    with opened(firm.ledger) as ledger:
        waiting = {run_id: datetime.fromisoformat(first) - GRACE for run_id, first in ledger.memory["waiting"].items()}
        ledger.record(ledger.memory | {"waiting": {run_id: first.isoformat() for run_id, first in waiting.items()}})


def test_the_keys_end_is_told_when_it_is_near_and_again_for_the_key_that_replaced_it(
    firm: Firm, told: WebhookReceiver
) -> None:
    watch, now = firm.watch(key_expiry), datetime.now(UTC)
    for name, days in (("old", 20), ("old", 12.5), ("new", 6.5), ("new", 90)):
        firm.me(now + timedelta(days=days), name)
        watch.tick()
        watch.tick()
    assert told.titles == ["The Timix API key old expires in 12 days", "The Timix API key new expires in 6 days"]


def test_a_key_without_an_end_is_no_news(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(key_expiry)
    watch.tick()
    assert "timix/me was never read" in watch.said
    firm.me(None)
    watch.tick()
    assert watch.said == "The key does not expire."
    assert told.messages == []


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        (datetime(2026, 11, 16, 7, 59), date(2026, 11, 9)),
        (datetime(2026, 11, 16, 8, 0), date(2026, 11, 16)),
        (datetime(2026, 11, 18, 3, 0), date(2026, 11, 16)),
        (datetime(2026, 11, 22, 23, 0), date(2026, 11, 16)),
    ],
)
def test_the_weeks_summary_is_due_from_monday_morning_on(now: datetime, monday: date) -> None:
    assert last_monday(now) == monday


def test_the_first_summary_comes_on_the_next_monday_and_then_once_a_week(firm: Firm, told: WebhookReceiver) -> None:
    watch = firm.watch(weekly_summary)
    watch.tick()
    assert "due next Monday" in watch.said
    a_week_ago(firm)
    watch.tick()
    assert "rollups/organization_kpis is not in the lake yet" in watch.said
    firm.budgets(a=120)
    firm.october()
    for _ in range(2):
        watch.tick()
    [(title, text)] = told.messages
    assert title == "Acme Inc as of 18 Nov 2026"
    assert "• October 2026: 75 % billable, 90 % in all (90 of 100 h)" in text
    assert "• Apollo a, customer Acme: time and materials over budget, burn 120 %" in text
    assert watch.logged("rollups/organization_kpis") == [f"{title}\n{text}"]


def test_a_summary_of_figures_that_were_computed_earlier_keeps_their_day_and_says_how_old_they_are(
    firm: Firm, told: WebhookReceiver
) -> None:
    watch = firm.watch(weekly_summary)
    watch.tick()
    a_week_ago(firm)
    firm.budgets(as_of=TODAY - timedelta(days=1), a=120)
    firm.october(as_of=TODAY - timedelta(days=16))
    watch.tick()
    [(title, text)] = told.messages
    assert title == "Acme Inc as of 2 Nov 2026"
    assert text.splitlines()[0] == "Computed 16 days ago; refresh first."
    assert "• October 2026: 75 % billable" in text


def a_week_ago(firm: Firm) -> None:
    """Sets the ledger back, as if the last summary had been that of the Monday before."""
    [path] = (firm.folder / ".dagster" / "alerts").glob("weekly_summary-*.json")
    with opened(path) as ledger:
        ledger.record({"monday": str(date.fromisoformat(ledger.memory["monday"]) - timedelta(days=7))})
