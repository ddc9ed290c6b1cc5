"""The firm's own decisions about its figures, as Dagster resources: read in the launchpad, set by YAML or there.

The file that TIMIX_SETTINGS names has a section for each: `work_calendar`, `budget_policy`, `targets`, `aging_buckets`, with
the fields below. A field that is not there keeps its default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from dagster import Config, ConfigurableResource
from pydantic import ConfigDict, Field, ValidationError

from timix_assets import environment
from timix_assets.contract.endpoints import ENTRY_STATUSES
from timix_assets.contract.overrides import why_unreadable
from timix_assets.environment import SettingError
from timix_assets.metrics import settings as values


def _decimal(number: float) -> Decimal:
    """Through its shortest text: 7.6 is 7.6."""
    return Decimal(str(number))


class Week(Config):
    """Scheduled hours of each weekday."""

    # A day that is misspelt must not become a day off.
    model_config = ConfigDict(extra="forbid")

    monday: float = Field(default=0, description="Hours on Monday.")
    tuesday: float = Field(default=0, description="Hours on Tuesday.")
    wednesday: float = Field(default=0, description="Hours on Wednesday.")
    thursday: float = Field(default=0, description="Hours on Thursday.")
    friday: float = Field(default=0, description="Hours on Friday.")
    saturday: float = Field(default=0, description="Hours on Saturday.")
    sunday: float = Field(default=0, description="Hours on Sunday.")

    def value(self, where: str) -> values.Week:
        """Monday to Sunday; SettingError when a day has less than 0 or more than 24 hours."""
        hours = [self.monday, self.tuesday, self.wednesday, self.thursday, self.friday, self.saturday, self.sunday]
        if any(not 0 <= hour <= 24 for hour in hours):
            raise SettingError(f"{where} has a day of {hours}; each day's hours must lie between 0 and 24.")
        monday, tuesday, wednesday, thursday, friday, saturday, sunday = map(_decimal, hours)
        return monday, tuesday, wednesday, thursday, friday, saturday, sunday


def _week(hours: values.Week) -> Week:
    return Week(**dict(zip(Week.model_fields, map(float, hours), strict=True)))


# A field that nobody sets keeps the default of the formulas.
CALENDAR, POLICY = values.WorkCalendar(), values.BudgetPolicy()


class WorkCalendar(ConfigurableResource):  # type: ignore[type-arg]
    """Working time where the API is silent."""

    default_week: Week = Field(
        default=_week(CALENDAR.default_week), description="The week of everybody of whom nothing else is known."
    )
    daily_break_hours: float = Field(
        default=float(CALENDAR.daily_break_hours),
        description="Comes off the days of a work schedule that are longer than break_threshold_hours.",
    )
    break_threshold_hours: float = Field(
        default=float(CALENDAR.break_threshold_hours), description="Days up to this long have no break."
    )
    users: dict[str, Week] = Field(default_factory=dict, description="Weeks of single people, by user id.")
    countries: dict[str, Week] = Field(default_factory=dict, description="Weeks of countries, by ISO 3166 code.")
    default_holiday_profile_id: str = Field(
        default="", description="Holiday profile of people for whom neither their own nor their country's is known."
    )
    time_off_subtask_ids: list[str] = Field(
        default_factory=list, description="Subtasks on which leave is logged: it lowers capacity and is no work."
    )

    def value(self) -> values.WorkCalendar:
        """SettingError names a field that does not fit."""
        if self.daily_break_hours < 0 or self.break_threshold_hours < 0:
            raise SettingError("work_calendar: daily_break_hours and break_threshold_hours must not be negative.")
        return values.WorkCalendar(
            default_week=self.default_week.value("work_calendar.default_week"),
            daily_break_hours=_decimal(self.daily_break_hours),
            break_threshold_hours=_decimal(self.break_threshold_hours),
            users={name: week.value(f"work_calendar.users.{name}") for name, week in self.users.items()},
            countries={name: week.value(f"work_calendar.countries.{name}") for name, week in self.countries.items()},
            default_holiday_profile_id=self.default_holiday_profile_id or None,
            time_off_subtask_ids=frozenset(self.time_off_subtask_ids),
        )


class BudgetPolicy(ConfigurableResource):  # type: ignore[type-arg]
    """When a budget is at risk or over, and which entries count."""

    warning: float = Field(
        default=float(POLICY.warning),
        description="Burn from which a budget is at risk, where the organization names none.",
    )
    critical: float = Field(
        default=float(POLICY.critical),
        description="Burn from which a budget is over, where the organization names none.",
    )
    counted_statuses: list[str] = Field(
        default=list(POLICY.counted_statuses),
        description="Statuses whose entries count in every figure.",
    )
    burn_window_days: int = Field(
        default=POLICY.burn_window_days, description="Working days back over which the burn rate is taken."
    )
    burn_minimum_days: int = Field(
        default=POLICY.burn_minimum_days, description="A budget with fewer working days of use has no burn rate yet."
    )
    exhaustion_horizon_years: int = Field(
        default=POLICY.exhaustion_horizon_years, description="An exhaustion date beyond this is not said."
    )
    overrun_tolerance: float = Field(
        default=float(POLICY.overrun_tolerance), description="How far burn may run ahead of elapsed time."
    )

    def value(self) -> values.BudgetPolicy:
        """SettingError names a field that does not fit."""
        if not 0 < self.warning <= self.critical:
            raise SettingError(
                "budget_policy: warning must be above 0 and at most critical, both as ratios (0.8 is 80 %)."
            )
        if self.burn_window_days < 1 or self.burn_minimum_days < 1 or self.exhaustion_horizon_years < 1:
            raise SettingError(
                "budget_policy: burn_window_days, burn_minimum_days and exhaustion_horizon_years must be at least 1."
            )
        unknown = sorted(set(self.counted_statuses) - set(ENTRY_STATUSES))
        if not self.counted_statuses or unknown:
            raise SettingError(
                f"budget_policy: counted_statuses {'knows no ' + ', '.join(unknown) if unknown else 'is empty'}; name some of "
                f"{', '.join(ENTRY_STATUSES)}."
            )
        if self.overrun_tolerance < 0:
            raise SettingError("budget_policy: overrun_tolerance must not be negative.")
        return values.BudgetPolicy(
            warning=_decimal(self.warning),
            critical=_decimal(self.critical),
            counted_statuses=tuple(self.counted_statuses),
            burn_window_days=self.burn_window_days,
            burn_minimum_days=self.burn_minimum_days,
            exhaustion_horizon_years=self.exhaustion_horizon_years,
            overrun_tolerance=_decimal(self.overrun_tolerance),
        )


class Targets(ConfigurableResource):  # type: ignore[type-arg]
    """What the firm aims at."""

    utilization: float = Field(
        default=float(values.Targets().utilization), description="Billable utilization that the firm aims at, a ratio."
    )

    def value(self) -> values.Targets:
        """SettingError when the target is no ratio."""
        if not 0 < self.utilization <= 1.5:
            raise SettingError(f"targets: utilization is {self.utilization}; write it as a ratio, 0.75 for 75 %.")
        return values.Targets(_decimal(self.utilization))


class AgingBuckets(ConfigurableResource):  # type: ignore[type-arg]
    """How unbilled work is grouped by age."""

    upper_days: list[int] = Field(
        default=list(values.AgingBuckets().upper_days),
        description="The last day of each bucket but the open one: 0-30, 31-60, 61-90, 91+.",
    )

    def value(self) -> values.AgingBuckets:
        """SettingError when the days do not rise."""
        if not self.upper_days or self.upper_days[0] < 0 or self.upper_days != sorted(set(self.upper_days)):
            raise SettingError(
                f"aging_buckets: upper_days is {self.upper_days}; name days from 0 on, each later than the last."
            )
        return values.AgingBuckets(tuple(self.upper_days))


@dataclass(frozen=True, slots=True)
class FirmSettings:
    """The four resources together."""

    work_calendar: WorkCalendar
    budget_policy: BudgetPolicy
    targets: Targets
    aging_buckets: AgingBuckets

    def check(self) -> None:
        """SettingError names the first field that does not fit."""
        for resource in (self.work_calendar, self.budget_policy, self.targets, self.aging_buckets):
            resource.value()


SECTIONS: Mapping[str, type[ConfigurableResource[Any]]] = {
    "work_calendar": WorkCalendar,
    "budget_policy": BudgetPolicy,
    "targets": Targets,
    "aging_buckets": AgingBuckets,
}


def load_firm_settings(file: str) -> FirmSettings:
    """The settings of the YAML file; the defaults when `file` is empty. SettingError names a section or field that is wrong."""
    sections = _read(Path(file)) if file else {}
    for name in sections:
        if name not in SECTIONS:
            raise SettingError(f"{file}: there is no section {name!r}; there are {', '.join(SECTIONS)}.")
    return FirmSettings(**{name: _section(name, sections.get(name), file) for name in SECTIONS})


def firm_resources(file: str) -> dict[str, Any]:
    """The four as Dagster resources: what the file sets is fixed by it, the rest may be set in the launchpad."""
    if not file:
        return {name: resource.configure_at_launch() for name, resource in SECTIONS.items()}
    set_there = _read(Path(file))
    firm = load_firm_settings(file)
    return {
        name: getattr(firm, name) if name in set_there else resource.configure_at_launch()
        for name, resource in SECTIONS.items()
    }


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as unreadable:
        raise SettingError(
            f"{environment.FIRM_SETTINGS.name}: {path} cannot be read: {why_unreadable(unreadable, path)}."
        ) from unreadable
    if not isinstance(data, Mapping | None):
        raise SettingError(f"{path} must hold sections ({', '.join(SECTIONS)}), each with fields and values.")
    return data or {}


def _section(name: str, data: Any, file: str) -> Any:
    if not isinstance(data, Mapping | None):
        raise SettingError(f"{file}: {name} must hold fields and values.")
    known = SECTIONS[name].model_fields
    for given in data or {}:
        if given not in known:
            raise SettingError(f"{file}: there is no {name}.{given}; there are {', '.join(known)}.")
    try:
        return SECTIONS[name](**(data or {}))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        field = ".".join(map(str, (name, *first["loc"])))
        raise SettingError(f"{file}: {field}: {first['msg'].lower()}.") from wrong
