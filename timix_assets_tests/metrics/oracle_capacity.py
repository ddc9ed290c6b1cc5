"""Capacity, one row per user and employed day (docs/metrics.md, § 1)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from timix_assets.contract.endpoints import WEEKDAYS
from timix_assets.settings.firm import Week, WorkCalendar
from timix_assets_tests.metrics.oracle_arithmetic import ZERO, Row, grouped, month_of, rounded
from timix_assets_tests.metrics.oracle_entries import Ledger, hours_of

FULL_DAY = Fraction(1)
HALF_DAY = Fraction(1, 2)
NOTHING = Fraction(0)
HOURS_A_DAY = Fraction(24)
DEFAULT_START_OF_DAY = Fraction(9)
HOURS_OF_A_WEEK = 168
MONDAY_TO_FRIDAY = (0, 1, 2, 3, 4)

TIME_OF_DAY = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one day, in hours since midnight."""

    start: Fraction
    end: Fraction

    @property
    def hours(self) -> Fraction:
        return self.end - self.start

    def overlap(self, other: "Span") -> Fraction:
        return max(NOTHING, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class WorkingWeek:
    """A user's week: where it comes from, the scheduled hours of each weekday, and the stretch of the day they fill."""

    source: str
    scheduled: tuple[Decimal, ...]
    spans: tuple[Span, ...]


def capacity_daily(ledger: Ledger) -> list[Row]:
    leave = {key: hours_of(entries) for key, entries in grouped(ledger.leave, lambda e: (e.user_id, e.day)).items()}
    # § 0: leave begins and ends no employment.
    worked = grouped(ledger.worked, lambda entry: entry.user_id)
    return [
        row
        for user in ledger.users.values()
        for row in _days_of_user(ledger, user, leave, [entry.day for entry in worked.get(user["id"], [])])
    ]


def _days_of_user(
    ledger: Ledger, user: Row, leave: dict[tuple[str, date], Decimal], days_worked: list[date]
) -> Iterator[Row]:
    week = working_week(user, ledger.params.firm.work_calendar)
    holidays = HolidayCalendar(ledger, user)
    for day in employed_days(ledger, user, days_worked):
        scheduled = week.scheduled[day.weekday()]
        fraction, name = holidays.largest(day, week.spans[day.weekday()])
        # § 1: holiday = min(1, largest fraction) × scheduled; time_off = min(leave, scheduled − holiday).
        holiday = rounded(min(FULL_DAY, fraction) * Fraction(scheduled))
        time_off = min(leave.get((user["id"], day), ZERO), scheduled - holiday)
        yield {
            "user_id": user["id"],
            "date": day,
            "month": month_of(day),
            "scheduled_hours": scheduled,
            "holiday_hours": holiday,
            "time_off_hours": time_off,
            "gross_capacity_hours": scheduled,
            "capacity_hours": max(ZERO, scheduled - holiday - time_off),
            "capacity_source": week.source,
            "holiday_name": name if holiday > 0 else None,
        }


def employed_days(ledger: Ledger, user: Row, days_worked: list[date]) -> list[date]:
    """§ 1: employed from start(u) to end(u), both included; no rows without the last counted entry where it is the end."""
    start, end = user.get("start_date"), user.get("end_date")
    if start is None:
        # § 1: else the first counted entry; else the first loaded day.
        start = min(days_worked, default=date.min)
    if user.get("role") in ledger.params.firm.work_calendar.non_delivery_roles:
        # § 1: the last counted entry, or an earlier end date.
        end = min(max(days_worked), end or date.max) if days_worked else date.min
    elif end is None and user.get("status") == "Inactive":
        end = max(days_worked, default=date.min)
    return [day for day in ledger.loaded_days() if start <= day <= (end or date.max)]


def working_week(user: Row, calendar: WorkCalendar) -> WorkingWeek:
    """§ 1: the first of api_schedule, api_weekly_hours, calendar_user, calendar_country and default that is there."""
    if (shifts := _shifts(user.get("work_schedule") or {})) is not None:
        return _week_from_shifts(shifts, calendar)
    line_of_user = _hours(calendar.users.get(user["id"]))
    lines_of_countries = {_country(name): line for name, line in calendar.countries.items()}
    line_of_country = _hours(lines_of_countries.get(_country(user.get("country_code"))))
    if (weekly_hours := user.get("weekly_hours")) is not None and 0 <= weekly_hours <= HOURS_OF_A_WEEK:
        return _week_without_clock_times("api_weekly_hours", _spread(weekly_hours, line_of_user, line_of_country))
    if line_of_user is not None:
        return _week_without_clock_times("calendar_user", line_of_user)
    if line_of_country is not None:
        return _week_without_clock_times("calendar_country", line_of_country)
    return _week_without_clock_times("default", calendar.default_week.hours)


def _hours(week: Week | None) -> tuple[Decimal, ...] | None:
    return None if week is None else week.hours


def _shifts(schedule: Row) -> list[Span | None] | None:
    """The schedule's days, None on a day off. A schedule without any day or with an unreadable time is not there."""
    shifts: list[Span | None] = []
    for weekday in WEEKDAYS:
        day = schedule.get(weekday) or {}
        start, end = day.get("start"), day.get("end")
        shift = _span(start, end)
        if shift is None and not (start is None and end is None):
            return None
        shifts.append(shift)
    return shifts if any(shifts) else None


def _country(code: str | None) -> str | None:
    """Countries compare without case."""
    return None if code is None else code.casefold()


def _week_from_shifts(shifts: list[Span | None], calendar: WorkCalendar) -> WorkingWeek:
    spans = tuple(shift or Span(DEFAULT_START_OF_DAY, DEFAULT_START_OF_DAY) for shift in shifts)
    return WorkingWeek("api_schedule", tuple(_less_break(span.hours, calendar) for span in spans), spans)


def _less_break(hours: Fraction, calendar: WorkCalendar) -> Decimal:
    """§ 1: less the daily break, off days longer than the threshold."""
    if hours > Fraction(calendar.break_threshold_hours):
        hours = max(NOTHING, hours - Fraction(calendar.daily_break_hours))
    return rounded(hours)


def _spread(weekly_hours: Decimal, *lines: tuple[Decimal, ...] | None) -> tuple[Decimal, ...]:
    """§ 1: weekly hours ÷ working days of the user's or country's calendar line, else Mon–Fri; on those days."""
    working_days = next((days for line in lines if (days := _working_days(line))), MONDAY_TO_FRIDAY)
    share = rounded(Fraction(weekly_hours) / len(working_days))
    return tuple(share if day in working_days else ZERO for day in range(7))


def _working_days(line: tuple[Decimal, ...] | None) -> tuple[int, ...]:
    return tuple(day for day, hours in enumerate(line or ()) if hours > 0)


def _week_without_clock_times(source: str, hours: tuple[Decimal, ...]) -> WorkingWeek:
    """§ 1: without clock times the day starts at 09:00."""
    scheduled = tuple(rounded(day) for day in hours)
    spans = tuple(Span(DEFAULT_START_OF_DAY, DEFAULT_START_OF_DAY + Fraction(day)) for day in scheduled)
    return WorkingWeek(source, scheduled, spans)


def _span(start: str | None, end: str | None) -> Span | None:
    """None unless both bounds can be read. An end before the start is on the next day."""
    first, last = _hour_of_day(start), _hour_of_day(end)
    if first is None or last is None:
        return None
    return Span(first, last if last >= first else last + HOURS_A_DAY)


def _hour_of_day(text: str | None) -> Fraction | None:
    match = TIME_OF_DAY.fullmatch((text or "").strip())
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    since_midnight = hours + Fraction(minutes, 60) + Fraction(seconds, 3600)
    return since_midnight if since_midnight <= HOURS_A_DAY else None


class HolidayCalendar:
    """The holidays of one user: which profile applies in which year (§ 1)."""

    def __init__(self, ledger: Ledger, user: Row) -> None:
        # § 1: inactive profiles never count, also by id.
        self._profiles = {id_: row for id_, row in ledger.holiday_profiles.items() if row.get("is_active") is not False}
        self._default = ledger.params.firm.work_calendar.default_holiday_profile_id
        self._own = self._profiles.get(user.get("holiday_profile_id") or "")
        self._country = _country(user.get("country_code"))
        self._holidays_of_year: dict[int, dict[date, list[Row]]] = {}

    def largest(self, day: date, shift: Span) -> tuple[Fraction, str | None]:
        """§ 1: two holidays on a day: the larger. Returns its fraction of the day and its name."""
        largest, name = NOTHING, None
        for holiday in self._of_year(day.year).get(day, []):
            fraction = _holiday_fraction(holiday, shift)
            if fraction > largest:
                largest, name = fraction, holiday.get("name")
        return largest, name

    def _of_year(self, year: int) -> dict[date, list[Row]]:
        if year not in self._holidays_of_year:
            profile = self._profile_for(year) or {}
            self._holidays_of_year[year] = grouped(profile.get("holidays") or [], lambda holiday: holiday["date"])
        return self._holidays_of_year[year]

    def _profile_for(self, year: int) -> Row | None:
        """§ 1: the profile by id, for its year; else the country's; else the configured default."""
        if self._own is not None and _covers(self._own, year):
            return self._own
        of_year = [profile for _, profile in sorted(self._profiles.items()) if _covers(profile, year)]
        if self._country is not None:
            for profile in of_year:
                if self._country in map(_country, profile.get("default_for_countries") or []):
                    return profile
            for profile in of_year:
                if _country(profile.get("country_code")) == self._country:
                    return profile
        default = self._profiles.get(self._default or "")
        return default if default is not None and _covers(default, year) else None


def _covers(profile: Row, year: int) -> bool:
    """§ 1: a profile is for its year; one that names none, for that of its earliest holiday."""
    if profile.get("year") is not None:
        return bool(profile["year"] == year)
    dates = [holiday["date"] for holiday in profile.get("holidays") or [] if holiday.get("date")]
    return bool(dates) and min(dates).year == year


def _holiday_fraction(holiday: Row, shift: Span) -> Fraction:
    """§ 1: a full day is 1, also when fullDayOff is missing; a window ÷ the day's span; neither: 0.5."""
    if holiday.get("full_day_off") is not False:
        return FULL_DAY
    window = _span(holiday.get("window_start"), holiday.get("window_end"))
    if window is None or window.hours == 0:
        return HALF_DAY
    return shift.overlap(window) / shift.hours if shift.hours > 0 else NOTHING
