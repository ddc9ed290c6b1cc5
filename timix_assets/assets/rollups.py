"""The derived tables, each computed whole from the lake by its formula; `metrics/tables.py` declares them."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetKey,
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

from timix_assets.assets.columns import type_name
from timix_assets.assets.pictures import picture_of
from timix_assets.assets.reckoning import Reckoning, evaluate, raw_tables_of, table_path, tables_read_by
from timix_assets.assets.timix import OWNERS
from timix_assets.failures import plainly
from timix_assets.lake.io_manager import KEY_METADATA
from timix_assets.metrics.formulas import FORMULAS, PREPARED
from timix_assets.metrics.tables import ROLLUPS, Column, Rollup

GROUPS: Mapping[str, str] = {
    "capacity_daily": "utilization",
    "utilization_daily": "utilization",
    "utilization_weekly": "utilization",
    "utilization_monthly": "utilization",
    "budget_health": "budgets",
    "budget_burn": "budgets",
    "project_profitability": "money",
    "unbilled_aging": "money",
    "organization_kpis": "organization",
    "organization_money": "organization",
}

# Follows its inputs once, also when an old month was read by hand; a month that was never read must not hold it up.
FOLLOWS_ITS_INPUTS = AutomationCondition.eager().without(~AutomationCondition.any_deps_missing())


def asset_key(table: str) -> AssetKey:
    """The asset of a table that a formula names: a rollup, else a raw one."""
    return AssetKey(table_path(table).split("/"))


def rollup_asset(table: Rollup) -> AssetsDefinition:
    """The asset that computes one rollup from its inputs and hands it to the lake."""
    read = tables_read_by(FORMULAS[table.name])
    grains = [name for name in read if name in PREPARED]
    inputs = [name for name in read if name not in PREPARED]
    behind_grains = {raw for grain in grains for raw in raw_tables_of(grain)} - set(inputs)

    @asset(
        key=asset_key(table.name),
        description=table.description,
        group_name=GROUPS[table.name],
        kinds={"polars", "deltalake"},
        owners=OWNERS,
        ins={name: AssetIn(asset_key(name)) for name in inputs},
        deps=[asset_key(name) for name in sorted(behind_grains)],
        backfill_policy=BackfillPolicy.single_run(),
        automation_condition=FOLLOWS_ITS_INPUTS,
        metadata={
            KEY_METADATA: list(table.key),
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": f"rollups/{table.name}",
        },
    )
    def rollup(context: AssetExecutionContext, reckoning: Reckoning, **tables: pl.LazyFrame) -> MaterializeResult[Any]:
        with plainly():
            settings = reckoning.settings
            given = {**tables, **{grain: reckoning.grain(grain) for grain in grains}}
            rows = evaluate(FORMULAS[table.name], given, settings)
            return MaterializeResult(
                value=rows,
                metadata={
                    "dagster/column_lineage": column_lineage(table),
                    "as_of": MetadataValue.text(settings.as_of.isoformat()),
                    "first_month": MetadataValue.text(f"{settings.first_month:%Y-%m}"),
                    **picture_of(table.name, rows, reckoning),
                },
            )

    return rollup


def column_schema(table: Rollup) -> TableSchema:
    """The declared columns with their types, units and meanings."""
    return TableSchema([TableColumn(c.name, type=type_name(c.dtype), description=_meaning(c)) for c in table.columns])


def column_lineage(table: Rollup) -> TableColumnLineage:
    """For each column, the columns of raw tables and rollups that decide its value."""
    return TableColumnLineage(
        {
            column.name: [
                TableColumnDep(asset_key=AssetKey(source.split("/")), column_name=name)
                for source, name in column.lineage
            ]
            for column in table.columns
        }
    )


def _meaning(column: Column) -> str:
    return f"{column.description} Unit: {column.unit}." if column.unit else column.description


ASSETS = [rollup_asset(table) for table in ROLLUPS]
