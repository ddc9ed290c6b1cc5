"""The people of the firm and their holidays.

The firm has seats. A seat's working pattern never changes, its occupant does: people leave and others follow, on a calendar
that no date of generation moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from timix_assets.contract.endpoints import ORG_USERS

from .names import AUDITOR, DOMAIN, FIRST_NAMES, LAST_NAMES
from .seeded_random import rng_for, weighted

Row = dict[str, Any]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MON_TO_FRI = frozenset(range(5))
SUN_TO_THU = frozenset((6, 0, 1, 2, 3))
CURRENCY_OF = {"US": "USD", "GB": "GBP", "DE": "EUR", "IL": "ILS"}
UNITS_PER_DOLLAR = {"USD": Decimal(1), "EUR": Decimal("0.92"), "GBP": Decimal("0.79"), "ILS": Decimal("3.7")}
"""One fixed exchange rate each, for prices and for costs."""

OPENED = date(2003, 1, 2)
YEARLY_RAISE = Decimal("1.03")


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a seat works. hours: of one working day; records_*: whether /org-users includes it."""

    days: frozenset[int]
    hours: float
    records_weekly_hours: bool
    records_schedule: bool


FULL_TIME = Pattern(MON_TO_FRI, 8.0, records_weekly_hours=True, records_schedule=True)
PATTERNS = (
    FULL_TIME,
    FULL_TIME,
    Pattern(MON_TO_FRI, 8.0, records_weekly_hours=False, records_schedule=False),
    Pattern(MON_TO_FRI, 8.0, records_weekly_hours=True, records_schedule=False),
    Pattern(frozenset(range(4)), 8.0, records_weekly_hours=True, records_schedule=True),
    Pattern(MON_TO_FRI, 8.0, records_weekly_hours=False, records_schedule=False),
    Pattern(MON_TO_FRI, 6.0, records_weekly_hours=True, records_schedule=False),
    Pattern(MON_TO_FRI, 8.0, records_weekly_hours=True, records_schedule=False),
)
SATURDAY_SEAT = 5
SHORT_SEATS = 12
"""The fifth of so many seats logs less than its contracted hours."""
TUE_TO_SAT = Pattern(frozenset(range(1, 6)), 8.0, records_weekly_hours=True, records_schedule=True)
COUNTRIES = (("US", 0.42), ("GB", 0.22), ("DE", 0.2), ("IL", 0.16))


@dataclass(frozen=True)
class Seat:
    """One place in the firm: its number, country, working pattern, and how senior it is (0 junior … 3 partner).

    A contractor's cost stays in the currency of their own invoices; everybody else's is converted into the project's.
    """

    seed: int
    number: int
    level: int
    country: str
    contractor: bool = False

    @property
    def currency(self) -> str:
        return CURRENCY_OF[self.country]

    @property
    def pattern(self) -> Pattern:
        if self.number == SATURDAY_SEAT:
            return TUE_TO_SAT
        pattern = PATTERNS[self.number % len(PATTERNS)]
        if self.country == "IL" and pattern.days == MON_TO_FRI:
            return Pattern(SUN_TO_THU, pattern.hours, pattern.records_weekly_hours, pattern.records_schedule)
        return pattern

    @property
    def weekly_hours(self) -> float:
        return self.pattern.hours * len(self.pattern.days)

    @cached_property
    def load(self) -> float:
        """Hours that the seat usually logs, as a share of its contracted ones on days at work: mostly all, or a little more."""
        low, high = (0.84, 0.97) if self.number % SHORT_SEATS == 4 else (1.0, 1.08)
        return rng_for(self.seed, "load", self.number).uniform(low, high)

    @cached_property
    def overhead_share(self) -> float:
        """Share of its time that goes to the firm's own work; it grows with seniority."""
        low, high = ((0.04, 0.14), (0.06, 0.2), (0.14, 0.3), (0.28, 0.5))[self.level]
        return rng_for(self.seed, "overhead", self.number).uniform(low, high)

    @cached_property
    def dollars_an_hour(self) -> Decimal:
        """What an hour costs the firm in the year it opened."""
        return Decimal((20, 27, 37, 55)[self.level] + rng_for(self.seed, "cost", self.number).randrange(0, 7))


@dataclass(frozen=True)
class Person:
    """Who holds a seat from `start` to `end`, both included; `end` None: still there."""

    seat: Seat
    turn: int
    start: date
    end: date | None

    @cached_property
    def id(self) -> str:
        return f"usr-{self.seat.number:03d}-{self.turn}"

    def employed(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day <= self.end)

    def cost_rate(self, day: date, currency: str) -> Decimal:
        """The cost of an hour on that day, in that currency; it rises every January."""
        dollars = self.seat.dollars_an_hour * YEARLY_RAISE ** (day.year - OPENED.year)
        return (dollars * UNITS_PER_DOLLAR[currency]).quantize(Decimal("0.01"))


def seats(seed: int, people: int) -> list[Seat]:
    """Seat 0 is the owner's; the last one is a contractor's, with a new occupant every nine months."""
    return [
        Seat(
            seed,
            n,
            3 if n == 0 else rng_for(seed, "level", n).choice((0, 0, 1, 1, 1, 2, 2, 3)),
            _country(seed, n),
            contractor=n == people - 1,
        )
        for n in range(people)
    ]


def _country(seed: int, number: int) -> str:
    return ("US", "IL", "GB", "DE")[number] if number < 4 else weighted(rng_for(seed, "country", number), COUNTRIES)


def occupants(seat: Seat, *, since: date, today: date) -> list[Person]:
    """Everybody who had the seat between `since` and `today`, oldest first."""
    if seat.number == 0:
        return [Person(seat, 0, OPENED, None)]
    found: list[Person] = []
    turn, start = 0, OPENED + timedelta(days=rng_for(seat.seed, "opened", seat.number).randrange(0, 3000))
    while start <= today:
        draw = rng_for(seat.seed, "tenure", seat.number, turn)
        days = 270 if seat.contractor else draw.randrange(5 * 365, 14 * 365)
        end = start + timedelta(days=days)
        if end >= since:
            found.append(Person(seat, turn, start, end if end <= today + timedelta(days=45) else None))
        turn, start = turn + 1, end + timedelta(days=draw.randrange(7, 50))
    return found


def user_rows(found: Sequence[Person], profiles: Sequence[Row], today: date) -> list[Row]:
    """Everybody who has or had a seat, and an auditor who only looks.

    The owner's record still names a holiday profile that is no longer in use.
    """
    profile_of = {p["country_code"]: p["id"] for p in profiles if p["year"] == today.year and p["is_active"]}
    managers = [p for p in found if p.seat.level >= 2 and p.employed(today)]
    owner, *others = (_user_row(person, profile_of, managers, today) for person in found)
    retired = next(p["id"] for p in profiles if not p["is_active"])
    return [owner | {"holiday_profile_id": retired}, *others, _auditor()]


def _auditor() -> Row:
    """A Viewer who works elsewhere: no hours, no cost, no dates."""
    return {
        **dict.fromkeys(column.name for column in ORG_USERS.columns),
        "id": "usr-auditor",
        "email": f"auditor@{DOMAIN}",
        "name": AUDITOR,
        "role": "Viewer",
        "status": "Active",
        "country_code": "US",
    }


def _user_row(person: Person, profile_of: Mapping[str, str], managers: Sequence[Person], today: date) -> Row:
    seat, gone = person.seat, person.end is not None and person.end < today
    forgotten = gone and (seat.number % 5 == 1 or person.turn % 3 == 0)
    above = [m for m in managers if m.seat.number != seat.number and m.seat.level >= seat.level]
    return {
        "id": person.id,
        "email": f"{person.id.removeprefix('usr-')}@{DOMAIN}",
        "name": _name(person),
        "role": _role(seat),
        "status": "Inactive" if gone else "Active",
        "country_code": seat.country,
        "weekly_hours": Decimal(f"{seat.weekly_hours:g}") if seat.pattern.records_weekly_hours else None,
        "work_schedule": _schedule(seat.pattern) if seat.pattern.records_schedule else None,
        "holiday_profile_id": profile_of[seat.country] if seat.number % 3 else None,
        "cost_rate": person.cost_rate(min(today, person.end or today), seat.currency),
        "cost_rate_currency": seat.currency,
        "start_date": person.start,
        "end_date": None if forgotten else person.end,
        "manager_id": above[seat.number % len(above)].id if above and seat.number else None,
    }


def _name(person: Person) -> str:
    """First and last names go round at different speeds, so that few people share both."""
    seat = person.seat
    first, last = FIRST_NAMES[seat.country], LAST_NAMES[seat.country]
    n = seat.seed + seat.number + 43 * person.turn
    return f"{first[n % len(first)]} {last[(n // len(first) + n) % len(last)]}"


def _role(seat: Seat) -> str:
    if seat.number < 4:
        return ("Owner", "Admin", "Finance", "Manager")[seat.number]
    return "Manager" if seat.level == 3 else "Member"


def _schedule(pattern: Pattern) -> Row:
    """Nine to six with an hour's break on working days."""
    return {
        day: {"start": "09:00", "end": "18:00"} if number in pattern.days else None
        for number, day in enumerate(WEEKDAYS)
    }
