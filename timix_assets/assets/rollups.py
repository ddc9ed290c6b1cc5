"""The derived tables, each computed whole from the lake by its formula; `metrics/` declares them."""

from functools import cache
from typing import Any

import polars as pl
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    AutomationCondition,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    TableColumn,
    TableColumnDep,
    TableColumnLineage,
    TableSchema,
    asset,
)

from timix_assets.assets.asset_details import HOURLY
from timix_assets.assets.chart_metadata import chart_metadata
from timix_assets.assets.io_manager import PRIMARY_KEY_METADATA, computed_tables
from timix_assets.assets.preview import rollup_preview
from timix_assets.assets.rollup_context import RollupContext, table_path
from timix_assets.assets.table_schema import PERSONAL_DATA, code_version, type_name
from timix_assets.interrupts import interrupts_deferred
from timix_assets.metrics import FORMULAS, PRE_AGGREGATES, ROLLUPS, Column, Rollup
from timix_assets.metrics.inputs import evaluate, inputs_of, tables_of
from timix_assets.metrics.names import NAMES
from timix_assets.metrics.restatements import CLOSED_MONTHS
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.failure_messages import as_dagster_failure

# Once per update of its inputs, also of an old month; a month that was never read must not block it.
FOLLOWS_ITS_INPUTS = AutomationCondition.eager().without(~AutomationCondition.any_deps_missing())


def rollup_asset(table: Rollup, names: Namespace = PROJECT) -> AssetsDefinition:
    """The asset that computes one rollup from its inputs."""
    read = inputs_of(FORMULAS[table.name])
    pre_aggregates = [name for name in read if name in PRE_AGGREGATES]
    closed = [name for name in read if name == CLOSED_MONTHS.name]
    inputs = [name for name in read if name not in (*pre_aggregates, *closed)]
    raw_dependencies = tables_of(FORMULAS[table.name]) - set(inputs)

    @asset(
        key=names.key(table_path(table.name)),
        description=f"{table.description}\n\ndocs/metrics.md explains its figures with examples.",
        group_name=f"derived_{table.group}",
        kinds={"polars", "deltalake"},
        tags=HOURLY,
        code_version=code_version(table.schema, revision=table.revision),
        ins={name: AssetIn(names.key(table_path(name))) for name in inputs},
        deps=[names.key(table_path(name)) for name in sorted(raw_dependencies)],
        backfill_policy=BackfillPolicy.single_run(),
        automation_condition=FOLLOWS_ITS_INPUTS,
        metadata={
            PRIMARY_KEY_METADATA: list(table.key),
            "dagster/column_schema": column_schema(table),
            "dagster/column_lineage": column_lineage(table, names),
            "dagster/table_name": table_path(table.name),
        },
        io_manager_key=names.named("io_manager"),
    )
    @names.bound
    def rollup(
        context: AssetExecutionContext, rollup_context: RollupContext, **tables: pl.LazyFrame
    ) -> MaterializeResult[Any]:
        with as_dagster_failure():
            # Here too, for a table that has no input but pre-aggregates.
            rollup_context.lake.start_computing(context.instance, context.run, computed_tables(context.job_def, names))
            with interrupts_deferred():
                params = rollup_context.params
                given = {
                    **tables,
                    **{name: rollup_context.pre_aggregate(name) for name in pre_aggregates},
                    **{name: rollup_context.closed_months() for name in closed},
                }
                rows = evaluate(FORMULAS[table.name], given, params)
            # Not in the result: Dagster would store it a second time, in the event of the step's output.
            context.add_asset_metadata(
                {
                    **chart_metadata(table.name, rows, rollup_context),
                    "preview": MetadataValue.md(rollup_preview(table, rows)),
                    "as_of": MetadataValue.text(params.as_of.isoformat()),
                    "first_month": MetadataValue.text(f"{params.first_day:%Y-%m}"),
                }
            )
            return MaterializeResult(value=rows)

    return rollup


@cache
def column_schema(table: Rollup) -> TableSchema:
    """The declared columns with types, units and descriptions."""
    return TableSchema(
        [
            TableColumn(
                column.name,
                type=type_name(column.dtype),
                description=_meaning(column),
                tags=PERSONAL_DATA if column.name in ("user_id", NAMES["user_id"].column) else None,
            )
            for column in table.columns
        ]
    )


def column_lineage(table: Rollup, names: Namespace = PROJECT) -> TableColumnLineage:
    """For each column, the columns of raw tables and rollups that it depends on."""
    return TableColumnLineage(
        {
            column.name: [
                TableColumnDep(asset_key=names.key(source), column_name=name) for source, name in column.lineage
            ]
            for column in table.columns
        }
    )


def _meaning(column: Column) -> str:
    """With the columns that it is made of: the UI does not show the lineage of columns."""
    unit = f" Unit: {column.unit}." if column.unit else ""
    tables: dict[str, list[str]] = {}
    for table, name in column.lineage:
        tables.setdefault(table, []).append(name)
    made_of = "; ".join(f"{table} ({', '.join(names)})" for table, names in tables.items())
    return f"{column.description}{unit} Made of {made_of}."


def rollup_assets(names: Namespace = PROJECT) -> list[AssetsDefinition]:
    """Every rollup."""
    return [rollup_asset(table, names) for table in ROLLUPS]
