"""`timix-assets sql`: prints the result of one query."""

import sys
from io import BytesIO

import polars as pl
from rich.console import Console

from timix_assets.commands import result_table
from timix_assets.lake.tables import Lake
from timix_assets.reporting.flat import with_nested_as_json, write_csv
from timix_assets.reporting.queries import query


def run(lake: Lake, sql: str, form: str, console: Console) -> None:
    """Runs the query and prints its rows.

    Args:
        sql: The query; `-` reads it from standard input.
        form: "table", "csv" or "json".

    Raises:
        QueryError: The query cannot be run.
        LakeError: A table cannot be read.
    """
    result = query(lake, sys.stdin.read() if sql == "-" else sql)
    if form == "table":
        result_table.show(result, console)
    else:
        _write(result, form)


def _write(result: pl.DataFrame, form: str) -> None:
    text = BytesIO()
    if form == "json":
        text.write(f"{result.write_json()}\n".encode())
    else:
        write_csv(with_nested_as_json(result.lazy()), text)
    sys.stdout.buffer.write(text.getbuffer())
    sys.stdout.buffer.flush()
