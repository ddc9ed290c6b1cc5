"""Months of a report that hold the same: the sign of a server that does not know the dates it is asked for."""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from timix_assets.contract.schema import MONTH, RESCUED, Endpoint, Type

_FIGURES = frozenset({Type.HOURS, Type.MONEY, Type.RATE, Type.PERCENT, Type.INTEGER})


def content_of(endpoint: Endpoint, rows: pl.DataFrame) -> int:
    """A hash of the rows in any order, without their month; those of several frames add up. 0: no figure but zero.

    Rows without a figure do not count: months in which nothing happened are alike, and rightly so.
    """
    figures = [column.name for column in endpoint.columns if column.type in _FIGURES and not column.many]
    told = rows.filter(pl.any_horizontal(pl.col(figures).cast(pl.Float64).fill_null(0) != 0)) if figures else rows
    if told.is_empty():
        return 0
    return sum(told.drop(MONTH, RESCUED).hash_rows().to_list())


def alike(contents: Mapping[date, int]) -> tuple[date, ...]:
    """The months that hold just what another one holds."""
    held = [content for content in contents.values() if content]
    return tuple(sorted(month for month, content in contents.items() if held.count(content) > 1))


def sentence(endpoint: Endpoint, months: Sequence[date]) -> str:
    names = endpoint.parameters
    return (
        f"{endpoint.name} holds the very same in {', '.join(f'{month:%Y-%m}' for month in months)}: the server may not "
        f"know {names['startDate']} and {names['endDate']} and give its whole history each time; set parameters.startDate "
        "and parameters.endDate by an override."
    )
