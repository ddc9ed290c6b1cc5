"""The sensors on machines that share a lake in an object store and nothing else: each alert is sent once."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from dagster import DagsterInstance, Failure, SensorDefinition
from dagster._core.test_utils import create_run_for_test

from timix_assets.alerts.failed_runs import RETRY_GRACE
from timix_assets.alerts.outbox_object import FOLDER
from timix_assets.lake.maintenance import list_tables
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.watch import Watch, budget_alerts, failure_alerts, weekly_summary
from timix_assets_tests.instances import local_instance
from timix_assets_tests.lake.s3 import store

from ..conftest import TODAY
from .test_alert_sensors import OURS, Firm, killed

pytestmark = pytest.mark.long


@dataclass
class Machine(Firm):
    """One machine: its state folder, its Dagster instance and the lake."""

    url: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        return Lake(self.url, self.options)

    def watch(self, sensor: SensorDefinition) -> Watch:
        state = str(self.folder / ".dagster")
        return Watch(sensor, {"url": self.url, "storage_options": self.options, "state_folder": state}, self.instance)

    def stored(self, alert: str) -> tuple[str, bytes]:
        """The name of the alert's outbox in the lake, and its content."""
        found = [each["path"] for batch in open_store(self.url, self.options).list(FOLDER) for each in batch]
        [path] = [path for path in found if path.startswith(f"{FOLDER}/{alert}-") and path.endswith(".json")]
        return path, bytes(open_store(self.url, self.options).get(path).bytes())


New = Callable[..., Machine]


@pytest.fixture
def machine(tmp_path: Path, url: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> New:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    return lambda name, instance: Machine(tmp_path / name, instance, url, options)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as temporary:
        yield temporary


@pytest.fixture
def webhook(webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> WebhookReceiver:
    monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
    return webhook


@pytest.mark.fault(59)
def test_an_alert_of_one_machine_is_not_repeated_by_another(
    machine: New, instance: DagsterInstance, webhook: WebhookReceiver
) -> None:
    first, second = machine("first", instance), machine("second", instance)
    first.budgets(a=70)
    first.watch(budget_alerts).tick()
    first.budgets(a=85)
    for each in (first, second, first):
        each.watch(budget_alerts).tick()
    assert webhook.titles == ["Apollo a: time and materials budget at risk"]
    second.budgets(a=100)
    for each in (second, first):
        each.watch(budget_alerts).tick()
    assert len(webhook.messages) == 2
    assert not list(first.folder.rglob("budget_alerts*")) + list(second.folder.rglob("budget_alerts*"))


def test_another_machine_delivers_with_the_page_what_the_first_could_not(
    machine: New,
    instance: DagsterInstance,
    refreshed_once: Path,
    webhook: WebhookReceiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIMIX_ALERT_DIGEST", "page")
    first, second = machine("first", instance), machine("second", instance)
    lake = open_store(first.url, first.options)
    for path in (refreshed_once / "lake").rglob("*"):
        if path.is_file():
            lake.put(str(path.relative_to(refreshed_once / "lake")), path.read_bytes())
    first.watch(weekly_summary).tick()
    name, content = first.stored("weekly_summary")
    outbox = json.loads(content)
    outbox["state"]["monday"] = str(date.fromisoformat(outbox["state"]["monday"]) - timedelta(days=7))
    lake.put(name, json.dumps(outbox).encode())
    webhook.answers = 503
    first.watch(weekly_summary).tick()
    shutil.rmtree(first.folder / ".dagster", ignore_errors=True)
    webhook.answers = 200
    second.watch(weekly_summary).tick()
    [(name, page)] = webhook.attachments
    assert name.endswith("weekly_digest.html")
    assert page.startswith(b"<!doctype html>")


RETRIES = {"run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}}


def test_instances_that_share_a_lake_report_their_own_failures(
    machine: New, tmp_path: Path, webhook: WebhookReceiver
) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with (
        local_instance(folders[0], RETRIES) as one,
        local_instance(folders[1], RETRIES) as other,
    ):
        first, second = machine("first", one), machine("second", other)
        watches = [first.after_first_tick(failure_alerts), second.after_first_tick(failure_alerts)]
        waiting = killed(first)
        reported = killed(second, origin=None)
        for watch in (*watches, *watches):
            watch.tick()
        assert [text.rsplit("/", 1)[1] for _, text in webhook.messages] == [reported]
        assert "1 more run may be retried" in watches[0].reason
        long_ago(first)
        for watch in (*watches, *watches):
            watch.tick()
    assert [text.rsplit("/", 1)[1] for _, text in webhook.messages] == [reported, waiting]


def long_ago(machine: Machine) -> None:
    """As if the runs whose retry is awaited had been seen earlier, by the grace."""
    lake = open_store(machine.url, machine.options)
    for path in [each["path"] for batch in lake.list(FOLDER) for each in batch]:
        outbox = json.loads(bytes(lake.get(path).bytes()))
        outbox["state"]["waiting"] = {
            run_id: (datetime.fromisoformat(first) - RETRY_GRACE).isoformat()
            for run_id, first in outbox["state"]["waiting"].items()
        }
        lake.put(path, json.dumps(outbox).encode())


def failed(instance: DagsterInstance) -> str:
    run = create_run_for_test(instance, job_name="close_month", tags=OURS)
    instance.report_run_failed(run)
    return str(run.run_id)


def test_machines_of_one_instance_report_a_failure_once(
    machine: New, instance: DagsterInstance, webhook: WebhookReceiver
) -> None:
    first, second = machine("first", instance), machine("second", instance)
    first.after_first_tick(failure_alerts)
    run_id = failed(instance)
    for each in (second, first, second):
        each.watch(failure_alerts).tick()
    [(_, text)] = webhook.messages
    assert text.endswith(run_id)


def test_an_upgrade_repeats_no_alert(machine: New, instance: DagsterInstance, webhook: WebhookReceiver) -> None:
    first, second = machine("first", instance), machine("second", instance)
    first.budgets(a=70)
    first.watch(budget_alerts).tick()
    first.budgets(a=85)
    first.watch(budget_alerts).tick()
    # As an earlier release left it: the outbox in the state folder of the machine, and none in the lake.
    path, content = first.stored("budget_alerts")
    file = first.folder / ".dagster" / "alerts" / Path(path).name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    open_store(first.url, first.options).delete(path)
    for each in (first, second, first):
        each.watch(budget_alerts).tick()
    assert len(webhook.messages) == 1
    assert not file.exists()
    first.budgets(a=100)
    second.watch(budget_alerts).tick()
    assert len(webhook.messages) == 2


def test_a_store_that_is_away_fails_the_tick_and_loses_nothing(
    tmp_path: Path, url: str, instance: DagsterInstance, webhook: WebhookReceiver
) -> None:
    away = Event()
    with store(away=away) as (options, _):
        machine = Machine(tmp_path, instance, url, options)
        watch = machine.after_first_tick(failure_alerts)
        failed(instance)
        away.set()
        with pytest.raises(Failure, match="The alert outbox .* cannot be read .* The next tick continues"):
            watch.tick()
        away.clear()
        watch.tick()
    assert len(webhook.messages) == 1


def test_outboxes_are_no_tables(machine: New, instance: DagsterInstance, webhook: WebhookReceiver) -> None:
    first = machine("first", instance)
    first.budgets(a=70)
    first.watch(budget_alerts).tick()
    first.watch(failure_alerts).tick()
    first.stored("failure_alerts")
    tables = ["rollups/budget_health", "timix/customers", "timix/projects"]
    assert first.lake.names() == list_tables(first.url, first.options) == tables
