"""Settings from the environment: defaults, ranges, and one clear message for each wrong value."""

import secrets
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from timix_assets.settings import Settings, SettingsError
from timix_assets.settings.environment import NAMES, SECRETS, VARIABLES, parse_month
from timix_assets.settings.limits import ClientLimits, LakeLimits, QuarantineLimits
from timix_assets.state.time_zone import store_time_zone

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
KEY = f"bbl_{secrets.token_hex(20)}"


def refusal(**variables: str) -> str:
    """What is said of these variables, given without their prefix."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({f"TIMIX_{name}": value for name, value in variables.items()})
    return str(refused.value)


def test_an_empty_environment_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder that was never refreshed: another one knows the time zone of its lake.
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"TIMIX_LAKE": " ", "TIMIX_ATTEMPTS": ""}) == Settings()


def test_values_are_read_without_the_blanks_around_them() -> None:
    settings = Settings.from_environment(
        {
            "TIMIX_ATTEMPTS": " 3 ",
            "TIMIX_AUTHENTICATION": "Bearer",
            "TIMIX_START_MONTH": "2025-03",
            "TIMIX_AS_OF": "2026-10-31\n",
            "TIMIX_SETTINGS": "firm.yaml",
            "DAGSTER_HOME": "/srv/timix",
        }
    )
    assert settings == Settings(
        attempts=3,
        authentication="bearer",
        start_month=date(2025, 3, 1),
        as_of=date(2026, 10, 31),
        firm_config="firm.yaml",
        home=Path("/srv/timix"),
    )
    assert settings.state_folder == Path("/srv/timix/.dagster")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ATTEMPTS", "0", 'TIMIX_ATTEMPTS: "0" is not valid; set a whole number of at least 1.'),
        ("ATTEMPTS", "1,5", 'TIMIX_ATTEMPTS: "1,5" is not valid; set a whole number of at least 1.'),
        ("ATTEMPTS", "1_0", 'TIMIX_ATTEMPTS: "1_0" is not valid; set a whole number of at least 1.'),
        ("MAX_REMOVED_SHARE", "0_0.5", 'TIMIX_MAX_REMOVED_SHARE: "0_0.5" is not valid; set a number from 0 to 1.'),
        ("CONCURRENCY", "many", 'TIMIX_CONCURRENCY: "many" is not valid; set a whole number from 1 to 64.'),
        ("MAX_REMOVED_SHARE", "nan", 'TIMIX_MAX_REMOVED_SHARE: "nan" is not valid; set a number from 0 to 1.'),
        ("AUTHENTICATION", "Basic", 'TIMIX_AUTHENTICATION: "basic" is not valid; set one of x-api-key, bearer.'),
        ("TIMEZONE", "Mars/X", 'TIMIX_TIMEZONE: "Mars/X" is not an IANA time zone; use a name such as Europe/Berlin.'),
        ("AS_OF", "31.10.2026", 'TIMIX_AS_OF: "31.10.2026" is not a date; write it as YYYY-MM-DD.'),
        ("TURN_SECONDS", "9", "TIMIX_TURN_SECONDS is now called TIMIX_LOCK_TIMEOUT_SECONDS; rename it."),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_set(name: str, value: str, message: str) -> None:
    assert refusal(**{name: value}) == message


@pytest.mark.parametrize("text", ["2025", "2025-13", "03-2025", "yesterday", "1969-12"])
def test_a_month_that_cannot_be_read_is_refused(text: str) -> None:
    problem = f'"{text}" is not a month that can be read; write it as YYYY-MM, e.g. 2025-01.'
    assert refusal(START_MONTH=text) == f"TIMIX_START_MONTH: {problem}"
    with pytest.raises(SettingsError, match=f"^--from: {problem}$"):
        parse_month(text, "--from")


@pytest.mark.parametrize("name", [*ClientLimits.model_fields, *QuarantineLimits.model_fields, *LakeLimits.model_fields])
def test_a_limit_out_of_range_is_refused_by_name(name: str) -> None:
    for wrong in ("-1", "many", "nan", "inf", "1,5", "9" * 5000 + "x"):
        message = refusal(**{name.upper(): wrong})
        assert message.startswith(f'TIMIX_{name.upper()}: "{wrong[:70]}')
        assert "is not valid; set a " in message
        assert len(message) < 200


@pytest.mark.parametrize("variable", sorted(NAMES))
def test_a_key_in_another_variable_is_refused_and_masked(variable: str) -> None:
    if variable == "TIMIX_API_KEY":
        assert Settings.from_environment({variable: KEY}).require_api_key() == KEY
        return
    message = refusal(**{variable.removeprefix("TIMIX_"): f"see {KEY}"})
    assert variable in message
    assert KEY[4:12] not in message


def test_secrets_are_not_shown() -> None:
    settings = Settings.from_environment({"TIMIX_API_KEY": KEY, "TIMIX_ALERT_URLS": "slack://token"})
    assert {"api_key", "alert_urls", "webhook_secrets"} == SECRETS
    assert KEY not in repr(settings)
    assert "token" not in repr(settings)


@pytest.mark.parametrize("field", sorted(SECRETS))
def test_a_secret_is_read_from_a_file(tmp_path: Path, field: str) -> None:
    file, variable = tmp_path / "secret", f"TIMIX_{field.upper()}"
    file.write_text("  json://example.com\n")
    settings = Settings.from_environment({f"{variable}_FILE": str(file)})
    assert getattr(settings, field).get_secret_value() == "json://example.com"
    both = {f"{field.upper()}_FILE": str(file), field.upper(): "x"}
    assert refusal(**both) == f"{variable} and {variable}_FILE are both set; set one of them."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"cannot be read \(No such"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not text"),
        (b"x" * 99_999, "is too large"),
    ],
)
def test_a_secret_file_that_is_of_no_use_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"^TIMIX_API_KEY_FILE: .*key {problem}"):
        Settings.from_environment({"TIMIX_API_KEY_FILE": str(file)})


@pytest.mark.parametrize("field", sorted(SECRETS - {"api_key"}))
def test_an_empty_file_sets_no_optional_secret(tmp_path: Path, field: str) -> None:
    file = tmp_path / "secret"
    file.write_text(" \n")
    settings = Settings.from_environment({f"TIMIX_{field.upper()}_FILE": str(file)})
    assert not getattr(settings, field).get_secret_value()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("LAEK", "LAKE"),
        ("LAK", "LAKE"),
        ("API_KY", "API_KEY"),
        ("APIKEY", "API_KEY"),
        ("API_KEY_FIEL", "API_KEY_FILE"),
        ("START_MOTH", "START_MONTH"),
        ("ALERT_URL", "ALERT_URLS"),
        ("ATTEMTPS", "ATTEMPTS"),
        ("TIME_ZONE", "TIMEZONE"),
        ("SETTING", "SETTINGS"),
        ("UI_URI", "UI_URL"),
        ("MAX_ANSWERS_MBS", "MAX_ANSWER_MB"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_meant(typed: str, meant: str) -> None:
    assert refusal(**{typed: "x"}) == f"TIMIX_{typed} is not a setting; did you mean TIMIX_{meant}?"


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_that_lacks_any_letter_is_refused(name: str) -> None:
    for place in range(len("TIMIX_"), len(name)):
        typed = name[:place] + name[place + 1 :]
        if typed not in NAMES:
            assert f"did you mean {name}?" in refusal(**{typed.removeprefix("TIMIX_"): "x"})


@pytest.mark.parametrize(
    "name",
    [
        "TIMIX_ASSETS_SERVICE_HOST",
        "TIMIX_ASSETS_PORT_4000_TCP",
        "TIMIX_ASSETS_PORT_4000_TCP_ADDR",
        "TIMIX_SERVICE_HOST",
        "TIMIX_PORT",
        "TIMIX_UI_SERVICE_PORT",
        "TIMIX_UI_PORT",
        "TIMIX_LAKE_SERVICE_HOST",
        "TIMIX_ACME_API_KEY",
        "TIMIX_SANDBOX_KEY",
        "TIMIX_",
        "PATH",
        "DAGSTER_HOME",
    ],
)
def test_a_variable_of_somebody_else_is_ignored(name: str) -> None:
    Settings.from_environment({name: "tcp://10.0.0.1:4000"})


def test_no_variable_of_ours_is_taken_for_another() -> None:
    for name in NAMES:
        if name.removesuffix("_FILE") in VARIABLES and VARIABLES[name.removesuffix("_FILE")] not in SECRETS:
            Settings.from_environment({name: ""})


def test_the_default_first_month_moves_once_a_year() -> None:
    assert Settings().first_month(NOON) == date(2024, 1, 1)
    assert Settings().first_month(datetime(2026, 12, 31, tzinfo=UTC)) == date(2024, 1, 1)
    assert Settings(start_month=date(2025, 3, 1)).first_month(NOON) == date(2025, 3, 1)
    assert Settings(start_month=date(2025, 3, 15)).first_month(NOON) == date(2025, 3, 1)


def test_a_first_month_in_the_future_is_refused() -> None:
    with pytest.raises(
        SettingsError, match="^TIMIX_START_MONTH: 2027-01 is in the future; set a month up to 2026-11.$"
    ):
        Settings(start_month=date(2027, 1, 1)).first_month(NOON)


def test_the_time_zone_decides_which_day_it_is() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert Settings(timezone="Europe/Berlin").today(late) == date(2026, 12, 1)
    assert Settings().today(late) == date(2026, 11, 30)


def test_the_time_zone_is_the_settings_else_the_organizations_else_utc(tmp_path: Path) -> None:
    def zone(**more: str) -> str:
        return Settings.from_environment({"DAGSTER_HOME": str(tmp_path), **more}).zone_name

    assert zone() == "UTC"
    store_time_zone(tmp_path / ".dagster", Settings().lake, "Asia/Jerusalem")
    assert zone() == "Asia/Jerusalem"
    assert zone(TIMIX_TIMEZONE="Europe/Berlin") == "Europe/Berlin"
    assert zone(TIMIX_LAKE="another") == "UTC"
    store_time_zone(tmp_path / ".dagster", Settings().lake, "Mars/X")
    assert zone() == "UTC"


def test_the_as_of_date_is_today_unless_it_is_set() -> None:
    assert Settings().as_of_date(NOON) == date(2026, 11, 18)
    assert Settings(as_of=date(2026, 10, 31)).as_of_date(NOON) == date(2026, 10, 31)


def test_a_missing_key_is_refused_with_where_to_put_it() -> None:
    with pytest.raises(SettingsError, match=r"^TIMIX_API_KEY is not set; put your Timix key into \.env"):
        Settings().require_api_key()


@pytest.mark.parametrize("owners", ["finance", "team:", "team:finance ada", "ada@example", "team:a,team:b"])
def test_owners_are_teams_or_addresses(owners: str) -> None:
    assert refusal(OWNERS=owners).startswith("TIMIX_OWNERS: ")
    assert (
        Settings.from_environment({"TIMIX_OWNERS": "team:finance ada@example.com"}).owners.split()[1]
        == "ada@example.com"
    )
