"""A range of months."""

from datetime import date

import pytest

from timix_assets.lake.errors import LakeError
from timix_assets.lake.months import Months

from .rows import FEBRUARY, JANUARY, MARCH


@pytest.mark.parametrize(("first", "last"), [(date(2025, 2, 1), JANUARY), (date(2025, 1, 2), MARCH)])
def test_invalid_month_range_is_refused(first: date, last: date) -> None:
    with pytest.raises(LakeError, match="range of months"):
        Months(first, last)


def test_month_range_crosses_the_year() -> None:
    assert [f"{month:%Y-%m}" for month in Months(date(2024, 11, 1), FEBRUARY)] == [
        "2024-11",
        "2024-12",
        "2025-01",
        "2025-02",
    ]


def test_ranges_that_share_one_month_overlap() -> None:
    first, second = Months(JANUARY, FEBRUARY), Months(FEBRUARY, MARCH)
    assert first.overlaps(second)
    assert second.overlaps(first)
    assert not Months(JANUARY, JANUARY).overlaps(second)
    assert not second.overlaps(Months(JANUARY, JANUARY))
