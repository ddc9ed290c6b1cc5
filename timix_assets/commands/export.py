"""`timix-assets export`: copies tables out of the lake."""

from collections.abc import Sequence
from pathlib import Path

import click

from timix_assets.lake.tables import Lake
from timix_assets.reporting.export import DEFAULT_NAMES, Exported, Format, export, tables_to_export
from timix_assets.text.printable import printable
from timix_assets.text.wording import count_noun


def run(
    lake: Lake, asked: Sequence[str], form: Format, to: Path | None, *, base: Path, everything: bool, force: bool
) -> None:
    """Exports the tables, and prints where they are and how they differ from the lake.

    Args:
        to: The workbook, or the folder; by default `export.xlsx`, or `export`.
        base: The folder that `to` is relative to.

    Raises:
        ExportError, LakeError: See `reporting.export`.
    """
    tables = tables_to_export(lake, asked, everything=everything)
    title = f"Tables of {lake.metadata.organization_name() or 'the workspace'}"
    target = base / (to or DEFAULT_NAMES[form])
    _report(export(lake, tables, form, target, title=title, force=force), len(tables))


def _report(exported: Exported, tables: int) -> None:
    for note in exported.notes:
        click.echo(printable(note), err=True)
    files = exported.files
    where = f"{files[0]}" if len(files) == 1 else f"{count_noun(len(files), 'file')} in {files[0].parent}"
    click.echo(f"{count_noun(tables, 'table')}, {count_noun(exported.rows, 'row')}: {where}")
