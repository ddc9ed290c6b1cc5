"""Dates and figures: rows 39 and 40 of docs/reliability.md."""

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from dagster import AssetCheckKey, AssetKey

from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import new_project, settings_of

from .conftest import Refreshed, Workplace

TIME_REPORTS = "timix/time_reports"
FIRST, LAST = "Pacific/Pago_Pago", "Pacific/Kiritimati"
"""Zones 25 hours apart: their dates are never the same."""


# Days and months


def windows(sandbox: Sandbox) -> set[tuple[str, str]]:
    """Every (startDate, endDate) that was asked for time entries."""
    asked = [parse_qs(seen.query) for seen in sandbox.requests if seen.path.endswith("/time-reports")]
    return {(query["startDate"][0], query["endDate"][0]) for query in asked}


@pytest.fixture(scope="module")
def leap_year() -> Firm:
    """Four people, January to April of 2024: a leap day, and the nights in which New York, Berlin and Jerusalem lose an hour."""
    return Firm.generate(people=4, months=4, seed=7, today=date(2024, 4, 15))


def month_of_2024(firm: Firm, folder: Path, month: str, *faults: Fault, **env: str) -> tuple[Workplace, Refreshed]:
    """A lake into which that month alone was read."""
    with Sandbox(firm) as sandbox:
        there = Workplace(sandbox, new_project(folder, settings_of(sandbox)))
        done = there.refresh_by_command(TIME_REPORTS, faults=faults, words=("--from", month, "--to", month), **env)
    return there, done


def days_of(there: Workplace) -> list[tuple[str, date]]:
    return sorted(there.table(TIME_REPORTS).select("id", "date").rows())


def days_sent(there: Workplace, month: int) -> list[tuple[str, date]]:
    rows = there.sandbox.workspace.rows("time_reports")
    return sorted((row["id"], row["date"]) for row in rows if row["date"].month == month)


@pytest.mark.fault(39)
def test_the_leap_day_belongs_to_february(leap_year: Firm, tmp_path: Path) -> None:
    there, done = month_of_2024(leap_year, tmp_path, "2024-02")

    assert (done.status, done.stderr) == (0, "")
    assert windows(there.sandbox) == {("2024-02-01", "2024-02-29")}
    assert days_of(there) == days_sent(there, 2)
    assert date(2024, 2, 29) in dict(days_of(there)).values()


@pytest.mark.fault(39)
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Jerusalem", "UTC"])
def test_a_month_that_loses_an_hour_keeps_every_day(leap_year: Firm, tmp_path: Path, zone: str) -> None:
    """Both the zone that is set and that of the machine."""
    there, done = month_of_2024(leap_year, tmp_path, "2024-03", TIMIX_TIMEZONE=zone, TZ=zone)

    assert (done.status, done.stderr) == (0, "")
    assert windows(there.sandbox) == {("2024-03-01", "2024-03-31")}
    assert days_of(there) == days_sent(there, 3)


@pytest.mark.fault(39)
@pytest.mark.parametrize("tail", ["T00:00:00Z", "T23:59:59-10:00", "T00:00:00+14:00"])
def test_a_time_and_offset_after_a_date_keep_its_day(leap_year: Firm, tmp_path: Path, tail: str) -> None:
    fault = Fault("zoned_dates", path="/time-reports", value=tail)
    there, done = month_of_2024(leap_year, tmp_path, "2024-03", fault, TIMIX_TIMEZONE="America/New_York", TZ=LAST)

    assert (done.status, done.stderr) == (0, "")
    assert days_of(there) == days_sent(there, 3)


@pytest.mark.fault(39)
@pytest.mark.parametrize("zone", [FIRST, LAST])
def test_today_is_the_date_in_the_configured_time_zone(workplace: Workplace, zone: str) -> None:
    """The machine's own zone is at the other end of the world, so that its date is another one."""
    there = ZoneInfo(zone)
    before = datetime.now(there).date()
    words = ("--from", f"{before - timedelta(days=31):%Y-%m}")
    done = workplace.refresh_by_command(
        TIME_REPORTS, "rollups/budget_health", words=words, TIMIX_TIMEZONE=zone, TZ=LAST if zone == FIRST else FIRST
    )
    after = datetime.now(there).date()

    assert (done.status, done.stderr) == (0, "")
    [(_, end)] = windows(workplace.sandbox)
    assert end in {f"{day:%Y-%m}-{monthrange(day.year, day.month)[1]}" for day in (before, after)}
    [as_of] = set(workplace.table("rollups/budget_health")["as_of"].to_list())
    assert before <= as_of <= after


@pytest.mark.fault(39)
@pytest.mark.parametrize("days", [-1, 1])
def test_a_server_clock_a_day_off_loses_no_entry_of_the_month(tmp_path: Path, days: int) -> None:
    """Windows are whole months: an entry dated tomorrow is in the table, and rollups count to today only."""
    today = datetime.now(ZoneInfo("UTC")).date()
    firm = Firm.generate(people=6, months=2, seed=7, today=today + timedelta(days=days))
    with Sandbox(firm, clock=lambda: datetime.now().timestamp() + days * 86_400) as sandbox:
        there = Workplace(sandbox, new_project(tmp_path, settings_of(sandbox)))
        done = there.refresh()
    end = today.replace(day=monthrange(today.year, today.month)[1])

    assert (done.status, done.stderr) == (0, "")
    sent = [row["id"] for row in sandbox.workspace.rows("time_reports") if row["date"] <= end]
    assert there.ids("time_reports") == sorted(sent)
    assert there.quarantined("time_reports") == []
    assert set(there.table("rollups/budget_health")["as_of"]) == {today}
    assert there.table("rollups/utilization_daily")["date"].max() <= today  # type: ignore[operator]


# Our figures and Timix's own


def check_told(workplace: Workplace, asset: str) -> tuple[bool, str, dict[str, object]]:
    """(passed, severity, metadata) of the latest agrees_with_timix of an asset, as the UI shows them."""
    key = AssetCheckKey(AssetKey(asset.split("/")), "agrees_with_timix")
    [latest] = workplace.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert latest.event is not None
    assert latest.event.dagster_event is not None
    seen = latest.event.dagster_event.asset_check_evaluation_data
    return seen.passed, seen.severity.value, {name: value.value for name, value in seen.metadata.items()}


COMPARED = ("rollups/budget_health", "rollups/project_profitability", "rollups/unbilled_aging")


@pytest.mark.fault(40)
def test_our_figures_agree_with_timix_and_the_check_shows_both(workplace: Workplace) -> None:
    workplace.refresh()
    for asset in COMPARED:
        passed, _, told = check_told(workplace, asset)
        assert (passed, told["violation_count"]) == (True, 0)
    _, _, revenue = check_told(workplace, "rollups/project_profitability")
    assert revenue["tolerance"] == "0.01"
    both = [str(said) for name, said in revenue.items() if name.endswith(": our revenue")]
    assert both
    assert all(said == f"{ours} (Timix: {ours})" for said in both for ours in [said.partition(" ")[0]])


@pytest.mark.fault(40)
@pytest.mark.parametrize(
    ("asset", "path", "field", "said"),
    [
        ("rollups/project_profitability", "/financial-reports/revenue", "revenue", "our revenue "),
        ("rollups/unbilled_aging", "/financial-reports/unbilled-time", "totalAmount", "our amount "),
    ],
)
def test_a_different_figure_is_a_warning_with_both_numbers(
    workplace: Workplace, asset: str, path: str, field: str, said: str
) -> None:
    done = workplace.refresh(faults=(Fault("figure_off", path=path, field=field, amount="0.02"),))

    assert (done.status, done.stderr) == (0, "")
    [warning] = [line for line in done.warnings if "agrees_with_timix" in line]
    assert warning.startswith(f"warning {asset}: agrees_with_timix: ")
    assert "by more than 0.01; the largest difference is " in warning
    figures = re.search(rf"{said}([\d,]+\.\d\d), Timix's ([\d,]+\.\d\d)", warning)
    assert figures
    ours, theirs = (Decimal(figure.replace(",", "")) for figure in figures.groups())
    assert theirs - ours == Decimal("0.02")
    passed, severity, told = check_told(workplace, asset)
    assert (passed, severity, told["tolerance"]) == (False, "WARN", "0.01")
    assert "0.02" in str(told["violations"])


@pytest.mark.fault(40)
@pytest.mark.parametrize("amount", ["0.01", "-0.01"])
def test_rounding_difference_does_not_warn(workplace: Workplace, amount: str) -> None:
    fault = Fault("figure_off", path="/financial-reports/unbilled-time", field="totalAmount", amount=amount)
    done = workplace.refresh(faults=(fault,))

    assert done.status == 0
    assert not [line for line in done.warnings if "agrees_with_timix" in line]
