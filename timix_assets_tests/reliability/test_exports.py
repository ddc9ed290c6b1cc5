"""Official exports that are no whole CSV: row 50 of docs/reliability.md."""

import shutil
from pathlib import Path

import pytest

from timix_assets.sandbox.faults import Fault

from .conftest import Workplace

EXPORT = "exports/budget_health_report"
PATH = "/financial-reports/budget-health/export/csv"
LESS_TIME = {"TIMIX_ATTEMPTS": "2"}


def stored(workplace: Workplace) -> Path:
    return Path(workplace.lake.url, "exports", "budget_health_report.csv")


def replaced(workplace: Workplace) -> list[Path]:
    return sorted(Path(workplace.lake.url, "exports", ".replaced").glob("budget_health_report.csv.*"))


@pytest.mark.fault(50)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("plain_text", path=PATH), "not a complete CSV: its first line, “Service temporarily unavailable”"),
        (Fault("pdf", path=PATH), "not a complete CSV: its first line, “%PDF-1.7”"),
        (Fault("empty_body", path=PATH), "expected CSV, got an empty response"),
        (Fault("partial_content", path=PATH), "answered 206 (partial content)"),
        (Fault("no_length", path=PATH, share=0.5), "not a complete CSV:"),
        (Fault("gzip_members", path=PATH, share=0.5), "the connection broke before the response was complete"),
        (Fault("text_replaced", path=PATH, old='"projectId"', new='"id"'), "its header lacks “projectId”"),
    ],
)
def test_an_incomplete_export_replaces_no_file(workplace: Workplace, fault: Fault, reason: str) -> None:
    before = stored(workplace).read_bytes()
    done = workplace.refresh(EXPORT, faults=(fault,), **LESS_TIME)

    assert (done.status, done.requests[0]) == (1, "/me")
    assert reason in done.sentence
    assert stored(workplace).read_bytes() == before
    assert replaced(workplace) == []


@pytest.mark.fault(50)
def test_a_replaced_export_is_kept_and_can_be_restored(workplace: Workplace) -> None:
    before = stored(workplace).read_bytes()
    half = before.decode("utf-8-sig").split("\r\n")[3:-1]
    faults = tuple(Fault("text_replaced", path=PATH, old=f"{line}\r\n", new="") for line in half)
    done = workplace.refresh(EXPORT, faults=faults)

    assert (done.status, done.stderr) == (0, "")
    [warning] = done.warnings
    assert f"row_count_not_halved: budget_health_report.csv has 2 rows, {len(half) + 2} before" in warning
    [kept] = replaced(workplace)
    shutil.copy(kept, stored(workplace))
    assert stored(workplace).read_bytes() == before


@pytest.mark.fault(50)
def test_missing_export_columns_can_be_accepted_once(workplace: Workplace) -> None:
    renamed = (Fault("text_replaced", path=PATH, old='"projectId"', new='"id"'),)
    done = workplace.refresh(EXPORT, faults=renamed, accept_shrink=True)

    assert (done.status, done.stderr) == (0, "")
    assert b'"id","projectName"' in stored(workplace).read_bytes()
    again = workplace.refresh(EXPORT, faults=renamed)
    assert (again.status, again.warnings) == (0, [])
