"""A whole CSV is told from everything that a server may send in its place."""

import codecs
import csv
from io import StringIO

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from timix_assets.text.csv_table import BrokenCsv, CsvTable, quoted, read_csv


def written(rows: list[list[str]], *, delimiter: str = ",", quoting: int = csv.QUOTE_ALL, end: str = "\r\n") -> str:
    text = StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"name,hours\r\nAcme,7.5\r\n",
        b"\xef\xbb\xbfname;hours\nAcme;7.5\n",
        b"name\thours\rAcme\t7.5\r",
        b'"name","hours"\n\n"Acme","7.5"\n\n',
        "name,hours\nAcme,7.5\n".encode("utf-16"),
        "name,hours\nAcme,7.5\n".encode("utf-16-be").join([b"\xfe\xff", b""]),
    ],
)
def test_delimiter_encoding_and_line_ends_are_detected(data: bytes) -> None:
    assert read_csv(data) == CsvTable(("name", "hours"), 1, (("Acme", "7.5"),), ends_its_line=True)


def test_rows_are_records_and_not_lines() -> None:
    table = read_csv(written([["a", "b"], *[["two\r\nlines", str(n)] for n in range(7)]]).encode())
    assert (table.rows, len(table.first_rows)) == (7, 5)
    assert table.first_rows[0] == ("two\r\nlines", "0")


@pytest.mark.parametrize(
    ("data", "ends"),
    [(b"a,b\r\n", True), (b"a,b\r", True), (b"a,b\n1,2", False), (b"a,b\r\n1,2\r", False), (b'a,b\r\n1,"2"', False)],
)
def test_half_of_a_line_break_does_not_end_a_line(data: bytes, ends: bool) -> None:
    assert read_csv(data).ends_its_line is ends


def test_header_alone_is_complete() -> None:
    assert read_csv(b"a,b") == CsvTable(("a", "b"), 0, (), ends_its_line=False)


def test_other_encodings_are_accepted() -> None:
    hebrew = "לקוח,שעות\r\nאקמה,7\r\n".encode("cp1255")
    table = read_csv(hebrew)
    assert (len(table.header), table.rows) == (2, 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"\r\n\r\n", "it is empty"),
        (
            b"Service temporarily unavailable",
            "its first line, “Service temporarily unavailable”, is not a header of two",
        ),
        (b"%PDF-1.7\n%\xe2\xe3\n", "its first line, “%PDF-1.7”, is not a header"),
        (b"PK\x03\x04,\x00\x00", "another kind of file, which begins with “PK\N{REPLACEMENT CHARACTER}"),
        (b"\x1b]52;c;ZWNobw==\x07,b\n1,2\n", "another kind of file"),
        (b"a,b\n1,2\n3", "line 3 has 1 field where the header has 2"),
        (b"a,b\n1,2,3\n", "line 2 has 3 fields where the header has 2"),
        (b'a,b\n1,"2', "its last cell opens a quote and does not close it"),
        (b'a,b\n1,"2"3\n', "line 2 cannot be read"),
        (b'a,b\n1,"' + b"x" * 200_000, "line 2 cannot be read"),
        (b"x" * 70 + b"\n", f"“{'x' * 59}…”"),
    ],
)
def test_incomplete_csv_is_rejected_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenCsv) as broken:
        read_csv(data)
    assert reason in str(broken.value)


@pytest.mark.parametrize("marks", [0, 1, 2])
def test_byte_order_marks_are_not_part_of_the_header(marks: int) -> None:
    assert read_csv(codecs.BOM_UTF8 * marks + b'"id","hours"\r\n"a","1"\r\n').header == ("id", "hours")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_table_or_broken_csv(data: bytes) -> None:
    try:
        table = read_csv(data)
    except BrokenCsv:
        return
    assert len(table.header) > 1
    assert {len(row) for row in table.first_rows} <= {len(table.header)}


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.lists(st.text(st.characters(categories=["L"]), min_size=1, max_size=8), min_size=2, max_size=5)


@given(st.data(), NAMES, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(deadline=None)
def test_complete_csv_is_accepted_and_truncated_is_not(
    data: st.DataObject, names: list[str], delimiter: str, end: str, with_bom: bool
) -> None:
    row = st.lists(CELLS, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    whole = ("\N{BOM}" if with_bom else "") + written([names, *rows], delimiter=delimiter, end=end)
    assert read_csv(whole.encode()).rows == len(rows)

    last = written([rows[-1]], delimiter=delimiter, end=end)
    kept = data.draw(st.integers(1, len(last) - len(end) - 1))
    assume(not last[:kept].endswith(delimiter))  # an empty last cell is one, too
    with pytest.raises(BrokenCsv):
        read_csv(whole[: len(whole) - len(last) + kept].encode())


def test_quoted_cell_has_no_control_characters() -> None:
    assert quoted("a\x1b[2J\u202eb\nc") == "“a�[2J�b�c”"
