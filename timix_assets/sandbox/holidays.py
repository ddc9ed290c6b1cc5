"""Public holidays of the four countries that the firm works in, whole and half days, for any year."""

from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
Holiday = tuple[date, str, str | None]
"""A date, a name, and how much of it is off: None the whole day, "" a half without clock times, else "HH:MM-HH:MM"."""

WHOLE = None
COUNTRY_NAMES = {"US": "United States", "GB": "United Kingdom", "DE": "Deutschland", "IL": "ישראל"}
DEFAULT_FOR = {"US": ["US", "CA"], "GB": ["GB", "IE"], "DE": ["DE", "AT"], "IL": ["IL"]}


def profile_rows(first_year: int, last_year: int) -> list[Row]:
    """A profile per country and year, and one that is no longer in use."""
    rows = [_profile(country, year) for year in range(first_year, last_year + 1) for country in HOLIDAYS_OF]
    retired = _profile("US", first_year) | {"id": f"hol-us-{first_year}-old", "is_active": False}
    return [*rows, retired | {"name": f"{retired['name']} (before the merger)", "default_for_countries": []}]


def fraction_off(profiles: list[Row], country: str) -> dict[date, float]:
    """How much of each day the people of a country have off: 1 a whole day, 0.5 any part of one."""
    return {
        holiday["date"]: 1.0 if holiday["full_day_off"] else 0.5
        for profile in profiles
        if profile["is_active"] and profile["country_code"] == country
        for holiday in profile["holidays"]
    }


def _profile(country: str, year: int) -> Row:
    return {
        "id": f"hol-{country.lower()}-{year}",
        "name": f"{COUNTRY_NAMES[country]} {year}",
        "country_code": country,
        "year": year,
        "is_active": True,
        "default_for_countries": DEFAULT_FOR[country],
        "holidays": [_holiday(*holiday) for holiday in sorted(HOLIDAYS_OF[country](year), key=lambda h: h[0])],
    }


def _holiday(day: date, name: str, off: str | None) -> Row:
    start, _, end = (off or "").partition("-")
    return {
        "date": day,
        "name": name,
        "full_day_off": off is WHOLE,
        "window_start": start or None,
        "window_end": end or None,
    }


def _united_states(year: int) -> list[Holiday]:
    thanksgiving = _nth_weekday(year, 11, 3, 4)
    return [
        (date(year, 1, 1), "New Year's Day", WHOLE),
        (_nth_weekday(year, 1, 0, 3), "Martin Luther King Jr. Day", WHOLE),
        (_last_weekday(year, 5, 0), "Memorial Day", WHOLE),
        (date(year, 7, 4), "Independence Day", WHOLE),
        (_nth_weekday(year, 9, 0, 1), "Labor Day", WHOLE),
        (thanksgiving, "Thanksgiving", WHOLE),
        (thanksgiving + timedelta(days=1), "Day after Thanksgiving", WHOLE),
        (date(year, 12, 24), "Christmas Eve", "13:00-18:00"),
        (date(year, 12, 25), "Christmas Day", WHOLE),
    ]


def _united_kingdom(year: int) -> list[Holiday]:
    easter = easter_sunday(year)
    return [
        (date(year, 1, 1), "New Year's Day", WHOLE),
        (easter - timedelta(days=2), "Good Friday", WHOLE),
        (easter + timedelta(days=1), "Easter Monday", WHOLE),
        (_nth_weekday(year, 5, 0, 1), "Early May bank holiday", WHOLE),
        (_last_weekday(year, 5, 0), "Spring bank holiday", WHOLE),
        (_last_weekday(year, 8, 0), "Summer bank holiday", WHOLE),
        (date(year, 12, 25), "Christmas Day", WHOLE),
        (date(year, 12, 26), "Boxing Day", WHOLE),
    ]


def _germany(year: int) -> list[Holiday]:
    easter = easter_sunday(year)
    return [
        (date(year, 1, 1), "Neujahr", WHOLE),
        (easter - timedelta(days=2), "Karfreitag", WHOLE),
        (easter + timedelta(days=1), "Ostermontag", WHOLE),
        (date(year, 5, 1), "Tag der Arbeit", WHOLE),
        (easter + timedelta(days=39), "Christi Himmelfahrt", WHOLE),
        (easter + timedelta(days=50), "Pfingstmontag", WHOLE),
        (date(year, 10, 3), "Tag der Deutschen Einheit", WHOLE),
        (date(year, 12, 24), "Heiligabend", ""),
        (date(year, 12, 25), "1. Weihnachtstag", WHOLE),
        (date(year, 12, 26), "2. Weihnachtstag", WHOLE),
        (date(year, 12, 31), "Silvester", "14:00-18:00"),
    ]


def _israel(year: int) -> list[Holiday]:
    new_year = rosh_hashanah(year)
    passover = new_year - timedelta(days=163)
    return [
        (passover - timedelta(days=1), "ערב פסח", ""),
        (passover, "פסח", WHOLE),
        (passover + timedelta(days=6), "שביעי של פסח", WHOLE),
        (passover + timedelta(days=20), "יום העצמאות", WHOLE),
        (passover + timedelta(days=50), "שבועות", WHOLE),
        (new_year, "ראש השנה", WHOLE),
        (new_year + timedelta(days=1), "ראש השנה, יום שני", WHOLE),
        (new_year + timedelta(days=8), "ערב יום כיפור", "13:00-18:00"),
        (new_year + timedelta(days=9), "יום כיפור", WHOLE),
        (new_year + timedelta(days=14), "סוכות", WHOLE),
        (new_year + timedelta(days=21), "שמחת תורה", WHOLE),
    ]


HOLIDAYS_OF = {"US": _united_states, "GB": _united_kingdom, "DE": _germany, "IL": _israel}


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_weekday(year: int, month: int, weekday: int) -> date:
    after = date(year + month // 12, month % 12 + 1, 1)
    return after - timedelta(days=(after.weekday() - weekday - 1) % 7 + 1)


def easter_sunday(year: int) -> date:
    """Easter of the Gregorian calendar (the anonymous algorithm)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def rosh_hashanah(year: int) -> date:
    """1 Tishri that falls in the civil year: the molad of the Hebrew calendar with its postponements."""
    hebrew = year + 3761
    return date(1, 1, 1) + timedelta(days=_hebrew_new_year_day(hebrew) - HEBREW_EPOCH)


HEBREW_EPOCH = 1373428
"""Days of the Hebrew calendar before 1 January of year 1."""


def _elapsed(hebrew: int) -> int:
    months = (235 * hebrew - 234) // 19
    parts = 12084 + 13753 * months
    day = months * 29 + parts // 25920
    return day + 1 if 3 * (day + 1) % 7 < 3 else day


def _hebrew_new_year_day(hebrew: int) -> int:
    before, this, after = _elapsed(hebrew - 1), _elapsed(hebrew), _elapsed(hebrew + 1)
    if after - this == 356:
        return this + 2
    return this + 1 if this - before == 382 else this
