"""Exports: files that equal their tables, and names that stay text in every spreadsheet."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.cell import Cell

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.errors import LakeError, TableMissing, WriteFailed
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.reporting.errors import ExportError
from timix_assets.reporting.export import Exported, Format, export, tables_to_export
from timix_assets.reporting.flat import DEFENDED_STARTS, without_formulas
from timix_assets.reporting.workbook import sheet_names

NAMES = (
    '=HYPERLINK("http://x")',
    "+1",
    "-1",
    "@A1",
    "\t=1",
    "x;=1",
    "<&\"'",
    "_x0041_ \x01",
    "שלום עולם",
    "'=x",
    "",
    None,
)
AMOUNTS = (Decimal("-1.5"), Decimal("12345678901234567890.1234567891"), Decimal("0.0000000001"), None)
INVOICES = pl.Schema({**BY_NAME["invoices"].schema, "created_at": pl.Datetime("us", "UTC")})
INSTANT = datetime(2026, 11, 29, 12, 30, 1, 500_000, tzinfo=UTC)


def invoice(number: int, **values: Any) -> dict[str, Any]:
    return {"id": f"{number:02}", "number": NAMES[number % len(NAMES)], **values}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    rows = [invoice(number) for number in range(len(NAMES))]
    for number, amount in enumerate(AMOUNTS):
        rows[number] |= {"total": amount, "currency": ("EUR", "USD", 'E"U', None)[number]}
    rows[0] |= {"issue_date": date(2026, 11, 29), "due_date": date(1900, 2, 28), "created_at": INSTANT}
    rows[0] |= {"lines": [{"description": "=1", "hours": Decimal("1.5")}]}
    rows[1] |= {"lines": []}
    lake.replace("timix/invoices", pl.DataFrame(rows, schema=INVOICES), key=["id"])
    return lake


def exported(lake: Lake, form: Format, folder: Path, *tables: str, force: bool = False) -> Exported:
    to = folder / "out.xlsx" if form is Format.XLSX else folder
    return export(lake, tables or ["timix/invoices"], form, to, title="Tables of Firm", force=force)


def cells(path: Path, sheet: str) -> list[dict[str, Cell]]:
    rows = openpyxl.load_workbook(path)[sheet].iter_rows()
    header = [cell.value for cell in next(rows)]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_parquet_equals_table(lake: Lake, tmp_path: Path) -> None:
    [file] = exported(lake, Format.PARQUET, tmp_path).files
    assert file.name == "timix.invoices.parquet"
    assert pl.read_parquet(file).equals(lake.scan("timix/invoices").collect())


def test_csv_has_every_digit_and_distinguishes_empty_from_null(lake: Lake, tmp_path: Path) -> None:
    [file] = exported(lake, Format.CSV, tmp_path).files
    read = pl.read_csv(file, schema_overrides={"total": pl.String, "id": pl.String})
    assert read["total"].to_list()[:4] == ["-1.5000000000", "12345678901234567890.1234567891", "0.0000000001", None]
    assert re.findall(r'^"1[01]",("")?,', file.read_text(encoding="utf-8"), re.MULTILINE) == ['""', ""]
    assert read.row(0, named=True)["created_at"] == "2026-11-29T12:30:01.500000Z"
    assert read["lines"].to_list()[:3] == [
        '[{"description":"=1","project_id":null,"hours":"1.5000000000","rate":null,"amount":null}]',
        "[]",
        None,
    ]


def test_formulas_in_csv_get_an_apostrophe_and_are_counted(lake: Lake, tmp_path: Path) -> None:
    done = exported(lake, Format.CSV, tmp_path)
    texts = pl.read_csv(done.files[0], schema_overrides={"id": pl.String})["number"].to_list()
    assert texts[:6] == ['\'=HYPERLINK("http://x")', "'+1", "'-1", "'@A1", "'\t'=1", "x;'=1"]
    assert texts[8] == "שלום עולם"
    [note] = done.notes
    assert note.startswith("timix.invoices: 7 texts could be read as a formula")


@given(st.text(alphabet="=+-@'\t\r\n; aא＝", max_size=12))
def test_no_cell_of_any_separator_begins_a_formula_and_text_is_restored(text: str) -> None:
    defended = without_formulas(pl.LazyFrame({"text": [text]})).collect().item()
    assert not [part for part in re.split("[;\t\r\n]", defended) if part.startswith(("=", "+", "-", "@", "＝"))]
    assert not defended.startswith(("\t", "\r"))
    restored = pl.col("text")
    for start in DEFENDED_STARTS:
        restored = restored.str.replace_all(start, "$1$2")
    assert pl.DataFrame({"text": [defended]}).select(restored).item() == text


def test_workbook_has_no_formula_and_keeps_values(lake: Lake, tmp_path: Path) -> None:
    [file] = exported(lake, Format.XLSX, tmp_path).files
    rows = cells(file, "timix.invoices")
    assert "f" not in {cell.data_type for row in rows for cell in row.values()}
    # openpyxl does not decode the escapes of inline strings, which ECMA-376 22.9.2.19 defines.
    expected = [*NAMES[:7], "_x005F_x0041_ _x0001_", *NAMES[8:]]
    assert [row["number"].value for row in rows] == expected
    assert rows[0]["number"].number_format == "@"
    first = {name: cell.value for name, cell in rows[0].items()}
    assert (first["total"], first["issue_date"], first["due_date"]) == (-1.5, datetime(2026, 11, 29), "1900-02-28")
    assert first["created_at"] == INSTANT.replace(tzinfo=None)
    assert first["lines"].startswith('[{"description":"=1"')


def test_each_amount_has_the_currency_of_its_row(lake: Lake, tmp_path: Path) -> None:
    [file] = exported(lake, Format.XLSX, tmp_path).files
    formats = [row["total"].number_format for row in cells(file, "timix.invoices")[:3]]
    assert formats == ['#,##0.00 "EUR"', '#,##0.00 "USD"', "#,##0.00"]


def test_sheet_has_frozen_header_and_filter(lake: Lake, tmp_path: Path) -> None:
    [file] = exported(lake, Format.XLSX, tmp_path).files
    sheet = openpyxl.load_workbook(file)["timix.invoices"]
    used = f"A1:{openpyxl.utils.get_column_letter(len(INVOICES))}{len(NAMES) + 1}"
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.dimensions) == ("A2", used, used)


def test_first_sheet_defines_columns_and_states_as_of(lake: Lake, tmp_path: Path) -> None:
    aging = pl.DataFrame({"bucket": ["0-30"], "amount": [Decimal(1)], "as_of": [date(2026, 11, 18)]})
    lake.replace("rollups/unbilled_aging", aging, key=["bucket"])
    [file] = exported(lake, Format.XLSX, tmp_path, "rollups/unbilled_aging", "timix/invoices").files
    rows = [[cell.value for cell in row] for row in openpyxl.load_workbook(file)["definitions"].iter_rows()]
    assert rows[0][0] == "Tables of Firm as of 2026-11-18"
    assert next(row[3] for row in rows if row[0] == "rollups.unbilled_aging") == datetime(2026, 11, 18)
    meaning = "Unbilled hours × customer rate; null when there are such hours and none has a rate."
    assert ["rollups.unbilled_aging", "amount", meaning, "money, in the row's currency"] in rows
    assert ["timix.invoices", "total", "Total with tax.", "money, in the row's currency"] in rows


def test_what_excel_cannot_hold_is_reported(lake: Lake, tmp_path: Path) -> None:
    long = {"id": ["a", "b", "c"], "_rescued_data": ["x" * 40_000, "😀" * 20_000, "x" * 32_767]}
    lake.replace("timix/customers", pl.DataFrame(long), key=["id"])
    done = exported(lake, Format.XLSX, tmp_path, "timix/invoices", "timix/customers")
    assert [note.partition(",")[0] for note in done.notes] == [
        "timix.invoices: 1 number with more than 15 digits",
        "timix.customers: 2 texts longer than a cell can be",
    ]
    texts = [row["_rescued_data"].value for row in cells(done.files[0], "timix.customers")]
    assert [len(text.encode("utf-16-le")) // 2 <= 32_767 for text in texts] == [True] * 3
    assert texts[0].endswith("[cut, see docs/query.md]")
    assert texts[2] == "x" * 32_767


def test_table_with_too_many_rows_is_refused(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timix_assets.reporting.sheet_rows.MAX_ROWS", len(NAMES))
    with pytest.raises(
        ExportError, match="has 12 rows, and a sheet has room for 11; nothing was written. Export it as csv"
    ):
        exported(lake, Format.XLSX, tmp_path)
    assert not (tmp_path / "out.xlsx").exists()


def test_months_of_a_raw_table_are_in_order(lake: Lake, tmp_path: Path) -> None:
    schema = BY_NAME["time_reports"].schema
    for month in (11, 9, 10):
        first = date(2026, month, 1)
        rows = pl.DataFrame([{"id": f"{month}-{n}", "month": first} for n in range(2)], schema=schema)
        lake.replace("timix/time_reports", rows, key=["id"], months=Months(first, first), partitioned=True)
    [file] = exported(lake, Format.XLSX, tmp_path, "timix/time_reports").files
    assert [row["id"].value for row in cells(file, "timix.time_reports")] == [
        "9-0",
        "9-1",
        "10-0",
        "10-1",
        "11-0",
        "11-1",
    ]


def test_rows_of_a_sheet_are_numbered_as_the_standard_asks(lake: Lake, tmp_path: Path) -> None:
    [file] = exported(lake, Format.XLSX, tmp_path).files
    with ZipFile(file) as parts:
        root = ElementTree.fromstring(parts.read("xl/worksheets/sheet2.xml"))
    main = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    rows = list(root.iter(f"{main}row"))
    assert [int(row.attrib["r"]) for row in rows] == list(range(1, len(NAMES) + 2))
    assert all(cell.attrib["r"].endswith(row.attrib["r"]) for row in rows for cell in row)


@pytest.mark.parametrize("form", list(Format))
def test_table_without_rows_is_exported(lake: Lake, tmp_path: Path, form: Format) -> None:
    lake.replace("timix/projects", BY_NAME["projects"].schema.to_frame(), key=["id"])
    lake.replace("timix/time_reports", BY_NAME["time_reports"].schema.to_frame(), key=["id"])
    done = exported(lake, form, tmp_path, "timix/projects", "timix/time_reports")
    assert done.rows == 0
    assert all(file.stat().st_size for file in done.files)


@pytest.mark.parametrize("form", list(Format))
def test_existing_file_is_replaced_only_by_force(lake: Lake, tmp_path: Path, form: Format) -> None:
    [file] = exported(lake, form, tmp_path).files
    file.write_text("mine")
    with pytest.raises(ExportError, match=f"{file.name} exists; --force replaces it"):
        exported(lake, form, tmp_path)
    assert file.read_text() == "mine"
    exported(lake, form, tmp_path, force=True)
    assert file.read_bytes() != b"mine"


def test_failed_export_leaves_no_file(lake: Lake, tmp_path: Path) -> None:
    lake.replace("timix/projects", BY_NAME["projects"].schema.to_frame(), key=["id"])
    [damaged] = Path(lake.url, "timix", "invoices").glob("*.parquet")
    damaged.write_bytes(b"")
    out = tmp_path / "out"
    with pytest.raises(LakeError, match="is truncated"):
        exported(lake, Format.CSV, out, "timix/projects", "timix/invoices")
    assert not out.exists()


@pytest.mark.parametrize(
    ("form", "to", "message"),
    [
        (Format.XLSX, "report.csv", "not the name of a workbook; write --to .*report.xlsx, or choose --format csv"),
        (Format.XLSX, "lake", "not the name of a workbook; write --to .*lake/export.xlsx"),
        (Format.CSV, "file", "is a file; csv needs a folder"),
    ],
)
def test_wrong_target_is_refused(lake: Lake, tmp_path: Path, form: Format, to: str, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=message):
        export(lake, ["timix/invoices"], form, tmp_path / to, title="", force=True)


def test_target_that_cannot_be_written_is_reported(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteFailed, match="Cannot export to .*; free space there or choose another place with --to."):
        export(lake, ["timix/invoices"], Format.XLSX, tmp_path / "file" / "x.xlsx", title="", force=False)


def test_lake_without_tables_is_reported_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(TableMissing, match="has no tables; run `timix-assets refresh` first"):
        tables_to_export(Lake(str(tmp_path / "new")), [], everything=True)
    assert not (tmp_path / "new").exists()


def test_tables_are_named_as_in_sql_or_as_assets(lake: Lake) -> None:
    lake.replace("quarantine/customers", pl.DataFrame({"id": ["a"]}), key=["id"])
    assert tables_to_export(lake, ["timix.invoices", "timix/invoices"], everything=False) == ["timix/invoices"]
    assert tables_to_export(lake, [], everything=True) == ["timix/invoices", "quarantine/customers"]
    with pytest.raises(ExportError, match="did you mean timix/invoices?"):
        tables_to_export(lake, ["timix.invoice"], everything=False)
    with pytest.raises(ExportError, match="has no rollups; run `timix-assets refresh`"):
        tables_to_export(lake, [], everything=False)


def test_sheet_names_are_short_and_differ() -> None:
    tables = ["timix/a", "TIMIX/a", f"quarantine/{'x' * 40}", f"quarantine/{'x' * 41}", "definitions"]
    names = sheet_names(tables)
    assert names[:2] == ["timix.a", "TIMIX.a~2"]
    assert len({name.lower() for name in [*names, "definitions"]}) == 6
    assert max(map(len, names)) == 31
