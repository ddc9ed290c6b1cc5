"""What a firm may decide about its own figures. Pure values; `firm_settings.py` fills them from configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

Week = tuple[Decimal, Decimal, Decimal, Decimal, Decimal, Decimal, Decimal]
"""Scheduled hours from Monday to Sunday."""

DEFAULT_WEEK: Week = (*(Decimal(8),) * 5, Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """Working time where the API is silent.

    daily_break_hours comes off days longer than break_threshold_hours. users and countries: weeks of their own, by user id
    and ISO 3166 code. time_off_subtask_ids: entries on these subtasks are leave, not work.
    """

    default_week: Week = DEFAULT_WEEK
    daily_break_hours: Decimal = Decimal(1)
    break_threshold_hours: Decimal = Decimal(6)
    users: Mapping[str, Week] = field(default_factory=dict)
    countries: Mapping[str, Week] = field(default_factory=dict)
    default_holiday_profile_id: str | None = None
    time_off_subtask_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """When a budget is at risk or over, and which entries count.

    warning and critical are ratios (0.80 = 80 %), used where the organization gives none. burn_window_days and
    burn_minimum_days are working days; exhaustion_horizon_years is how far ahead a date is still worth saying;
    overrun_tolerance is how far burn may run ahead of elapsed time.
    """

    warning: Decimal = Decimal("0.80")
    critical: Decimal = Decimal("1.00")
    counted_statuses: tuple[str, ...] = ("Draft", "Submitted", "Approved", "Invoiced")
    burn_window_days: int = 20
    burn_minimum_days: int = 5
    exhaustion_horizon_years: int = 5
    overrun_tolerance: Decimal = Decimal("0.10")


@dataclass(frozen=True, slots=True)
class Targets:
    """utilization: the billable utilization the firm aims at, a ratio."""

    utilization: Decimal = Decimal("0.75")


@dataclass(frozen=True, slots=True)
class AgingBuckets:
    """upper_days: the last day of each bucket but the open one: (30, 60, 90) gives 0-30, 31-60, 61-90, 91+."""

    upper_days: tuple[int, ...] = (30, 60, 90)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the formulas need besides tables: the as-of date, the loaded range and the firm's decisions.

    first_month: first day of the earliest month of time reports that was ever read. The loaded range ends with the month
    of as_of.
    """

    as_of: date
    first_month: date
    calendar: WorkCalendar = field(default_factory=WorkCalendar)
    budgets: BudgetPolicy = field(default_factory=BudgetPolicy)
    targets: Targets = field(default_factory=Targets)
    aging: AgingBuckets = field(default_factory=AgingBuckets)
