"""How fast a budget burns, when it runs out and where it ends (metrics.md § 3)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from timix_assets.metrics.settings import DEFAULT_WEEK, BudgetPolicy, Week
from timix_assets_tests.metrics.oracle_arithmetic import ONE_DAY, ZERO, days, grouped, years_later
from timix_assets_tests.metrics.oracle_budgets import Budget


@dataclass(slots=True)
class WorkingDays:
    """§ 3: the default week's working days, holidays not taken off, both ends included."""

    week: Week
    _counts: dict[tuple[date, date], int] = field(default_factory=dict)

    def has(self, day: date) -> bool:
        """A week without any working day says nothing: Monday to Friday."""
        hours = self.week if any(self.week) else DEFAULT_WEEK
        return hours[day.weekday()] > 0

    def count(self, first: date, last: date) -> int:
        if (first, last) not in self._counts:
            self._counts[first, last] = sum(self.has(day) for day in days(first, last))
        return self._counts[first, last]

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


@dataclass(frozen=True, slots=True)
class Forecast:
    """What can be said of one budget on the as-of date. Rates are exact: amounts a working day."""

    budget: Budget
    as_of: date
    policy: BudgetPolicy
    working_days: WorkingDays

    @property
    def used(self) -> Decimal | None:
        return self.budget.used(self.as_of)

    @property
    def elapsed(self) -> Fraction | None:
        """§ 3: working days start…as-of ÷ working days start…end, clamped to 0…1; null without both dates."""
        start, end = self.budget.start, self.budget.end
        if start is None or end is None or (whole := self.working_days.count(start, end)) == 0:
            return None
        return min(Fraction(1), Fraction(self.working_days.count(start, self.as_of), whole))

    @property
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

    @property
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

    @property
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

    @property
    def outlook(self) -> str | None:
        """§ 3: null without a cap, if both projected_final and elapsed are null, or where cost is hidden."""
        if self.budget.cap is None or self.used is None:
            return None
        if self.projected_final is None and self.elapsed is None:
            return None
        expected = Fraction(self.used) if self.projected_final is None else self.projected_final
        overruns = max(Fraction(self.used), expected) > Fraction(self.budget.cap)
        return "overrun_expected" if overruns or self._runs_ahead(self.used, self.budget.cap) else "in_control"

    def _runs_ahead(self, used: Decimal, cap: Decimal) -> bool:
        """§ 3: burn > elapsed + 0.10 when start…as-of has at least 5 working days."""
        if self.budget.start is None or self.elapsed is None:
            return False
        if self.working_days.count(self.budget.start, self.as_of) < self.policy.burn_minimum_days:
            return False
        return Fraction(used) / Fraction(cap) > self.elapsed + Fraction(self.policy.overrun_tolerance)
