from datetime import date
from decimal import Decimal

import pytest

from timix_assets.charts.rendering import against_target, as_markdown, left_out
from timix_assets.charts.time_axis import month_labels, week_labels

from .tables import months


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.73, "2 points below the target of 75 %"),
        (0.76, "1 point above the target of 75 %"),
        (0.7501, "on the target of 75 %"),
    ],
)
def test_title_shows_the_distance_to_the_target(ratio: float, words: str) -> None:
    assert against_target(ratio, Decimal("0.75")) == words


def test_month_labels_fit_the_width() -> None:
    assert list(month_labels(months(3), width=300).values()) == [["Sep", "2026"], ["Oct"], ["Nov"]]
    assert list(month_labels(months(12), width=120).values()) == [["Jan", "2026"], ["Apr"], ["Jul"], ["Oct"]]


def test_first_of_many_names_left_out_are_listed() -> None:
    assert left_out([]) == ""
    assert left_out(["CHF", "JPY"]) == "Left out: CHF, JPY."
    assert left_out(list("ABCDEFGH")) == "Left out: A, B, C, D, E, F and 2 more."


def test_partial_week_has_an_asterisk() -> None:
    weeks = [date(2026, 10, 26), date(2026, 11, 2), date(2026, 11, 9)]

    assert list(week_labels(weeks, partial=frozenset(weeks[-1:])).values()) == ["Oct", "Nov", "*"]


def test_markdown_has_the_chart_and_its_alt_text() -> None:
    assert as_markdown("svg", "burn [2026]\nof caps") == "![burn (2026) of caps](data:image/svg+xml;base64,c3Zn)"
