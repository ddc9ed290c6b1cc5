"""One workbook with a worksheet per table: XlsxWriter makes everything but the rows, `sheet_rows` makes those."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

import polars as pl
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from .dictionary import Definition, TableDefinition, dotted
from .sheet_rows import Style, letters, rows_xml

DEFINITIONS = "definitions"
"""The first sheet."""

MAX_SHEET_NAME = 31
MEANING_WIDTH, LINE_HEIGHT = 100, 15
"""Of the column of meanings, in characters; of a line, in points."""
CELLS_OF_A_LARGE_FILE = 20_000_000
"""Cells from which a sheet may be larger than 2 GB before it is compressed."""

AMOUNT, WHOLE, RATIO, FLOAT = "#,##0.00", "#,##0", "0.0%", "#,##0.00"
DAY, INSTANT = "yyyy-mm-dd", 'yyyy-mm-dd hh:mm:ss "UTC"'
TEXT = "@"
"""Text also stays text when somebody edits it."""

_FORBIDDEN_IN_NAMES = re.compile(r"[\[\]:*?/\\]")
_FORMAT_ROW = re.compile(r'<row r="2".*?</row>', re.DOTALL)
_STYLE = re.compile(r's="(\d+)"')
_DIMENSION = re.compile(r'<dimension ref="[^"]*"/>')
_END_OF_ROWS = "</sheetData>"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table on its way into a workbook.

    Args:
        parts: The rows, without lists and structs, and their number; at least one part, in the order of the sheet.
        as_of: The last day that the figures include; None where the table does not say.
        currencies: The ISO codes in each column of currencies.
    """

    table: str
    parts: Sequence[tuple[pl.LazyFrame, int]]
    definition: TableDefinition
    as_of: date | None
    currencies: Mapping[str, Sequence[str]]

    @property
    def columns(self) -> pl.Schema:
        return self.parts[0][0].collect_schema()

    @property
    def height(self) -> int:
        return sum(height for _, height in self.parts)

    def meaning_of(self, column: str) -> Definition:
        return self.definition.columns.get(column, Definition(""))


def write_workbook(path: Path, title: str, notes: Sequence[str], sheets: Sequence[Sheet]) -> None:
    """Writes the workbook. `path` must not exist.

    Args:
        title: The first line of the first sheet.
        notes: The lines below it.

    Raises:
        OSError: The file could not be written.
    """
    frame = path.with_name(f"{path.name}.frame")
    names = sheet_names([sheet.table for sheet in sheets])
    formats = [_column_formats(sheet) for sheet in sheets]
    try:
        with Workbook(frame, {"strings_to_formulas": False, "strings_to_urls": False}) as workbook:
            made = {code: workbook.add_format({"num_format": code, **_alignment(code)}) for code in _codes(formats)}
            _write_definitions(workbook, title, notes, sheets, names)
            for sheet, name, columns in zip(sheets, names, formats, strict=True):
                _write_frame(workbook, workbook.add_worksheet(name), sheet, columns, made)
    except FileCreateError as error:
        raise OSError(str(error)) from error
    try:
        with ZipFile(frame) as source, ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as target:
            of = {f"xl/worksheets/sheet{place + 2}.xml": place for place in range(len(sheets))}
            for item in source.infolist():
                if item.filename not in of:
                    target.writestr(item, source.read(item), ZIP_DEFLATED)
                    continue
                sheet, columns = sheets[of[item.filename]], formats[of[item.filename]]
                is_large = sheet.height * len(columns) > CELLS_OF_A_LARGE_FILE
                with target.open(item.filename, "w", force_zip64=is_large) as file:
                    _write_sheet(file, source.read(item).decode(), sheet, columns)
    finally:
        frame.unlink()


def sheet_names(tables: Sequence[str]) -> list[str]:
    """A name for each table's sheet: as SQL names it, at most 31 characters, and no two alike in any case."""
    names: list[str] = []
    taken = {DEFINITIONS}
    for table in tables:
        whole = _FORBIDDEN_IN_NAMES.sub("_", dotted(table))
        name, number = whole[:MAX_SHEET_NAME], 1
        while name.lower() in taken:
            number += 1
            mark = f"~{number}"
            name = whole[: MAX_SHEET_NAME - len(mark)] + mark
        taken.add(name.lower())
        names.append(name)
    return names


@dataclass(frozen=True, slots=True)
class _ColumnFormat:
    """The number format of a column, and that of each currency in its rows."""

    code: str
    currency_column: str | None = None
    by_currency: Mapping[str, str] | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        return (self.code, *(self.by_currency or {}).values())


def _column_formats(sheet: Sheet) -> dict[str, _ColumnFormat]:
    columns = sheet.columns
    currencies: dict[str, Mapping[str, str]] = {}
    formats = {}
    for name, dtype in columns.items():
        meaning = sheet.meaning_of(name)
        of = next((other for other in (f"{name}_currency", "currency") if other in columns), None)
        if not meaning.is_money or of is None:
            formats[name] = _ColumnFormat(_code(dtype, meaning))
            continue
        if of not in currencies:
            # The code itself, not its symbol: $ is the sign of twenty currencies.
            currencies[of] = {code: f'{AMOUNT} "{code}"' for code in sheet.currencies.get(of, ())}
        formats[name] = _ColumnFormat(AMOUNT, of, currencies[of])
    return formats


def _code(dtype: pl.DataType, meaning: Definition) -> str:
    if meaning.is_ratio:
        return RATIO
    if dtype == pl.Date:
        return DAY
    if isinstance(dtype, pl.Datetime):
        return INSTANT
    if dtype.is_integer():
        return WHOLE
    return AMOUNT if dtype.is_numeric() else TEXT


def _alignment(code: str) -> dict[str, str]:
    """Text and dates are on the left, also a name in Hebrew, which would touch the next column."""
    return {"align": "left"} if code in {TEXT, DAY, INSTANT} else {}


def _codes(formats: Sequence[Mapping[str, _ColumnFormat]]) -> list[str]:
    return list(dict.fromkeys(code for sheet in formats for column in sheet.values() for code in column.codes))


def _write_frame(
    workbook: Workbook,
    worksheet: Worksheet,
    sheet: Sheet,
    columns: Mapping[str, _ColumnFormat],
    made: Mapping[str, Format],
) -> None:
    """Everything of the sheet but its rows; in their place, one row with a blank cell of every format that they need."""
    left = workbook.add_format({"bold": True, "bottom": 1})
    right = workbook.add_format({"bold": True, "bottom": 1, "align": "right"})
    for place, (name, dtype) in enumerate(sheet.columns.items()):
        worksheet.write_string(0, place, name, right if dtype.is_numeric() else left)
        worksheet.set_column(place, place, _width(name, dtype))
    worksheet.freeze_panes(1, 0)
    _fit_on_pages(worksheet)
    worksheet.repeat_rows(0)
    worksheet.autofilter(0, 0, max(sheet.height, 1), len(columns) - 1)
    for place, code in enumerate(code for column in columns.values() for code in column.codes):
        worksheet.write_blank(1, place, None, made[code])


def _fit_on_pages(worksheet: Worksheet) -> None:
    """Printed on A4, every column is on each page."""
    worksheet.set_landscape()
    worksheet.set_paper(9)
    worksheet.fit_to_pages(1, 0)


def _width(name: str, dtype: pl.DataType) -> int:
    """In characters; a header has room for the button of its filter."""
    if isinstance(dtype, pl.Datetime):
        content = 23
    elif dtype == pl.String:
        content = 30 if name.endswith(("name", "description")) else 14
    else:
        content = 16 if isinstance(dtype, pl.Decimal) else 10
    return max(content, len(name) + 4)


def _write_sheet(file: IO[bytes], frame: str, sheet: Sheet, columns: Mapping[str, _ColumnFormat]) -> None:
    """Writes the XML of the sheet, with its rows as they are read."""
    formats = _FORMAT_ROW.search(frame)
    assert formats is not None
    indices = iter(int(index) for index in _STYLE.findall(formats[0]))
    styles = {
        name: Style(
            next(indices),
            column.currency_column,
            {currency: next(indices) for currency in column.by_currency or {}},
        )
        for name, column in columns.items()
    }
    used = f'<dimension ref="A1:{letters(len(columns) - 1)}{sheet.height + 1}"/>'
    head, end, tail = _DIMENSION.sub(used, _FORMAT_ROW.sub("", frame, count=1), count=1).partition(_END_OF_ROWS)
    file.write(head.encode())
    first_row = 2
    for rows, height in sheet.parts:
        # Unquoted, a CSV of one column is that column's text.
        rows_xml(rows, styles, first_row).sink_csv(file, include_header=False, quote_style="never")
        first_row += height
    file.write((end + tail).encode())


def _write_definitions(
    workbook: Workbook, title: str, notes: Sequence[str], sheets: Sequence[Sheet], names: Sequence[str]
) -> None:
    worksheet = workbook.add_worksheet(DEFINITIONS)
    bold = workbook.add_format({"bold": True, "font_size": 14})
    header = workbook.add_format({"bold": True, "bottom": 1})
    wrapped = workbook.add_format({"text_wrap": True, "valign": "top"})
    top = workbook.add_format({"valign": "top"})
    day = workbook.add_format({"num_format": DAY, "valign": "top", "align": "left"})
    whole = workbook.add_format({"num_format": WHOLE, "valign": "top", "align": "left"})
    link = workbook.add_format({"font_color": "#0563C1", "underline": 1, "valign": "top"})
    for place, width in enumerate((34, 32, MEANING_WIDTH, 36)):
        worksheet.set_column(place, place, width)
    days = {sheet.as_of for sheet in sheets if sheet.as_of}
    worksheet.write_string(0, 0, f"{title} as of {days.pop()}" if len(days) == 1 else title, bold)
    for row, note in enumerate(notes, 1):
        worksheet.write_string(row, 0, note)

    first = len(notes) + 2
    for place, heading in enumerate(("sheet", "rows", "what it holds", "figures as of")):
        worksheet.write_string(first, place, heading, header)
    for row, (sheet, name) in enumerate(zip(sheets, names, strict=True), first + 1):
        worksheet.write_url(row, 0, f"internal:'{name}'!A1", link, name)
        worksheet.write_number(row, 1, sheet.height, whole)
        _write_wrapped(worksheet, row, sheet.definition.meaning, wrapped)
        if sheet.as_of:
            worksheet.write_datetime(row, 3, datetime.combine(sheet.as_of, time.min), day)

    first += len(sheets) + 2
    for place, heading in enumerate(("sheet", "column", "meaning", "unit")):
        worksheet.write_string(first, place, heading, header)
    row = first
    for sheet, name in zip(sheets, names, strict=True):
        for column in sheet.columns:
            row += 1
            meaning = sheet.meaning_of(column)
            worksheet.write_string(row, 0, name, top)
            worksheet.write_string(row, 1, column, top)
            _write_wrapped(worksheet, row, meaning.meaning, wrapped)
            worksheet.write_string(row, 3, meaning.unit, top)
    worksheet.autofilter(first, 0, row, 3)
    _fit_on_pages(worksheet)


def _write_wrapped(worksheet: Worksheet, row: int, text: str, wrapped: Format) -> None:
    """The meaning, in a row that is high enough: not every program measures it."""
    worksheet.write_string(row, 2, text, wrapped)
    lines = len(textwrap.wrap(text, int(MEANING_WIDTH * 0.9)))
    if lines > 1:
        worksheet.set_row(row, LINE_HEIGHT * lines)
