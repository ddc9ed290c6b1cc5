from datetime import date
from decimal import Decimal

import pytest

from timix_assets.charts.picture import as_markdown
from timix_assets.charts.text import (
    against_target,
    label,
    left_out,
    looked_up,
    month_texts,
    number,
    percent,
    percent_reached,
    week_texts,
)

from .tables import HEBREW, HOSTILE, months

START, END = "\u2067", "\u2069"


def test_a_long_name_ends_in_an_ellipsis() -> None:
    assert label("Maximiliane Schwarzenbach", None, length=12) == "Maximiliane…"


def test_a_hebrew_name_is_isolated_with_its_ellipsis_inside() -> None:
    shown = label(HEBREW, None, length=20)

    assert shown.startswith(START)
    assert shown.endswith(f"…{END}")
    assert len(shown) <= 20 + len(START + END)


def test_a_latin_name_with_hebrew_in_it_runs_from_left_to_right() -> None:
    assert label("Amit ברק", None, length=20) == "Amit ברק"


def test_digits_before_hebrew_do_not_decide_the_direction() -> None:
    assert label("2026 אתר", None, length=20).startswith(START)


def test_control_characters_are_dropped() -> None:
    assert label(HOSTILE, None, length=60) == "<b>&\"'\\ ${datum} [x](y)"


@pytest.mark.parametrize(
    ("name", "identifier", "shown"), [(None, "u1", "u1"), ("", "u1", "u1"), (None, None, "unknown")]
)
def test_without_a_name_the_id_stands(name: str | None, identifier: str | None, shown: str) -> None:
    assert label(name, identifier, length=20) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [("1234567.4", "1,234,567"), ("99.96", "100"), ("0.5", "0.5"), ("-1234", "−1,234"), ("-0.01", "0"), ("0", "0")],
)
def test_numbers_have_separators_and_a_true_minus(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


def test_a_share_of_a_cap_is_rounded_down() -> None:
    assert percent_reached(Decimal("99.99"), Decimal(100)) == "99 %"
    assert percent_reached(Decimal("0.29"), Decimal(1)) == "29 %"
    assert percent_reached(Decimal(-1), Decimal(3)) == "−34 %"
    assert percent_reached(Decimal(10**9), Decimal(1)) == "> 9,999 %"
    assert percent(0.9999) == "100 %"


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.73, "2 points below the target of 75 %"),
        (0.76, "1 point above the target of 75 %"),
        (0.7501, "on the target of 75 %"),
    ],
)
def test_the_title_says_how_far_the_target_is(ratio: float, words: str) -> None:
    assert against_target(ratio, Decimal("0.75")) == words


def test_months_are_named_as_often_as_there_is_room() -> None:
    assert list(month_texts(months(3), width=300).values()) == [["Sep", "2026"], ["Oct"], ["Nov"]]
    assert list(month_texts(months(12), width=120).values()) == [["Jan", "2026"], ["Apr"], ["Jul"], ["Oct"]]


def test_of_many_names_left_out_the_first_are_said() -> None:
    assert left_out([]) == ""
    assert left_out(["CHF", "JPY"]) == "Left out: CHF, JPY."
    assert left_out(list("ABCDEFGH")) == "Left out: A, B, C, D, E, F and 2 more."


def test_a_week_counted_in_part_has_an_asterisk() -> None:
    weeks = [date(2026, 10, 26), date(2026, 11, 2), date(2026, 11, 9)]

    assert list(week_texts(weeks, partial=frozenset(weeks[-1:])).values()) == ["Oct", "Nov", "*"]


def test_a_name_cannot_leave_its_place_in_a_vega_expression() -> None:
    assert looked_up({"0": "\"} || alert('x')\u2028"}) == '{"0": "\\"} || alert(\'x\')\\u2028"}[datum.value] || \'\''


def test_markdown_holds_the_picture_and_its_words() -> None:
    assert as_markdown(b"png", "burn [2026]\nof caps") == "![burn (2026) of caps](data:image/png;base64,cG5n)"
