"""When key expiry alerts fire, and their message."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.alerts.key_expiry import (
    KEY_EXPIRY_STATE,
    ApiKey,
    KeyExpiryState,
    is_due,
    key_expiry_message,
    reached_threshold,
)

LINK = "http://127.0.0.1:3000/assets/timix/me"
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


def left(**time: float) -> ApiKey:
    return ApiKey("lake", NOW + timedelta(**time))


@pytest.mark.parametrize(
    ("key", "reached"),
    [
        (left(days=15), None),
        (left(days=14, seconds=1), None),
        (left(days=14), 14),
        (left(days=8), 14),
        (left(days=7), 7),
        (left(days=1), 1),
        (left(days=-3), 1),
        (ApiKey("lake", None), None),
    ],
)
def test_reached_threshold_is_the_smallest(key: ApiKey, reached: int | None) -> None:
    assert reached_threshold(key, NOW) == reached


@given(st.lists(st.floats(0, 30), max_size=60))
def test_each_threshold_alerts_once_and_the_last_always(ages: list[float]) -> None:
    key, reported, alerts = left(days=30), None, []
    for age in [*sorted(ages), 29.5]:
        reached = reached_threshold(key, NOW + timedelta(days=age))
        if is_due(reached, reported):
            reported = reached
            alerts.append(reached)
    assert alerts == sorted(set(alerts), key=lambda days: -(days or 0))
    assert alerts[-1] == 1


def test_message_names_the_key_of_a_workspace() -> None:
    key = ApiKey("", datetime(2026, 12, 1, tzinfo=UTC))
    message = key_expiry_message(key, datetime(2026, 11, 30, tzinfo=UTC), "acme/timix/me", LINK, "acme")
    assert "set it as the api_key of the workspace acme and restart Dagster" in message.text


def test_message_has_days_and_moment_of_expiry() -> None:
    now = datetime(2026, 11, 18, 12, tzinfo=UTC)
    message = key_expiry_message(ApiKey("lake", now + timedelta(days=13, hours=5)), now, "timix/me", LINK)
    assert message.title == "The Timix API key lake expires in 13 days"
    assert "It expires on 1 Dec 2026, 17:00 UTC" in message.text
    assert (
        key_expiry_message(ApiKey("", now - timedelta(hours=1)), now, "timix/me", LINK).title
        == "The Timix API key has expired"
    )
    assert "in 1 day" in key_expiry_message(ApiKey("", now + timedelta(hours=3)), now, "timix/me", LINK).title


def test_reads_state_of_version_0_1() -> None:
    assert KEY_EXPIRY_STATE.validate_python({"key": ["lake", "2026"], "said": 7}) == KeyExpiryState(("lake", "2026"), 7)
