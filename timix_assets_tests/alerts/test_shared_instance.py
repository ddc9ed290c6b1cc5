"""On an instance shared with other teams, their runs neither alert nor end our known failures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import Failure, job, op

from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.watch import Watch, failure_alerts
from timix_assets_tests.instances import local_instance
from timix_assets_tests.runs import another_team
from timix_assets_tests.workspace import QUIET


@op
def fail() -> None:
    raise Failure("There is no room.")


@job(tags={"timix/job": "refresh_recent"})
def refresh_recent() -> None:
    fail()


@pytest.fixture
def watch(tmp_path: Path, webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
    with local_instance(tmp_path) as instance:
        lake = {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path / ".dagster")}
        watch = Watch(failure_alerts, lake, instance)
        watch.tick()
        yield watch


def ours_fails(watch: Watch) -> None:
    refresh_recent.execute_in_process(instance=watch.instance, run_config=QUIET, raise_on_error=False)


@pytest.mark.parametrize("labelled", [True, False], ids=["of a code location", "of a script"])
def test_failed_run_of_another_team_does_not_alert(labelled: bool, watch: Watch, webhook: WebhookReceiver) -> None:
    another_team.executed(watch.instance, fails=True, labelled=labelled)
    ours_fails(watch)
    watch.tick()
    assert webhook.titles == ["refresh_recent failed"]
    assert "There is no room." in webhook.messages[0][1]


@pytest.mark.long
def test_success_of_foreign_job_does_not_reset_suppression(watch: Watch, webhook: WebhookReceiver) -> None:
    for _ in range(2):
        ours_fails(watch)
        watch.tick()
        another_team.executed(watch.instance, "refresh_recent")
    assert len(webhook.messages) == 1
