"""The import of structure as an asset: rows of a file become customers, projects, tasks and subtasks in Timix."""

from typing import Any

from dagster import AssetExecutionContext, AssetKey, BackfillPolicy, MetadataValue, ResourceParam, asset

from timix_assets.assets.import_runs import GROUP, ImportConfig, carried_out, check_spec, occasion_of, result
from timix_assets.assets.preflight import prepare_client
from timix_assets.assets.table_schema import column_schema
from timix_assets.imports.mapping import read_mapping
from timix_assets.imports.sources import Table, read_source
from timix_assets.imports.structure.importer import StructureImporter
from timix_assets.imports.structure.levels import LEVELS
from timix_assets.imports.structure.mapping import StructureMapping, own_columns
from timix_assets.imports.structure.table import COLUMNS, changes
from timix_assets.imports.structure.tree import tree
from timix_assets.imports.structure.workspace import StructureWorkspace
from timix_assets.resources import ImportResource, LakeResource, TimixResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.settings import Settings

KEY = AssetKey(["imports", "structure"])
TABLE = "/".join(KEY.path)
MAX_TREE_LINES = 200
"""Lines of the tree in the metadata; the table has all of them."""

_DESCRIPTION = (
    "Imports customers, projects, tasks and subtasks into Timix, with their hour caps and billing types: every row is matched "
    "by its reference or path, and the table shows what would be created, updated, left alone or refused, and why. Nothing is "
    "written unless the run says `apply` and the environment has TIMIX_ALLOW_WRITES=1, and nothing is deleted but by "
    "`roll_back` (docs/imports.md)."
)


@asset(
    key=KEY,
    description=_DESCRIPTION,
    group_name=GROUP,
    kinds={"http", "polars", "deltalake"},
    backfill_policy=BackfillPolicy.single_run(),
    check_specs=[check_spec(KEY)],
    metadata={"dagster/column_schema": column_schema(COLUMNS), "dagster/table_name": TABLE},
    output_required=False,
)
def structure(
    context: AssetExecutionContext,
    config: ImportConfig,
    timix: TimixResource,
    lake: LakeResource,
    imports: ImportResource,
    settings: ResourceParam[Settings],
) -> Any:
    with as_dagster_failure():
        if not (config.file or config.roll_back):
            context.log.info("The run names no file; nothing to import.")
            return
        # Before the first request: an import that may not write does not begin.
        limits = imports.limits
        if config.apply:
            timix.permit_writes()
        source = None if config.roll_back else _source(config, imports)
        importer = StructureImporter(
            StructureWorkspace(prepare_client(context, timix, lake), timix.endpoint),
            lake.store,
            occasion_of(context, config, TABLE),
            context.log.info,
            description=_DESCRIPTION,
        )
        ledger = importer.ledger()
        planned = importer.plan(*source, ledger) if source else importer.plan_rollback(config.roll_back, ledger)
        carried_out(context, importer, planned, ledger, limits, settings)
        lines = tree(changes(importer.frame(planned, ledger)))
        more = [f"… and {len(lines) - MAX_TREE_LINES:,} more"] if len(lines) > MAX_TREE_LINES else []
        yield result(
            KEY,
            importer,
            planned,
            ledger,
            shown=("row", "step", "outcome", *LEVELS, "reason"),
            refused=("row", *LEVELS, "reason"),
            more={"tree": MetadataValue.md("\n".join(["```", *lines[:MAX_TREE_LINES], *more, "```"]))},
        )


def _source(config: ImportConfig, imports: ImportResource) -> tuple[Table, StructureMapping]:
    """The rows of the file, and their mapping. Nothing is requested yet."""
    mapping = read_mapping(imports.file(config.mapping), StructureMapping) if config.mapping else None
    table = read_source(imports.file(config.file), mapping.sheet if mapping else "")
    return table, mapping or own_columns(table[0])


ASSETS = [structure]
