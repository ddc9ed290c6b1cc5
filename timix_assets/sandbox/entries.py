"""The firm's time entries: who worked on what, day by day, and how far each entry has come on its way to approval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from .names import TEXTS
from .people import Person
from .projects import Project, Subtask, at, first_of, month_index
from .seeded_random import rng_for, weighted

Row = dict[str, Any]

QUARTERS = tuple(Decimal(n) / 4 for n in range(97))
TIMER_SEATS = 11
"""Every eleventh seat logs with a timer, to the minute; its hours have four places."""
CALENDAR_SEATS = 17
"""Every seventeenth seat logs from a calendar plug-in, which sends no taskId, projectId or customerId."""
FREE_DAYS_A_SHIFT, FREE_DAY_HOURS = 67, 2.5
"""On one of so many days that a seat has free, its person works a little."""
DAYS_A_DAY_OFF = 53
"""One of so many days a person takes off."""
FORGETFUL_SEATS, FORGOTTEN_DAYS = 12, 9
"""The third of so many seats forgets to log one of so many days."""
LATE_SEATS, LATEST_DAYS = 6, 5
"""The second of so many seats enters its hours up to so many days after the work."""
HOARDING_SEAT = 3
"""It hands in a whole quarter at once, some weeks after the quarter's end."""
HOARDED_DAYS = 35
UNRATED = 0.002
"""Share of TM entries whose rate somebody forgot."""
REJECTED = 0.008
FORGOTTEN = 4
"""The lag of a week that is never submitted."""
NEVER = date.max


@dataclass(frozen=True, slots=True)
class Stage:
    """How far an entry has come, since when, and when it is approved."""

    status: str
    since: date
    approved_on: date


@dataclass(frozen=True, slots=True)
class Slot:
    """The position of an entry in its day: its number and its starting hour."""

    day: date
    number: int
    start: float


@dataclass(slots=True)
class Entry:
    """A row, its project, and the day on which it is (or will be) approved; NEVER if it will not be."""

    row: Row
    project: Project
    approved_on: date


@dataclass(frozen=True)
class Diary:
    """Everything that decides the entries of one firm."""

    seed: int
    first_day: date
    today: date
    running_on: Callable[[int, date], Sequence[tuple[Project, float]]]
    overhead_in: Callable[[int], Sequence[tuple[Project, float]]]
    days_off: Mapping[str, Mapping[date, float]]
    prices: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    costs: dict[tuple[str, int, str], Decimal] = field(default_factory=dict)

    def entries_of(self, person: Person) -> list[Entry]:
        """All entries of a person up to today, oldest first."""
        day = max(self.first_day, person.start)
        last = min(self.today, person.end or self.today)
        entries: list[Entry] = []
        while day <= last:
            entries.extend(self._day(person, day))
            day += timedelta(days=1)
        return entries

    def _day(self, person: Person, day: date) -> list[Entry]:
        seat = person.seat
        if day.weekday() not in seat.pattern.days:
            if (day.toordinal() * 7 + seat.number * 13) % FREE_DAYS_A_SHIFT:
                return []
            available = FREE_DAY_HOURS
        else:
            available = seat.pattern.hours * (1 - self.days_off[seat.country].get(day, 0.0))
        if not available or self._away(person, day) or _is_forgotten(seat.number, day):
            return []
        if _entered_on(person, day) > self.today:
            return []
        draw = rng_for(self.seed, "day", seat.number, day.toordinal())
        target = available * seat.load * (0.9 + 0.2 * draw.random())
        return self._split(person, day, target, draw)

    def _away(self, person: Person, day: date) -> bool:
        """Holidays of their own: some whole weeks and some single days."""
        return _week_off(self.seed, person.seat.number, day - timedelta(days=day.weekday())) or not (
            (day.toordinal() * 31 + person.seat.number * 17) % DAYS_A_DAY_OFF
        )

    def _split(self, person: Person, day: date, target: float, draw: Random) -> list[Entry]:
        parts = weighted(draw, ((1, 0.2), (2, 0.45), (3, 0.35))) if target > 3 else 1
        projects = self.running_on(person.seat.number, day)
        overhead = self.overhead_in(day.year)
        picked: dict[str, tuple[Project, Subtask]] = {}
        for _ in range(parts):
            project = weighted(
                draw, overhead if not projects or draw.random() < person.seat.overhead_share else projects
            )
            subtask = weighted(draw, project.choices)
            picked[subtask.id] = (project, subtask)
        cuts = [draw.uniform(0.5, 1.5) for _ in picked]
        start, entries = 9.0, []
        for n, ((project, subtask), cut) in enumerate(zip(picked.values(), cuts, strict=True)):
            hours = self._hours(person, target * cut / sum(cuts))
            entries.append(self._entry(person, Slot(day, n, start), project, subtask, hours, draw))
            start = min(22.0, start + float(hours))
        return entries

    def _hours(self, person: Person, length: float) -> Decimal:
        if person.seat.number % TIMER_SEATS == 3:
            return (Decimal(max(5, round(length * 60))) / 60).quantize(Decimal("0.0001"))
        return QUARTERS[max(1, round(length * 4))]

    def _entry(
        self, person: Person, slot: Slot, project: Project, subtask: Subtask, hours: Decimal, draw: Random
    ) -> Entry:
        seat, day = person.seat, slot.day
        billed = subtask.billing_type != "OVH" and (subtask.billing_type == "Fix" or draw.random() >= UNRATED)
        entered = _entered_on(person, day)
        stage = self._stage(seat.number, day, entered, rejected=draw.random() < REJECTED)
        cost_currency = seat.currency if seat.contractor else project.currency
        row: Row = {
            "id": f"tim-{day:%Y%m%d}-{seat.number:03d}-{slot.number}",
            "user_id": person.id,
            "subtask_id": subtask.id,
            "task_id": subtask.task_id,
            "project_id": project.id,
            "customer_id": f"cus-{project.customer:03d}",
            "date": day,
            "start_time": None if draw.random() < 0.3 else f"{int(slot.start):02d}:{int(slot.start % 1 * 60):02d}",
            "hours": hours,
            "text": None if draw.random() < 0.1 else draw.choice(TEXTS),
            "billing_type": subtask.billing_type,
            "status": stage.status,
            "customer_rate": self._price(project, person) if billed else None,
            "cost_rate": self._cost(person, day, cost_currency),
            "cost_rate_currency": None if cost_currency == seat.currency else cost_currency,
            "currency": project.currency,
            "invoice_id": None,
            "created_at": at(entered, 17, draw.randrange(60)),
            "updated_at": at(stage.since, 18),
        }
        if seat.number % CALENDAR_SEATS == 5:
            del row["task_id"], row["project_id"], row["customer_id"]
        return Entry(row, project, stage.approved_on)

    def _price(self, project: Project, person: Person) -> Decimal:
        key = (project.id, person.seat.number)
        if key not in self.prices:
            self.prices[key] = project.rate(person.seat)
        return self.prices[key]

    def _cost(self, person: Person, day: date, currency: str) -> Decimal:
        key = (person.id, day.year, currency)
        if key not in self.costs:
            self.costs[key] = person.cost_rate(day, currency)
        return self.costs[key]

    def _stage(self, seat: int, day: date, entered: date, *, rejected: bool) -> Stage:
        """A week is handed in on or after the Monday that follows it, and approved some days later."""
        monday = _next_monday(_quarter_end(day) + timedelta(days=HOARDED_DAYS) if seat == HOARDING_SEAT else day)
        to_submit, to_approve = _lags(self.seed, seat, monday.toordinal())
        submitted = max(entered, monday + timedelta(days=to_submit))
        approved = submitted + timedelta(days=to_approve)
        if to_submit == FORGOTTEN or self.today < submitted:
            return Stage("Draft", entered, NEVER)
        if self.today < approved:
            return Stage("Submitted", submitted, approved)
        if rejected:
            return Stage("Rejected", approved, NEVER)
        return Stage("Approved", approved, approved)


def _is_forgotten(seat: int, day: date) -> bool:
    """Whether a forgetful person logs nothing on that day."""
    return seat % FORGETFUL_SEATS == 2 and not (day.toordinal() * 11 + seat) % FORGOTTEN_DAYS


def _entered_on(person: Person, day: date) -> date:
    """The day on which hours are entered: that of the work, or some days later, but not after the person left."""
    if person.seat.number % LATE_SEATS != 1:
        return day
    entered = day + timedelta(days=(day.toordinal() * 5 + person.seat.number) % (LATEST_DAYS + 1))
    return min(entered, person.end or entered)


def _next_monday(day: date) -> date:
    return day + timedelta(days=7 - day.weekday())


def _quarter_end(day: date) -> date:
    return first_of((month_index(day) // 3 + 1) * 3) - timedelta(days=1)


@cache
def _lags(seed: int, seat: int, monday: int) -> tuple[int, int]:
    draw = rng_for(seed, "approval", seat, monday)
    return FORGOTTEN if draw.random() < 0.004 else draw.randrange(FORGOTTEN), draw.randrange(1, 9)


@cache
def _week_off(seed: int, seat: int, monday: date) -> bool:
    """Some weeks at any time of the year, more in August, and half the firm over the turn of the year."""
    turn_of_year = (monday.month, monday.day) >= (12, 21) or (monday.month, monday.day) <= (1, 1)
    odds = 0.5 if turn_of_year else 0.2 if monday.month == 8 else 0.04
    return rng_for(seed, "week off", seat, monday).random() < odds
