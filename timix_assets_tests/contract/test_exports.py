"""An export is recognized by the previous one, else by the declared columns; a workspace in another language by its shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.exports import added_columns, rejection_reason
from timix_assets.contract.schema import normalized
from timix_assets.text.csv_table import CsvTable, read_csv

REPORT = BY_NAME["budget_health_report"]
SENT = [column.source for column in REPORT.columns]
HEBREW = ["פרויקט", "שם", "לקוח", "מצב", "תקציב שעות", "שעות בפועל", "יתרה"]


def table(header: list[str], rows: int = 1, *, ends: bool = True) -> CsvTable:
    lines = [",".join(header), *[",".join("7" for _ in header)] * rows]
    return read_csv(("\n".join(lines) + ("\n" if ends else "")).encode())


def refused(export: CsvTable, before: CsvTable | None = None, accepted: tuple[CsvTable, ...] = ()) -> str | None:
    return rejection_reason(REPORT, export, before, accepted)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(SENT, id="as the JSON"),
        pytest.param([column.name.upper() for column in REPORT.columns], id="our names"),
        pytest.param(["Project ID", "Project name", "Status", "Budget hours", "Something", "Else"], id="half known"),
        pytest.param(["project-id", "status"], id="few columns, all known"),
    ],
)
@pytest.mark.parametrize("rows", [0, 2])
def test_first_export_is_recognized_by_declared_columns(header: list[str], rows: int) -> None:
    assert refused(table(header, rows)) is None


def test_first_translated_export_is_recognized_by_shape() -> None:
    assert refused(table(HEBREW)) is None


def test_empty_export_is_recognized_by_another_of_the_run() -> None:
    assert refused(table(HEBREW, rows=0)) is not None
    assert refused(table(HEBREW, rows=0), accepted=(table(HEBREW),)) is None
    assert refused(table(HEBREW, rows=0), accepted=(table(SENT),)) is not None


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(["Sorry", "the service is not available", "please try again"], id="an error with commas"),
        pytest.param(["project_id", "b", "c", "d", "e"], id="one known column of few"),
        pytest.param(["Status", "unavailable"], id="one known column of two"),
        pytest.param([*HEBREW[:5], HEBREW[0]], id="a name twice"),
        pytest.param([*HEBREW[:5], "7.5"], id="a number"),
        pytest.param([*HEBREW[:5], ""], id="no name"),
        pytest.param(HEBREW[:5], id="less than half of the columns"),
    ],
)
def test_unrelated_header_is_rejected(header: list[str]) -> None:
    assert "too few columns of this report" in (refused(table(header)) or "")


ERROR_TEXT = b"Service,temporarily,unavailable,please,try,again\nor,call,us,under,the,number\n"


def test_an_error_text_in_the_shape_of_a_csv_is_rejected() -> None:
    assert "too few columns of this report" in (refused(read_csv(ERROR_TEXT)) or "")


@pytest.mark.parametrize(
    "cell", ["0", "-3.5", "1,234.50", "1.234,50", "€1.200", "40%", "USD 12", "12 ILS", "2026-10-01", "1/10/2026"]
)
def test_an_export_in_another_language_has_a_figure(cell: str) -> None:
    semicolons = ";".join(HEBREW) + "\n" + ";".join(["x"] * 6) + f";{cell}\n"
    assert refused(read_csv(semicolons.encode())) is None


@pytest.mark.parametrize("cell", ["", "x", "again", "call us at 0800", "error 503: try again"])
def test_words_with_digits_are_not_figures(cell: str) -> None:
    semicolons = ";".join(HEBREW) + "\n" + ";".join(["x"] * 6) + f";{cell}\n"
    assert refused(read_csv(semicolons.encode())) is not None


def test_order_case_and_blanks_of_a_header_do_not_matter() -> None:
    assert (
        refused(table(["STATUS", "project_id", "Budget Hours"]), table(["projectId", "budgetHours", "status"])) is None
    )


def test_added_column_is_accepted_and_named() -> None:
    before, now = table(HEBREW), table([*HEBREW, "חדש"])
    assert refused(now, before) is None
    assert added_columns(now, before) == ["חדש"]
    assert added_columns(now, None) == []
    assert added_columns(table(SENT[::-1]), table(SENT)) == []


@pytest.mark.parametrize("header", [SENT[1:], HEBREW, ["Error", "try again later"]])
def test_removed_column_is_rejected(header: list[str]) -> None:
    reason = refused(table(header), table(SENT))
    assert reason is not None
    assert reason.startswith("its header lacks “projectId”")


def test_many_removed_columns_are_counted() -> None:
    assert "“consumedHours” and 6 more, which the previous one had" in (
        refused(table(["x", "y"]), table(SENT)) or ""
    ).replace("“status”, “budgetHours”", "“status”, “consumedHours”")


def test_missing_last_line_break_is_a_truncation() -> None:
    assert "may be truncated" in (refused(table(SENT, ends=False), table(SENT)) or "")
    assert refused(table(SENT, ends=False), table(SENT, ends=False)) is None
    assert refused(table(SENT, ends=True), table(SENT, ends=False)) is None


HEADERS = st.lists(st.text(max_size=6) | st.sampled_from(SENT), min_size=2, max_size=14).map(tuple)
TABLES = st.builds(CsvTable, HEADERS, st.integers(0, 9), st.just(()), st.booleans())


@given(TABLES, st.none() | TABLES, st.lists(TABLES, max_size=2))
def test_accepted_export_has_all_previous_columns(
    export: CsvTable, before: CsvTable | None, accepted: list[CsvTable]
) -> None:
    if rejection_reason(REPORT, export, before, accepted) is None and before is not None:
        assert set(map(normalized, before.header)) <= set(map(normalized, export.header))
    assert rejection_reason(REPORT, export, export) is None
