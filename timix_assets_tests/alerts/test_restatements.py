"""When restatement alerts fire, and their message."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from timix_assets.alerts.restatements import (
    RESTATEMENTS,
    Restatement,
    find_new,
    read_restatements,
    restatement_message,
)
from timix_assets.lake.tables import Lake
from timix_assets.metrics.restatements import RESTATEMENTS as TABLE
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.alerts.watch import Watch, restatement_alerts

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


def change(month: date = JANUARY, hours: str = "-2", currency: str = "USD") -> Restatement:
    return Restatement(month, currency, 1, 2, {"hours": Decimal(hours), "revenue": Decimal("-180"), "cost": None})


def test_each_change_of_a_month_is_reported_once() -> None:
    new, reported = find_new([change()], {})
    assert new == [change()]
    assert find_new([change()], reported) == ([], reported)
    assert find_new([change(hours="-3")], reported)[0] == [change(hours="-3")]


def test_a_month_is_new_again_after_it_was_as_closed() -> None:
    _, reported = find_new([change(), change(FEBRUARY)], {})
    _, reported = find_new([change(FEBRUARY)], reported)
    assert find_new([change(), change(FEBRUARY)], reported)[0] == [change()]


def test_the_message_names_months_figures_and_currencies() -> None:
    message = restatement_message([change()], RESTATEMENTS, "http://ui")
    assert message.title == "Jan 2026, a closed month, has changed"
    assert "• Jan 2026: hours −2 h, revenue −180 USD, cost cannot be compared (1 person, 2 projects)." in message.text
    assert restatement_message([change(), change(FEBRUARY)], "", "").title == "2 closed months have changed"


def rows(*changed: tuple[date, str | None]) -> pl.DataFrame:
    """Rows of the table: Ann's 8 hours in a closed month, of which the second value is what they are now."""
    return pl.DataFrame(
        [
            {
                "month": month,
                "user_id": "ann",
                "project_id": "site",
                "currency": "USD",
                "closed_hours": Decimal(8),
                "hours": None if now is None else Decimal(now),
                "hours_difference": None if now is None else Decimal(now) - 8,
                "is_restated": now != "8",
            }
            for month, now in changed
        ],
        TABLE.schema,
    )


def write(lake: Lake, *changed: tuple[date, str | None]) -> None:
    lake.replace(RESTATEMENTS, rows(*changed), key=TABLE.key)


def test_unchanged_months_are_not_listed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    write(lake, (JANUARY, "8"), (FEBRUARY, "7"))
    [found] = read_restatements(lake)
    assert (found.month, found.people, found.differences["hours"]) == (FEBRUARY, 1, Decimal(-1))


def test_the_sensor_alerts_at_the_first_tick_and_not_again(
    tmp_path: Path, webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_ALERT_URLS", webhook.url)
    lake = Lake(str(tmp_path / "lake"))
    resource = {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path / ".dagster")}
    watch = Watch(restatement_alerts, resource, DagsterInstance.ephemeral())
    watch.tick()
    assert "has not been computed yet" in watch.reason

    write(lake, (JANUARY, "7"))
    watch.tick()
    watch.tick()
    assert webhook.titles == ["Jan 2026, a closed month, has changed"]
    write(lake, (JANUARY, "6"))
    watch.tick()
    assert len(webhook.titles) == 2
