"""Firm config: what a firm decides about its own figures. The formulas take these models; the launchpad shows their fields.

The YAML file of TIMIX_SETTINGS has a section for each: `work_calendar`, `budget_policy`, `targets`, `aging_buckets`,
`money_policy`, `timesheets`. A field that is not there keeps its default.
"""

from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from timix_assets.contract.endpoints import ENTRY_STATUSES, ROLES
from timix_assets.settings import yaml_file
from timix_assets.settings.declaration import Declaration, suggestion
from timix_assets.settings.errors import SettingsError

MAX_DAYS, MAX_YEARS, MAX_RATIO, MAX_BUCKETS = 3_660, 100, 1_000, 20
"""Larger than any firm needs, and small enough for dates and decimals not to overflow."""

Hours = Annotated[Decimal, Field(ge=0, le=24)]
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]


def _country_code(code: str) -> str:
    if not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise ValueError("is not an ISO 3166 country code of two letters; write it like IL or DE.")
    return code.upper()


def _status(status: str) -> str:
    if status not in ENTRY_STATUSES:
        raise ValueError(f"is not a status of time entries; {suggestion(status, ENTRY_STATUSES)}")
    return status


def _role(role: str) -> str:
    if role not in ROLES:
        raise ValueError(f"is not a role of Timix; {suggestion(role, ROLES)}")
    return role


def _increasing(days: tuple[int, ...]) -> tuple[int, ...]:
    if list(days) != sorted(set(days)):
        raise ValueError("each day must be later than the one before; sort the list.")
    return days


class Week(Declaration):
    """Scheduled hours of each weekday."""

    monday: Hours = Field(default=Decimal(0), description="Hours on Monday.")
    tuesday: Hours = Field(default=Decimal(0), description="Hours on Tuesday.")
    wednesday: Hours = Field(default=Decimal(0), description="Hours on Wednesday.")
    thursday: Hours = Field(default=Decimal(0), description="Hours on Thursday.")
    friday: Hours = Field(default=Decimal(0), description="Hours on Friday.")
    saturday: Hours = Field(default=Decimal(0), description="Hours on Saturday.")
    sunday: Hours = Field(default=Decimal(0), description="Hours on Sunday.")

    @model_validator(mode="before")
    @classmethod
    def _of_a_tuple(cls, data: Any) -> Any:
        return dict(zip(cls.model_fields, data, strict=True)) if isinstance(data, tuple) else data

    @classmethod
    def of(cls, *hours: Decimal | int) -> Self:
        """The week with these hours from Monday on; days that are left out have none."""
        return cls.model_validate(dict(zip(cls.model_fields, hours, strict=False)))

    @property
    def hours(self) -> tuple[Decimal, ...]:
        """From Monday to Sunday."""
        return tuple(getattr(self, day) for day in type(self).model_fields)


class WorkCalendar(Declaration):
    """Working time of people for whom the API does not say it."""

    default_week: Week = Field(
        default=Week.of(8, 8, 8, 8, 8), description="The week of everybody of whom nothing else is known."
    )
    daily_break_hours: Hours = Field(
        default=Decimal(1),
        description="Subtracted from days of a work schedule that are longer than break_threshold_hours.",
    )
    break_threshold_hours: Hours = Field(default=Decimal(6), description="Days up to this long have no break.")
    users: dict[str, Week] = Field(default={}, description="Weeks of single people, by user id.")
    countries: dict[Annotated[str, AfterValidator(_country_code)], Week] = Field(
        default={}, description="Weeks of countries, by ISO 3166 code of two letters."
    )
    default_holiday_profile_id: str = Field(
        default="", description="Holiday profile of people for whom neither their own nor their country's is known."
    )
    time_off_subtask_ids: frozenset[str] = Field(
        default=frozenset(), description="Subtasks on which leave is logged: it lowers capacity and is not work."
    )
    non_delivery_roles: frozenset[Annotated[str, AfterValidator(_role)]] = Field(
        default=frozenset({"Viewer"}),
        description="Roles that deliver nothing: their people have capacity up to their last entry, and none without any.",
    )


class BudgetPolicy(Declaration):
    """When a budget is at risk or over, and which entries count."""

    warning: Decimal = Field(
        default=Decimal("0.80"),
        gt=0,
        le=MAX_RATIO,
        examples=["0.8 for 80 %"],
        description="Burn from which a budget is at risk, where the organization sets none.",
    )
    critical: Decimal = Field(
        default=Decimal("1.00"),
        gt=0,
        le=MAX_RATIO,
        examples=["1 for 100 %"],
        description="Burn from which a budget is over, where the organization sets none.",
    )
    counted_statuses: tuple[Annotated[str, AfterValidator(_status)], ...] = Field(
        default=("Draft", "Submitted", "Approved", "Invoiced"),
        min_length=1,
        description="Statuses whose entries count in every figure.",
    )
    burn_window_days: Days = Field(
        default=20, description="Trailing working days from which the burn rate is computed."
    )
    burn_minimum_days: Days = Field(
        default=5, description="A budget with fewer working days of use has no burn rate yet."
    )
    exhaustion_horizon_years: int = Field(
        default=5, ge=1, le=MAX_YEARS, description="No exhaustion date is given beyond this many years."
    )
    overrun_tolerance: Decimal = Field(
        default=Decimal("0.10"),
        ge=0,
        le=MAX_RATIO,
        examples=["0.1 for 10 %"],
        description="How far burn may run ahead of elapsed time.",
    )

    @model_validator(mode="after")
    def _warns_before_it_is_over(self) -> Self:
        if self.warning > self.critical:
            raise ValueError("warning must be at most critical; both are ratios (0.8 is 80 %).")
        return self


class Targets(Declaration):
    """What the firm aims at."""

    utilization: Decimal = Field(
        default=Decimal("0.75"),
        gt=0,
        le=Decimal("1.5"),
        examples=["0.75 for 75 %"],
        description="Billable utilization that the firm aims at, a ratio.",
    )
    contract_margin: Decimal | None = Field(
        default=None,
        ge=0,
        lt=1,
        examples=["0.35 for 35 %"],
        description="Margin that a fixed price should leave: its contract is at risk from a cost of 1 less this on. Unless set, "
        "the warning threshold counts.",
    )


class AgingBuckets(Declaration):
    """How unbilled work and unpaid invoices are grouped by age."""

    upper_days: Annotated[tuple[Days, ...], AfterValidator(_increasing)] = Field(
        default=(30, 60, 90),
        min_length=1,
        max_length=MAX_BUCKETS,
        description="The last day of each bucket but the open one: 0-30, 31-60, 61-90, 91+.",
    )


class MoneyPolicy(Declaration):
    """Which prices and amounts count as mistakes."""

    max_rate: Decimal = Field(
        default=Decimal(10**9),
        gt=0,
        le=Decimal(10**9),
        description="A customer or cost rate per hour above this counts as unknown, and a check names the entry. The default "
        "leaves room for every currency; a lower one finds mistyped prices sooner.",
    )
    max_amount: Decimal = Field(
        default=Decimal(10**15),
        gt=0,
        le=Decimal(10**15),
        description="The same for caps, contract amounts and the totals of invoices and reports.",
    )
    uncosted_tolerance: Decimal = Field(
        default=Decimal("0.05"),
        ge=0,
        le=1,
        examples=["0.05 for 5 %"],
        description="A margin is null when a larger part of its hours has no known cost: it would flatter.",
    )
    lockup_window_days: Days = Field(
        default=90,
        description="Unbilled work and receivables are compared with the revenue and invoices of these days.",
    )


class Timesheets(Declaration):
    """When a week's time is late."""

    grace_days: Annotated[int, Field(ge=0, le=MAX_DAYS)] = Field(
        default=1, description="Days after the end of a week until its time is due."
    )
    tolerance_hours: Annotated[Decimal, Field(ge=0, le=7 * 24)] = Field(
        default=Decimal(1), description="Hours that may be missing in a week that counts as whole."
    )


class FirmConfig(Declaration):
    """All that a firm decides about its own figures."""

    work_calendar: WorkCalendar = WorkCalendar()
    budget_policy: BudgetPolicy = BudgetPolicy()
    targets: Targets = Targets()
    aging_buckets: AgingBuckets = AgingBuckets()
    money_policy: MoneyPolicy = MoneyPolicy()
    timesheets: Timesheets = Timesheets()

    @classmethod
    def from_file(cls, file: str) -> "FirmConfig":
        """The config of the YAML file; the defaults when `file` is empty.

        Raises:
            SettingsError: The file cannot be read, or a section or field does not fit; the message names it.
        """
        if not file:
            return cls()
        try:
            data = yaml_file.read(Path(file))
        except yaml_file.UnreadableFileError as unreadable:
            raise SettingsError(f"TIMIX_SETTINGS: {file} cannot be read: {unreadable}.") from unreadable
        data = {} if data is None else data
        # It may be any file: until the names of its sections prove that it is ours, nothing of it is quoted.
        if not isinstance(data, Mapping) or not set(data) <= set(cls.model_fields):
            raise SettingsError(
                f"{file} must hold sections ({', '.join(cls.model_fields)}) and nothing else; {_meant(data)}"
            )
        return cls.read({name: {} if section is None else section for name, section in data.items()}, where=f"{file}: ")


def _meant(data: object) -> str:
    names = [name for name in data if isinstance(name, str)] if isinstance(data, Mapping) else []
    near = [known for name in names for known in get_close_matches(name, FirmConfig.model_fields, n=1) if known != name]
    return f"did you mean {near[0]}?" if near else "name another file."
