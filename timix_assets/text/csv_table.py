"""Reads a CSV strictly, to tell a complete one from an error page, another kind of file, or a truncated one.

Timix documents neither the delimiter nor the encoding, so both are detected: comma, semicolon or tab; UTF-8, or UTF-16
with a byte order mark. Bytes of another encoding are shown as escapes, or refused where the text is to be used. A file
truncated at the end of a record, or within its last cell, cannot be detected.
"""

import codecs
import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from itertools import dropwhile, islice
from operator import not_
from typing import Literal

from timix_assets.errors import TimixAssetsError

from .printable import without_markup
from .wording import count_noun

FIRST_ROWS = 5
_DELIMITERS = ",;\t"
_MAX_QUOTE_LENGTH = 60
_LINE_END = re.compile(r"\r\n|\r|\n")

_Errors = Literal["strict", "backslashreplace"]
"""What becomes of bytes that are not in the encoding."""


class BrokenCsv(TimixAssetsError, ValueError):  # noqa: N818 - it reads as what happened
    """Not a complete CSV; the message is the reason."""


class WrongEncoding(TimixAssetsError, ValueError):  # noqa: N818 - it reads as what happened
    """Text that would be read wrong; the message names the line and what to do."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A complete CSV.

    Attributes:
        header: The names of the columns.
        rows: Number of records after the header.
        first_rows: At most `FIRST_ROWS` of them.
        ends_its_line: The last record ends with a line break.
    """

    header: tuple[str, ...]
    rows: int
    first_rows: tuple[tuple[str, ...], ...]
    ends_its_line: bool


def read_csv(data: bytes) -> CsvTable:
    """Reads a CSV.

    Raises:
        BrokenCsv: The header has fewer than two fields, or a record another number of fields than the header.
    """
    header = _header(data, 2, "backslashreplace")
    rows, first = 0, list[tuple[str, ...]]()
    for record in filter(None, _checked_records(data, len(header), "backslashreplace")):
        if 0 < rows <= FIRST_ROWS:
            first.append(tuple(record))
        rows += 1
    return CsvTable(header, rows - 1, tuple(first), _ends_its_line(data))


def read_records(data: bytes) -> Iterator[list[str]]:
    """The header, its names without blanks around them, and every record below it, as text.

    An empty line is a record of empty cells, so that its number counts, as in a spreadsheet.

    Raises:
        BrokenCsv: There is no header, or a record has another number of fields.
        WrongEncoding: A line is not in the encoding.
    """
    header = [name.strip() for name in _header(data, 1, "strict")]
    yield header
    from_header = dropwhile(not_, _checked_records(data, len(header), "strict"))
    for record in islice(from_header, 1, None):
        yield record or [""] * len(header)


def quoted(text: str) -> str:
    """A cell as a message may show it: on one line, shortened, without control characters."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return f"“{without_markup(shown if len(shown) <= _MAX_QUOTE_LENGTH else shown[: _MAX_QUOTE_LENGTH - 1] + '…')}”"


def _ends_its_line(data: bytes) -> bool:
    """Whether the last line ends. In UTF-16 a zero can follow; half of a two-character line break does not count."""
    last = data.rstrip(b"\0")[-1:]
    return last == b"\n" or (last == b"\r" and b"\n" not in data)


def _header(data: bytes, min_fields: int, errors: _Errors) -> tuple[str, ...]:
    header = _first_record(data, _delimiter(data, errors), errors)
    if not header:
        raise BrokenCsv("it is empty")
    if any(unicodedata.category(letter) == "Cc" and not letter.isspace() for name in header for letter in name):
        raise BrokenCsv(f"it is another kind of file, which begins with {quoted(' '.join(header))}")
    if len(header) < min_fields:
        raise BrokenCsv(f"its first line, {quoted(header[0])}, is not a header of two fields or more")
    return tuple(header)


def _delimiter(data: bytes, errors: _Errors) -> str:
    """The delimiter that gives the first record the most fields."""

    def fields(delimiter: str) -> int:
        try:
            return len(_first_record(data, delimiter, errors))
        except BrokenCsv:
            return 0

    return max(_DELIMITERS, key=fields)


def _first_record(data: bytes, delimiter: str, errors: _Errors) -> list[str]:
    return next((record for _, record in _records(data, delimiter, errors) if record), [])


def _checked_records(data: bytes, fields: int, errors: _Errors) -> Iterator[list[str]]:
    """The header and the records, each with so many fields, or with none for an empty line."""
    for line, record in _records(data, _delimiter(data, errors), errors):
        if record and len(record) != fields:
            raise BrokenCsv(f"line {line:,} has {count_noun(len(record), 'field')} where the header has {fields:,}")
        yield record


def _records(data: bytes, delimiter: str, errors: _Errors) -> Iterator[tuple[int, list[str]]]:
    """(line on which it ends, fields) of each record; an empty line has no fields."""
    while data.startswith(codecs.BOM_UTF8):  # a proxy may add one to one that is there
        data = data.removeprefix(codecs.BOM_UTF8)
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    text = TextIOWrapper(BytesIO(data), encoding=encoding, errors=errors, newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        for record in reader:
            yield reader.line_num, record
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            raise BrokenCsv("its last cell opens a quote and does not close it") from None
        raise BrokenCsv(f"line {reader.line_num:,} cannot be read ({error})") from None
    except UnicodeDecodeError:
        # The reader is behind the decoder, so the line is counted.
        line = _undecodable_line(data, encoding)
        raise WrongEncoding(f"line {line:,} is not {encoding.upper()}; save it as “CSV UTF-8”, or as .xlsx") from None


def _undecodable_line(data: bytes, encoding: str) -> int:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        data = data[: error.start]
    return len(_LINE_END.split(data.decode(encoding)))
