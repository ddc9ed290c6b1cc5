"""Utilization per user and day, week and month (docs/metrics.md, § 2)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from timix_assets_tests.metrics.oracle_arithmetic import (
    ZERO,
    Row,
    grouped,
    month_end,
    month_of,
    ratio,
    week_start,
)
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, hours_of, of_type

SUMMED = (
    "capacity_hours",
    "logged_hours",
    "billable_hours",
    "overhead_hours",
    "approved_hours",
    "approved_billable_hours",
    "overtime_hours",
    "bench_hours",
)
SIX_DAYS = timedelta(days=6)


def utilization_daily(ledger: Ledger, capacity: Iterable[Row]) -> list[Row]:
    """§ 2, to as-of. Hours on a day not employed, or of an unknown user: a row with capacity 0."""
    capacity_of = {(row["user_id"], row["date"]): row["capacity_hours"] for row in capacity}
    entries_of = grouped(ledger.worked, lambda entry: (entry.user_id, entry.day))
    rows = []
    for user_id, day in {*capacity_of, *entries_of}:
        if day <= ledger.params.as_of:
            hours = hours_by_kind(entries_of.get((user_id, day), []))
            available, logged = capacity_of.get((user_id, day), ZERO), hours["logged_hours"]
            rows.append(
                {
                    "user_id": user_id,
                    "date": day,
                    "month": month_of(day),
                    "capacity_hours": available,
                    **hours,
                    "overtime_hours": max(ZERO, logged - available),
                    "bench_hours": max(ZERO, available - logged),
                }
            )
    return rows


def hours_by_kind(entries: list[Entry]) -> Row:
    billable = [entry for entry in entries if entry.is_billable]
    return {
        "logged_hours": hours_of(entries),
        "billable_hours": hours_of(billable),
        "overhead_hours": hours_of(of_type(entries, "OVH")),
        "approved_hours": hours_of(entry for entry in entries if entry.is_approved),
        "approved_billable_hours": hours_of(entry for entry in billable if entry.is_approved),
    }


@dataclass(frozen=True, slots=True)
class Period:
    """A week or a month: the column that names it, and its first and last day."""

    column: str
    start_of: Callable[[date], date]
    end_of: Callable[[date], date]


def week(ledger: Ledger) -> Period:
    return Period("week_start", lambda day: week_start(day, ledger.first_day_of_week), lambda start: start + SIX_DAYS)


def utilization_weekly(ledger: Ledger, capacity: list[Row], daily: list[Row]) -> list[Row]:
    """§ 2: weeks that straddle months are whole."""
    return _utilization_by(week(ledger), ledger, capacity, daily)


def utilization_monthly(ledger: Ledger, capacity: list[Row], daily: list[Row]) -> list[Row]:
    capacity_of = grouped(capacity, lambda row: (row["user_id"], row["month"]))
    return [
        row | needed(ledger, row) | _needed_per_day(ledger, row, capacity_of.get((row["user_id"], row["month"]), []))
        for row in _utilization_by(Period("month", month_of, month_end), ledger, capacity, daily)
    ]


def needed(ledger: Ledger, row: Row) -> Row:
    """§ 2, to the month's end: only in the as-of month while days after as-of are left."""
    as_of = ledger.params.as_of
    if row["month"] != month_of(as_of) or as_of == month_end(as_of):
        return {"needed_hours": None, "needed_utilization": None}
    target = ledger.params.firm.targets.utilization
    hours = max(ZERO, target * row["capacity_full_hours"] - row["billable_hours"])
    left = row["capacity_full_hours"] - row["capacity_hours"]
    return {"needed_hours": hours, "needed_utilization": ratio(hours, left)}


def _needed_per_day(ledger: Ledger, row: Row, capacity: list[Row]) -> Row:
    """§ 2: needed_hours ÷ the user's days after as-of with capacity."""
    left = sum(day["date"] > ledger.params.as_of and day["capacity_hours"] > 0 for day in capacity)
    return {"needed_hours_per_day": ratio(needed(ledger, row)["needed_hours"], Decimal(left))}


def _utilization_by(period: Period, ledger: Ledger, capacity: list[Row], daily: list[Row]) -> list[Row]:
    """§ 2: a row for every user with a capacity day in the period or counted hours, if the period began on or before as-of."""

    def user_and_period(row: Row) -> tuple[str, date]:
        return row["user_id"], period.start_of(row["date"])

    capacity_days, used_days = grouped(capacity, user_and_period), grouped(daily, user_and_period)
    return [
        {"user_id": user_id, period.column: start}
        | _utilization(ledger, capacity_days.get((user_id, start), []), used_days.get((user_id, start), []))
        | {"is_partial": ledger.is_partial(start, period.end_of(start))}
        for user_id, start in {*capacity_days, *used_days}
        if start <= ledger.params.as_of
    ]


def _utilization(ledger: Ledger, capacity: list[Row], daily: list[Row]) -> Row:
    """§ 2: capacity_hours counts days up to as-of, capacity_full_hours all loaded ones; ratios are never clipped."""
    sums = {column: total(daily, column) for column in SUMMED}
    available, logged, billable = sums["capacity_hours"], sums["logged_hours"], sums["billable_hours"]
    return {
        **sums,
        "capacity_full_hours": total(capacity, "capacity_hours"),
        "billable_utilization": ratio(billable, available),
        "total_utilization": ratio(logged, available),
        "billable_share": ratio(billable, logged),
        "target_gap_hours": ledger.params.firm.targets.utilization * available - billable,
        "worked_at_zero_capacity": available == 0 and logged > 0,
    }


def total(rows: Iterable[Row], column: str) -> Decimal:
    return sum((row[column] for row in rows), ZERO)
