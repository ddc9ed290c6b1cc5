"""A firm's whole set-up in a temporary folder: sandbox, resources, instance and lake; what tests of assets start from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetKey, AssetsDefinition, DagsterInstance, ExecuteInProcessResult, materialize

from timix_assets.assets import exports, timix
from timix_assets.assets.failures import sentence_of
from timix_assets.automation.jobs import range_tags
from timix_assets.lake.io_manager import DeltaIOManagerFactory, LakeResource
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.resources import TimixResource
from timix_assets.sandbox.server import Sandbox

FIRM_MONTHS = Months(date(2026, 9, 1), date(2026, 11, 1))


@dataclass
class Workspace:
    """settings: fields of TimixResource that differ from the defaults; lake_settings: of LakeResource."""

    sandbox: Sandbox
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    lake_settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def instance(self) -> DagsterInstance:
        return DagsterInstance.ephemeral()

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    def table(self, name: str) -> pl.DataFrame:
        return self.lake.scan(name).collect()

    def refresh(
        self, *assets: str, months: Months | None = FIRM_MONTHS, definitions: Sequence[AssetsDefinition] = ()
    ) -> ExecuteInProcessResult:
        """One run over the months; of all raw assets and exports unless some are named."""
        lake = LakeResource(
            url=str(self.folder / "lake"), state_folder=str(self.folder / ".dagster"), **self.lake_settings
        )
        return materialize(
            definitions or [*timix.ASSETS, *exports.ASSETS],
            selection=[AssetKey.from_user_string(name) for name in assets] or None,
            resources={
                "timix": TimixResource(
                    **{"api_key": self.sandbox.key, "base_url": self.sandbox.base_url} | self.settings
                ),
                "lake": lake,
                "io_manager": DeltaIOManagerFactory(lake=lake),
            },
            instance=self.instance,
            tags=range_tags(months) if months else {},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
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
