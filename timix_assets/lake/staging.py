"""A frame on its way into a table: evaluated once, as Parquet files on this machine, one set per month."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from timix_assets.wording import numbered

from .content import Part
from .errors import RowsOutsideRange, WriteFailed
from .months import MONTH, Months
from .storage import causes, is_full_disk

ROW_GROUP_ROWS = 20_000
"""Small row groups keep the memory of the month-wise writers small, whatever the number of rows."""


@dataclass(frozen=True, slots=True)
class Staged:
    """files: the Parquet files of each part, without the column that the table is partitioned by."""

    files: Mapping[Part, list[Path]]
    schema: pl.Schema

    def parts(self) -> Iterator[tuple[Part, pl.LazyFrame]]:
        """The rows of each part, with their month when the table is partitioned."""
        for part, files in self.files.items():
            rows = pl.scan_parquet(files, hive_partitioning=False, glob=False)
            yield part, rows if part is None else rows.with_columns(pl.lit(part, pl.Date).alias(MONTH))


def stage(table: str, frame: pl.LazyFrame, schema: pl.Schema, folder: Path, months: Months | None) -> Staged:
    """Evaluates the frame into files below `folder`; RowsOutsideRange when a row's month is none of `months`."""
    target = pl.PartitionBy(folder, key=MONTH, include_key=False) if months else folder / "whole.parquet"
    try:
        frame.sink_parquet(target, compression_level=1, row_group_size=ROW_GROUP_ROWS, mkdir=True, engine="streaming")
    except (OSError, pl.exceptions.ComputeError) as error:
        if not is_full_disk(error):
            raise
        raise WriteFailed(
            f"{table}: its rows could not be put together in {folder} ({causes(error)}); free space there or point TMPDIR "
            "elsewhere, and run it again."
        ) from error
    if months is None:
        return Staged({None: [folder / "whole.parquet"]}, schema)
    found = {part.name.partition("=")[2]: sorted(part.glob("*.parquet")) for part in sorted(folder.iterdir())}
    wanted = {month.isoformat(): month for month in months}
    _refuse_outside(table, found, wanted, months)
    return Staged({wanted[name]: files for name, files in found.items()}, schema)


def _refuse_outside(table: str, found: Mapping[str, list[Path]], wanted: Mapping[str, date], months: Months) -> None:
    outside = {name: files for name, files in found.items() if name not in wanted}
    if outside:
        rows = pl.scan_parquet([file for files in outside.values() for file in files], glob=False)
        count = rows.select(pl.len()).collect().item()
        raise RowsOutsideRange(
            f"{table}: {numbered(count, '[row has|rows have]')} a {MONTH} outside {months} (the first: {min(outside)}), "
            f"so nothing was written; {MONTH} must be the first day of a month that is to be replaced."
        )
