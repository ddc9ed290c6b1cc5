"""The figures of closed months, written once: what a month is compared with when Timix's past changes."""

from collections.abc import Sequence
from datetime import date

import polars as pl
from dagster import AssetExecutionContext, AssetsDefinition, BackfillPolicy, MaterializeResult, MetadataValue, asset

from timix_assets.assets.asset_details import MONTHLY
from timix_assets.assets.io_manager import row_count
from timix_assets.assets.preview import rollup_preview
from timix_assets.assets.rollup_context import CLOSED_MONTHS_TABLE, RollupContext, table_path
from timix_assets.assets.rollups import column_lineage, column_schema
from timix_assets.lake.table_store import retry_on_conflict
from timix_assets.lake.tables import Lake
from timix_assets.metrics.entries import person_months
from timix_assets.metrics.inputs import tables_of
from timix_assets.metrics.names import NAMES
from timix_assets.metrics.params import RollupParams
from timix_assets.metrics.restatements import CLOSED_MONTHS, month_figures
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.partitions import months_in_tags
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.tags import JOB
from timix_assets.text.wording import count_noun

CLOSE_MONTH = "close_month"
"""The job that closes months. Another run may come before the approvals are in."""


def close_months(
    context: AssetExecutionContext, lake: LakeResource, rollup_context: RollupContext
) -> MaterializeResult[None]:
    with as_dagster_failure():
        lake.acquire_lock(context.instance, context.run)
        params = rollup_context.params
        if context.run.tags.get(JOB) != lake.names.named(CLOSE_MONTH):
            context.log.info(f"Months are closed by the job {CLOSE_MONTH} alone; nothing was written.")
            return MaterializeResult(metadata={"closed": MetadataValue.text("none")})
        due = months_to_close(months_in_tags(context.run.tags), params)
        new: list[date] = []

        def close() -> None:
            before = lake.store.snapshot(CLOSED_MONTHS_TABLE)
            closed = rollup_context.closed_months().collect()
            new[:] = sorted(set(due) - set(closed["month"]))
            if not new:
                return
            rows = _rows_of(new, rollup_context, lake.store)
            lake.store.replace(
                CLOSED_MONTHS_TABLE,
                pl.concat([closed, rows], how="diagonal"),
                key=CLOSED_MONTHS.key,
                comment=CLOSED_MONTHS.description,
                descriptions={column.name: column.description for column in CLOSED_MONTHS.columns},
                based_on=before,
            )

        retry_on_conflict(close)
        months = ", ".join(f"{month:%Y-%m}" for month in new)
        context.log.info(f"{count_noun(len(new), 'month')} closed{f': {months}' if new else ''}")
        return MaterializeResult(
            metadata={
                "closed": MetadataValue.text(months or "none"),
                "preview": MetadataValue.md(rollup_preview(CLOSED_MONTHS, rollup_context.closed_months().collect())),
                **(row_count(lake.store, CLOSED_MONTHS_TABLE) if lake.store.exists(CLOSED_MONTHS_TABLE) else {}),
                "as_of": MetadataValue.text(str(params.as_of)),
                "dagster/column_lineage": column_lineage(CLOSED_MONTHS, lake.names),
            }
        )


def closed_months_asset(names: Namespace = PROJECT) -> AssetsDefinition:
    """The figures of closed months."""
    return asset(
        key=names.key(CLOSED_MONTHS_TABLE),
        description=CLOSED_MONTHS.description,
        group_name=f"derived_{CLOSED_MONTHS.group}",
        kinds={"polars", "deltalake"},
        tags=MONTHLY,
        deps=[names.key(table_path(name)) for name in sorted(tables_of(person_months) | {"customers", "invoices"})],
        backfill_policy=BackfillPolicy.single_run(),
        metadata={
            "dagster/column_schema": column_schema(CLOSED_MONTHS),
            "dagster/table_name": CLOSED_MONTHS_TABLE,
        },
        io_manager_key=names.named("io_manager"),
    )(names.bound(close_months))


def months_to_close(months: Sequence[date], params: RollupParams) -> list[date]:
    """Those of a run's months that are loaded and over: as-of is in a later month."""
    return sorted(set(months) & {month for month in params.loaded_months if month < params.as_of.replace(day=1)})


def _rows_of(months: Sequence[date], context: RollupContext, lake: Lake) -> pl.DataFrame:
    """The figures of these months; a month without work has a row without project, person and currency."""
    figures = month_figures(context.pre_aggregate("person_months"), lake.scan("timix/invoices"))
    rows = pl.LazyFrame({"month": months}, {"month": pl.Date}).join(figures, on="month", how="left")
    named = {NAMES[column].table: lake.scan(f"timix/{NAMES[column].table}") for column in CLOSED_MONTHS.ids}
    return CLOSED_MONTHS.shaped(rows.with_columns(pl.lit(context.params.as_of).alias("closed_on")), named).collect()
