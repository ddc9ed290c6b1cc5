"""Imports as assets: rows of a file, or of an upstream asset, become time entries or structure in Timix."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, MetadataValue, ResourceParam
from pydantic import Field

from timix_assets.assets.import_runs import ImportConfig, ImportKind, ImportResources
from timix_assets.imports.directory import SEPARATOR
from timix_assets.imports.mapping import ImportMapping
from timix_assets.imports.structure.importer import StructureImporter
from timix_assets.imports.structure.levels import LEVELS
from timix_assets.imports.structure.mapping import StructureMapping
from timix_assets.imports.structure.table import changes
from timix_assets.imports.structure.tree import tree
from timix_assets.imports.structure.workspace import StructureWorkspace
from timix_assets.imports.time_entries import TimeEntryImporter
from timix_assets.imports.workspace import Workspace
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.resources import ImportResource, LakeResource, TimixResource
from timix_assets.settings import Settings

MAX_TREE_LINES = 200
"""Lines of the tree in the metadata; the table has all of them."""

_END_OF_PATH = pl.col("subtask").str.split(SEPARATOR).list.tail(2).list.join(SEPARATOR)
"""Task and subtask: the whole path leaves no room for the other columns."""


def _tree(frame: pl.DataFrame) -> Mapping[str, MetadataValue[Any]]:
    lines = tree(changes(frame))
    more = [f"… and {len(lines) - MAX_TREE_LINES:,} more"] if len(lines) > MAX_TREE_LINES else []
    return {"tree": MetadataValue.md("\n".join(["```", *lines[:MAX_TREE_LINES], *more, "```"]))}


_TIME_ENTRIES = ImportKind(
    TimeEntryImporter,
    Workspace,
    ImportMapping,
    "Imports time entries into Timix: every row is matched to its person and subtask and checked, and the table shows what "
    "would be created, updated, left alone or refused, and why. Nothing is written unless the run says `apply` and the "
    "environment has TIMIX_ALLOW_WRITES=1. A row is written exactly once, whatever happens in between (docs/imports.md).",
    shown=("row", "step", "outcome", "person", "date", "hours", _END_OF_PATH, "reason"),
    refused=("row", "person", "subtask", "reason"),
)
_STRUCTURE = ImportKind(
    StructureImporter,
    StructureWorkspace,
    StructureMapping,
    "Imports customers, projects, tasks and subtasks into Timix, with their hour caps and billing types: every row is matched "
    "by its reference or path, and the table shows what would be created, updated, left alone or refused, and why. Nothing is "
    "written unless the run says `apply` and the environment has TIMIX_ALLOW_WRITES=1, and nothing is deleted but by "
    "`roll_back` (docs/imports.md).",
    shown=("row", "step", "outcome", *LEVELS, "reason"),
    refused=("row", *LEVELS, "reason"),
    more=_tree,
)


class TimeEntryImport(ImportConfig):
    """What a run imports, or undoes."""

    delete_removed: bool = Field(
        default=False,
        description="Delete entries of rows that this import wrote before and that are no longer in the file.",
    )


def time_entry_import(
    name: str = "time_entries",
    *,
    rows: AssetKey | None = None,
    mapping: ImportMapping | None = None,
    names: Namespace = PROJECT,
) -> AssetsDefinition:
    """An asset that imports time entries.

    Args:
        name: One part of its key, which is `imports/<name>` behind the prefix of its workspace.
        rows: The asset that gives the rows, as a Polars frame; by default a file that the run names.
        mapping: What its columns mean; by default they have the fields' names.
        names: Of its workspace: `Workspace.names`.

    Returns:
        An asset whose runs are configured by `TimeEntryImport`.

    Raises:
        ValueError: The name has a slash.
    """

    @_TIME_ENTRIES.asset(name, rows, names)
    def import_time_entries(
        context: AssetExecutionContext,
        config: TimeEntryImport,
        timix: TimixResource,
        lake: LakeResource,
        imports: ImportResource,
        settings: ResourceParam[Settings],
        **upstream: Any,
    ) -> Any:
        resources = ImportResources(timix, lake, imports, settings)
        yield from _TIME_ENTRIES.run(
            name, context, config, resources, upstream, mapping, delete_removed=config.delete_removed
        )

    return import_time_entries


def structure_import(
    name: str = "structure",
    *,
    rows: AssetKey | None = None,
    mapping: StructureMapping | None = None,
    names: Namespace = PROJECT,
) -> AssetsDefinition:
    """An asset that imports customers, projects, tasks and subtasks; the arguments as of `time_entry_import`.

    Returns:
        An asset whose runs are configured by `ImportConfig`.
    """

    @_STRUCTURE.asset(name, rows, names)
    def import_structure(
        context: AssetExecutionContext,
        config: ImportConfig,
        timix: TimixResource,
        lake: LakeResource,
        imports: ImportResource,
        settings: ResourceParam[Settings],
        **upstream: Any,
    ) -> Any:
        resources = ImportResources(timix, lake, imports, settings)
        yield from _STRUCTURE.run(name, context, config, resources, upstream, mapping)

    return import_structure
