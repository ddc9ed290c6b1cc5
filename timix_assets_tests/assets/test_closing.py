"""Closing a month: its figures are written once, and compared from then on."""

from datetime import date

import pytest
from dagster import AssetSelection, ExecuteInProcessResult

from timix_assets.lake.months import Months
from timix_assets.runs.tags import ACCEPT_SHRINK, JOB
from timix_assets_tests.workspace import CLOSING, Workspace, failures, metadata, warnings

from ..conftest import TODAY

SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 1) for month in (9, 10, 11))
CLOSED, ENTRIES, RESTATEMENTS = "meta/closed_months", "timix/time_reports", "rollups/restatements"


@pytest.fixture(autouse=True)
def _as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())


def refresh(
    workspace: Workspace, *assets: str | AssetSelection, first: date = SEPTEMBER, last: date = OCTOBER
) -> ExecuteInProcessResult:
    result = workspace.refresh(*assets, months=Months(first, last))
    assert failures(result) == {}
    return result


@pytest.fixture
def closing(refreshed: Workspace) -> Workspace:
    """The workspace in runs of the job that closes months."""
    refreshed.tags |= {JOB: "close_month"}
    return refreshed


def shorten_an_entry_of(workspace: Workspace, month: date) -> dict[str, object]:
    """Changes the hours of an approved entry that no invoice bills, in Timix alone."""
    rows = workspace.sandbox.workspace.rows("time_reports")
    entry = next(row for row in rows if row["date"].replace(day=1) == month and row["status"] == "Approved")
    workspace.sandbox.workspace.update("time_reports", entry["id"], {"hours": float(entry["hours"]) / 2})
    return entry


@pytest.mark.long
def test_a_run_closes_the_ended_months_it_reads_once(closing: Workspace) -> None:
    refresh(closing, ENTRIES, CLOSING)
    closed = closing.table(CLOSED)
    assert set(closed["month"]) == {SEPTEMBER, OCTOBER}

    shorten_an_entry_of(closing, OCTOBER)
    refresh(closing, ENTRIES, CLOSING, first=OCTOBER, last=NOVEMBER)
    assert closing.table(CLOSED).equals(closed)


def test_closed_months_show_their_rows_and_where_they_come_from(closing: Workspace) -> None:
    shown = metadata(refresh(closing, CLOSING), CLOSED)
    assert shown["dagster/row_count"] == closing.table(CLOSED).height > 0
    assert "| 2026-10-01 |" in shown["preview"]
    assert set(shown["dagster/column_lineage"].deps_by_column) == set(closing.table(CLOSED).columns)

    nothing_due = metadata(refresh(closing, CLOSING, first=NOVEMBER, last=NOVEMBER), CLOSED)
    assert (nothing_due["closed"], nothing_due["dagster/row_count"]) == ("none", shown["dagster/row_count"])


@pytest.mark.long
def test_a_changed_entry_of_a_closed_month_is_a_restatement(closing: Workspace) -> None:
    refresh(closing, CLOSING, RESTATEMENTS)
    assert closing.table(RESTATEMENTS)["is_restated"].any() is False

    entry = shorten_an_entry_of(closing, OCTOBER)
    result = refresh(closing, ENTRIES, RESTATEMENTS, first=OCTOBER, last=NOVEMBER)
    assert "1 row of closed months" in warnings(result, RESTATEMENTS)["closed_months_unchanged"]
    restated = closing.table(RESTATEMENTS).filter("is_restated")
    [row] = restated.to_dicts()
    assert (row["month"], row["user_id"], row["closed_on"]) == (OCTOBER, entry["user_id"], TODAY)
    assert row["hours_difference"] == -entry["hours"] / 2  # type: ignore[operator]
    assert row["hours"] == row["closed_hours"] + row["hours_difference"]


def test_nothing_is_restated_while_no_month_is_closed(refreshed: Workspace) -> None:
    refresh(refreshed, RESTATEMENTS)
    assert refreshed.table(RESTATEMENTS).is_empty()


@pytest.mark.long
def test_a_closed_month_without_any_entry_left_is_restated(closing: Workspace) -> None:
    refresh(closing, CLOSING)
    entries = closing.sandbox.workspace.rows("time_reports")
    gone = [row["id"] for row in entries if row["date"].replace(day=1) == SEPTEMBER]
    closing.sandbox.workspace.discard("time_reports", gone)
    closing.tags |= {ACCEPT_SHRINK: "true"}

    refresh(closing, ENTRIES, RESTATEMENTS)
    september = closing.table(RESTATEMENTS).filter(month=SEPTEMBER)
    assert september["is_restated"].all()
    assert set(september["hours"]) == {0}


@pytest.mark.long
def test_another_job_closes_no_month(refreshed: Workspace) -> None:
    refresh(refreshed, ENTRIES, CLOSING)
    assert not refreshed.lake.exists(CLOSED)
