"""What Dagster calls the tables, jobs and resources of one workspace: the one home of keys and names.

Elsewhere a table is called by its path in the lake, `timix/time_reports`, and a job by its plain name, `refresh_recent`. The
namespace puts the workspace's prefix before them, so that any number of workspaces stand in one code location.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, TypeVar, get_type_hints

from dagster import AssetKey, SensorEvaluationContext, build_resources

from timix_assets.contract.endpoints import BY_NAME as ENDPOINTS
from timix_assets.metrics import BY_NAME as ROLLUPS

TABLES = frozenset(
    {
        *(f"{folder}/{name}" for folder in ("timix", "exports", "quarantine") for name in ENDPOINTS),
        *(f"rollups/{name}" for name in ROLLUPS),
        "meta/closed_months",
        "reports/weekly_digest",
        "maintenance/compact",
        "maintenance/run_history",
    }
)
"""What our assets are called behind the prefix, but for imports, of which people add their own."""

RESOURCES = frozenset({"settings", "timix", "lake", "imports", "rollup_context"})
"""The resources that functions of assets, checks and sensors take as parameters."""

R = TypeVar("R")


@dataclass(frozen=True)
class Namespace:
    """The names of one workspace. `Namespace()` is the project without a prefix, which changes no name.

    Args:
        name: The workspace; empty for the project without a prefix.
        prefix: Stands before every asset key.
        moved: Table -> its key, for those that `Workspace.get_asset_spec` gives another one.
        resources: Plain name -> resource, for sensors, which get none from Dagster.
    """

    name: str = ""
    prefix: tuple[str, ...] = ()
    moved: Mapping[str, AssetKey] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def key(self, table: str) -> AssetKey:
        """The asset of a table: `timix/me` is `acme/timix/me`."""
        if table not in self._keys:
            self._keys[table] = self.moved.get(table) or AssetKey([*self.prefix, *table.split("/")])
        return self._keys[table]

    def table(self, key: AssetKey) -> str:
        """The table of an asset, by its path in the lake. A key without the prefix is its own path."""
        if key in self._tables:
            return self._tables[key]
        length = len(self.prefix)
        return "/".join(key.path[length:] if tuple(key.path[:length]) == self.prefix else key.path)

    def owns(self, key: AssetKey) -> bool:
        """Whether the asset is of this workspace, and not of another one or of somebody else."""
        if key in self._tables:
            return True
        if tuple(key.path[: len(self.prefix)]) != self.prefix:
            return False
        table = self.table(key)
        # What has more parts is of a workspace whose prefix ends in `imports`.
        return table in TABLES or (table.startswith("imports/") and table.count("/") == 1)

    def named(self, name: str) -> str:
        """The name of a job, schedule, sensor or resource: `refresh_recent` is `acme_refresh_recent`."""
        return f"{self.name}_{name}" if self.name else name

    def bound(self, function: Callable[..., R]) -> Callable[..., R]:
        """The function of an asset or a check, with this workspace's resources as its parameters.

        Dagster finds resources by the names of parameters, so these are renamed.
        """
        if not self.name:
            return function
        hints = get_type_hints(function, include_extras=True)
        if inspect.isgeneratorfunction(function):
            # Dagster reads what a function returns, of a generator nothing, and the one below is none.
            hints.pop("return")
        signature = inspect.signature(function)
        names = {self.named(name): name for name in signature.parameters if name in RESOURCES}

        @wraps(function)
        def renamed(*args: Any, **resources: Any) -> R:
            return function(*args, **{names.get(name, name): value for name, value in resources.items()})

        parameters = [
            each.replace(
                name=self.named(each.name) if each.name in RESOURCES else each.name,
                annotation=hints.get(each.name, each.annotation),
            )
            for each in signature.parameters.values()
        ]
        renamed.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters, return_annotation=hints.get("return", inspect.Signature.empty)
        )
        renamed.__annotations__ = {self.named(name) if name in RESOURCES else name: hints[name] for name in hints}
        return renamed

    def supplied(self, function: Callable[..., R]) -> Callable[..., R]:
        """The function of a sensor, with this workspace's `resources`, of which Dagster knows none, made for each call."""
        if not self.name:
            return function
        signature = inspect.signature(function)
        needed = {name: self.resources[name] for name in signature.parameters if name in RESOURCES}

        def supplied(context: SensorEvaluationContext) -> R:
            with build_resources(needed, context.instance) as made:
                return function(context, **{name: getattr(made, name) for name in needed})

        return supplied

    @cached_property
    def _keys(self) -> dict[str, AssetKey]:
        """Each made once: the lineage of columns alone names 1,800."""
        return {}

    @cached_property
    def _tables(self) -> Mapping[AssetKey, str]:
        return {key: table for table, key in self.moved.items()}


PROJECT = Namespace()
"""The project without a prefix."""
