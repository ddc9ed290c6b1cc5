"""The chart on each rollup's page."""

import inspect
from collections.abc import Mapping
from typing import Any

import polars as pl
from dagster import MetadataValue, get_dagster_logger

from timix_assets.assets.rollup_context import RollupContext, table_path
from timix_assets.charts import CHARTS, as_markdown, message_of
from timix_assets.metrics import PRE_AGGREGATES
from timix_assets.metrics.limits import within_limits
from timix_assets.text.printable import printable


def chart_metadata(table: str, rows: pl.DataFrame, context: RollupContext) -> Mapping[str, MetadataValue[Any]]:
    """A rollup's chart and the sentence that it shows; empty if it has none, or there is nothing to draw.

    A chart that cannot be drawn is a warning of the run: the table is worth more than its picture.
    """
    if table not in CHARTS:
        return {}
    try:
        svg = _drawn(table, rows, context)
    except Exception as error:  # noqa: BLE001 - whatever it is, the table is committed
        what = printable(f"{type(error).__name__}: {error}")
        get_dagster_logger().warning(
            f"rollups/{table} has no chart in this run, because drawing it failed ({what}). The table is complete. Next: "
            "report this message and the version of timix_assets to its maintainers.",
            exc_info=True,
        )
        return {"chart": MetadataValue.text(f"Not drawn, see the run's warnings: {what}")}
    if svg is None:
        return {}
    message = message_of(svg)
    return {"chart_shows": MetadataValue.text(message), "chart": MetadataValue.md(as_markdown(svg, message))}


def _drawn(table: str, rows: pl.DataFrame, context: RollupContext) -> str | None:
    chart, params = CHARTS[table], context.params
    others = [name for name in inspect.signature(chart).parameters if name not in (table, "params")]
    frames = {table: rows} | {name: _input(name, context) for name in others}
    return chart(**frames, params=params)


def _input(name: str, context: RollupContext) -> pl.DataFrame:
    if name in PRE_AGGREGATES:
        return context.pre_aggregate(name).collect()
    rows = context.lake.store.scan(table_path(name))
    return within_limits(name, rows, context.params.firm.money_policy).collect()
