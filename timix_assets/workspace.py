"""One organization of Timix as Dagster definitions; any number of them stand in one code location.

defs = build_definitions(
    Workspace("acme", api_key=EnvVar("ACME_KEY"), lake="data/acme", start_month="2025-01"),
    Workspace("globex", api_key=EnvVar("GLOBEX_KEY"), lake="s3://lakes/globex"),
)
"""

import os
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from dagster import (
    AssetChecksDefinition,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Definitions,
    ExecutorDefinition,
    Failure,
    InitResourceContext,
    InputContext,
    IOManager,
    IOManagerDefinition,
    OutputContext,
    ResourceDefinition,
    in_process_executor,
    map_asset_specs,
)

from timix_assets.assets.asset_details import with_details
from timix_assets.assets.checks.declarations import check_definitions
from timix_assets.assets.closing import closed_months_asset
from timix_assets.assets.digest import digest_asset
from timix_assets.assets.exports import export_assets
from timix_assets.assets.imports import structure_import, time_entry_import
from timix_assets.assets.io_manager import DeltaIOManager
from timix_assets.assets.maintenance import maintenance_assets
from timix_assets.assets.quarantine import quarantine_assets
from timix_assets.assets.raw_tables import raw_assets
from timix_assets.assets.rollup_context import RollupContext
from timix_assets.assets.rollups import rollup_assets
from timix_assets.automation.alert_sensors import alert_sensors
from timix_assets.automation.changes import timix_changes
from timix_assets.automation.followers import automation_sensor
from timix_assets.automation.freshness import current_month_sensor, with_freshness
from timix_assets.automation.jobs import jobs
from timix_assets.automation.orphaned_runs import orphaned_runs_sensor
from timix_assets.automation.schedules import schedules
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.dagster_internals import with_own_resources, wrap_resources_for_execution
from timix_assets.launchpad import firm_resources
from timix_assets.namespace import PROJECT, RESOURCES, Namespace
from timix_assets.partitions import monthly_partitions
from timix_assets.resources import import_resource, lake_resource, timix_resource
from timix_assets.runs.ours import LOCATION, is_only_ours, location_of
from timix_assets.settings import Settings, SettingsError
from timix_assets.settings.firm import FirmConfig
from timix_assets.state.locations import normalized_location
from timix_assets.state.permissions import restrict_to_owner
from timix_assets.text.key_mask import contains_key
from timix_assets.text.wording import quoted
from timix_assets.workspace_settings import CRON_SETTINGS, Problems

Asset = AssetsDefinition | AssetSpec

RUN_JOB = "DAGSTER_RUN_JOB_NAME"
"""The job of the run, in a container that Dagster started for it (Docker, Kubernetes, ECS); a code server has none."""

_NAME = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
"""It begins the names of parameters, and is the value of a tag."""


class Workspace:
    """One organization of Timix, with a lake, jobs, automation and resources of its own.

    Its asset keys begin with its name (`acme/timix/time_reports`), as do the names of its jobs, schedules, sensors and resources
    (`acme_refresh_recent`). Nothing is requested, and no lake is opened, before a run or a sensor needs it. A wrong setting
    fails the runs and sensors of this workspace with a message, and of a run over several its assets; the code location loads.

    Args:
        name: A letter or underscore, then letters, digits and underscores; different from those of the other workspaces.
        api_key: The key of the organization, or `EnvVar("ACME_KEY")`, as of any setting.
        lake: Folder or object-store URL that holds the tables; one for each organization.
        start_month: First month to read; by default January of the year before last.
        key_prefix: Stands before the asset keys instead of the name: one part, or a sequence of them.
        endpoints: Names of the endpoints to read, such as `time_reports`; by default all. What needs others is left out.
        schedules: Name -> cron expression of the schedules that the workspace has; by default all five, at their usual times.
        automation_sensor: Whether it has a sensor of its own that evaluates its automation conditions; False where a sensor of
            yours targets all assets.
        settings: Further fields of `Settings`, such as `timezone`, `as_of`, `overrides` or `firm_config`.

    Raises:
        SettingsError: The name cannot be one; nothing can be named without it.
    """

    _asks_for_specs = False

    def __init__(
        self,
        name: str,
        api_key: str = "",
        lake: str = "",
        start_month: str | date | None = None,
        *,
        key_prefix: str | Sequence[str] | None = None,
        endpoints: Iterable[str] | None = None,
        schedules: Mapping[str, str] | None = None,
        automation_sensor: bool = True,
        **settings: Any,
    ) -> None:
        if not _NAME.fullmatch(name) or contains_key(name):
            raise SettingsError(
                f"{quoted(name)} cannot be the name of a workspace; use a letter or underscore, then letters, digits and "
                "underscores, at most 63, e.g. acme."
            )
        self._problems = problems = Problems()
        self.automation_sensor = automation_sensor
        self._plain = Namespace(name, problems.prefix(key_prefix, name))
        self.endpoints = problems.known("endpoints", endpoints, BY_NAME, '["time_reports", "projects"]')
        example = '{"everything_nightly": "30 2 * * *"}'
        schedules = problems.by_name("schedules", schedules, example)
        self.schedules = problems.known("schedules", schedules, CRON_SETTINGS, example)
        crons = {CRON_SETTINGS[each]: (schedules or {})[each] for each in self.schedules or ()}
        problems.called = {CRON_SETTINGS[each]: f"schedules.{each}" for each in self.schedules or ()}
        given = problems.resolved(
            {"api_key": api_key, "lake": lake, "start_month": start_month, **crons, **problems.fields(settings)}
        )
        if not given["lake"]:
            problems.add("lake: no location is given; set a folder or an object-store URL of its own.")
        self.settings = problems.checked(
            {
                "import_folder": f"{Settings.model_fields['import_folder'].default}/{name}",
                "home": os.environ.get("DAGSTER_HOME") or Path.cwd(),
                **{field: value for field, value in given.items() if value not in (None, "")},
                "workspace": name,
            }
        )

    @classmethod
    def of(cls, settings: Settings) -> "Workspace":
        """The project without a prefix."""
        made = cls.__new__(cls)
        made._plain, made.settings, made._problems = PROJECT, settings, Problems()
        made.endpoints = made.schedules = None
        # Dagster makes one for all assets.
        made.automation_sensor = False
        return made

    def get_asset_spec(self, spec: AssetSpec) -> AssetSpec:
        """The spec of one of the workspace's assets: override it to change its group, owners, tags, description or key.

        Args:
            spec: As the workspace has it by itself; `table` tells which one it is.
        """
        return spec

    @property
    def name(self) -> str:
        """Its name; empty for the project without a prefix."""
        return self._plain.name

    @property
    def problem(self) -> str:
        """What its runs and sensors fail with; empty if its settings fit."""
        return f"The workspace {self.name} has a wrong setting. {self._problems}" if self._problems else ""

    def reject(self, problem: str) -> None:
        """Makes its runs and sensors fail with this problem, as a wrong setting does."""
        self._problems.add(problem)

    def table(self, spec: AssetSpec) -> str:
        """The table that a spec which `get_asset_spec` is given is of, such as `timix/projects`."""
        return self._plain.table(spec.key)

    @property
    def names(self) -> Namespace:
        """What Dagster calls its tables, jobs and resources; within `get_asset_spec`, where none has another key yet."""
        return self._plain if self._asks_for_specs or not self._changes_specs else self._changed_names

    def with_resources(self, asset: AssetsDefinition) -> AssetsDefinition:
        """An asset of yours with the resources of the workspace, such as `acme_timix` and `acme_lake`.

        An import needs them: `acme.with_resources(time_entry_import("hr_hours", rows=..., names=acme.names))`.
        """
        return with_own_resources(asset, {**asset.resource_defs, **self._bound})

    @cached_property
    def _changed_names(self) -> Namespace:
        detailed = self._detailed(self._plain)
        specs = [detailed(spec) for each in self._plain_assets for spec in _specs(each)]
        moved = {spec.key: self._asked(spec).key for spec in specs}
        changed = {self._plain.table(key): moved[key] for key in moved if moved[key] != key}
        return replace(self._plain, moved=changed) if changed else self._plain

    @property
    def is_of_this_run(self) -> bool:
        """Whether this process is the container of a run of one of its jobs."""
        return os.environ.get(RUN_JOB) in {job.name for job in jobs(self._plain).values()}

    def build_definitions(self) -> Definitions:
        """Its assets, checks, jobs, schedules, sensors and resources."""
        names, settings = self.names, self.settings
        # Dagster has made it by now, open to all, when it was started by itself.
        restrict_to_owner(settings.machine_folder)
        declared = self._plain_assets if names is self._plain else self._assets(names)
        assets = list(map_asset_specs(self._final_spec, declared))
        own = {key for each in assets for key in _computed(each)}
        checks = [check for check in check_definitions(names) if _reads(check) <= own]
        of = jobs(names, own)
        if names.name:
            # Resources of the code location are looked at for each asset and each job, of whatever workspace.
            assets = [each if isinstance(each, AssetSpec) else with_own_resources(each, self._bound) for each in assets]
            checks = [with_own_resources(check, self._bound) for check in checks]
            names = replace(names, resources=self._resources)
        return Definitions(
            assets=assets,
            asset_checks=checks,
            jobs=list(of.values()),
            schedules=schedules(settings, of, names, self.schedules),
            sensors=[
                timix_changes(settings, of["refresh_changed"], names, self.endpoints),
                orphaned_runs_sensor(names),
                current_month_sensor(names, own),
                *alert_sensors(names),
                *([automation_sensor(names, own)] if self.automation_sensor else []),
            ],
            resources=None if names.name else self._resources,
        )

    def build_outline(self) -> Definitions:
        """What other people's definitions may name, its tables and jobs, where nothing of it runs: a fraction of the cost."""
        keys = [self.names.key(table) for table in _tables(self.endpoints)]
        return Definitions(assets=[*map(AssetSpec, keys)], jobs=list(jobs(self.names, keys).values()))

    @cached_property
    def _plain_assets(self) -> list[Asset]:
        return self._assets(self._plain)

    def _assets(self, names: Namespace) -> list[Asset]:
        """Everything that can be read or computed of the endpoints, as its own module declares it."""
        months = monthly_partitions(self.settings)
        every: list[Asset] = [
            *raw_assets(months, names),
            *export_assets(months, names),
            *rollup_assets(names),
            digest_asset(names),
            closed_months_asset(names),
            *maintenance_assets(names),
            time_entry_import(names=names),
            *quarantine_assets(names),
            structure_import(names=names),
        ]
        return every if self.endpoints is None else _without_missing_inputs(every, self.endpoints, names)

    def _detailed(self, names: Namespace) -> Callable[[AssetSpec], AssetSpec]:
        """Adds what every page of an asset says, and when its table is stale."""
        detailed = with_details(self.settings, names)
        return lambda spec: with_freshness(detailed(spec), names)

    @cached_property
    def _final_spec(self) -> Callable[[AssetSpec], AssetSpec]:
        """The whole spec of an asset: each change of a spec makes Dagster build its asset again, so all are made at once."""
        detailed = self._detailed(self.names)
        return (lambda spec: self._changed(detailed(spec))) if self._changes_specs else detailed

    @property
    def _changes_specs(self) -> bool:
        return type(self).get_asset_spec is not Workspace.get_asset_spec

    def _changed(self, spec: AssetSpec) -> AssetSpec:
        """With what `get_asset_spec` changes; metadata that it leaves out stays, since reading and writing need it."""
        changed = self._asked(spec.replace_attributes(key=self._plain.key(self.names.table(spec.key))))
        return changed.replace_attributes(metadata={**spec.metadata, **changed.metadata})

    def _asked(self, spec: AssetSpec) -> AssetSpec:
        self._asks_for_specs = True
        try:
            return self.get_asset_spec(spec)
        finally:
            self._asks_for_specs = False

    @cached_property
    def _bound(self) -> dict[str, ResourceDefinition]:
        """Its resources by their names in the code location; made once, since Dagster compares those of all assets."""
        return wrap_resources_for_execution({self.names.named(name): each for name, each in self._resources.items()})

    @cached_property
    def _resources(self) -> dict[str, Any]:
        if self.problem:
            failing = _failing(self.problem, self.names)
            return {
                "io_manager": IOManagerDefinition(failing),
                **{name: ResourceDefinition(failing) for name in (*RESOURCES, *FirmConfig.model_fields)},
            }
        settings = self.settings
        lake, firm = lake_resource(settings, self.names), firm_resources(FirmConfig.from_file(settings.firm_config))
        return {
            "settings": ResourceDefinition(
                lambda _: settings, config_schema={}, description="The settings of the environment."
            ),
            "timix": timix_resource(settings),
            "lake": lake,
            "imports": import_resource(settings),
            "io_manager": DeltaIOManager(lake=lake),
            **firm,
            "rollup_context": RollupContext(settings=settings, lake=lake, **firm),
        }


def build_definitions(
    *workspaces: Workspace | Settings, executor: ExecutorDefinition | None = in_process_executor
) -> Definitions:
    """The definitions of all workspaces, to be merged with other people's. Settings are those of the project without a prefix.

    Args:
        workspaces: All that the code location has.
        executor: Of runs that are of no job, such as "Materialize all" and those of automation sensors: one process executes
            all steps of a run, since it holds the lock of the lake. None where other definitions of the location have one.

    Raises:
        SettingsError: Two workspaces have one name.
    """
    built = [each if isinstance(each, Workspace) else Workspace.of(each) for each in workspaces]
    called = [each.name for each in built]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        raise SettingsError(f"Two workspaces are called {quoted(twice[0])}; give each a name of its own.")
    _reject_shared_lakes(built)
    return Definitions.merge(*_definitions(built), Definitions(executor=executor))


def _reject_shared_lakes(workspaces: Sequence[Workspace]) -> None:
    """A lake belongs to one organization: the runs of all but the first to write to it would fail, whoever that is."""
    # One with a problem may have a default in place of its lake.
    lakes = [(each, normalized_location(each.settings.lake)) for each in workspaces if not each.problem]
    for each, lake in lakes:
        others = [
            other.name or "the project without a prefix" for other, its in lakes if its == lake and other is not each
        ]
        if others and each.name:
            each.reject(f"lake: it is also that of {' and '.join(others)}; give each organization a lake of its own.")


def _definitions(workspaces: list[Workspace]) -> list[Definitions]:
    """In the container of a run of one workspace, no more than an outline of the others.

    A run of selected assets has Dagster's own job of everything, and needs all. The resources of the project without a prefix are
    those of the code location, so it is always whole.
    """
    whole = [each for each in workspaces if each.is_of_this_run] or workspaces
    return [each.build_definitions() if each in whole or not each.name else each.build_outline() for each in workspaces]


@cache
def _tables(endpoints: frozenset[str] | None) -> list[str]:
    """The tables of any workspace that reads these endpoints."""
    project = Workspace.of(Settings())
    project.endpoints = endpoints
    return [PROJECT.table(spec.key) for each in project._plain_assets for spec in _specs(each)]


class _Unusable(IOManager):
    """A resource of a workspace with a problem: fails each step that uses it."""

    def __init__(self, problem: str) -> None:
        self._problem = problem

    def __getattr__(self, name: str) -> Any:
        raise Failure(self._problem, allow_retries=False)

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        raise Failure(self._problem, allow_retries=False)

    def load_input(self, context: InputContext) -> Any:
        raise Failure(self._problem, allow_retries=False)


def _failing(problem: str, names: Namespace) -> Callable[[InitResourceContext], Any]:
    """Makes a resource that fails the tick or the run that needs it; in a run with assets of others, each step that uses it."""

    def fail(context: InitResourceContext) -> _Unusable:
        run = context.run
        if run is None or is_only_ours(run, location_of(run) or LOCATION, names):
            raise Failure(problem, allow_retries=False)
        return _Unusable(problem)

    return fail


def _specs(asset: Asset) -> Iterable[AssetSpec]:
    return [asset] if isinstance(asset, AssetSpec) else asset.specs


def _computed(asset: Asset) -> Iterable[AssetKey]:
    return () if isinstance(asset, AssetSpec) else asset.keys


def _reads(check: AssetChecksDefinition) -> set[AssetKey]:
    return {spec.asset_key for spec in check.check_specs} | {
        dep.asset_key for spec in check.check_specs for dep in spec.additional_deps
    }


def _without_missing_inputs(every: list[Asset], endpoints: Container[str], names: Namespace) -> list[Asset]:
    """The assets that need no other endpoints."""
    missing = {
        names.key(f"{folder}/{name}")
        for folder in ("timix", "exports", "quarantine")
        for name in BY_NAME
        if name not in endpoints
    }
    while True:
        left = [
            each
            for each in every
            if all(
                spec.key not in missing and missing.isdisjoint(dep.asset_key for dep in spec.deps)
                for spec in _specs(each)
            )
        ]
        if len(left) == len(every):
            return left
        missing |= {spec.key for each in every if each not in left for spec in _specs(each)}
        every = left
