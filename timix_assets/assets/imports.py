"""The import of time entries as an asset: rows of a file, or of an upstream asset, become time entries in Timix."""

from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    ResourceParam,
    asset,
)
from pydantic import Field

from timix_assets.assets.import_runs import GROUP, ImportConfig, carried_out, check_spec, occasion_of, result
from timix_assets.assets.preflight import prepare_client
from timix_assets.assets.table_schema import column_schema
from timix_assets.imports.entry_table import COLUMNS
from timix_assets.imports.mapping import READY_NAMES, ImportMapping, load_mapping, own_columns
from timix_assets.imports.sources import Table, read_source, rows_of_frame
from timix_assets.imports.time_entries import TimeEntryImporter
from timix_assets.imports.workspace import Workspace
from timix_assets.resources import ImportResource, LakeResource, TimixResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.settings import Settings

_DESCRIPTION = (
    "Imports time entries into Timix: every row is matched to its person and subtask and checked, and the table shows what "
    "would be created, updated, left alone or refused, and why. Nothing is written unless the run says `apply` and the "
    "environment has TIMIX_ALLOW_WRITES=1. A row is written exactly once, whatever happens in between (docs/imports.md)."
)


class TimeEntryImport(ImportConfig):
    """What a run imports, or undoes."""

    mapping: str = Field(
        default="",
        description=f"{', '.join(READY_NAMES)}, or a YAML file in TIMIX_IMPORT_FOLDER. Default: columns with the fields' names.",
    )
    delete_removed: bool = Field(
        default=False,
        description="Delete entries of rows that this import wrote before and that are no longer in the file.",
    )


def time_entry_import(
    name: str = "time_entries", *, rows: AssetKey | None = None, mapping: ImportMapping | None = None
) -> AssetsDefinition:
    """An asset that imports time entries.

    Args:
        name: Its key is `imports/<name>`.
        rows: The asset that gives the rows, as a Polars frame; by default a file that the run names.
        mapping: What its columns mean; by default they have the fields' names.

    Returns:
        An asset whose runs are configured by `TimeEntryImport`.
    """
    key = AssetKey(["imports", name])
    table = "/".join(key.path)

    @asset(
        key=key,
        description=_DESCRIPTION,
        group_name=GROUP,
        kinds={"http", "polars", "deltalake"},
        ins={"rows": AssetIn(key=rows)} if rows else {},
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=[check_spec(key)],
        metadata={"dagster/column_schema": column_schema(COLUMNS), "dagster/table_name": table},
        output_required=False,
    )
    def import_entries(
        context: AssetExecutionContext,
        config: TimeEntryImport,
        timix: TimixResource,
        lake: LakeResource,
        imports: ImportResource,
        settings: ResourceParam[Settings],
        **upstream: Any,
    ) -> Any:
        with as_dagster_failure():
            if not (config.file or config.roll_back or upstream):
                context.log.info("The run names no file; nothing to import.")
                return
            # Before the first request: an import that may not write does not begin.
            limits = imports.limits
            if config.apply:
                timix.permit_writes()
            source = None if config.roll_back else _source(config, imports, upstream, mapping)
            importer = TimeEntryImporter(
                Workspace(prepare_client(context, timix, lake), timix.endpoint),
                lake.store,
                occasion_of(context, config, table),
                context.log.info,
                table=table,
                description=_DESCRIPTION,
            )
            ledger = importer.ledger()
            if source is None:
                planned = importer.plan_rollback(config.roll_back, ledger)
            else:
                planned = importer.plan(*source, ledger, delete_removed=config.delete_removed)
            carried_out(context, importer, planned, ledger, limits, settings)
            yield result(
                key,
                importer,
                planned,
                ledger,
                shown=("row", "step", "outcome", "person", "date", "hours", "subtask", "reason"),
                refused=("row", "person", "subtask", "reason"),
            )

    return import_entries


def _source(
    config: TimeEntryImport, imports: ImportResource, upstream: dict[str, Any], mapping: ImportMapping | None
) -> tuple[Table, ImportMapping]:
    """The rows of the upstream asset or the file, and their mapping. Nothing is requested yet."""
    if config.mapping:
        path = config.mapping if config.mapping in READY_NAMES else str(imports.file(config.mapping))
        mapping = load_mapping(path)
    if upstream:
        table = rows_of_frame(upstream["rows"], "the upstream asset")
    else:
        table = read_source(imports.file(config.file), mapping.sheet if mapping else "")
    return table, mapping or own_columns(table[0])


time_entries = time_entry_import()
ASSETS = [time_entries]
