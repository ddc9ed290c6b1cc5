"""The firm's own settings: from YAML to the values that the formulas take, each wrong one refused by name."""

from decimal import Decimal
from pathlib import Path

import pytest

from timix_assets.environment import SettingError
from timix_assets.firm_settings import load_firm_settings
from timix_assets.metrics import settings as values


def test_without_a_file_the_defaults_are_those_of_the_formulas() -> None:
    firm = load_firm_settings("")
    assert firm.work_calendar.value() == values.WorkCalendar()
    assert firm.budget_policy.value() == values.BudgetPolicy()
    assert firm.targets.value() == values.Targets()
    assert firm.aging_buckets.value() == values.AgingBuckets()


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "firm.yaml"
    file.write_text(
        """
        work_calendar:
          countries: {IL: {sunday: 8, monday: 8, tuesday: 8, wednesday: 8, thursday: 7.6}}
          time_off_subtask_ids: [st_leave]
        budget_policy: {warning: 0.7}
        targets: {utilization: 0.8}
        aging_buckets: {upper_days: [15, 45]}
        """
    )
    firm = load_firm_settings(str(file))
    week = firm.work_calendar.value().countries["IL"]
    assert week == (8, 8, 8, Decimal("7.6"), 0, 0, 8)
    assert firm.work_calendar.value().time_off_subtask_ids == {"st_leave"}
    assert firm.work_calendar.value().default_week == values.DEFAULT_WEEK
    assert firm.budget_policy.value().warning == Decimal("0.7")
    assert firm.targets.value().utilization == Decimal("0.8")
    assert firm.aging_buckets.value().upper_days == (15, 45)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("calendar: {}", "no section 'calendar'"),
        ("targets: {utilisation: 0.8}", "targets.utilisation"),
        ("work_calendar: {default_week: {mondy: 8}}", "mondy"),
        ("targets: {utilization: much}", "targets.utilization"),
        ("targets: 0.8", "targets must hold fields"),
        ("- a\n- b", "must hold sections"),
        ("a: [", r"firm\.yaml cannot be read: line 1: .+; put that line right\.$"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_section_and_field(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "firm.yaml"
    file.write_text(text)
    with pytest.raises(SettingError, match=named):
        load_firm_settings(str(file)).check()


def test_a_file_that_is_not_there_is_refused_in_one_plain_sentence() -> None:
    with pytest.raises(SettingError) as refused:
        load_firm_settings("nofile.yaml")
    assert str(refused.value) == (
        "TIMIX_SETTINGS: nofile.yaml cannot be read: No such file or directory; correct the path "
        f"(a relative path starts at {Path.cwd()}), or leave the setting empty."
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("targets: {utilization: 75}", "0.75 for 75 %"),
        ("budget_policy: {warning: 1.2}", "warning must be above 0 and at most critical"),
        ("budget_policy: {burn_window_days: 0}", "burn_window_days"),
        ("budget_policy: {counted_statuses: [Aproved]}", "knows no Aproved"),
        ("budget_policy: {overrun_tolerance: -3}", "overrun_tolerance"),
        ("budget_policy: {counted_statuses: []}", "counted_statuses is empty"),
        ("work_calendar: {default_week: {monday: 25}}", "default_week"),
        ("work_calendar: {daily_break_hours: -1}", "daily_break_hours"),
        ("aging_buckets: {upper_days: [60, 30]}", "each later than the last"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "firm.yaml"
    file.write_text(text)
    with pytest.raises(SettingError, match=named):
        load_firm_settings(str(file)).check()
