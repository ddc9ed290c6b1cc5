"""Months of a report with identical content: the sign of a server that ignores the date parameters."""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from timix_assets.contract.schema import MONTH, RESCUED, Endpoint, Type

_NUMERIC = frozenset({Type.HOURS, Type.MONEY, Type.RATE, Type.PERCENT, Type.INTEGER})


def content_hash(endpoint: Endpoint, rows: pl.DataFrame) -> int:
    """A hash of the rows in any order, without their month; hashes of several frames add up. 0 if every figure is zero.

    Rows without a figure do not count: months in which nothing happened are identical, and rightly so.
    """
    figures = [column.name for column in endpoint.columns if column.type in _NUMERIC and not column.is_list]
    counted = rows.filter(pl.any_horizontal(pl.col(figures).cast(pl.Float64).fill_null(0) != 0)) if figures else rows
    if counted.is_empty():
        return 0
    return sum(counted.drop(MONTH, RESCUED).hash_rows().to_list())


def identical_months(hashes: Mapping[date, int]) -> tuple[date, ...]:
    """The months whose content equals that of another month."""
    nonzero = [content for content in hashes.values() if content]
    return tuple(sorted(month for month, content in hashes.items() if nonzero.count(content) > 1))


def identical_months_message(endpoint: Endpoint, months: Sequence[date]) -> str:
    names = endpoint.parameters
    return (
        f"{endpoint.name} has the same content in {', '.join(f'{month:%Y-%m}' for month in months)}: the server may ignore "
        f"{names['startDate']} and {names['endDate']} and return its whole history each time; set parameters.startDate and "
        "parameters.endDate by an override."
    )
