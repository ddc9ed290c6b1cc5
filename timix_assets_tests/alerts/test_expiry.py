"""When the key's end is worth a message."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.alerts.expiry import Key, is_due, threshold

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


def left(**time: float) -> Key:
    return Key("lake", NOW + timedelta(**time))


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
        (Key("lake", None), None),
    ],
)
def test_the_smallest_threshold_that_was_reached_counts(key: Key, reached: int | None) -> None:
    assert threshold(key, NOW) == reached


@given(st.lists(st.floats(0, 30), max_size=60))
def test_whenever_one_looks_each_threshold_is_said_at_most_once_and_the_last_one_surely(ages: list[float]) -> None:
    key, said, words = left(days=30), None, []
    for age in [*sorted(ages), 29.5]:
        reached = threshold(key, NOW + timedelta(days=age))
        if is_due(reached, said):
            said = reached
            words.append(reached)
    assert words == sorted(set(words), key=lambda days: -(days or 0))
    assert words[-1] == 1
