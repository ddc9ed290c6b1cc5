"""Copies tables out of the lake: CSV or Parquet files, or one Excel workbook. For rules and limits see docs/query.md."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from polars.exceptions import PolarsError

from timix_assets.lake.errors import WriteFailed
from timix_assets.lake.months import MONTH
from timix_assets.lake.storage import describe_storage_error
from timix_assets.lake.tables import Lake
from timix_assets.text.near_miss import hint
from timix_assets.text.wording import count_noun

from .dictionary import MONTHLY_TABLES, ROLLUP_TABLES, definition_of, dotted, in_order
from .errors import ExportError
from .flat import formulas_in, with_nested_as_json, write_csv


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"


DEFAULT_NAMES = {Format.CSV: "export", Format.PARQUET: "export", Format.XLSX: "export.xlsx"}
"""Of the folder or workbook."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. notes: how a file differs from its table, for people."""

    files: tuple[Path, ...]
    rows: int
    notes: tuple[str, ...]


def tables_to_export(lake: Lake, asked: Sequence[str], *, everything: bool) -> list[str]:
    """The tables by their names, in the order they were asked for or are declared.

    Args:
        asked: Such as `rollups.budget_health` or `rollups/budget_health`; none for every rollup.
        everything: Every table of the lake instead.

    Raises:
        ExportError: A table does not exist, or there are no rollups.
        LakeError: The lake cannot be listed, or has no tables.
    """
    known = lake.names()
    if everything:
        return in_order(known)
    if asked:
        names = [name.replace(".", "/") for name in asked]
        for name in names:
            if name not in known:
                raise ExportError(f"{name} is not a table of the lake {lake.url}; {hint(name, known)}")
        return list(dict.fromkeys(names))
    rollups = [table for table in ROLLUP_TABLES if table in known]
    if not rollups:
        raise ExportError(f"The lake {lake.url} has no rollups; run `timix-assets refresh`, or name tables or --all.")
    return rollups


def files_of(tables: Sequence[str], form: Format, to: Path) -> dict[str, Path]:
    """Table -> its file. A workbook is one file; CSV and Parquet have a folder with a file per table.

    Raises:
        ExportError: `to` is not what the format needs.
    """
    if form is not Format.XLSX:
        if to.exists() and not to.is_dir():
            raise ExportError(f"--to {to} is a file; {form} needs a folder, for a file per table.")
        return {table: to / f"{dotted(table)}.{form}" for table in tables}
    if to.is_dir() or to.suffix.lower() != ".xlsx":
        other = to / DEFAULT_NAMES[form] if to.is_dir() else to.with_suffix(".xlsx")
        raise ExportError(
            f"--to {to} is not the name of a workbook; write --to {other}, or choose --format csv or parquet."
        )
    return dict.fromkeys(tables, to)


def export(lake: Lake, tables: Sequence[str], form: Format, to: Path, *, title: str, force: bool) -> Exported:
    """Writes the tables at their current versions; a file that exists is replaced only by `force`.

    The files appear whole, after all of them were written; after an error there are none.

    Args:
        title: The first line of a workbook's first sheet.

    Raises:
        ExportError: A file exists, or a table does not fit the format.
        LakeError: A table cannot be read, or a file not written.
    """
    files = files_of(tables, form, to)
    existing = sorted({file for file in files.values() if file.exists()})
    if existing and not force:
        more = f" (and {count_noun(len(existing) - 1, 'more file')})" if len(existing) > 1 else ""
        raise ExportError(f"{existing[0]} exists{more}; --force replaces it, --to chooses another place.")
    # All are opened before any is read, so that a refresh meanwhile changes none of them.
    frames = {table: lake.scan(table) for table in tables}
    heights = {table: int(rows.select(pl.len()).collect().item()) for table, rows in frames.items()}
    folder = next(iter(files.values())).parent
    try:
        with _drafts(folder) as drafts:
            targets = {table: drafts / file.name for table, file in files.items()}
            if form is Format.XLSX:
                notes = _workbook(frames, heights, next(iter(targets.values())), title)
            elif form is Format.CSV:
                notes = _csv(frames, targets)
            else:
                notes = _parquet(frames, targets)
            for file in dict.fromkeys(files.values()):
                (drafts / file.name).replace(file)
    except (OSError, PolarsError) as error:
        raise WriteFailed(
            f"Cannot export to {folder} ({describe_storage_error(error)}); free space there or choose another place with --to."
        ) from error
    return Exported(tuple(dict.fromkeys(files.values())), sum(heights.values()), tuple(notes))


@contextmanager
def _drafts(folder: Path) -> Iterator[Path]:
    """A folder beside the files, so that they can be moved to their names at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".timix-export-", dir=folder) as drafts:
        yield Path(drafts)


def _parquet(frames: Mapping[str, pl.LazyFrame], files: Mapping[str, Path]) -> list[str]:
    for table, rows in frames.items():
        rows.sink_parquet(files[table])
    return []


def _csv(frames: Mapping[str, pl.LazyFrame], files: Mapping[str, Path]) -> list[str]:
    notes = []
    for table, rows in frames.items():
        flat = with_nested_as_json(rows)
        write_csv(flat, files[table])
        if defended := formulas_in(flat):
            notes.append(
                f"{dotted(table)}: {count_noun(defended, 'text')} could be read as a formula and got an apostrophe; Parquet "
                "has the original."
            )
    return notes


def _workbook(frames: Mapping[str, pl.LazyFrame], heights: Mapping[str, int], path: Path, title: str) -> list[str]:
    # Not at the top: the other formats do not need it.
    from .sheet_limits import facts_of  # noqa: PLC0415
    from .sheet_rows import MAX_ROWS  # noqa: PLC0415
    from .workbook import Sheet, write_workbook  # noqa: PLC0415

    for table, height in heights.items():
        if height >= MAX_ROWS:
            raise ExportError(
                f"{dotted(table)} has {height:,} rows, and a sheet has room for {MAX_ROWS - 1:,}; nothing was written. Export it "
                "as csv or parquet, or choose rows with `timix-assets sql`."
            )
    notes, sheets = [], []
    for table, rows in frames.items():
        flat = with_nested_as_json(rows)
        facts = facts_of(flat)
        parts = _months(flat) if table in MONTHLY_TABLES else [(flat, heights[table])]
        sheets.append(Sheet(table, parts, definition_of(table), facts.as_of, facts.currencies))
        if facts.cut_texts:
            notes.append(
                f"{dotted(table)}: {count_noun(facts.cut_texts, 'text')} longer than a cell can be, cut at the end; csv and "
                "parquet have the whole."
            )
        if facts.rounded_numbers:
            notes.append(
                f"{dotted(table)}: {count_noun(facts.rounded_numbers, 'number')} with more than 15 digits, which Excel rounds; "
                "csv and parquet are exact."
            )
    write_workbook(path, title, _LINES, sheets)
    return notes


def _months(rows: pl.LazyFrame) -> list[tuple[pl.LazyFrame, int]]:
    """The rows and their number month by month; a table has its months in any order, and sorting it takes all of its memory."""
    months = rows.group_by(MONTH).len().sort(MONTH).collect().iter_rows()
    return [(rows.filter(pl.col(MONTH).eq_missing(month)), height) for month, height in months] or [(rows, 0)]


_LINES = (
    "Money has its currency beside it: never add up different currencies. Hours are decimal. Instants are UTC. An empty cell is "
    "unknown, not 0.",
    "Each figure is defined in docs/metrics.md.",
)
