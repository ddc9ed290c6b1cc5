"""Values of small tables beside the rows of large ones."""

import polars as pl


def lookup(key: str, table: pl.LazyFrame, column: str, *, by: str = "id") -> pl.Expr:
    """What a small table says in `column` where its column `by` equals `key`; null where it has no such row.

    A left join would copy every column of the rows that it is joined to, which costs more than all else where these are many
    and wide. This reads the table at once.
    """
    rows = table.select(pl.col(by).alias("by"), pl.col(column).alias("value")).drop_nulls().collect()
    return pl.col(key).replace_strict(rows["by"], rows["value"], default=None, return_dtype=rows["value"].dtype)
