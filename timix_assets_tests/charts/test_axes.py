import pytest

from timix_assets.charts.axes import Scale, bottom_axis, plain, round_scale, ticks

from .shapes import words


@pytest.mark.parametrize(
    ("low", "high", "about", "at"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 1.26, 5, [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2]),
        (-0.5, 2, 5, [-0.5, 0, 0.5, 1, 1.5, 2]),
        (0, 1_500_000, 3, [0, 500_000, 1_000_000, 1_500_000]),
        (0, 0.003, 3, [0, 0.001, 0.002, 0.003]),
    ],
)
def test_ticks_are_round(low: float, high: float, about: int, at: list[float]) -> None:
    assert ticks(Scale(low, high, 0, 100), about) == at


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([3, 180], 0, 200), ([-30, 180], -50, 200), ([0], 0, 1), ([], 0, 1), ([-1], -1, 0), ([1e15], 0, 1e15)],
)
def test_scale_ends_at_ticks_and_holds_0(values: list[float], low: float, high: float) -> None:
    scale = round_scale(values, 4, start=100, end=0)

    assert (scale.low, scale.high) == (low, high)
    assert (scale(low), scale(high)) == (100, 0)


def test_value_beyond_the_axis_is_drawn_at_its_end() -> None:
    assert Scale(0, 1, 0, 100)(7) == 100


def test_labels_that_would_touch_are_left_out() -> None:
    drawn = bottom_axis(Scale(0, 1, 0, 40), 10, [0, 0.1, 0.2, 0.9], plain, "Share").svg

    assert words(f"<svg>{drawn}</svg>") == ["Share", "0", "0.9"]
