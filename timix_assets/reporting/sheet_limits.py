"""What of a table a worksheet cannot hold, and what a workbook has to know of it; read in one pass over its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from timix_assets.metrics.columns import AS_OF

from .sheet_rows import MAX_TEXT, SIGNIFICANT_DIGITS, plain_number, too_long

CURRENCY = "currency"
_CODE = r"^[A-Z]{3}$"


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What is in the rows.

    Args:
        as_of: The last day that the figures include; None where the table does not say.
        currencies: The ISO codes in each column of currencies, sorted.
        cut_texts: Texts that are longer than a cell can be.
        rounded_numbers: Exact numbers with more digits than Excel keeps.
    """

    as_of: date | None
    currencies: Mapping[str, Sequence[str]]
    cut_texts: int
    rounded_numbers: int


def facts_of(rows: pl.LazyFrame) -> SheetFacts:
    """rows: without lists and structs."""
    schema = rows.collect_schema()
    currencies = [name for name, dtype in schema.items() if name.endswith(CURRENCY) and dtype == pl.String]
    extremes = [extreme for name, dtype in schema.items() for extreme in _extremes(name, dtype)]
    facts = rows.select(
        (pl.col(AS_OF).max() if AS_OF in schema else pl.lit(None, pl.Date)).alias("as_of"),
        *(pl.col(name).unique().implode().alias(f"codes {name}") for name in currencies),
        pl.concat_list(extremes).alias("suspects") if extremes else pl.lit([]).alias("suspects"),
    )
    [found] = facts.collect(engine="streaming").to_dicts()
    # Only where a column may have one is every value looked at.
    suspicious = [name for name in found["suspects"] if name]
    return SheetFacts(
        as_of=found["as_of"],
        currencies={name: _codes(found[f"codes {name}"]) for name in currencies},
        cut_texts=_count(rows, [too_long(pl.col(name)) for name in suspicious if schema[name] == pl.String]),
        rounded_numbers=_count(
            rows, [_is_rounded(name, schema[name]) for name in suspicious if schema[name].is_numeric()]
        ),
    )


def _extremes(name: str, dtype: pl.DataType) -> list[pl.Expr]:
    """The column's name if its extremes are beyond what a cell can hold, else null."""
    column = pl.col(name)
    if dtype == pl.String:
        beyond = column.str.len_bytes().max() > MAX_TEXT
    elif dtype.is_integer() or isinstance(dtype, pl.Decimal):
        places = dtype.scale if isinstance(dtype, pl.Decimal) else 0
        limit = 10 ** (SIGNIFICANT_DIGITS - places)
        beyond = (column.max() >= limit) | (column.min() <= -limit)
    else:
        return []
    return [pl.when(beyond).then(pl.lit(name))]


def _is_rounded(name: str, dtype: pl.DataType) -> pl.Expr:
    number = plain_number(pl.col(name), dtype)
    digits = number.str.replace(r"^-?0?[.]?0*", "").str.replace(".", "", literal=True).str.strip_chars_end("0")
    return digits.str.len_bytes() > SIGNIFICANT_DIGITS


def _count(rows: pl.LazyFrame, conditions: Sequence[pl.Expr]) -> int:
    if not conditions:
        return 0
    total = pl.sum_horizontal(condition.sum() for condition in conditions)
    return int(rows.select(total).collect(engine="streaming").item())


def _codes(values: Sequence[str | None]) -> list[str]:
    texts = pl.Series(values, dtype=pl.String).drop_nulls()
    return sorted(texts.filter(texts.str.contains(_CODE)))
