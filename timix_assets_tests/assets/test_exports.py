"""An export is replaced by a whole CSV of the same report alone, and what it replaced can be had again."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from dagster import ExecuteInProcessResult, materialize

from timix_assets.assets.maintenance import maintenance_assets
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.months import Months
from timix_assets.resources import LakeResource
from timix_assets.sandbox.faults import Fault
from timix_assets_tests.workspace import FIRM_MONTHS, QUIET, Workspace, failures, metadata, warnings

REVENUE = "exports/revenue_report"
BUDGETS = "exports/budget_health_report"
REVENUE_CSV = str(BY_NAME["revenue_report"].csv_path)
BUDGETS_CSV = str(BY_NAME["budget_health_report"].csv_path)
OCTOBER = Months(date(2026, 10, 1), date(2026, 10, 1))
HEBREW = ["פרויקט", "שם", "לקוח", "מצב", "תקציב", "בפועל", "יתרה", "סכום", "נוצל", "אחוז", "מטבע"]


def files(workspace: Workspace) -> dict[str, bytes]:
    """Every present export."""
    folder = workspace.folder / "lake" / "exports"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("**/*.csv")}


def replaced(workspace: Workspace) -> list[Path]:
    folder = workspace.folder / "lake" / "exports" / ".replaced"
    return sorted(path for path in folder.rglob("*") if path.is_file())


def translated(path: str, names: list[str]) -> tuple[Fault, ...]:
    """The header's names, one after another, are others."""
    columns = [column.source for column in BY_NAME["budget_health_report"].columns]
    pairs = zip(columns, names, strict=False)
    return tuple(Fault("text_replaced", path=path, old=f'"{old}"', new=f'"{new}"') for old, new in pairs)


def months_metadata(result: ExecuteInProcessResult, month: str) -> dict[str, object]:
    [event] = [
        event
        for event in result.asset_materializations_for_node("exports__revenue_report")
        if event.partition == f"{month}-01"
    ]
    return {name: value.value for name, value in event.metadata.items()}


NO_EXPORT = {
    "error text": (Fault("plain_text"), "not a complete CSV: its first line, “Service temporarily unavailable”"),
    "error text with commas": (Fault("plain_text", value="Sorry, the service is down, try later"), "too few columns"),
    "error text of lines": (Fault("plain_text", value="Error: down, sorry\nTry, later\n"), "too few columns"),
    "PDF": (Fault("pdf"), "its first line, “%PDF-1.7”"),
    "empty body": (Fault("empty_body"), "expected CSV, got an empty response"),
    "206": (Fault("partial_content"), "206 (partial content)"),
    "304": (Fault("not_modified"), "304 (not modified)"),
    "HTML": (Fault("html"), "expected CSV, got text/html"),
    "cut without a length": (Fault("no_length", share=0.5), "not a complete CSV"),
    "cut behind the last cell, without a length": (Fault("no_length", share=0.9999), "may be truncated"),
    "cut with an honest length": (Fault("truncated_json"), "not a complete CSV"),
    "half a gzip": (Fault("gzip_members", share=0.5), "the connection broke before the response was complete"),
    "first member of a gzip": (Fault("gzip_members", share=0.0), "not a complete CSV"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", NO_EXPORT)
@pytest.mark.parametrize("is_first", [True, False])
def test_incomplete_export_replaces_nothing(workspace: Workspace, name: str, is_first: bool) -> None:
    fault, reason = NO_EXPORT[name]
    if not is_first:
        workspace.refresh(BUDGETS)
    before = files(workspace)
    workspace.settings = {"attempts": 2, "retry_budget_seconds": 2}
    workspace.sandbox.faults.add(Fault(**{**fault.settings(), "path": BUDGETS_CSV}))
    said = failures(workspace.refresh(BUDGETS))[BUDGETS]
    assert reason in said or (not is_first and "which the previous one had" in said)
    assert files(workspace) == before
    assert replaced(workspace) == []


def test_refused_month_leaves_every_file_unchanged(workspace: Workspace) -> None:
    workspace.refresh(REVENUE)
    before = files(workspace)
    workspace.sandbox.faults.add(
        Fault("figure_off", path=REVENUE_CSV, amount="1"),
        Fault("text_replaced", path=REVENUE_CSV, old="cost", new="x", nth=3),
    )
    said = failures(workspace.refresh(REVENUE))[REVENUE]
    assert said.startswith(
        "exports/revenue_report/2026-11.csv: what Timix sent was rejected, because its header lacks “cost”, "
        "which the previous one had; no file was replaced."
    )
    assert files(workspace) == before


def test_a_gzip_of_two_members_is_read_whole(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("gzip_members", path=BUDGETS_CSV))
    assert failures(workspace.refresh(BUDGETS)) == {}
    packed = files(workspace)
    workspace.sandbox.faults.clear()
    workspace.refresh(BUDGETS)
    assert files(workspace) == packed


def test_first_export_in_hebrew_is_accepted(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(*translated(BUDGETS_CSV, HEBREW))
    assert failures(workspace.refresh(BUDGETS)) == {}
    assert "פרויקט" in files(workspace)["budget_health_report.csv"].decode()
    workspace.sandbox.faults.clear()
    assert "lacks “פרויקט”" in failures(workspace.refresh(BUDGETS))[BUDGETS]


def test_new_month_is_compared_with_the_latest(workspace: Workspace) -> None:
    workspace.refresh(REVENUE, months=OCTOBER)
    workspace.sandbox.faults.add(Fault("text_replaced", path=REVENUE_CSV, old='"cost"', new='"expense"'))
    said = failures(workspace.refresh(REVENUE, months=Months(date(2026, 11, 1), date(2026, 11, 1))))[REVENUE]
    assert "2026-11.csv" in said
    assert "lacks “cost”" in said


def test_a_new_column_is_taken_and_warned_of_once(workspace: Workspace) -> None:
    workspace.refresh(BUDGETS)
    workspace.sandbox.faults.add(
        Fault("text_replaced", path=BUDGETS_CSV, old='"currency"', new='"currency","forecast"'),
        Fault("text_replaced", path=BUDGETS_CSV, old='"\r\n', new='","9"\r\n'),
        Fault("text_replaced", path=BUDGETS_CSV, old='"forecast","9"', new='"forecast"'),
    )
    done = workspace.refresh(BUDGETS)
    assert (failures(done), warnings(done, BUDGETS)) == (
        {},
        {"no_new_columns": "budget_health_report.csv has new columns: “forecast”."},
    )
    assert warnings(workspace.refresh(BUDGETS), BUDGETS) == {}


@pytest.mark.parametrize(("more", "warns"), [(0, True), (-1, False)])
def test_exactly_half_of_the_rows_is_warned_of(workspace: Workspace, more: int, warns: bool) -> None:
    workspace.refresh(BUDGETS)
    header, *lines = files(workspace)["budget_health_report.csv"].splitlines(keepends=True)
    twice = (lines + lines)[: 2 * len(lines) + more]
    workspace.lake.exports.put("budget_health_report.csv", header + b"".join(twice))
    assert ("row_count_not_halved" in warnings(workspace.refresh(BUDGETS), BUDGETS)) is warns


def test_a_renamed_column_can_be_accepted_once(workspace: Workspace) -> None:
    workspace.refresh(BUDGETS)
    workspace.sandbox.faults.add(Fault("text_replaced", path=BUDGETS_CSV, old='"status"', new='"health"'))
    assert "timix/accept_shrink" in failures(workspace.refresh(BUDGETS))[BUDGETS]
    workspace.tags["timix/accept_shrink"] = "true"
    assert failures(workspace.refresh(BUDGETS)) == {}
    del workspace.tags["timix/accept_shrink"]
    assert failures(workspace.refresh(BUDGETS)) == {}
    assert '"health"' in files(workspace)["budget_health_report.csv"].decode()


def test_accept_shrink_does_not_accept_other_formats(workspace: Workspace) -> None:
    workspace.tags["timix/accept_shrink"] = "true"
    workspace.settings = {"attempts": 1}
    workspace.sandbox.faults.add(Fault("plain_text", path=BUDGETS_CSV))
    assert "not a complete CSV" in failures(workspace.refresh(BUDGETS))[BUDGETS]
    assert files(workspace) == {}


def test_error_page_stored_by_earlier_release_is_replaced(workspace: Workspace) -> None:
    for name in ("budget_health_report.csv", "revenue_report/2026-11.csv"):
        workspace.lake.exports.put(name, b"Service temporarily unavailable")
    assert failures(workspace.refresh(BUDGETS, REVENUE)) == {}
    assert len(replaced(workspace)) == 2


def test_the_version_before_stays_and_can_be_taken_back(workspace: Workspace) -> None:
    workspace.refresh(BUDGETS)
    [first] = files(workspace).values()
    workspace.sandbox.faults.add(Fault("text_replaced", path=BUDGETS_CSV, old="(Blue)", new="(Navy)"))
    done = workspace.refresh(BUDGETS)
    [kept] = replaced(workspace)
    assert kept.read_bytes() == first
    assert metadata(done, BUDGETS)["replaced"] == str(kept)
    assert "replaced" not in metadata(workspace.refresh(BUDGETS), BUDGETS)


@pytest.mark.parametrize(("share", "warns"), [(0.5, True), (0.8, False)])
def test_a_file_that_loses_half_of_its_rows_is_warned_of(workspace: Workspace, share: float, warns: bool) -> None:
    workspace.refresh(BUDGETS)
    before = metadata(workspace.refresh(BUDGETS), BUDGETS)["rows"]
    [(_, whole)] = files(workspace).items()
    lines = whole.split(b'"\r\n"')
    assert len(lines) == before + 1, "no cell has such a line break"
    kept = lines[: 1 + int(before * share)]
    for line in lines[len(kept) :]:
        workspace.sandbox.faults.add(
            Fault("text_replaced", path=BUDGETS_CSV, old='"\r\n"' + line.decode().removesuffix('"\r\n'), new="")
        )
    done = workspace.refresh(BUDGETS)
    assert failures(done) == {}
    assert metadata(done, BUDGETS)["rows"] == int(before * share)
    said = warnings(done, BUDGETS)
    assert list(said) == (["row_count_not_halved"] if warns else [])
    if warns:
        assert said["row_count_not_halved"].startswith(
            f"budget_health_report.csv has {int(before * share)} rows, {before} before"
        )


def test_metadata_shows_rows_file_and_a_preview_of_each_month(workspace: Workspace) -> None:
    done = workspace.refresh(REVENUE)
    folder = workspace.folder / "lake" / "exports" / "revenue_report"
    october = months_metadata(done, "2026-10")
    assert october["file"] == str(folder / "2026-10.csv")
    assert october["folder"] == str(folder)
    assert str(october["preview"]).startswith("| 1 customerId | 2 customerName | 3 projectId |")
    rows = [months_metadata(done, f"{month:%Y-%m}")["rows"] for month in FIRM_MONTHS]
    assert october["rows_in_run"] == sum(rows)  # type: ignore[arg-type]
    assert october["rows"] == (folder / "2026-10.csv").read_bytes().count(b'"\r\n"')


def test_skippable_export_does_not_fail(workspace: Workspace) -> None:
    workspace.overrides = {"budget_health_report": {"skip_forbidden": True}}
    workspace.sandbox.faults.add(Fault("forbidden", path=BUDGETS_CSV))
    done = workspace.refresh(BUDGETS)
    assert (failures(done), files(workspace)) == ({}, {})
    assert list(warnings(done, BUDGETS)) == ["no_new_columns"]
    assert done.asset_materializations_for_node("exports__budget_health_report") == []


def test_maintenance_deletes_old_replaced_exports(workspace: Workspace) -> None:
    for days in (40, 31, 29, 0):
        content = f"{days} days ago".encode()
        workspace.lake.exports.put("budget_health_report.csv", content, now=datetime.now(UTC) - timedelta(days=days))
    lake = LakeResource(url=str(workspace.folder / "lake"), state_folder=str(workspace.folder / ".dagster"))
    [compact, _] = maintenance_assets()
    done = materialize([compact], resources={"lake": lake}, instance=workspace.instance, run_config=QUIET)
    assert [path.read_bytes() for path in replaced(workspace)] == [b"31 days ago", b"29 days ago"]
    assert metadata(done, "maintenance/compact")["replaced_exports_deleted"] == 1
    assert files(workspace) == {"budget_health_report.csv": b"0 days ago"}
