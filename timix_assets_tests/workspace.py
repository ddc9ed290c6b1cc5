"""A firm's whole set-up in a temporary folder: sandbox, resources, instance and lake; what tests of assets start from."""

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from dagster import (
    AssetChecksDefinition,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    JobDefinition,
    ResourceDefinition,
    define_asset_job,
    mem_io_manager,
)

from timix_assets.assets.checks.declarations import check_definitions
from timix_assets.assets.closing import closed_months_asset
from timix_assets.assets.digest import digest_asset
from timix_assets.assets.exports import export_assets
from timix_assets.assets.io_manager import DeltaIOManager
from timix_assets.assets.raw_tables import raw_assets
from timix_assets.assets.rollup_context import RollupContext
from timix_assets.assets.rollups import rollup_assets
from timix_assets.dagster_internals import AssetGraph
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.launchpad import firm_resources
from timix_assets.partitions import monthly_partitions, range_tags
from timix_assets.resources import LakeResource, TimixResource
from timix_assets.runs.failure_messages import error_message
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings
from timix_assets.settings.firm import FirmConfig

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
MONTHS = monthly_partitions(Settings())
RAW_ASSETS, EXPORT_ASSETS, ROLLUP_ASSETS = raw_assets(MONTHS), export_assets(MONTHS), rollup_assets()
CLOSED_MONTHS, WEEKLY_DIGEST, CHECKS = closed_months_asset(), digest_asset(), check_definitions()
RAW = AssetSelection.assets(*(asset.key for asset in (*RAW_ASSETS, *EXPORT_ASSETS)))
CLOSING, DIGEST = AssetSelection.assets(CLOSED_MONTHS.key), AssetSelection.assets(WEEKLY_DIGEST.key)
EVERYTHING = AssetSelection.all() - CLOSING - DIGEST
ALL_ROLLUPS = AssetSelection.assets(*(asset.key for asset in ROLLUP_ASSETS))
RESOURCES = ("settings", "timix", "lake", "rollup_context", *FirmConfig.model_fields)
FIRM_MONTHS = Months(date(2026, 9, 1), date(2026, 11, 1))


@dataclass
class Workspace:
    """settings: fields of TimixResource that differ from the defaults; lake_settings: of LakeResource.

    overrides: the section `endpoints` of the overrides file.
    """

    sandbox: Sandbox
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    firm: FirmConfig = field(default_factory=FirmConfig)
    lake_settings: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asset_checks: Sequence[AssetChecksDefinition] = tuple(CHECKS)

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
        return self._run(_job(_selected(assets), tuple(self.asset_checks)), range_tags(months) if months else {})

    def check(self, step: AssetChecksDefinition) -> ExecuteInProcessResult:
        """One run of nothing but these checks."""
        return self._run(_job(AssetSelection.checks(step), (step,)), {})

    def _run(self, job: JobDefinition, tags: Mapping[str, str]) -> ExecuteInProcessResult:
        return job.execute_in_process(
            instance=self.instance,
            resources=self._resources(),
            tags={**tags, **self.tags},
            run_config=QUIET,
            raise_on_error=False,
        )

    def _resources(self) -> dict[str, Any]:
        lake = LakeResource(
            url=str(self.folder / "lake"), state_folder=str(self.folder / ".dagster"), **self.lake_settings
        )
        firm, settings = firm_resources(self.firm), Settings.from_environment()
        timix = {"api_key": self.sandbox.key, "base_url": self.sandbox.base_url} | self.settings
        if self.overrides:
            file = self.folder / "overrides.yaml"
            file.write_text(yaml.safe_dump({"endpoints": self.overrides}), encoding="utf-8")
            timix["overrides_file"] = str(file)
        return {
            "settings": settings,
            "timix": TimixResource(**timix),
            "lake": lake,
            "io_manager": DeltaIOManager(lake=lake),
            **firm,
            "rollup_context": RollupContext(settings=settings, lake=lake, **firm),
        }


@cache
def _graph(checks: tuple[AssetChecksDefinition, ...]) -> AssetGraph:
    assets = [*RAW_ASSETS, *EXPORT_ASSETS, *ROLLUP_ASSETS, CLOSED_MONTHS, WEEKLY_DIGEST]
    # Each run names its own resources.
    resources = {**dict.fromkeys(RESOURCES, ResourceDefinition.none_resource()), "io_manager": mem_io_manager}
    return Definitions(assets=assets, asset_checks=checks, resources=resources).resolve_asset_graph()


_JOBS: dict[tuple[str, tuple[AssetChecksDefinition, ...]], JobDefinition] = {}


def _job(selection: AssetSelection, checks: tuple[AssetChecksDefinition, ...]) -> JobDefinition:
    """Resolved once for all tests of a worker: half of what a small run takes."""
    named = repr(selection), checks
    if named not in _JOBS:
        _JOBS[named] = define_asset_job("run", selection).resolve(asset_graph=_graph(checks))
    return _JOBS[named]


def _selected(assets: tuple[str | AssetSelection, ...]) -> AssetSelection:
    """The named assets with their checks."""
    if not assets:
        return RAW
    [first, *others] = (
        each if isinstance(each, AssetSelection) else AssetSelection.assets(AssetKey.from_user_string(each))
        for each in assets
    )
    return functools.reduce(operator.or_, others, first)


def failures(result: ExecuteInProcessResult) -> dict[str, str]:
    """Asset -> the sentence of its failure."""
    return {
        event.step_key.replace("__", "/"): error_message(event.step_failure_data.error)
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
