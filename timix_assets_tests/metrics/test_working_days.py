"""Working days as numbers: counting without a calendar table."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.metrics import working_days

dates = st.dates(date(1900, 1, 1), date(2200, 12, 31))
weeks = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))

unhurried = settings(deadline=None)


def between(first: date, last: date, weekdays: tuple[int, ...]) -> int:
    return pl.select(working_days.between(pl.lit(first), pl.lit(last), weekdays)).item()


@unhurried
@given(first=dates, length=st.integers(-5, 60), weekdays=weeks)
def test_between_counts_every_working_day(first: date, length: int, weekdays: tuple[int, ...]):
    walked = sum((first + timedelta(days=n)).weekday() in weekdays for n in range(length + 1))
    assert between(first, first + timedelta(days=length), weekdays) == walked


@unhurried
@given(day=dates, weekdays=weeks)
def test_day_with_inverts_number(day: date, weekdays: tuple[int, ...]):
    found = pl.select(working_days.day_with(working_days.number(pl.lit(day), weekdays), weekdays)).item()
    last = next(d for n in range(7) if (d := day - timedelta(days=n)).weekday() in weekdays)
    assert found == last


def test_between_includes_both_ends():
    assert between(date(2026, 3, 2), date(2026, 3, 6), working_days.MONDAY_TO_FRIDAY) == 5


def test_between_is_zero_when_last_is_before_first():
    assert between(date(2026, 3, 6), date(2026, 3, 2), working_days.MONDAY_TO_FRIDAY) == 0


def test_between_counts_the_leap_day():
    assert between(date(2028, 2, 28), date(2028, 3, 1), working_days.MONDAY_TO_FRIDAY) == 3
