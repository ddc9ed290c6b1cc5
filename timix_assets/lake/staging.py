"""Evaluates a frame once into Parquet files on this machine, one set for each month, before it is committed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from timix_assets.text.wording import count_noun

from .diff import Part
from .errors import RowsOutsideRange, WriteFailed
from .months import MONTH, Months
from .storage import describe_storage_error, is_full_disk

ROW_GROUP_ROWS = 10_000
"""Small row groups bound the memory of the writers of all months."""


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
    """Evaluates the frame into files below `folder`; RowsOutsideRange if a row's month is not one of `months`."""
    target = pl.PartitionBy(folder, key=MONTH, include_key=False) if months else folder / "whole.parquet"
    try:
        frame.sink_parquet(target, compression_level=1, row_group_size=ROW_GROUP_ROWS, mkdir=True, engine="streaming")
    except (OSError, pl.exceptions.ComputeError) as error:
        if not is_full_disk(error):
            raise
        raise WriteFailed(
            f"{table}: cannot stage its rows in {folder} ({describe_storage_error(error)}); table left unchanged. Free space "
            "there or point TMPDIR to another folder, then run it again."
        ) from error
    if months is None:
        return Staged({None: [folder / "whole.parquet"]}, schema)
    found = {part.name.partition("=")[2]: sorted(part.glob("*.parquet")) for part in sorted(folder.iterdir())}
    requested = {month.isoformat(): month for month in months}
    _refuse_outside(table, found, requested, months)
    return Staged({requested[name]: files for name, files in found.items()}, schema)


def _refuse_outside(table: str, found: Mapping[str, list[Path]], requested: Mapping[str, date], months: Months) -> None:
    outside = {name: files for name, files in found.items() if name not in requested}
    if outside:
        rows = pl.scan_parquet([file for files in outside.values() for file in files], glob=False)
        count = rows.select(pl.len()).collect().item()
        raise RowsOutsideRange(
            f"{table}: {count_noun(count, 'row')} with a {MONTH} outside {months} (first: {min(outside)}); nothing was written. "
            f"{MONTH} must be the first day of one of these months."
        )
