"""When alerts on failing sensors and schedules fire, and their messages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType, TickStatus

from timix_assets.alerts.failing_ticks import ALERT_AFTER, Automation, FailedTick, FailingState, find_failing
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.ticks import Ticks
from timix_assets_tests.alerts.watch import Watch, failure_alerts
from timix_assets_tests.instances import local_instance

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def sensor(*failed: datetime, success: datetime | None = None, is_schedule: bool = False) -> Automation:
    return Automation("timix_changes", is_schedule, success, [FailedTick(at, f"at {at:%H:%M}") for at in failed])


def test_alerts_once_after_15_minutes_of_failures() -> None:
    transitions, failing = find_failing([sensor(NOON, NOON + ALERT_AFTER - MINUTE)], {}, NOON + ALERT_AFTER)
    assert transitions == []
    assert failing == {"timix_changes": FailingState(NOON, alerted=False)}
    [transition], failing = find_failing([sensor(NOON + ALERT_AFTER)], failing, NOON + ALERT_AFTER)
    assert (transition.since, transition.until, transition.reason) == (NOON, NOON + ALERT_AFTER, "at 12:15")
    assert find_failing([sensor(NOON + 2 * ALERT_AFTER)], failing, NOON + 2 * ALERT_AFTER) == ([], failing)


def test_first_failure_dates_and_latest_explains() -> None:
    [transition], _ = find_failing([sensor(NOON + 5 * MINUTE, NOON + ALERT_AFTER, NOON)], {}, NOON + ALERT_AFTER)
    assert (transition.since, transition.reason) == (NOON, "at 12:15")


def test_single_failure_before_stop_does_not_alert() -> None:
    assert find_failing([sensor(NOON)], {}, NOON + timedelta(days=1))[0] == []


def test_schedule_alerts_after_one_failure() -> None:
    assert find_failing([sensor(NOON, is_schedule=True)], {}, NOON + ALERT_AFTER - MINUTE)[0] == []
    assert len(find_failing([sensor(NOON, is_schedule=True)], {}, NOON + ALERT_AFTER)[0]) == 1


def test_success_after_alert_reports_recovery_once() -> None:
    success = NOON + 20 * MINUTE
    [transition], failing = find_failing(
        [sensor(success=success)], {"timix_changes": FailingState(NOON, alerted=True)}, success
    )
    assert (transition.since, transition.until, transition.reason) == (NOON, success, None)
    assert failing == {}


def test_success_before_alert_sends_nothing() -> None:
    known = {"timix_changes": FailingState(NOON, alerted=False)}
    assert find_failing([sensor(success=NOON + MINUTE)], known, NOON + MINUTE) == ([], {})


def test_success_restarts_the_15_minutes() -> None:
    known = {"timix_changes": FailingState(NOON, alerted=False)}
    transitions, failing = find_failing(
        [sensor(NOON + 14 * MINUTE, NOON + 16 * MINUTE, success=NOON + 13 * MINUTE)], known, NOON
    )
    assert transitions == []
    assert failing["timix_changes"].since == NOON + 14 * MINUTE


def test_recovery_and_new_failure_are_both_reported() -> None:
    known = {"timix_changes": FailingState(NOON, alerted=True)}
    later = NOON + timedelta(hours=1)
    transitions, _ = find_failing(
        [sensor(later, later + ALERT_AFTER, success=later - MINUTE)], known, later + ALERT_AFTER
    )
    assert [each.reason is None for each in transitions] == [True, False]


def test_success_at_moment_of_failure_is_not_recovery() -> None:
    known = {"timix_changes": FailingState(NOON, alerted=True)}
    assert find_failing([sensor(NOON + MINUTE, success=NOON)], known, NOON) == ([], known)


def test_forgets_stopped_but_not_purged_automations() -> None:
    known = {"timix_changes": FailingState(NOON, alerted=True)}
    assert find_failing([], known, NOON) == ([], {})
    assert find_failing([sensor()], known, NOON) == ([], known)


@pytest.fixture
def watch(tmp_path: Path, webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """The sensor after its first tick, on an instance with real storage."""
    monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
    with local_instance(tmp_path) as instance:
        watch = Watch(
            failure_alerts, {"url": str(tmp_path / "l"), "state_folder": str(tmp_path / ".dagster")}, instance
        )
        watch.tick()
        yield watch


def test_failure_and_recovery_are_one_message_each(watch: Watch, webhook: WebhookReceiver) -> None:
    ticks = Ticks(watch.instance)
    ticks.add(TickStatus.SKIPPED, 21 * MINUTE)
    ticks.add(TickStatus.FAILURE, 20 * MINUTE)
    watch.tick()
    assert webhook.messages == []
    ticks.add(TickStatus.FAILURE, 4 * MINUTE)
    for _ in range(3):
        watch.tick()
        assert "timix_changes has been failing since" in watch.reason
    ticks.add(TickStatus.STARTED, timedelta())
    watch.tick()
    [(title, text)] = webhook.messages
    since = f"{datetime.now(UTC) - 20 * MINUTE:%H:%M} UTC"
    assert title.startswith("The sensor timix_changes has been failing since ")
    assert title.endswith(since)
    assert "• The key was refused; make a new one." in text
    assert text.endswith("http://127.0.0.1:3000/locations/timix_assets/sensors/timix_changes")
    ticks.add(TickStatus.SKIPPED, timedelta())
    for _ in range(2):
        watch.tick()
    [_, (title, text)] = webhook.messages
    assert title == "The sensor timix_changes has recovered"
    assert f"{since} to " in text
    assert "failing" not in watch.reason


def test_schedule_message_links_to_its_page(watch: Watch, webhook: WebhookReceiver) -> None:
    Ticks(watch.instance, "recent_hourly", kind=InstigatorType.SCHEDULE).add(TickStatus.FAILURE, 16 * MINUTE)
    watch.tick()
    [(title, text)] = webhook.messages
    assert title.startswith("The schedule recent_hourly has been failing since ")
    assert text.endswith("/locations/timix_assets/schedules/recent_hourly")


def test_ignores_stopped_and_foreign_automations(watch: Watch, webhook: WebhookReceiver) -> None:
    theirs = Ticks(watch.instance, location="another_team")
    off = Ticks(watch.instance, "budget_alerts", status=InstigatorStatus.STOPPED)
    for ticks in (theirs, off):
        for ago in (30, 1):
            ticks.add(TickStatus.FAILURE, ago * MINUTE)
    watch.tick()
    assert webhook.messages == []


def test_stopping_a_failing_sensor_sends_nothing(watch: Watch, webhook: WebhookReceiver) -> None:
    ticks = Ticks(watch.instance)
    for ago in (30, 1):
        ticks.add(TickStatus.FAILURE, ago * MINUTE)
    watch.tick()
    ticks.switch_off()
    watch.tick()
    assert len(webhook.messages) == 1
    assert "failing" not in watch.reason


def test_start_of_failure_survives_purged_ticks(watch: Watch, webhook: WebhookReceiver) -> None:
    ticks = Ticks(watch.instance)
    ticks.add(TickStatus.FAILURE, 20 * MINUTE)
    watch.tick()
    watch.instance.purge_ticks(
        ticks.state.instigator_origin_id,
        ticks.state.selector_id,
        before=datetime.now(UTC).timestamp(),
        tick_statuses=[TickStatus.FAILURE],
    )
    ticks.add(TickStatus.FAILURE, timedelta())
    watch.tick()
    assert len(webhook.messages) == 1


def test_masks_key_in_reason(watch: Watch, webhook: WebhookReceiver) -> None:
    ticks = Ticks(watch.instance)
    for ago in (30, 1):
        ticks.add(TickStatus.FAILURE, ago * MINUTE, f"The key bbl_{'a1' * 20} was refused.")
    watch.tick()
    assert "The key [key] was refused." in webhook.messages[0][1]
