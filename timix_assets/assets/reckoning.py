"""What all rollups of one run share: the as-of date, the firm's settings, and the two small grains of the time entries."""

import inspect
from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
from dagster import ConfigurableResource, Failure
from pydantic import PrivateAttr

from timix_assets import environment
from timix_assets.firm_settings import AgingBuckets, BudgetPolicy, Targets, WorkCalendar
from timix_assets.lake.io_manager import LakeResource
from timix_assets.metrics.formulas import PREPARED, Formula
from timix_assets.metrics.settings import Settings
from timix_assets.metrics.tables import BY_NAME

TIME_REPORTS = "timix/time_reports"
SETTINGS_PARAMETER = "settings"
LARGE = "time_reports"


def tables_read_by(formula: Formula) -> list[str]:
    """The tables and grains that a formula reads: it names them as its parameters."""
    return [name for name in inspect.signature(formula).parameters if name != SETTINGS_PARAMETER]


def table_path(name: str) -> str:
    """Where a table that a formula or a chart names lies in the lake: a rollup, else a raw table."""
    return f"{'rollups' if name in BY_NAME else 'timix'}/{name}"


def raw_tables_of(grain: str) -> list[str]:
    """The raw tables that a prepared grain is made of."""
    return tables_read_by(PREPARED[grain])


def evaluate(formula: Formula, tables: Mapping[str, pl.LazyFrame], settings: Settings) -> pl.DataFrame:
    """The formula's table. Settings go only to the formulas that take them."""
    given: dict[str, Any] = {
        # A formula joins its small tables in many places, and each would read the files again.
        name: table if name == LARGE else table.collect().lazy()
        for name, table in tables.items()
    }
    if SETTINGS_PARAMETER in inspect.signature(formula).parameters:
        given[SETTINGS_PARAMETER] = settings
    return formula(**given).collect(engine="streaming")


class Reckoning(ConfigurableResource):  # type: ignore[type-arg]
    """One run, one as-of date, one reading of the entries: every rollup of the run starts from the same truth."""

    lake: LakeResource
    work_calendar: WorkCalendar
    budget_policy: BudgetPolicy
    targets: Targets
    aging_buckets: AgingBuckets

    _settings: Settings | None = PrivateAttr(default=None)
    _grains: dict[str, pl.DataFrame] = PrivateAttr(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings of this run; SettingError names a field that does not fit."""
        if self._settings is None:
            self._settings = Settings(
                as_of=environment.as_of(),
                first_month=self._first_month(),
                calendar=self.work_calendar.value(),
                budgets=self.budget_policy.value(),
                targets=self.targets.value(),
                aging=self.aging_buckets.value(),
            )
        return self._settings

    def grain(self, name: str) -> pl.LazyFrame:
        """`work_days` or `work_months`, computed once a run."""
        if name not in self._grains:
            tables = {table: self.lake.lake.scan(f"timix/{table}") for table in raw_tables_of(name)}
            self._grains[name] = evaluate(PREPARED[name], tables, self.settings)
        return self._grains[name].lazy()

    def _first_month(self) -> date:
        months = self.lake.lake.memory.months_known(TIME_REPORTS)
        if not months:
            raise Failure(
                f"{TIME_REPORTS} was never read, so there is nothing to reckon from; materialize it for a range of months first.",
                allow_retries=False,
            )
        return min(months)
