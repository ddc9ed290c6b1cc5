"""Whether the time of each week is in, submitted and approved (docs/metrics.md, § 2, timesheet_compliance)."""

from collections.abc import Iterable
from datetime import UTC, date, timedelta

from timix_assets_tests.metrics.oracle_arithmetic import ZERO, Row, grouped, ratio
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, hours_of
from timix_assets_tests.metrics.oracle_utilization import total, week

OPEN_STATUSES = ("Draft", "Submitted", "Rejected")


def timesheet_compliance(ledger: Ledger, capacity: list[Row]) -> list[Row]:
    """§ 2: every user with a capacity day or with entries (counted or Rejected) in a week begun by as-of."""
    weeks = week(ledger)
    capacity_of = grouped(capacity, lambda row: (row["user_id"], weeks.start_of(row["date"])))
    counted_of = grouped(ledger.worked, lambda entry: (entry.user_id, weeks.start_of(entry.day)))
    entered_of = grouped(ledger.entered, lambda entry: (entry.user_id, weeks.start_of(entry.day)))
    rejected = {key for key, entries in entered_of.items() if any(e.status == "Rejected" for e in entries)}
    rows = []
    for key in {*capacity_of, *counted_of, *rejected}:
        user_id, start = key
        if start <= ledger.params.as_of:
            due = [row for row in capacity_of.get(key, []) if row["date"] <= ledger.params.as_of]
            row = _week(due, counted_of.get(key, []), entered_of.get(key, []))
            end = weeks.end_of(start)
            rows.append(
                {
                    "user_id": user_id,
                    "week_start": start,
                    **row,
                    "status": _status(ledger, end, row),
                    "is_partial": ledger.is_partial(start, end),
                    "as_of": ledger.params.as_of,
                }
            )
    return rows


def _week(due: list[Row], counted: list[Entry], entered: list[Entry]) -> Row:
    """due: capacity of the week's loaded days to as-of. entered: of every status, whatever counts."""
    expected, logged = total(due, "capacity_hours"), hours_of(counted)
    days_used = {entry.day for entry in counted}
    return {
        "expected_hours": expected,
        "logged_hours": logged,
        "missing_hours": max(ZERO, expected - logged),
        "empty_days": sum(row["capacity_hours"] > 0 and row["date"] not in days_used for row in due),
        "draft_hours": hours_of(entry for entry in entered if entry.status == "Draft"),
        "submitted_hours": hours_of(entry for entry in entered if entry.status == "Submitted"),
        "approved_hours": hours_of(entry for entry in entered if entry.is_approved),
        "rejected_hours": hours_of(entry for entry in entered if entry.status == "Rejected"),
        "oldest_open_date": min((entry.day for entry in entered if entry.status in OPEN_STATUSES), default=None),
        "entry_lag_days": _entry_lag(counted),
    }


def _entry_lag(counted: Iterable[Entry]) -> float | None:
    """§ 2: Σ hours × max(0, UTC date of createdAt − date, in days) ÷ Σ hours, over entries with a createdAt."""
    lags = [
        (entry.hours, max(0, (entry.created_at.astimezone(UTC).date() - entry.day).days))
        for entry in counted
        if entry.created_at is not None
    ]
    return ratio(sum((hours * lag for hours, lag in lags), ZERO), sum((hours for hours, _ in lags), ZERO))


def _status(ledger: Ledger, last_day: date, row: Row) -> str:
    """§ 2: the first that holds."""
    settings = ledger.params.firm.timesheets
    if ledger.params.as_of <= last_day + timedelta(days=settings.grace_days):
        return "not_due"
    if row["missing_hours"] > settings.tolerance_hours:
        return "missing"
    if row["draft_hours"] > 0 or row["rejected_hours"] > 0:
        return "unsubmitted"
    return "awaiting_approval" if row["submitted_hours"] > 0 else "complete"
