import pytest

from timix_assets.bounds import BOUNDS, DAY, Bound


@pytest.mark.parametrize("bound", [b for b in BOUNDS if b.name.endswith("_seconds")], ids=lambda bound: bound.name)
def test_a_limit_in_seconds_is_a_day_at_most_which_every_clock_of_the_system_can_count(bound: Bound) -> None:
    assert bound.range.read("86400") == DAY
    assert bound.range.read("86400.5") is None
    assert bound.range.read("1e10") is None
    assert bound.range.wanted.endswith(" to 86400")
