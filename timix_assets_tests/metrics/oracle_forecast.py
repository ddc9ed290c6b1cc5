"""How fast a budget burns, when it runs out and where it ends (docs/metrics.md, § 3)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from timix_assets.metrics.params import RollupParams
from timix_assets.settings.firm import BudgetPolicy, WorkCalendar
from timix_assets_tests.metrics.oracle_arithmetic import ONE_DAY, ZERO, days, grouped, years_later
from timix_assets_tests.metrics.oracle_budgets import Budget


@dataclass(frozen=True)
class WorkingDays:
    """§ 3: the default week's working days, holidays not taken off, both ends included."""

    week: tuple[Decimal, ...]

    @cached_property
    def works(self) -> tuple[bool, ...]:
        """By weekday. A week without any working day says nothing: Monday to Friday."""
        return tuple(hours > 0 for hours in (self.week if any(self.week) else WorkCalendar().default_week.hours))

    def has(self, day: date) -> bool:
        return self.works[day.weekday()]

    def count(self, first: date, last: date) -> int:
        """Whole weeks, and the days that are left: projects in the tests last from year 1 to 9999."""
        works, (weeks, rest) = self.works, divmod(max(0, (last - first).days + 1), 7)
        return weeks * sum(works) + sum(works[(first.weekday() + n) % 7] for n in range(rest))

    def back(self, day: date, number: int) -> date:
        """The number-th working day back, the day itself counted."""
        found = [earlier for earlier in _days_back(day, 7 * (number + 1)) if self.has(earlier)]
        return found[number - 1]

    def after(self, day: date, number: int, latest: date) -> date | None:
        """The number-th working day after the day; None beyond latest."""
        for later in days(day + ONE_DAY, latest):
            number -= self.has(later)
            if number == 0:
                return later
        return None


def _days_back(day: date, number: int) -> Iterator[date]:
    for _ in range(number):
        yield day
        day -= ONE_DAY


@dataclass(frozen=True)
class Forecast:
    """The forecast of one budget on the as-of date. Rates are exact: amounts a working day."""

    budget: Budget
    as_of: date
    policy: BudgetPolicy
    working_days: WorkingDays

    @classmethod
    def of(cls, budget: Budget, params: RollupParams) -> "Forecast":
        week = params.firm.work_calendar.default_week.hours
        return cls(budget, params.as_of, params.firm.budget_policy, WorkingDays(week))

    @cached_property
    def used(self) -> Decimal | None:
        return self.budget.used(self.as_of)

    @cached_property
    def elapsed(self) -> Fraction | None:
        """§ 3: working days start…as-of ÷ working days start…end, clamped to 0…1; null without a start or an end."""
        start, end = self.budget.start, self.budget.end
        if start is None or end is None or (whole := self.working_days.count(start, end)) == 0:
            return None
        return min(Fraction(1), Fraction(self.working_days.count(start, self.as_of), whole))

    @cached_property
    def burn_rate(self) -> Fraction | None:
        """§ 3: use since the 20th working day back ÷ 20; if the first entry is younger: ÷ working days since it.

        Null under 5 working days or without entries.
        """
        if not self.budget.uses or self.used is None:
            return None
        window_start = self.working_days.back(self.as_of, self.policy.burn_window_days)
        first_use = min(use.day for use in self.budget.uses)
        length = self.policy.burn_window_days
        if first_use > window_start:
            length = self.working_days.count(first_use, self.as_of)
        if length < self.policy.burn_minimum_days:
            return None
        return Fraction(self.budget.used(self.as_of, since=window_start) or ZERO) / length

    @cached_property
    def exhaustion_date(self) -> date | None:
        """§ 3: the ceil(remaining ÷ burn_rate)-th working day after as-of; null if burn_rate ≤ 0 or beyond 5 years.

        used ≥ cap: the first date on which cumulative use reached the cap.
        """
        if self.budget.cap is None or self.used is None:
            return None
        if self.used >= self.budget.cap:
            return self._day_reached(self.budget.cap)
        if self.burn_rate is None or self.burn_rate <= 0:
            return None
        number = math.ceil(Fraction(self.budget.cap - self.used) / self.burn_rate)
        latest = years_later(self.as_of, self.policy.exhaustion_horizon_years)
        return self.working_days.after(self.as_of, number, latest)

    def _day_reached(self, cap: Decimal) -> date | None:
        cumulative = ZERO
        for day, uses in sorted(grouped(self.budget.uses, lambda use: use.day).items()):
            cumulative += sum((use.amount for use in uses if use.amount is not None), ZERO)
            if cumulative >= cap:
                return day
        return None

    @cached_property
    def projected_final(self) -> Fraction | None:
        """§ 3: used + burn_rate × working days after as-of up to the end date; end date not after as-of: used.

        Null without an end date, or before it without a burn_rate.
        """
        if self.budget.end is None or self.used is None:
            return None
        if self.budget.end <= self.as_of:
            return Fraction(self.used)
        if self.burn_rate is None:
            return None
        return Fraction(self.used) + self.burn_rate * self.working_days.count(self.as_of + ONE_DAY, self.budget.end)

    @cached_property
    def outlook(self) -> str | None:
        """§ 3: overrun_expected if used or projected_final > cap, dates or not, or if burn runs ahead of elapsed time."""
        used, cap, projected = self.used, self.budget.cap, self.projected_final
        if cap is None or used is None:
            return None
        if used > cap or (projected is not None and projected > Fraction(cap)) or self._runs_ahead(used, cap):
            return "overrun_expected"
        return None if projected is None and self.elapsed is None else "in_control"

    def _runs_ahead(self, used: Decimal, cap: Decimal) -> bool:
        """§ 3: burn > elapsed + 0.10 when start…as-of has at least 5 working days."""
        if self.budget.start is None or self.elapsed is None:
            return False
        if self.working_days.count(self.budget.start, self.as_of) < self.policy.burn_minimum_days:
            return False
        return Fraction(used) / Fraction(cap) > self.elapsed + Fraction(self.policy.overrun_tolerance)
