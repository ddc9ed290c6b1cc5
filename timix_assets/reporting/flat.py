"""Tables as text files and worksheets can hold them: lists and structs as JSON, and no text that becomes a formula."""

from pathlib import Path
from typing import IO

import polars as pl

FORMULA_STARTS = (r"(^|[;\t\r\n])('*[=+\-@＝＋－＠])", r"(^)('*[\t\r])")
"""Where a spreadsheet would begin a formula: at the start of a cell, or of what it takes for one where `;`, a tab or a line break
separates cells; and the blanks that it would skip first. Apostrophes before it count, so that the defence can be undone."""

DEFENDED_STARTS = tuple(start.replace("('*", "'('*") for start in reversed(FORMULA_STARTS))
"""What `without_formulas` leaves: with each replaced by `$1$2`, in this order, the text is the original again."""


def with_nested_as_json(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Lists and structs as JSON text, decimals within them as exact text; null stays null."""
    nested = [name for name, dtype in frame.collect_schema().items() if dtype.is_nested()]
    return frame.with_columns(_json(name) for name in nested)


def _json(name: str) -> pl.Expr:
    # Only structs can be encoded, so the value is wrapped in one and unwrapped: {"v":…}.
    encoded = pl.struct(pl.col(name).alias("v")).struct.json_encode()
    return pl.when(pl.col(name).is_not_null()).then(encoded.str.slice(5).str.strip_suffix("}")).alias(name)


def texts_of(frame: pl.LazyFrame) -> list[str]:
    return [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]


def without_formulas(frame: pl.LazyFrame) -> pl.LazyFrame:
    """An apostrophe before each text that a spreadsheet could take for a formula. Numbers stay numbers."""
    return frame.with_columns(_defended(name) for name in texts_of(frame))


def formulas_in(frame: pl.LazyFrame) -> int:
    """The number of cells that `without_formulas` changes."""
    texts = texts_of(frame)
    if not texts:
        return 0
    changed = [pl.col(name).str.contains("|".join(FORMULA_STARTS)).sum() for name in texts]
    return int(frame.select(pl.sum_horizontal(changed)).collect(engine="streaming").item())


def _defended(name: str) -> pl.Expr:
    text = pl.col(name)
    for start in FORMULA_STARTS:
        text = text.str.replace_all(start, "$1'$2")
    return text


def write_csv(flat: pl.LazyFrame, target: Path | IO[bytes]) -> None:
    """Writes UTF-8 with a header. Texts are quoted, so that an empty one is not null; instants end in Z, for UTC."""
    without_formulas(flat).sink_csv(target, quote_style="non_numeric", datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
