from decimal import Decimal

import pytest

from timix_assets.text.figures import label, number, percent, percent_reached
from timix_assets_tests.charts.tables import HEBREW, HOSTILE

START, END = "\u2067", "\u2069"


def test_long_name_ends_in_an_ellipsis() -> None:
    assert label("Maximiliane Schwarzenbach", None, length=12) == "Maximiliane…"


def test_hebrew_name_is_isolated_with_its_ellipsis() -> None:
    shown = label(HEBREW, None, length=20)

    assert shown.startswith(START)
    assert shown.endswith(f"…{END}")
    assert len(shown) <= 20 + len(START + END)


def test_latin_name_with_hebrew_runs_left_to_right() -> None:
    assert label("Amit ברק", None, length=20) == "Amit ברק"


def test_digits_before_hebrew_do_not_decide_the_direction() -> None:
    assert label("2026 אתר", None, length=20).startswith(START)


def test_control_characters_are_dropped() -> None:
    assert label(HOSTILE, None, length=60) == "<b>&\"'\\ ${datum} [x](y)"


@pytest.mark.parametrize(
    ("name", "identifier", "shown"), [(None, "u1", "u1"), ("", "u1", "u1"), (None, None, "unknown")]
)
def test_id_is_shown_without_a_name(name: str | None, identifier: str | None, shown: str) -> None:
    assert label(name, identifier, length=20) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [("1234567.4", "1,234,567"), ("99.96", "100"), ("0.5", "0.5"), ("-1234", "−1,234"), ("-0.01", "0"), ("0", "0")],
)
def test_numbers_have_separators_and_a_true_minus(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


def test_percent_reached_is_rounded_down() -> None:
    assert percent_reached(Decimal("99.99"), Decimal(100)) == "99 %"
    assert percent_reached(Decimal("0.29"), Decimal(1)) == "29 %"
    assert percent_reached(Decimal(-1), Decimal(3)) == "−34 %"
    assert percent_reached(Decimal(10**9), Decimal(1)) == "> 9,999 %"
    assert percent(0.9999) == "100 %"


@pytest.mark.parametrize(
    "name", ["👨\u200d👩\u200d👧", "می\u200cخواهم", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"]
)
def test_joined_emoji_and_words_stay_whole(name: str) -> None:
    assert name in label(name, None, length=40)


def test_control_characters_and_overrides_are_dropped() -> None:
    assert label("a\x1b[31m\u202eb\u2066c\x9b\n\u2028d", None, length=40) == "a[31mbc d"
