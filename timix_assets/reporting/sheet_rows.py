"""Rows of a table as the XML of a worksheet (ECMA-376, part 1, 18.3.1), computed by Polars a column at a time.

A library that writes cell by cell takes three times as long: the demo's tables have 1.9 million cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

MAX_ROWS = 1_048_576
MAX_TEXT = 32_767
"""Of a worksheet and of a cell, the text in UTF-16 units."""
SIGNIFICANT_DIGITS = 15
"""Of a number in Excel; further ones are rounded."""
CUT_MARK = " … [cut, see docs/query.md]"

_FIRST_DAY = pl.date(1900, 3, 1)
"""The first date that all programs number alike: Excel takes 1900 for a leap year."""
_DAYS_TO_1970 = 25_569
_MICROSECONDS_OF_A_DAY = 86_400_000_000

_CONTROL = {chr(code): f"_x{code:04X}_" for code in (*range(9), 11, 12, *range(13, 32), 0xFFFE, 0xFFFF)}
"""What XML cannot hold, or would change, and how a worksheet writes it."""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", **_CONTROL}
_LOOKS_ESCAPED = "_x[0-9A-Fa-f]{4}_"
_ASTRAL = r"[\x{10000}-\x{10FFFF}]"


@dataclass(frozen=True, slots=True)
class Style:
    """The number format of a column, as an index into the workbook's.

    Args:
        by_currency: The index for each currency, by the column that holds the row's.
    """

    index: int
    currency_column: str | None = None
    by_currency: Mapping[str, int] = field(default_factory=dict)


def rows_xml(rows: pl.LazyFrame, styles: Mapping[str, Style], first_row: int) -> pl.LazyFrame:
    """One text a row, with every cell that is not null. No cell is a formula, whatever its text begins with.

    Args:
        rows: Without lists and structs (`flat.with_nested_as_json`).
        styles: Of each column.
        first_row: The number of the first row in the sheet, from 1.
    """
    schema = rows.collect_schema()
    number = "row number of the sheet"
    cells = [
        _cell(name, dtype, styles[name], letters(place), pl.col(number))
        for place, (name, dtype) in enumerate(schema.items())
    ]
    row = pl.concat_str(pl.lit('<row r="'), pl.col(number), pl.lit('">'), *cells, pl.lit("</row>"), ignore_nulls=True)
    return rows.with_row_index(number, first_row).with_columns(pl.col(number).cast(pl.String)).select(row.alias("xml"))


def letters(place: int) -> str:
    """The name of a column by its place from 0: A, Z, AA."""
    before, last = divmod(place, 26)
    return (letters(before - 1) if before else "") + chr(ord("A") + last)


def _cell(name: str, dtype: pl.DataType, style: Style, column: str, row: pl.Expr) -> pl.Expr:
    """The XML of a cell; null for a value that is null."""
    value, index = pl.col(name), _style(style)
    if dtype == pl.Boolean:
        return _element(value.cast(pl.Int8).cast(pl.String), pl.lit('" t="b"><v>'), column, row)
    if dtype.is_temporal():
        is_countable, number = value >= _FIRST_DAY, _serial(value, dtype)
    elif dtype.is_float():
        is_countable, number = value.is_finite(), value.cast(pl.String)
    elif dtype.is_numeric():
        return _number_cell(plain_number(value, dtype), index, column, row)
    else:
        return _text_cell(_escaped(_shortened(value.cast(pl.String))), index, column, row)
    return pl.coalesce(
        _number_cell(pl.when(is_countable).then(number), index, column, row),
        _text_cell(pl.when(~is_countable).then(value.cast(pl.String)), index, column, row),
    )


def _serial(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A date or an instant as the number of its day."""
    if dtype == pl.Date:
        return (value.cast(pl.Int32) + _DAYS_TO_1970).cast(pl.String)
    return (value.dt.epoch("us") / _MICROSECONDS_OF_A_DAY + _DAYS_TO_1970).cast(pl.String)


def plain_number(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """An exact number as text, without zeros at its end: 12.5, not 12.5000000000."""
    text = value.cast(pl.String)
    if isinstance(dtype, pl.Decimal) and dtype.scale:
        text = text.str.strip_chars_end("0").str.strip_suffix(".")
    return text


def _number_cell(text: pl.Expr, index: pl.Expr, column: str, row: pl.Expr) -> pl.Expr:
    return _element(text, pl.concat_str(pl.lit('" s="'), index, pl.lit('"><v>')), column, row)


def _element(text: pl.Expr, attributes: pl.Expr, column: str, row: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(f'<c r="{column}'), row, attributes, text, pl.lit("</v></c>"))


def _text_cell(text: pl.Expr, index: pl.Expr, column: str, row: pl.Expr) -> pl.Expr:
    """An inline string: whatever it holds, a worksheet shows it as text."""
    start = pl.concat_str(pl.lit('" s="'), index, pl.lit('" t="inlineStr"><is><t xml:space="preserve">'))
    return pl.concat_str(pl.lit(f'<c r="{column}'), row, start, text, pl.lit("</t></is></c>"))


def _style(style: Style) -> pl.Expr:
    plain = pl.lit(str(style.index))
    if style.currency_column is None or not style.by_currency:
        return plain
    index = {currency: str(number) for currency, number in style.by_currency.items()}
    return pl.col(style.currency_column).replace_strict(index, default=plain, return_dtype=pl.String)


def too_long(value: pl.Expr) -> pl.Expr:
    """Whether a cell cannot hold the text."""
    return (value.str.len_bytes() > MAX_TEXT) & (value.str.len_chars() + value.str.count_matches(_ASTRAL) > MAX_TEXT)


def _shortened(value: pl.Expr) -> pl.Expr:
    # At half the length, characters that count twice fit as well.
    kept = value.str.head(MAX_TEXT // 2 - len(CUT_MARK))
    return pl.when(too_long(value)).then(pl.concat_str(kept, pl.lit(CUT_MARK))).otherwise(value)


def _escaped(value: pl.Expr) -> pl.Expr:
    literal = value.str.replace_many({"_x": "_x005F_x"})
    plain = pl.when(value.str.contains(_LOOKS_ESCAPED)).then(literal).otherwise(value)
    return plain.str.replace_many(_ESCAPES)
