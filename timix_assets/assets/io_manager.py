"""Stores what assets return as Delta tables, and loads tables lazily."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from dagster import (
    AssetKey,
    ConfigurableIOManager,
    DagsterInvariantViolationError,
    DataVersion,
    Failure,
    InputContext,
    JobDefinition,
    MetadataValue,
    OutputContext,
    StepExecutionContext,
    TableSchema,
)

from timix_assets.assets.preview import PREVIEW_ROWS, preview, raw_preview
from timix_assets.contract.endpoints import BY_NAME as ENDPOINTS
from timix_assets.interrupts import interrupts_deferred
from timix_assets.lake.commit import Change, MonthChange
from timix_assets.lake.errors import LakeError
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spooled
from timix_assets.lake.tables import Lake
from timix_assets.metrics import BY_NAME
from timix_assets.metrics.names import NAMES
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.partitions import NO_PARTITION_ERRORS, missing_months_failure, months_of
from timix_assets.reporting.rollup_tables import scan_rollup
from timix_assets.resources import LakeResource
from timix_assets.text.printable import printable

PRIMARY_KEY_METADATA = "timix/key"
"""Metadata of an asset's definition: the columns that identify a row of its table, a list of names."""


NAMED_TABLES = sorted({name.table for name in NAMES.values()})
"""Raw tables that previews take names from."""


def computed_tables(job: JobDefinition, names: Namespace = PROJECT) -> list[str]:
    """The tables that a job computes from others: our assets in it that have both inputs and a table."""
    return [names.table(key) for key in job.asset_layer.selected_asset_keys if _is_computed(job, key, names)]


def _is_computed(job: JobDefinition, key: AssetKey, names: Namespace) -> bool:
    graph = job.asset_layer.asset_graph
    if not graph.has(key) or (names.name and not names.owns(key)):
        return False
    node = graph.get(key)
    return bool(node.parent_keys) and PRIMARY_KEY_METADATA in node.metadata


@dataclass(frozen=True, slots=True)
class ReadRows:
    """What the asset of a raw table returns.

    Args:
        metadata: How they were read; on the asset's page, below what was stored.
    """

    rows: Spooled
    metadata: Mapping[str, MetadataValue[Any]]


class DeltaIOManager(ConfigurableIOManager):
    """Stores what an asset returns (ReadRows, a LazyFrame or a DataFrame) as its Delta table; loads tables lazily.

    A partitioned asset replaces exactly the months of its run, and fails without any. Rows added, changed and removed are
    recorded as metadata. The data version is the content's fingerprint: an unchanged table is not written and keeps it.
    """

    lake: LakeResource

    def handle_output(self, context: OutputContext, obj: ReadRows | pl.LazyFrame | pl.DataFrame) -> None:
        read = obj.rows if isinstance(obj, ReadRows) else None
        rows = obj.rows.frame if isinstance(obj, ReadRows) else obj
        months = _months_to_replace(context)
        lake = self.lake.store
        table = self.lake.names.table(context.asset_key)
        run = context.step_context.dagster_run
        try:
            self.lake.acquire_lock(context.step_context.instance, run)
            change = lake.replace(
                table,
                rows,
                key=_key_columns(context),
                months=months,
                partitioned=context.has_asset_partitions,
                comment=context.asset_spec.description,
                descriptions=_column_descriptions(context),
                guard=self.lake.guard(run, read=read is not None),
                # A computed table has exactly its declared columns; a raw table keeps those that Timix no longer sends.
                exact_columns=months is None and read is None,
                based_on=read.target if read else self.lake.snapshot_before(run, table),
            )
            if months:
                lake.metadata.add_months_read(table, months)
        except LakeError as error:
            raise Failure(printable(str(error)), allow_retries=False) from error
        self.lake.warn_of_another_machine(run, table, change, context.log)
        context.step_context.set_data_version(context.asset_key, DataVersion(change.fingerprint))
        how_read = obj.metadata if isinstance(obj, ReadRows) else {}
        self._describe(context, change, months, how_read)

    def _describe(
        self, context: OutputContext, change: Change, months: Months | None, how_read: Mapping[str, MetadataValue[Any]]
    ) -> None:
        """Records what was stored, then how it was read: in the order of the asset's page.

        All metadata of a month at once, since Dagster shows that of the run first. Not by `add_output_metadata`: it would be
        stored a second time, in the event of the handled output.
        """
        step, lake, table = context.step_context, self.lake.store, self.lake.names.table(context.asset_key)
        stored = {"table_version": MetadataValue.int(change.version), "written": MetadataValue.bool(change.written)}
        if months is None:
            # Rollups have a preview of their own.
            shown = {} if _is_rollup(table) else _preview(lake, table, None)
            figures = {**shown, **row_count(lake, table), **_rows_that_differ(change), **stored, **how_read}
            step.add_asset_metadata(figures, context.asset_key)
            return
        of_run = {**row_count(lake, table), **_rows_that_differ(change, "_in_run"), **stored}
        for month, of in change.by_month.items():
            of_month = {
                # The newest month alone, to keep the others small.
                **(_preview(lake, table, Months(month, month)) if month == months.last else {}),
                "dagster/partition_row_count": MetadataValue.int(of.rows),
                **_rows_that_differ(of),
                **of_run,
                "fingerprint": MetadataValue.text(of.fingerprint),
                **how_read,
            }
            step.add_asset_metadata(of_month, context.asset_key, partition_key=month.isoformat())

    def load_input(self, context: InputContext) -> pl.LazyFrame:
        """The whole table, including months that are no longer a defined partition.

        A step that computes a table begins here. Any other reads the latest version without the lock of the lake.

        Raises:
            OutdatedRollup: An earlier version computed it, and this run does not.
        """
        names, step = self.lake.names, _step_of(context)
        if step and any(_is_computed(step.job_def, key, names) for key in step.get_output_asset_keys()):
            self.lake.start_computing(step.instance, step.dagster_run, computed_tables(step.job_def, names))
        table, lake = names.table(context.asset_key), self.lake.store
        return scan_rollup(lake, table) if _is_rollup(table) else lake.scan(table)


def _is_rollup(table: str) -> bool:
    return table.rpartition("/")[2] in BY_NAME


def _step_of(context: InputContext) -> StepExecutionContext | None:
    """The step that loads the input; None outside a run."""
    try:
        return context.step_context
    except DagsterInvariantViolationError:
        return None


def _months_to_replace(context: OutputContext) -> Months | None:
    if not context.has_asset_partitions:
        return None
    try:
        return months_of(context.asset_partitions_time_window)
    except NO_PARTITION_ERRORS as no_window:
        raise missing_months_failure(context.asset_key) from no_window


def _key_columns(context: OutputContext) -> list[str]:
    declared = (context.definition_metadata or {}).get(PRIMARY_KEY_METADATA)
    if declared is None:
        raise Failure(
            f"{context.asset_key.to_user_string()} has no primary key; give the asset the metadata {PRIMARY_KEY_METADATA!r}, "
            "the list of columns that identify a row.",
            allow_retries=False,
        )
    return list(declared.value if isinstance(declared, MetadataValue) else declared)


def _column_descriptions(context: OutputContext) -> dict[str, str]:
    """The descriptions in the asset's declared schema; stored with the table, for readers without Dagster."""
    declared = (context.definition_metadata or {}).get("dagster/column_schema")
    schema = declared.value if isinstance(declared, MetadataValue) else declared
    columns = schema.columns if isinstance(schema, TableSchema) else ()
    return {column.name: column.description for column in columns if column.description}


def _rows_that_differ(of: Change | MonthChange, of_what: str = "") -> dict[str, MetadataValue[Any]]:
    return {
        f"rows_added{of_what}": MetadataValue.int(of.added),
        f"rows_changed{of_what}": MetadataValue.int(of.changed),
        f"rows_removed{of_what}": MetadataValue.int(of.removed),
    }


def row_count(lake: Lake, table: str) -> Mapping[str, MetadataValue[Any]]:
    """The number of rows of the whole table, as Dagster names it."""
    return {"dagster/row_count": MetadataValue.int(lake.rows(table))}


def _preview(lake: Lake, table: str, months: Months | None) -> Mapping[str, MetadataValue[Any]]:
    rows = lake.scan(table, months) if months else lake.scan(table)
    folder, _, name = table.partition("/")
    # Not of every table below timix/: the IO manager stores those of other people too.
    with interrupts_deferred():
        if folder == "timix" and name in ENDPOINTS:
            named = {each: lake.scan(f"timix/{each}") for each in NAMED_TABLES if lake.exists(f"timix/{each}")}
            shown = raw_preview(ENDPOINTS[name], rows, named)
        else:
            shown = preview(rows.head(PREVIEW_ROWS).collect())
    return {"preview": MetadataValue.md(shown)}
