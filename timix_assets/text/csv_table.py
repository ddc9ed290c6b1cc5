"""Reads a CSV strictly, to tell a complete one from an error page, another kind of file, or a truncated one.

Timix documents neither the delimiter nor the encoding, so both are detected: comma, semicolon or tab; UTF-8, UTF-16 with
a byte order mark, or bytes of another encoding, which are shown as escapes. A file truncated at the end of a record, or
within its last cell, cannot be detected.
"""

import codecs
import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from itertools import islice

from timix_assets.errors import TimixAssetsError

from .printable import without_markup
from .wording import count_noun

FIRST_ROWS = 5
_DELIMITERS = ",;\t"
_MAX_QUOTE_LENGTH = 60


class BrokenCsv(TimixAssetsError, ValueError):  # noqa: N818 - it reads as what happened
    """Not a complete CSV; the message is the reason."""


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
    header = _header(data)
    rows, first = 0, list[tuple[str, ...]]()
    for record in _checked_records(data, len(header)):
        if 0 < rows <= FIRST_ROWS:
            first.append(tuple(record))
        rows += 1
    return CsvTable(header, rows - 1, tuple(first), _ends_its_line(data))


def read_records(data: bytes) -> list[list[str]]:
    """The header and every record of a CSV, as text; the names of the header without blanks around them.

    Raises:
        BrokenCsv: The header has fewer than two fields, or a record another number of fields than the header.
    """
    header = [name.strip() for name in _header(data)]
    return [header, *islice(_checked_records(data, len(header)), 1, None)]


def quoted(text: str) -> str:
    """A cell as a message may show it: on one line, shortened, without control characters."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return f"“{without_markup(shown if len(shown) <= _MAX_QUOTE_LENGTH else shown[: _MAX_QUOTE_LENGTH - 1] + '…')}”"


def _ends_its_line(data: bytes) -> bool:
    """Whether the last line ends. In UTF-16 a zero can follow; half of a two-character line break does not count."""
    last = data.rstrip(b"\0")[-1:]
    return last == b"\n" or (last == b"\r" and b"\n" not in data)


def _header(data: bytes) -> tuple[str, ...]:
    _, header = next(_records(data, _delimiter(data)), (0, []))
    if not header:
        raise BrokenCsv("it is empty")
    if any(unicodedata.category(letter) == "Cc" and not letter.isspace() for name in header for letter in name):
        raise BrokenCsv(f"it is another kind of file, which begins with {quoted(' '.join(header))}")
    if len(header) < 2:
        raise BrokenCsv(f"its first line, {quoted(header[0])}, is not a header of two fields or more")
    return tuple(header)


def _delimiter(data: bytes) -> str:
    """The delimiter that gives the first record the most fields."""

    def fields(delimiter: str) -> int:
        try:
            return len(next(_records(data, delimiter), (0, []))[1])
        except BrokenCsv:
            return 0

    return max(_DELIMITERS, key=fields)


def _checked_records(data: bytes, fields: int) -> Iterator[list[str]]:
    """The header and the records, each with so many fields."""
    for line, record in _records(data, _delimiter(data)):
        if len(record) != fields:
            raise BrokenCsv(f"line {line:,} has {count_noun(len(record), 'field')} where the header has {fields:,}")
        yield record


def _records(data: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which it ends, fields) of each record; empty lines are skipped."""
    while data.startswith(codecs.BOM_UTF8):  # a proxy may add one to one that is there
        data = data.removeprefix(codecs.BOM_UTF8)
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    text = TextIOWrapper(BytesIO(data), encoding=encoding, errors="backslashreplace", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if record:
                yield reader.line_num, record
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            raise BrokenCsv("its last cell opens a quote and does not close it") from None
        raise BrokenCsv(f"line {reader.line_num:,} cannot be read ({error})") from None
