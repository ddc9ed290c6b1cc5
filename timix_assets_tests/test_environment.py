"""The environment variables: defaults, and one clear sentence for each wrong value."""

import runpy
import secrets
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from timix_assets import environment
from timix_assets.bounds import BOUNDS, Bound
from timix_assets.environment import Setting, SettingError

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


def test_the_first_month_is_january_of_the_year_before_last_so_that_it_moves_once_a_year() -> None:
    assert environment.start_month({}, now=NOON) == date(2024, 1, 1)
    assert environment.start_month({}, now=datetime(2026, 12, 31, tzinfo=UTC)) == date(2024, 1, 1)


def test_the_first_month_can_be_pinned() -> None:
    assert environment.start_month({"TIMIX_START_MONTH": "2025-03"}, now=NOON) == date(2025, 3, 1)


@pytest.mark.parametrize("wrong", ["2025", "2025-13", "03-2025", "yesterday"])
def test_an_unreadable_first_month_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(SettingError, match=r"TIMIX_START_MONTH .*YYYY-MM"):
        environment.start_month({"TIMIX_START_MONTH": wrong}, now=NOON)


def test_a_key_that_was_typed_as_a_month_is_not_repeated() -> None:
    key = "bbl_" + secrets.token_hex(20)
    with pytest.raises(SettingError, match=r"--from is '\[key\]', which is no month"):
        environment.parse_month(key, "--from")


def test_a_first_month_in_the_future_is_refused() -> None:
    with pytest.raises(SettingError, match="TIMIX_START_MONTH is 2027-01, which is in the future"):
        environment.start_month({"TIMIX_START_MONTH": "2027-01"}, now=NOON)


def test_the_time_zone_decides_which_day_it_is() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert environment.today({"TIMIX_TIMEZONE": "Europe/Berlin"}, now=late) == date(2026, 12, 1)
    assert environment.today({}, now=late) == date(2026, 11, 30)


def test_an_unknown_time_zone_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match="TIMIX_TIMEZONE is 'Mars/Olympus'"):
        environment.today({"TIMIX_TIMEZONE": "Mars/Olympus"}, now=NOON)


def test_the_as_of_date_is_today_unless_it_is_set() -> None:
    assert environment.as_of({}, now=NOON) == date(2026, 11, 18)
    assert environment.as_of({"TIMIX_AS_OF": "2026-10-31"}, now=NOON) == date(2026, 10, 31)
    with pytest.raises(SettingError, match="TIMIX_AS_OF"):
        environment.as_of({"TIMIX_AS_OF": "31.10.2026"}, now=NOON)


def test_without_a_key_the_sentence_says_where_to_put_one() -> None:
    with pytest.raises(SettingError, match=r"TIMIX_API_KEY is not set; put your Timix key into \.env"):
        environment.require_key({})


def test_every_setting_is_in_the_readme_and_in_the_example_file() -> None:
    root = Path(__file__).parent.parent
    readme, example = (root / "README.md").read_text(), (root / ".env.example").read_text()
    for setting in environment.SETTINGS:
        assert f"`{setting.name}`" in readme
        assert setting.name in example


def test_every_limit_is_in_the_document_and_in_the_example_file() -> None:
    root = Path(__file__).parent.parent
    document, example = (root / "docs" / "reliability.md").read_text(), (root / ".env.example").read_text()
    for bound in BOUNDS:
        assert f"| `{bound.variable}` | {bound.default:g} | {bound.range.wanted} | {bound.meaning} |" in document
        assert f"# {bound.variable}={bound.default:g}\n" in example


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.name)
def test_a_limit_is_its_default_until_it_is_set_and_refused_by_name_when_it_cannot_be(bound: Bound) -> None:
    assert environment.limit(bound, {}) == environment.limit(bound, {bound.variable: " "}) == bound.default
    assert environment.limit(bound, {bound.variable: "1"}) == 1
    for wrong in ("-1", "many", "nan", "inf", "1,5"):
        with pytest.raises(SettingError, match=f"^{bound.variable} is '{wrong}'; write a "):
            environment.limit(bound, {bound.variable: wrong})


@pytest.mark.parametrize(
    "setting", [each for each in environment.SETTINGS if each is not environment.API_KEY], ids=lambda each: each.name
)
def test_a_key_in_another_variable_is_refused_and_not_repeated(setting: Setting) -> None:
    key = "bbl_" + secrets.token_hex(16)
    with pytest.raises(SettingError, match=f"^{setting.name} holds an API key") as refused:
        setting.read({setting.name: f"see {key}"})
    assert key not in str(refused.value)


def test_a_mistyped_variable_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(SettingError) as refused:
        environment.check_names({"TIMIX_ATTEMTPS": "3"})
    assert str(refused.value) == "TIMIX_ATTEMTPS is no setting; did you mean TIMIX_ATTEMPTS?"


@pytest.mark.parametrize("name", ["TIMIX_XYZZY", "TIMIX_"])
def test_a_variable_that_is_near_no_setting_is_refused_too(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is no setting; take it away; the README lists"):
        environment.check_names({name: "1"})


def test_every_setting_and_limit_what_our_processes_hand_each_other_and_variables_of_others_are_welcome() -> None:
    names = [
        *(s.name for s in environment.SETTINGS),
        *(b.variable for b in BOUNDS),
        "TIMIX_SANDBOX_KEY",
        "PATH",
        "DAGSTER_HOME",
    ]
    environment.check_names(dict.fromkeys(names, "x"))


def test_dagster_by_itself_loads_nothing_either_when_a_variable_is_mistyped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_ATTEMTPS", "3")
    with pytest.raises(SettingError, match="TIMIX_ATTEMTPS is no setting; did you mean TIMIX_ATTEMPTS?"):
        runpy.run_module("timix_assets.definitions")
