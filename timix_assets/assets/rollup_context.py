"""What all rollups of one run share: the as-of date, the firm config, and the pre-aggregates of the time entries."""

from datetime import date

import polars as pl
from dagster import ConfigurableResource, Failure, ResourceDependency
from pydantic import PrivateAttr

from timix_assets.launchpad import FirmSection
from timix_assets.metrics import BY_NAME, PRE_AGGREGATES
from timix_assets.metrics.entries import first_counted_day
from timix_assets.metrics.inputs import evaluate, inputs_of
from timix_assets.metrics.params import RollupParams
from timix_assets.metrics.restatements import CLOSED_MONTHS
from timix_assets.resources import LakeResource
from timix_assets.settings import Settings
from timix_assets.settings.firm import FirmConfig

TIME_REPORTS = "timix/time_reports"
CLOSED_MONTHS_TABLE = "meta/closed_months"


def table_path(name: str) -> str:
    """The path in the lake of a table that a formula or a chart names: a rollup, the closed months, else a raw table."""
    if name == CLOSED_MONTHS.name:
        return CLOSED_MONTHS_TABLE
    return f"{'rollups' if name in BY_NAME else 'timix'}/{name}"


class RollupContext(ConfigurableResource):  # type: ignore[type-arg]
    """What all rollups of one run have in common, so that they are consistent."""

    settings: ResourceDependency[Settings]
    lake: LakeResource
    work_calendar: FirmSection
    budget_policy: FirmSection
    targets: FirmSection
    aging_buckets: FirmSection
    money_policy: FirmSection
    timesheets: FirmSection

    _params: RollupParams | None = PrivateAttr(default=None)
    _pre_aggregates: dict[str, pl.DataFrame] = PrivateAttr(default_factory=dict)

    @property
    def firm(self) -> FirmConfig:
        """The firm config of this run; SettingsError names a field that does not fit."""
        return FirmConfig.model_validate({name: getattr(self, name).value() for name in FirmConfig.model_fields})

    @property
    def params(self) -> RollupParams:
        """What the formulas take in this run; SettingsError names a field that does not fit."""
        if self._params is None:
            as_of, months, firm = self.settings.as_of_date(), self._months_read(), self.firm
            first_entry = first_counted_day(self.lake.store.scan(TIME_REPORTS), as_of, firm)
            self._params = RollupParams(as_of, months, first_entry, firm)
        return self._params

    def pre_aggregate(self, name: str) -> pl.LazyFrame:
        """A pre-aggregate such as `work_days`, computed once a run."""
        if name not in self._pre_aggregates:
            tables = {
                read: self.pre_aggregate(read) if read in PRE_AGGREGATES else self.lake.store.scan(table_path(read))
                for read in inputs_of(PRE_AGGREGATES[name])
            }
            self._pre_aggregates[name] = evaluate(PRE_AGGREGATES[name], tables, self.params)
        return self._pre_aggregates[name].lazy()

    def closed_months(self) -> pl.LazyFrame:
        """The figures of closed months; no rows while none is closed."""
        if not self.lake.store.exists(CLOSED_MONTHS_TABLE):
            return CLOSED_MONTHS.schema.to_frame().lazy()
        return self.lake.store.scan(CLOSED_MONTHS_TABLE)

    def _months_read(self) -> tuple[date, ...]:
        months = self.lake.store.metadata.months_known(TIME_REPORTS)
        if not months:
            raise Failure(
                f"{TIME_REPORTS} was never read, so rollups have no input; materialize it for a range of months first.",
                allow_retries=False,
            )
        return tuple(months)
