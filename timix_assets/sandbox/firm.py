"""A simulated services firm: two years of people, projects, time and invoices, the same for the same seed and day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from .entries import Diary, Entry
from .holidays import fraction_off, profile_rows
from .invoices import Billing
from .names import DEFAULT_SEED, DOMAIN, firm_id, firm_name
from .people import OPENED, Person, Seat, occupants, seats, user_rows
from .projects import (
    LONGEST_MONTHS,
    PLANNED_OVERHEAD,
    Budget,
    Project,
    at,
    customer_rows,
    first_of,
    month_index,
    overhead_projects,
    planned_hours,
    projects_begun,
)

Row = dict[str, Any]

YEARS_OF_LEAVERS = 1


@dataclass(frozen=True)
class Firm:
    """The firm's tables as the API would list them: endpoint name -> rows, keyed by the contract's column names.

    Hours, rates and money are Decimal, days date, instants aware datetimes. Reports are not tables: `reports` computes them.
    """

    seed: int
    first_day: date
    today: date
    tables: dict[str, list[Row]]

    @classmethod
    def generate(cls, *, people: int = 40, months: int = 24, seed: int = DEFAULT_SEED, today: date) -> "Firm":
        """A firm of that many seats, with `months` calendar months of time up to `today`, the running one included.

        Raises ValueError below 4 people or 1 month.
        """
        if people < 4 or months < 1:
            raise ValueError(f"A firm of {people} people over {months} months is too small; use at least 4 and 1.")
        return _Generation(seed, people, month_index(today) - months + 1, today).firm()


@dataclass(frozen=True)
class _Generation:
    seed: int
    people: int
    first_month: int
    today: date

    def firm(self) -> Firm:
        first_day = first_of(self.first_month)
        staff = seats(self.seed, self.people)
        since = date(first_day.year - YEARS_OF_LEAVERS, 1, 1)
        staffed = [p for seat in staff for p in occupants(seat, since=since, today=self.today)]
        profiles = profile_rows(first_day.year, self.today.year + 1)
        budgets = self._budgets(staff)
        entries = self._entries(staffed, profiles, [b.project for b in budgets])
        projects = [b.project_row(self.today) for b in budgets]
        contracts = {p["id"]: p["contract_amount"] for p in projects if p["contract_amount"]}
        invoices = Billing(self.seed, self.first_month, self.today, contracts).invoices(entries)
        users = user_rows(staffed, profiles, self.today)
        tables = {
            "me": [_me(users[0], self.seed)],
            "organization": [_organization(self.seed)],
            "org_users": users,
            "holiday_profiles": profiles,
            "customers": customer_rows(self.seed, self.people, [b.project for b in budgets], self.today),
            "projects": projects,
            "tasks": [row for b in budgets for row in b.task_rows(self.today)],
            "subtasks": [row for b in budgets for row in b.subtask_rows(self.today)],
            "time_reports": [entry.row for entry in entries],
            "invoices": invoices,
        }
        return Firm(self.seed, first_day, self.today, tables)

    def _budgets(self, staff: Sequence[Seat]) -> list[Budget]:
        """The projects that can be seen: the firm's own, and the customers' that began by now and may reach into the window.

        Hours are planned with the neighbours before and after in mind, begun or not, so that time brings no change.
        """
        this_month = month_index(self.today)
        around = range(self.first_month - 2 * LONGEST_MONTHS, this_month + LONGEST_MONTHS + 1)
        all_projects = projects_begun(self.seed, self.people, around)
        hours = planned_hours(all_projects, staff)
        first = first_of(self.first_month - LONGEST_MONTHS + 1)
        seen = [p for p in all_projects if first <= p.start <= self.today]
        own = overhead_projects(self.seed, range(first_of(self.first_month).year, self.today.year + 1))
        a_year = sum(seat.weekly_hours for seat in staff) * 50 * PLANNED_OVERHEAD
        pace = sum(p.pace for p in own if p.start.year == self.today.year)
        return [
            *(Budget(p, a_year * p.pace / pace, staff) for p in own),
            *(Budget(p, hours[p.number], staff) for p in seen),
        ]

    def _entries(self, staffed: Sequence[Person], profiles: list[Row], projects: Sequence[Project]) -> list[Entry]:
        @cache
        def running_on(seat: int, day: date) -> list[tuple[Project, float]]:
            return [(p, p.pace) for p in assigned[seat] if p.start <= day <= p.end]

        @cache
        def overhead_in(year: int) -> list[tuple[Project, float]]:
            return [(p, p.pace) for p in projects if not p.seats and p.start.year == year]

        assigned = {n: [p for p in projects if n in p.seats] for n in range(self.people)}
        days_off = {country: fraction_off(profiles, country) for country in {p.seat.country for p in staffed}}
        diary = Diary(self.seed, first_of(self.first_month), self.today, running_on, overhead_in, days_off)
        entries = [entry for person in staffed for entry in diary.entries_of(person)]
        return sorted(entries, key=lambda entry: entry.row["id"])


def _me(owner: Row, seed: int) -> Row:
    return {
        "user_id": owner["id"],
        "email": owner["email"],
        "name": owner["name"],
        "role": owner["role"],
        "organization_id": firm_id(seed),
        "organization_name": firm_name(seed),
        "plan": "Business",
        "permissions": ["read", "write", "financials"],
        "key_name": f"sandbox@{DOMAIN}",
        "key_expires_at": None,
    }


def _organization(seed: int) -> Row:
    return {
        "id": firm_id(seed),
        "name": firm_name(seed),
        "plan": "Business",
        "currency": "USD",
        "time_zone": "America/New_York",
        "country_code": "US",
        "first_day_of_week": 1,
        "budget_warning_threshold": Decimal(80),
        "budget_critical_threshold": Decimal(100),
        "created_at": at(OPENED),
    }
