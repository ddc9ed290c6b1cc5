"""A firm's whole set-up in a temporary folder: sandbox, resources, instance and lake; what tests of assets start from."""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from dagster import (
    AssetChecksDefinition,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    define_asset_job,
    materialize,
)

from timix_assets.assets import checks, exports, rollups, timix
from timix_assets.assets.reckoning import Reckoning
from timix_assets.automation.jobs import range_tags
from timix_assets.failures import sentence_of
from timix_assets.firm_settings import FirmSettings, load_firm_settings
from timix_assets.lake.io_manager import DeltaIOManagerFactory, LakeResource
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.resources import TimixResource
from timix_assets.sandbox.server import Sandbox

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
RAW = AssetSelection.assets(*(asset.key for asset in (*timix.ASSETS, *exports.ASSETS)))
EVERYTHING = AssetSelection.all()
FIRM_MONTHS = Months(date(2026, 9, 1), date(2026, 11, 1))


@dataclass
class Workspace:
    """settings: fields of TimixResource that differ from the defaults; lake_settings: of LakeResource."""

    sandbox: Sandbox
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    firm_settings: FirmSettings = field(default_factory=lambda: load_firm_settings(""))
    lake_settings: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asset_checks: Sequence[AssetChecksDefinition] = tuple(checks.CHECKS)

    @cached_property
    def instance(self) -> DagsterInstance:
        return DagsterInstance.ephemeral()

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    def table(self, name: str) -> pl.DataFrame:
        return self.lake.scan(name).collect()

    def refresh(self, *assets: str | AssetSelection, months: Months | None = FIRM_MONTHS) -> ExecuteInProcessResult:
        """One run over the months; of all raw assets and exports unless some assets are named."""
        return materialize(
            [*timix.ASSETS, *exports.ASSETS, *rollups.ASSETS, *self.asset_checks],
            selection=_selected(assets),
            resources=self._resources(),
            instance=self.instance,
            tags={**(range_tags(months) if months else {}), **self.tags},
            run_config=QUIET,
            raise_on_error=False,
        )

    def check(self, step: AssetChecksDefinition) -> ExecuteInProcessResult:
        """One run of nothing but these checks."""
        definitions = Definitions(
            assets=[*timix.ASSETS, *rollups.ASSETS], asset_checks=[step], resources=self._resources()
        )
        job = define_asset_job("look", AssetSelection.checks(step)).resolve(
            asset_graph=definitions.resolve_asset_graph()
        )
        return job.execute_in_process(
            instance=self.instance, resources=self._resources(), run_config=QUIET, raise_on_error=False
        )

    def _resources(self) -> dict[str, Any]:
        lake = LakeResource(
            url=str(self.folder / "lake"), state_folder=str(self.folder / ".dagster"), **self.lake_settings
        )
        return {
            "timix": TimixResource(**{"api_key": self.sandbox.key, "base_url": self.sandbox.base_url} | self.settings),
            "lake": lake,
            "io_manager": DeltaIOManagerFactory(lake=lake),
            "reckoning": reckoning(lake, self.firm_settings),
        }


def _selected(assets: tuple[str | AssetSelection, ...]) -> AssetSelection:
    """The named assets with their checks."""
    if not assets:
        return RAW
    [first, *others] = (
        each if isinstance(each, AssetSelection) else AssetSelection.assets(AssetKey.from_user_string(each))
        for each in assets
    )
    return functools.reduce(operator.or_, others, first)


def reckoning(lake: LakeResource, firm: FirmSettings) -> Reckoning:
    return Reckoning(
        lake=lake,
        work_calendar=firm.work_calendar,
        budget_policy=firm.budget_policy,
        targets=firm.targets,
        aging_buckets=firm.aging_buckets,
    )


def failures(result: ExecuteInProcessResult) -> dict[str, str]:
    """Asset -> the sentence of its failure."""
    return {
        event.step_key.replace("__", "/"): sentence_of(event.step_failure_data.error)
        for event in result.all_events
        if event.is_step_failure and event.step_key
    }


def metadata(result: ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata of an asset's last materialization in the run."""
    [*_, last] = result.asset_materializations_for_node(asset.replace("/", "__"))
    return {name: value.value for name, value in last.metadata.items()}


def warnings(result: ExecuteInProcessResult, asset: str) -> dict[str, str]:
    """Check -> what it says, for the checks of an asset that did not pass."""
    return {
        check.check_name: check.description or ""
        for check in result.get_asset_check_evaluations()
        if check.asset_key.to_user_string() == asset and not check.passed
    }
