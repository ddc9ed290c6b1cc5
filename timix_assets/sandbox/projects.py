"""Customers, projects, tasks and subtasks of the simulated firm.

Projects begin on a calendar: each month has its own, whatever the date of generation, so that a later `today` adds projects
and changes none. A cap is the project's planned use divided by the burn that chance gave it, which is why burns come out
on both sides of 80 % and 100 %.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from .names import (
    CUSTOMER_NAMES,
    FIRST_NAMES,
    HEBREW_PROJECTS,
    LAST_NAMES,
    LINES_OF_BUSINESS,
    LONG_SUFFIX,
    OVERHEAD_WORK,
    firm_name,
)
from .people import COUNTRIES, CURRENCY_OF, OPENED, UNITS_PER_DOLLAR, Seat
from .seeded_random import rng_for, weighted

Row = dict[str, Any]

PROJECTS_PER_SEAT_AND_MONTH = 0.105
LONGEST_MONTHS = 12
INTERNAL = 0
"""The firm is its own customer for overhead."""

PLANNED_OVERHEAD = 0.16
PLANNED_LOAD = 0.72
"""Share of contracted hours that ends up on customers' projects, after overhead, holidays and absence."""

MIXES = (
    ((("TM", 1.0),), 0.55),
    ((("Fix", 1.0),), 0.2),
    ((("TM", 0.6), ("Fix", 0.4)), 0.13),
    ((("TM", 0.94), ("OVH", 0.06)), 0.12),
)
Burns = tuple[tuple[tuple[float, float], float], ...]
BURNS: Burns = (((1.06, 1.3), 0.17), ((0.85, 0.97), 0.2), ((0.4, 0.76), 0.63))
FIXED_BURNS: Burns = (((1.06, 1.4), 0.4), ((0.85, 0.97), 0.3), ((0.6, 0.8), 0.3))
"""What is sold at a fixed price often takes longer than planned."""
DOLLARS_AN_HOUR = (105, 145, 185, 250)
ZERO = Decimal(0)


@dataclass
class Subtask:
    id: str
    task_id: str
    name: str
    billing_type: str
    weight: float


@dataclass
class Project:
    """What chance decided about a project. pace: how much of its people's time it takes beside their other projects."""

    seed: int
    number: int
    customer: int
    name: str
    start: date
    end: date
    mix: tuple[tuple[str, float], ...]
    seats: tuple[int, ...]
    pace: float
    currency: str
    cancelled: bool = False
    tasks: list[tuple[str, str]] = field(default_factory=list)
    subtasks: list[Subtask] = field(default_factory=list)

    @cached_property
    def id(self) -> str:
        return f"prj-{self.number}"

    @cached_property
    def choices(self) -> list[tuple[Subtask, float]]:
        return [(subtask, subtask.weight) for subtask in self.subtasks]

    def rate(self, seat: Seat) -> Decimal:
        """What an hour of that seat costs the customer: a multiple of five in the project's currency."""
        factor = rng_for(self.seed, "rate", self.number).choice(("0.85", "0.9", "1", "1", "1.1", "1.25"))
        dollars = DOLLARS_AN_HOUR[seat.level] * Decimal(factor)
        return (dollars * UNITS_PER_DOLLAR[self.currency] / 5).quantize(Decimal(1)) * 5


def month_index(day: date) -> int:
    return day.year * 12 + day.month - 1


def first_of(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def at(day: date, hour: int = 9, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


def customer_count(people: int) -> int:
    return max(3, min(len(CUSTOMER_NAMES), people * 3 // 2))


def projects_begun(seed: int, people: int, months: Iterable[int]) -> list[Project]:
    """The customers' projects that begin in those months."""
    rate = PROJECTS_PER_SEAT_AND_MONTH * people
    return [
        _project(seed, people, month, number)
        for month in months
        for number in range(int(month * rate), int((month + 1) * rate))
    ]


def _project(seed: int, people: int, month: int, number: int) -> Project:
    draw = rng_for(seed, "project", number)
    names, line_work = LINES_OF_BUSINESS[number % len(LINES_OF_BUSINESS)]
    customer = draw.randrange(customer_count(people)) + 1
    start = first_of(month) + timedelta(days=draw.randrange(28))
    cancelled = draw.random() < 0.04
    end = start + timedelta(days=draw.randrange(60, 120) if cancelled else draw.randrange(150, LONGEST_MONTHS * 30))
    name = draw.choice(HEBREW_PROJECTS if _is_hebrew(customer) else names)
    name = f"{name} {start.year} ({_short(customer)})" + (LONG_SUFFIX if draw.random() < 0.03 else "")
    staff = {(number * 3 + k) % people for k in range(3)} | ({draw.randrange(people)} if draw.random() < 0.3 else set())
    home = CURRENCY_OF[customer_country(seed, customer)]
    currency = draw.choice(("USD", "EUR")) if draw.random() < 0.08 else home
    project = Project(
        seed,
        number,
        customer,
        name,
        start,
        end,
        weighted(draw, MIXES),
        tuple(sorted(staff)),
        draw.uniform(0.6, 1.6),
        currency,
        cancelled,
    )
    work = draw.sample(line_work, draw.randint(2, 3))
    _lay_out(project, [(task, draw.sample(subtasks, draw.randint(2, len(subtasks)))) for task, subtasks in work])
    return project


def _short(customer: int) -> str:
    """The first distinctive word of a customer's name."""
    words: list[str] = re.findall(r"\w+", CUSTOMER_NAMES[customer - 1])
    return next((word for word in words if len(word) > 3), words[0])


def overhead_projects(seed: int, years: Iterable[int]) -> list[Project]:
    """The firm's internal work, a new project every year."""
    return [_overhead(seed, year, n) for year in years for n in range(len(OVERHEAD_WORK))]


def _overhead(seed: int, year: int, n: int) -> Project:
    name, subtasks = OVERHEAD_WORK[n]
    whole = (date(year, 1, 1), date(year, 12, 31))
    project = Project(
        seed, year * 10 + n, INTERNAL, f"{name} {year}", *whole, (("OVH", 1.0),), (), (5.0, 2.0, 1.5)[n], "USD"
    )
    _lay_out(project, [(name, subtasks)])
    return project


def _lay_out(project: Project, work: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Give the project its tasks and subtasks, and each subtask a billing type of the mix and a share of the hours."""
    laid = [
        (f"tsk-{project.number}-{t}", n, name)
        for t, (_, names) in enumerate(work, 1)
        for n, name in enumerate(names, 1)
    ]
    project.tasks = [(f"tsk-{project.number}-{t}", name) for t, (name, _) in enumerate(work, 1)]
    kinds = [kind for kind, _ in project.mix]
    per_kind = {kind: sum(1 for i in range(len(laid)) if kinds[i % len(kinds)] == kind) for kind in kinds}
    share = dict(project.mix)
    for i, (task_id, n, name) in enumerate(laid):
        kind = kinds[i % len(kinds)]
        subtask_id = f"sub{task_id.removeprefix('tsk')}-{n}"
        project.subtasks.append(Subtask(subtask_id, task_id, name, kind, share[kind] / per_kind[kind]))


def planned_hours(running: Sequence[Project], seats: Sequence[Seat]) -> dict[int, float]:
    """Hours that each project will take from its first day to its last: its people's time, shared by pace, month by month."""
    hours: dict[int, float] = dict.fromkeys((p.number for p in running), 0.0)
    by_seat_month: dict[tuple[int, int], list[tuple[Project, float]]] = {}
    for project in running:
        for month in range(month_index(project.start), month_index(project.end) + 1):
            first, after = first_of(month), first_of(month + 1)
            days = (min(project.end + timedelta(days=1), after) - max(project.start, first)).days
            for seat in project.seats:
                by_seat_month.setdefault((seat, month), []).append(
                    (project, project.pace * days / (after - first).days)
                )
    for (seat, _), shares in by_seat_month.items():
        available = seats[seat].weekly_hours * PLANNED_LOAD * 52 / 12
        total = sum(share for _, share in shares)
        covered = min(1.0, total / max(p.pace for p, _ in shares))
        for project, share in shares:
            hours[project.number] += available * covered * share / total
    return hours


def customer_country(seed: int, customer: int) -> str:
    if customer == INTERNAL:
        return "US"
    if _is_hebrew(customer):
        return "IL"
    return weighted(rng_for(seed, "customer", customer), COUNTRIES)


def _is_hebrew(customer: int) -> bool:
    return customer != INTERNAL and "\u0590" <= CUSTOMER_NAMES[customer - 1][0] <= "\u05ff"


def customer_rows(seed: int, people: int, projects: Sequence[Project], today: date) -> list[Row]:
    latest = {p.customer: p.end for p in sorted(projects, key=lambda p: p.end)}
    return [_customer_row(seed, n, latest.get(n, OPENED), today) for n in range(customer_count(people) + 1)]


def _customer_row(seed: int, number: int, latest: date, today: date) -> Row:
    draw = rng_for(seed, "contact", number)
    country = customer_country(seed, number)
    since = at(OPENED + timedelta(days=draw.randrange(3000, 7000)), draw.randrange(7, 18), draw.randrange(60))
    contact = f"{draw.choice(FIRST_NAMES[country])} {draw.choice(LAST_NAMES[country])}"
    return {
        "id": f"cus-{number:03d}",
        "name": CUSTOMER_NAMES[number - 1] if number else f"{firm_name(seed)} (internal)",
        "status": "Active" if number == INTERNAL or latest >= today - timedelta(days=90) else "Inactive",
        "country_code": country,
        "currency": CURRENCY_OF[country],
        "contact_name": contact if number else None,
        "contact_email": f"contact@customer-{number:03d}.example" if number else None,
        "created_at": since,
        "updated_at": since + timedelta(days=draw.randrange(0, 400)),
    }


@dataclass(frozen=True)
class Budget:
    """Planned hours of each subtask of a project, and the caps that follow from them."""

    project: Project
    hours: float
    seats: Sequence[Seat]

    def _cap(self, what: str, planned: float, odds: float, burns: Burns = BURNS) -> Decimal:
        """Zero, which is unlimited, or the planned use over the burn that it will end at, in whole fives."""
        draw = rng_for(self.project.seed, "cap", what)
        if planned <= 0 or draw.random() >= odds:
            return ZERO
        low, high = weighted(draw, burns)
        return Decimal(max(1, round(planned / draw.uniform(low, high) / 5))) * 5

    def limits(self, owner: str, share: Mapping[str, float], odds: float) -> Row:
        return {
            f"{kind.lower()}_hour_limit": self._cap(f"{owner} {kind}", self.hours * share.get(kind, 0.0), odds)
            for kind in ("TM", "Fix", "OVH")
        }

    def project_row(self, today: date) -> Row:
        project = self.project
        share = dict(project.mix)
        team = [self.seats[n] for n in project.seats]
        rate = sum((project.rate(seat) for seat in team), ZERO) / max(1, len(team))
        units = UNITS_PER_DOLLAR[project.currency]
        cost = sum((seat.dollars_an_hour for seat in team), ZERO) / max(1, len(team)) * Decimal("1.95") * units
        draw = rng_for(project.seed, "status", project.number)
        over = project.end < today
        running = "OnHold" if draw.random() < 0.04 else "Active"
        return {
            "id": project.id,
            "customer_id": f"cus-{project.customer:03d}",
            "name": project.name,
            "description": None
            if project.number % 3 == 0
            else f"{project.name}: agreed by e-mail, see the statement of work.",
            "status": ("Cancelled" if project.cancelled else "Completed") if over else running,
            "billing_types": [kind for kind, _ in project.mix],
            **self.limits(project.id, share, 0.65),
            # The plan that the progress of a fixed price is measured against.
            "fix_hour_limit": self._cap(f"{project.id} Fix", self.hours * share.get("Fix", 0), 0.95, FIXED_BURNS),
            "amount_limit": self._cap(f"{project.id} amount", self.hours * share.get("TM", 0) * float(rate), 0.3),
            "contract_amount": self._cap(f"{project.id} contract", self.hours * share.get("Fix", 0) * float(cost), 1.0)
            if "Fix" in share
            else None,
            "currency": project.currency,
            "start_date": project.start,
            "end_date": None if project.number % 10 == 7 and not over else project.end,
            "created_at": at(project.start - timedelta(days=draw.randrange(3, 40)), 10, draw.randrange(60)),
            "updated_at": at(min(project.end, today), 8),
        }

    def task_rows(self, today: date) -> list[Row]:
        return [self._task_row(task_id, name, today) for task_id, name in self.project.tasks]

    def _task_row(self, task_id: str, name: str, today: date) -> Row:
        share: dict[str, float] = {}
        for subtask in self.project.subtasks:
            if subtask.task_id == task_id:
                share[subtask.billing_type] = share.get(subtask.billing_type, 0.0) + subtask.weight
        return {
            "id": task_id,
            "project_id": self.project.id,
            "name": name,
            "description": f"{name} of {self.project.name}" if self.project.number % 2 else None,
            "status": self._status(task_id, today),
            **self.limits(task_id, share, 0.25),
            **self._stamps(today),
        }

    def subtask_rows(self, today: date) -> list[Row]:
        return [
            {
                "id": subtask.id,
                "task_id": subtask.task_id,
                "name": subtask.name,
                "description": None if self.project.number % 4 else f"{subtask.name}; bill as {subtask.billing_type}",
                "status": self._status(subtask.id, today),
                "billing_type": subtask.billing_type,
                "hour_limit": self._cap(subtask.id, self.hours * subtask.weight, 0.2),
                **self._stamps(today),
            }
            for subtask in self.project.subtasks
        ]

    def _status(self, owner: str, today: date) -> str:
        if self.project.end < today:
            return "Completed"
        return "Inactive" if rng_for(self.project.seed, "inactive", owner).random() < 0.03 else "Active"

    def _stamps(self, today: date) -> Row:
        created = self.project.start - timedelta(days=2)
        return {"created_at": at(created, 11), "updated_at": at(min(self.project.end, today), 8)}
