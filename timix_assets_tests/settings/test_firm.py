"""Firm config: from YAML to the models that the formulas take; each wrong value is refused by name."""

from decimal import Decimal
from pathlib import Path

import pytest

from timix_assets.settings import SettingsError
from timix_assets.settings.firm import BudgetPolicy, FirmConfig, Week


def read(folder: Path, text: str) -> FirmConfig:
    file = folder / "firm.yaml"
    file.write_text(text)
    return FirmConfig.from_file(str(file))


def test_without_a_file_the_defaults_hold() -> None:
    assert FirmConfig.from_file("") == FirmConfig()


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        work_calendar:
          countries: {il: {sunday: 8, monday: 8, tuesday: 8, wednesday: 8, thursday: 7.6}}
          time_off_subtask_ids: [st_leave]
        budget_policy: {warning: 0.7}
        targets: {utilization: 0.8}
        aging_buckets: {upper_days: [15, 45]}
        money_policy:
        """,
    )
    assert config.work_calendar.countries == {"IL": Week.of(8, 8, 8, Decimal("7.6"), 0, 0, 8)}
    assert config.work_calendar.time_off_subtask_ids == {"st_leave"}
    assert config.work_calendar.default_week.hours == (8, 8, 8, 8, 8, 0, 0)
    assert config.budget_policy == BudgetPolicy(warning=Decimal("0.7"))
    assert config.targets.utilization == Decimal("0.8")
    assert config.aging_buckets.upper_days == (15, 45)
    assert config.model_fields_set == {"work_calendar", "budget_policy", "targets", "aging_buckets", "money_policy"}
    assert config.budget_policy.model_fields_set == {"warning"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targets: {utilisation: 0.8}", "targets.utilisation: there is no such field; did you mean utilization?"),
        ("targets: 0.8", "targets: 0.8 is not valid; set fields and values, such as `utilization`."),
        (
            "targets: {utilization: much}",
            'targets.utilization: "much" is not valid; set a number above 0 and at most 1.5, e.g. 0.75 for 75 %.',
        ),
        (
            "targets: {utilization: 75}",
            "targets.utilization: 75 is not valid; set a number above 0 and at most 1.5, e.g. 0.75 for 75 %.",
        ),
        (
            "work_calendar: {default_week: {tuesdy: 8}}",
            "work_calendar.default_week.tuesdy: there is no such field; did you mean tuesday?",
        ),
        (
            "work_calendar: {users: {u_1: {monday: .inf}}}",
            "work_calendar.users.u_1.monday: Infinity is not valid; set a number from 0 to 24.",
        ),
        (
            "work_calendar: {users: {17: {monday: 8}}}",
            "work_calendar.users: the name 17 is not text; put it into quotes.",
        ),
        (
            "work_calendar: {countries: {ISR: {sunday: 8}}}",
            'work_calendar.countries.ISR: "ISR" is not an ISO 3166 country code of two letters; write it like IL or DE.',
        ),
        (
            "work_calendar: {daily_break_hours: .nan}",
            "work_calendar.daily_break_hours: NaN is not valid; set a number from 0 to 24.",
        ),
        (
            "budget_policy: {warning: 1.2}",
            "budget_policy: warning must be at most critical; both are ratios (0.8 is 80 %).",
        ),
        (
            "budget_policy: {burn_window_days: 0}",
            "budget_policy.burn_window_days: 0 is not valid; set a whole number from 1 to 3660.",
        ),
        (
            "budget_policy: {exhaustion_horizon_years: 8000}",
            "budget_policy.exhaustion_horizon_years: 8000 is not valid; set a whole number from 1 to 100.",
        ),
        (
            "budget_policy: {overrun_tolerance: -3}",
            "budget_policy.overrun_tolerance: -3 is not valid; set a number from 0 to 1000, e.g. 0.1 for 10 %.",
        ),
        (
            "budget_policy: {counted_statuses: [Aproved]}",
            'budget_policy.counted_statuses: "Aproved" is not a status of time entries; did you mean Approved?',
        ),
        (
            "budget_policy: {counted_statuses: []}",
            "budget_policy.counted_statuses: a list is not valid; set a list of one or more texts.",
        ),
        (
            "aging_buckets: {upper_days: [60, 30]}",
            "aging_buckets.upper_days: each day must be later than the one before; sort the list.",
        ),
        (
            "aging_buckets: {upper_days: [30, 1000000000000]}",
            "aging_buckets.upper_days: 1000000000000 is not valid; set a whole number from 1 to 3660.",
        ),
        (
            "money_policy: {max_rate: 0}",
            "money_policy.max_rate: 0 is not valid; set a number above 0 and at most 1000000000.",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert str(refused.value) == f"{tmp_path / 'firm.yaml'}: {message}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("calendar: {}", r"must hold sections .* and nothing else; did you mean work_calendar\?$"),
        ("- a\n- b", r"must hold sections .* and nothing else; name another file\.$"),
        (
            "a: {b: 1",
            r"firm\.yaml cannot be read: line 1: expected ',' or '}', but got the end of the file; put that line right",
        ),
        ("a: [1\nb: 3", r"line 2: expected ',' or ']', but got ':'; put that line right"),
        ("a: *\"'bbl_'\"", r"line 1: expected alphabetic or numeric character, but found '\"'; put that line right"),
        ("a: *bbl_x", r"line 1: found undefined alias …; put that line right"),
        ("a: [", r"firm\.yaml cannot be read: line 1: .+; put that line right\.$"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        read(tmp_path, text)


def test_a_missing_file_is_refused_in_one_message() -> None:
    with pytest.raises(SettingsError) as refused:
        FirmConfig.from_file("nofile.yaml")
    assert str(refused.value) == (
        "TIMIX_SETTINGS: nofile.yaml cannot be read: No such file or directory; correct the path "
        f"(a relative path starts at {Path.cwd()}), or leave the setting empty."
    )


def test_a_wrong_value_of_the_launchpad_is_not_quoted() -> None:
    with pytest.raises(SettingsError, match="^budget_policy.counted_statuses: the value is not a status"):
        BudgetPolicy.read({"counted_statuses": ["secret"]}, where="budget_policy.", quote=False)
