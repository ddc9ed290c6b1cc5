"""What a row means: cells, mappings and files."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import polars as pl
import pytest
import yaml

from timix_assets.imports import sources
from timix_assets.imports.errors import ImportRefused
from timix_assets.imports.mapping import READY_NAMES, FieldMapping, Fields, ImportMapping, load_mapping
from timix_assets.imports.pace import Pace, hours_of
from timix_assets.imports.rows import Row, read_rows
from timix_assets.imports.sources import read_source, rows_of_frame
from timix_assets.imports.structure.mapping import StructureMapping
from timix_assets.imports.structure.rows import read_rows as structure_rows

from .firm import COLUMNS, row, write_csv


def one(cells: dict[str, Any], mapping: ImportMapping | None = None) -> Row:
    [only] = read_rows([cells], list(cells), mapping or ImportMapping.of_columns(cells))
    return only


@pytest.mark.parametrize(
    ("cell", "hours"),
    [
        ("7.5", "7.5"),
        (" 1 ", "1"),
        ("1:30", "1.5"),
        ("00:20:00", "0.3333"),
        ("10:00:36", "10.01"),
        (7.1, "7.1"),
        (22 / 3, "7.3333"),
        (Decimal("2.25"), "2.25"),
        (timedelta(minutes=90), "1.5"),
        (time(0, 45), "0.75"),
    ],
)
def test_hours_are_read_exactly(cell: object, hours: str) -> None:
    assert one(row("A", hours=None) | {"hours": cell}).hours == Decimal(hours)


@pytest.mark.parametrize("cell", ["7,5", "1:75", "8h", "NaN", "1e99", "Infinity", "1_5"])
def test_other_hours_are_a_problem_of_the_row(cell: str) -> None:
    [problem] = one(row("A", cell)).problems
    assert problem.startswith("hours: “")


def test_decimal_comma_is_read_where_the_mapping_says_so() -> None:
    mapping = ImportMapping.of_columns(row("A"))
    fields = mapping.fields.model_copy(update={"hours": FieldMapping(columns=("hours",), decimal_comma=True)})
    assert one(row("A", "7,5"), mapping.model_copy(update={"fields": fields})).hours == Decimal("7.5")
    assert "set decimal_comma" in one(row("A", "7,5")).problems[0]


@pytest.mark.parametrize("cell", [date(2026, 11, 9), datetime(2026, 11, 9), "2026-11-09"])
def test_dates_of_every_kind_of_file_are_read(cell: object) -> None:
    assert one(row("A", date=cell)).day == date(2026, 11, 9)


def test_date_of_another_format_names_the_setting() -> None:
    assert one(row("A", date="16/11/2026")).problems == (
        "date: “16/11/2026” is not a date like 2026-11-30; set format in the mapping",
    )
    for wrong in ("soon", "2026-02-30"):
        assert one(row("A", date=wrong)).problems == (f"date: “{wrong}” is not a date like 2026-11-30",)


def test_moment_with_a_time_zone_is_no_day() -> None:
    [problem] = one(row("A", date=datetime(2026, 11, 9, 23, 30, tzinfo=UTC))).problems
    assert problem.startswith("date: “2026-11-09 23:30:00+00:00” has a time zone")


def test_every_missing_value_is_named() -> None:
    assert one({**row(""), "person": "", "date": "", "hours": ""}).problems == (
        "date is empty",
        "hours is empty",
        "person is empty",
        "reference is empty",
    )


def test_values_constants_and_joined_columns() -> None:
    mapping = ImportMapping(
        fields=Fields(
            person=FieldMapping(columns=("first", "last"), values={"Ann Lee": "ann@example.com"}),
            date=FieldMapping(columns=("day",), format="%d/%m/%Y"),
            hours=FieldMapping(columns=("h",)),
            customer=FieldMapping(constant="Acme"),
        )
    )
    read = one({"first": "Ann", "last": "Lee", "day": "09/11/2026", "h": "1"}, mapping)
    assert (read.person, read.day, read.path) == ("ann@example.com", date(2026, 11, 9), {"customer": "Acme"})


def test_reference_of_several_columns_numbers_equal_rows() -> None:
    mapping = ImportMapping.of_columns(row("A")).model_copy()
    fields = mapping.fields.model_copy(update={"reference": FieldMapping(columns=("person", "date"))})
    mapping = mapping.model_copy(update={"fields": fields})
    cells = [row("A", 1), row("B", 2), row("C", 3, date="2026-11-10")]
    first, second, third = (each.reference for each in read_rows(cells, list(cells[0]), mapping))
    assert second == f"{first}-2"
    assert third != first
    corrected = [row("A", 5), row("B", 2), row("C", 3, date="2026-11-10")]
    assert [each.reference for each in read_rows(corrected, list(cells[0]), mapping)] == [first, second, third]


def test_column_that_the_file_lacks_is_named() -> None:
    with pytest.raises(
        ImportRefused, match=r"The file has no column Client, Description, Duration.*; it has reference, person"
    ):
        read_rows([row("A")], list(row("A")), load_mapping("toggl"))
    with pytest.raises(ImportRefused, match="names no column for hours, subtask; add it under `fields`"):
        read_rows([], ["person", "date"], ImportMapping.of_columns(["person", "date"]))


def test_file_without_its_mapping_is_told_of_the_ready_ones() -> None:
    columns = ["Email", "Duration"]
    hint = r"Without a mapping, columns have the names of the fields; the file has Email, Duration\."
    with pytest.raises(ImportRefused, match=rf"{hint} Ready mappings: clockify, harvest, toggl\.$"):
        read_rows([], columns, ImportMapping.of_columns(columns))
    with pytest.raises(ImportRefused, match=f"{hint}$"):
        structure_rows([], columns, StructureMapping.of_columns(columns))


def test_mapping_that_does_not_exist_names_the_one_that_was_meant(tmp_path: Path) -> None:
    ready = "Ready mappings of time entries: clockify, harvest, toggl."
    with pytest.raises(ImportRefused) as refused:
        load_mapping(str(tmp_path / "togl"))
    assert str(refused.value) == f"There is no mapping togl in {tmp_path}; did you mean toggl? {ready}"
    with pytest.raises(ImportRefused) as refused:
        load_mapping(str(tmp_path / "planner.yaml"))
    assert str(refused.value) == f"There is no mapping planner.yaml in {tmp_path}; check the name. {ready}"


@pytest.mark.parametrize("name", READY_NAMES)
def test_columns_of_a_ready_mapping_name_it(name: str) -> None:
    columns = EXPORTS[name].partition("\n")[0].split(",")
    with pytest.raises(ImportRefused) as refused:
        read_rows([], columns, ImportMapping.of_columns(columns))
    assert f"They are those of {name}: use that mapping (`--mapping {name}`)." in str(refused.value)


EXPORTS = {
    "toggl": (
        "User,Email,Client,Project,Task,Description,Billable,Start date,Start time,End date,End time,Duration,Tags,Amount ()\n"
        "Ann,ann@example.com,Acme,Website,Design,Logo,Yes,2026-11-09,09:00:00,2026-11-09,10:30:00,01:30:00,,\n"
    ),
    "clockify": (
        "Project,Client,Description,Task,User,Group,Email,Tags,Billable,Start Date,Start Time,End Date,End Time,Duration (h),"
        "Duration (decimal)\n"
        "Website,Acme,Logo,Design,Ann,,ann@example.com,,Yes,11/09/2026,09:00:00 AM,11/09/2026,10:30:00 AM,01:30:00,1.50\n"
    ),
    "harvest": (
        "Date,Client,Project,Project Code,Task,Notes,Hours,Hours Rounded,Billable?,Invoiced?,Approved?,First Name,Last Name\n"
        "2026-11-09,Acme,Website,W,Design,Logo,1.5,1.5,Yes,No,No,Ann,Lee\n"
    ),
}


@pytest.mark.parametrize("name", READY_NAMES)
def test_ready_mapping_reads_the_tools_export(name: str, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text(EXPORTS[name], encoding="utf-8")
    columns, cells = read_source(file)
    mapping = load_mapping(name)
    [read] = read_rows(cells, columns, mapping)
    assert read.problems == ()
    assert read.person in ("ann@example.com", "Ann Lee")
    assert (read.day, read.hours, read.text) == (date(2026, 11, 9), Decimal("1.5"), "Logo")
    assert read.path == {"customer": "Acme", "project": "Website", "task": "Design"}
    assert mapping.page.startswith("https://")


def test_names_of_another_tool_are_mapped_to_ours(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "imports.md").read_text(encoding="utf-8")
    example = page.partition("## From Toggl")[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "my-toggl.yaml").write_text(example, encoding="utf-8")
    (tmp_path / "export.csv").write_text(EXPORTS["toggl"].replace(",Design,", ",,"), encoding="utf-8")
    columns, cells = read_source(tmp_path / "export.csv")
    [read] = read_rows(cells, columns, load_mapping(str(tmp_path / "my-toggl.yaml")))
    assert (read.path, read.start_time, read.problems) == (
        {"subtask": "Acme / Website 2026 / Build / Design"},
        "09:00",
        (),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("source: my tool\n", 'source: "my tool" is not valid'),
        ("fields: {hourz: h}\n", "there is no such field; did you mean hours?"),
        ("fields: {hours: {columns: h, constant: '8'}}\n", "needs either columns or a constant"),
        ("over_budget: maybe\n", "set one of refuse, allow"),
        ("fields: [\n", "cannot be read"),
    ],
)
def test_wrong_mapping_is_refused_with_the_place(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ImportRefused, match="The mapping map.yaml") as refused:
        load_mapping(str(file))
    assert said in str(refused.value)


@pytest.mark.parametrize("heading", ["## Which column is what", "## From Toggl, Clockify or Harvest"])
def test_mapping_of_the_page_is_valid(tmp_path: Path, heading: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "imports.md").read_text(encoding="utf-8")
    example = page.partition(heading)[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "map.yaml").write_text(example, encoding="utf-8")
    mapping = load_mapping(str(tmp_path / "map.yaml"))
    assert set(yaml.safe_load(example)["fields"]) == mapping.fields.model_fields_set


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "delta"])
def test_every_kind_of_file_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    rows = [row("A", "1.5"), row("B", "0.25", text="Zażółć, “x”\nline")]
    frame = pl.DataFrame(rows).with_columns(pl.col("date").str.to_date(), pl.col("hours").cast(pl.Float64))
    path = tmp_path / f"rows.{kind}"
    match kind:
        case "csv":
            write_csv(path, rows)
        case "xlsx":
            frame.write_excel(path)
        case "parquet":
            frame.write_parquet(path)
        case _:
            frame.write_delta(str(path))
    columns, cells = read_source(path)
    read = read_rows(cells, columns, ImportMapping.of_columns(columns))
    expected = read_rows(rows, list(rows[0]), ImportMapping.of_columns(rows[0]))
    assert sorted(read, key=lambda each: each.number) == expected or kind == "delta"
    assert {(each.reference, each.day, each.hours, each.text) for each in read} == {
        (each.reference, each.day, each.hours, each.text) for each in expected
    }


HEBREW = "reference,text\nT-1,יעוץ\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (HEBREW.encode("cp1255"), 2),
        ("לקוח,שעות\r\n".encode("cp1255"), 1),
        ('reference,text\r\n1,"two\r\nlines"\r\n2,Müller\r\n'.encode("cp1252"), 4),
        ("reference,text\r1,a\r2,Müller\r".encode("cp1252"), 3),
        (b"reference,text\n" + b"1,a\n" * 50_000 + "2,Müller\n".encode("cp1252"), 50_002),
        (HEBREW.encode("utf-16")[:-1], 2),
    ],
    ids=["cp1255", "header", "cp1252", "line ends of a Mac", "far down", "UTF-16 cut off"],
)
def test_csv_of_another_encoding_is_refused_with_the_line(tmp_path: Path, content: bytes, line: int) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(ImportRefused) as refused:
        read_source(tmp_path / "rows.csv")
    assert f"line {line:,} is not UTF-" in str(refused.value)
    assert "save it as “CSV UTF-8”, or as .xlsx" in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_hebrew_csv_is_read_as_it_is(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "rows.csv").write_bytes(HEBREW.encode(encoding))
    assert read_source(tmp_path / "rows.csv") == (["reference", "text"], [{"reference": "T-1", "text": "יעוץ"}])


def excel(path: Path, *rows: Sequence[object]) -> Path:
    """A workbook as Excel saves it: times are moments of the day 0."""
    book = openpyxl.Workbook()
    for each in rows:
        book.active.append(each)
    book.save(path)
    return path


def test_excel_cell_of_another_kind_than_those_above_is_read(tmp_path: Path) -> None:
    header = ("reference", "date", "hours", "text")
    numbers = [(n, date(2026, 11, 9), 1.5, n) for n in range(1, 1102)]
    others = [
        ("T-1101", "2026-11-10", time(7, 30), "Review of the wiki"),
        (2.5, datetime(2026, 11, 11, 9, 30), "0:45", date(2026, 11, 9)),
        ("é", date(2026, 11, 12), timedelta(hours=30, minutes=15), time(9, 0)),
    ]
    columns, cells = read_source(excel(tmp_path / "rows.xlsx", header, *numbers, *others))
    fields = Fields(**{name: FieldMapping(columns=(name,)) for name in header}, person=FieldMapping(constant="Ann"))
    fields = fields.model_copy(update={"subtask": FieldMapping(constant="Bug")})
    read = read_rows(cells, columns, ImportMapping(fields=fields))
    assert [each.problems for each in read if each.problems] == []
    assert [(each.reference, each.text) for each in read[:1101]] == [(str(n), str(n)) for n in range(1, 1102)]
    assert [(each.reference, each.day, each.hours, each.text) for each in read[1101:]] == [
        ("T-1101", date(2026, 11, 10), Decimal("7.5"), "Review of the wiki"),
        ("2.5", date(2026, 11, 11), Decimal("0.75"), "2026-11-09"),
        ("é", date(2026, 11, 12), Decimal("30.25"), "9:00:00"),
    ]


def test_empty_first_sheet_names_the_others(tmp_path: Path) -> None:
    path = excel(tmp_path / "two.xlsx")
    book = openpyxl.load_workbook(path)
    book.active.title = "Cover"
    november = book.create_sheet("November")
    november.append(["hours"])
    november.append([1])
    book.save(path)
    with pytest.raises(ImportRefused) as refused:
        read_source(path)
    sheets = "its sheets are Cover, November; name one as `sheet` in a mapping"
    assert str(refused.value) == f"The first sheet of two.xlsx has no rows; {sheets}."
    with pytest.raises(ImportRefused) as refused:
        read_source(path, "Novembr")
    assert str(refused.value) == f"two.xlsx has no sheet Novembr; {sheets}."
    assert read_source(path, "November") == (["hours"], [{"hours": "1"}])


def test_text_that_is_almost_a_date_stays_text(tmp_path: Path) -> None:
    texts = ["2026-13-45 99:99:99", "2026-11-09 09:00:00 and later", "1.50", "007"]
    _, cells = read_source(excel(tmp_path / "rows.xlsx", ["text"], *([text] for text in texts)))
    assert [each["text"] for each in cells] == texts


def test_name_of_a_parquet_file_is_no_pattern(tmp_path: Path) -> None:
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "export [1].parquet")
    assert read_source(tmp_path / "export [1].parquet") == (["id"], [{"id": 1}])


def test_every_minute_of_excel_is_exact(tmp_path: Path) -> None:
    minutes = range(1, 24 * 60)
    rows = [(time(n // 60, n % 60), time(n // 60, n % 60)) for n in minutes]
    columns, cells = read_source(excel(tmp_path / "rows.xlsx", ("hours", "start_time"), *rows))
    mapping = ImportMapping.of_columns([*row("A"), "start_time"])
    read = read_rows([{**row("A"), **each} for each in cells], [*row("A"), "start_time"], mapping)
    assert [each.hours for each in read] == [(Decimal(n) / 60).quantize(Decimal("0.0001")) for n in minutes]
    assert [each.start_time for each in read] == [f"{n // 60:02d}:{n % 60:02d}" for n in minutes]
    assert columns == ["hours", "start_time"]


def test_durations_of_open_document_are_read(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="{}"{}><text:p>{}</text:p></table:table-cell>'
    head = "".join(cell.format("string", "", name) for name in ("hours", "text"))
    body = cell.format("time", ' office:time-value="PT07H30M00S"', "7:30") + cell.format("string", "", "Wiki")
    names = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = (
        f'<office:document-content{names}><office:body><office:spreadsheet><table:table table:name="a">'
        f"<table:table-row>{head}</table:table-row><table:table-row>{body}</table:table-row>"
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with ZipFile(tmp_path / "rows.ods", "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("content.xml", content)
        file.writestr(
            "META-INF/manifest.xml", '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
        )
    _, [cells] = read_source(tmp_path / "rows.ods")
    read = one({**row("A"), **cells})
    assert (read.hours, read.text) == (Decimal("7.5"), "Wiki")


@pytest.mark.parametrize(
    ("cell", "start"),
    [
        ("", ""),
        ("9:05", "09:05"),
        ("09:05:30", "09:05"),
        ("9:05 PM", "21:05"),
        ("12:05:00 am", "00:05"),
        (time(9, 5), "09:05"),
        (datetime(1899, 12, 31, 9, 5), "09:05"),
        (timedelta(hours=9, minutes=5), "09:05"),
    ],
)
def test_start_times_of_every_kind_of_file_are_read(cell: object, start: str) -> None:
    read = one({**row("A"), "start_time": cell})
    assert (read.start_time, read.problems) == (start, ())


@pytest.mark.parametrize(
    "cell",
    ["24:00", "9:60", "9", "0.375", "13:00 PM", "0:30 AM", "2026-11-09T09:00", datetime(2026, 11, 9, 9), timedelta(1)],
)
def test_other_start_times_are_a_problem_of_the_row(cell: object) -> None:
    [problem] = one({**row("A"), "start_time": cell}).problems
    assert problem.startswith("start_time: “")
    assert problem.endswith("” is not a time of day like 9:00 or 17:30")


def test_time_in_the_column_of_dates_is_no_date() -> None:
    [problem] = one(row("A", date=datetime(1899, 12, 31, 7, 30))).problems
    assert problem == "date: “7:30:00” is not a date like 2026-11-30"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_rows_have_the_numbers_that_a_spreadsheet_shows(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"rows.{kind}"
    if kind == "csv":
        file.write_text('path,currency,\n"A\nB",EUR,\n\n,,\n , ,\nC,EUR,\n,,\n', encoding="utf-8")
    else:
        excel(file, ("path", "currency", None), ("A\nB", "EUR"), (), (), (" ", " "), ("C", "EUR"), ())
    columns, cells = read_source(file)
    read = structure_rows(cells, columns, StructureMapping.of_columns(columns))
    assert [(each.number, each.path, each.problems) for each in read] == [(2, ("A B",), ()), (6, ("C",), ())]


def test_empty_rows_of_time_entries_are_skipped() -> None:
    empty = dict.fromkeys(COLUMNS, "")
    read = read_rows([row("A"), empty, row("B")], COLUMNS, ImportMapping.of_columns(COLUMNS))
    assert [(each.number, each.reference) for each in read] == [(2, "A"), (4, "B")]


@pytest.mark.parametrize("name", ["path", "customer"])
def test_csv_of_one_column_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "rows.csv").write_text(f"{name}\nאבג\n\nAcme\n", encoding="utf-8")
    assert read_source(tmp_path / "rows.csv") == ([name], [{name: "אבג"}, {name: ""}, {name: "Acme"}])


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "delta"])
def test_larger_file_than_the_limit_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_SOURCE_ROWS", 3)
    frame = pl.DataFrame({"id": [1, 2, 3, 4]})
    path = tmp_path / f"rows.{kind}"
    match kind:
        case "csv":
            # The rest is not read.
            path.write_text("id\n1\n2\n3\n4\n5,6\n", encoding="utf-8")
        case "xlsx":
            frame.write_excel(path)
        case "parquet":
            frame.write_parquet(path)
        case _:
            frame.write_delta(str(path))
    with pytest.raises(ImportRefused, match=f"rows.{kind} has more than 3 rows; split it"):
        read_source(path)
    with pytest.raises(ImportRefused, match="the upstream asset has more than 3 rows"):
        rows_of_frame(frame.lazy(), "the upstream asset")
    assert rows_of_frame(frame.head(3), "the upstream asset")[1] == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "There is no file none.csv"),
        ("cut.csv", b'a,b\n1,"2', "is not a complete CSV: its last cell opens a quote"),
        ("empty.csv", b"a,b\n", "has no rows"),
        ("nothing.csv", b"", "it is empty"),
        ("blank.csv", b"a,b,\n,,\n\n", "has no rows"),
        ("twice.csv", b"a,a\n1,2\n", "has the column a twice"),
        ("fake.xlsx", b"not a workbook", "cannot be read"),
        ("folder.delta", None, "There is no file folder.delta"),
        ("fake.parquet", b"not parquet", "cannot be read"),
    ],
)
def test_unusable_file_is_refused(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportRefused) as refused:
        read_source(tmp_path / name)
    assert said in str(refused.value)


def test_writes_are_spaced_outside_the_quiet_hours() -> None:
    waits: list[float] = []
    at = datetime(2026, 11, 9, 12)
    pace = Pace(600, 0.5, "19-7", lambda: at, clock=lambda: sum(waits), sleep=waits.append)
    for _ in range(5):
        pace.wait()
    assert waits == pytest.approx([0, 0.2, 0.2, 0.2, 0.2])
    at = datetime(2026, 11, 9, 23)
    pace.wait()
    assert len(waits) == 5


@pytest.mark.parametrize("text", ["19", "25-3", "a-b", "19-7-8"])
def test_wrong_quiet_hours_are_refused(text: str) -> None:
    with pytest.raises(ImportRefused, match="such as 19-7"):
        hours_of(text)
    assert hours_of("22-2") == {22, 23, 0, 1}
