"""SQL over every table of a lake: `timix.time_reports`, `rollups.budget_health`."""

import re
from collections.abc import Collection, Mapping

import polars as pl
from polars.exceptions import PolarsError, SQLInterfaceError, SQLSyntaxError

from timix_assets.lake.tables import Lake
from timix_assets.text.near_miss import nearest
from timix_assets.text.wording import excerpt

from .dictionary import dotted
from .errors import QueryError

_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUERY = re.compile(r"[\s(]*(select|with|from|values|explain)\b", re.IGNORECASE)
_DESCRIPTION = re.compile(r"\s*(describe|desc|show|pragma)\b", re.IGNORECASE)
_RELATION = re.compile(r"relation '(.*)' was not found")
_COLUMN = re.compile(r"unable to find column \"(.*?)\"|no column named '(.*?)' found")
_SYNTAX = "sql parser error: "
_TOO_LARGE = "numeric value out of range"


def query(lake: Lake, sql: str) -> pl.DataFrame:
    """The result of one query. Only the tables that it names are opened, and only the files and columns that it needs are read.

    Args:
        sql: One SELECT in Polars' dialect. Decimals stay exact: of their products and sums too.

    Raises:
        QueryError: It is not a query, or names a table, column or function that does not exist.
        LakeError: A table cannot be read.
    """
    statement = _COMMENTS.sub(" ", sql)
    if _DESCRIPTION.match(statement):
        raise QueryError(
            f"{excerpt(sql)} is not a query; `timix-assets tables` lists the tables, and `timix-assets tables timix.projects` "
            "the columns of one."
        )
    if not _QUERY.match(statement):
        raise QueryError(
            f"{excerpt(sql) or 'an empty text'} is not a query; begin with SELECT or WITH. Tables are only read here: "
            "`timix-assets refresh` changes them."
        )
    known = {dotted(table): table for table in lake.names()}
    words = sql.lower()
    # A name in a string or a comment only opens a table too many.
    frames = {
        name: lake.scan(table)
        for name, table in known.items()
        if all(re.search(rf"\b{re.escape(part)}\b", words) for part in name.lower().split("."))
    }
    try:
        # Each has its own context: no statement can register anything that another would see.
        return pl.SQLContext(frames).execute(sql).collect(engine="streaming")
    except PolarsError as error:
        raise QueryError(_message(error, known, frames)) from error


def _message(error: PolarsError, known: Mapping[str, str], frames: Mapping[str, pl.LazyFrame]) -> str:
    text = str(error).partition("\n\nResolved plan")[0].strip()
    if found := _RELATION.search(text):
        return unknown_table(found[1], known)
    if found := _COLUMN.search(text):
        return _unknown_column(found[1] or found[2], frames)
    if _TOO_LARGE in text:
        return (
            f"{text.splitlines()[0]}: a product of exact numbers has at most 38 decimal places, 10 of each factor; write "
            "cast(… as double) where an approximation is enough."
        )
    if isinstance(error, SQLInterfaceError | SQLSyntaxError):
        reason = text.removeprefix(_SYNTAX).splitlines()[0]
        hint = " Tables are written like rollups.budget_health." if text.startswith(_SYNTAX) else ""
        return f"the query cannot be read: {reason}.{hint}"
    return f"the query failed: {text.splitlines()[0]}"


def unknown_table(name: str, known: Collection[str]) -> str:
    """The message for a table that is not one of the known ones, which are named as SQL names them."""
    meant = nearest(name, known) or next((table for table in known if table.endswith(f".{name}")), None)
    advice = f"did you mean {meant}?" if meant else "`timix-assets tables` lists them all."
    return f"there is no table {excerpt(name)}; {advice}"


def _unknown_column(name: str, frames: Mapping[str, pl.LazyFrame]) -> str:
    columns = {table: frame.collect_schema().names() for table, frame in frames.items()}
    meant = nearest(name, [column for names in columns.values() for column in names])
    advice = f" Did you mean {meant}?" if meant else ""
    lists = " ".join(f"{table} has {', '.join(names)}." for table, names in columns.items())
    return f"there is no column {excerpt(name)}.{advice} {lists}"
