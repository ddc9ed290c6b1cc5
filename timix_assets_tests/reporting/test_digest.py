"""The weekly digest: its figures are the tables', a name stays text, and it says what changed since an earlier week."""

import shutil
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.lake.errors import TableMissing
from timix_assets.lake.tables import Lake
from timix_assets.metrics import BY_NAME as ROLLUPS
from timix_assets.reporting.digest import ROLLUPS_READ, read_digest, tables_compared
from timix_assets.reporting.digest_page import as_html, as_markdown
from timix_assets.reporting.digest_record import (
    FailedCheck,
    record_digest,
    record_failed_checks,
)
from timix_assets.reporting.rollup_tables import NEED_INVOICES, NO_INVOICES
from timix_assets.settings.firm import FirmConfig
from timix_assets_tests.conftest import TODAY

ATTACK = "<img src=x onerror=alert(1)>"
HEBREW = "גליל תוכנה"
WEEK = timedelta(weeks=1)

Row = dict[str, Any]


def put(lake: Lake, rollup: str, *rows: Row, as_of: date = TODAY) -> None:
    table = ROLLUPS[rollup]
    dated = {"as_of": as_of} if "as_of" in table.schema else {}
    frame = pl.DataFrame([{**dated, **row} for row in rows], schema=table.schema)
    lake.replace(f"rollups/{rollup}", frame, key=table.key)


def month(day: date, billable: int) -> Row:
    hours = {"total_hours": billable + 10, "billable_hours": billable, "capacity_hours": 100}
    ratios = {"billable_utilization": billable / 100, "total_utilization": (billable + 10) / 100}
    return {"month": day, "target_gap_hours": 75 - billable} | hours | ratios


def budget(name: str, status: str, **more: Any) -> Row:
    ids = {"level": "project", "project_id": "p", "scope": "TM", "project_name": name, "customer_name": ATTACK}
    return ids | {"status": status, "used": 120, "cap": 100, "burn": 1.2} | more


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A small firm with malicious and Hebrew names everywhere that a name can be."""
    lake = Lake(str(tmp_path / "lake"))
    for table in ROLLUPS_READ:
        put(lake, table.removeprefix("rollups/"))
    lake.replace("timix/organization", pl.DataFrame({"id": ["o"], "name": [f"{ATTACK} Ltd"]}), key=["id"])
    lake.replace("timix/projects", BY_NAME["projects"].schema.to_frame(), key=["id"])
    put(
        lake,
        "organization_kpis",
        month(date(2025, 10, 1), 70),
        month(date(2026, 9, 1), 60),
        month(date(2026, 10, 1), 80),
        month(date(2026, 11, 1), 40),
    )
    put(lake, "budget_health", budget(ATTACK, "over_budget", exhaustion_date=date(2026, 10, 12)))
    put(
        lake,
        "timesheet_compliance",
        {"week_start": date(2026, 11, 9), "user_id": "u", "user_name": HEBREW, "missing_hours": 8, "status": "missing"},
        {"week_start": date(2026, 11, 9), "user_id": "v", "user_name": ATTACK, "status": "unsubmitted"},
    )
    put(
        lake,
        "unbilled_aging",
        {"customer_id": "c", "customer_name": ATTACK, "bucket": "0-30", "currency": "EUR", "hours": 1, "amount": 70},
        {"customer_id": "d", "customer_name": HEBREW, "bucket": "91+", "currency": "EUR", "hours": 1, "amount": 1300},
        {"customer_id": "d", "customer_name": HEBREW, "bucket": "future", "currency": "EUR", "hours": 1, "amount": 9},
        {"customer_id": "e", "customer_name": "E", "bucket": "0-30", "currency": "EUR", "hours": 3, "amount": None},
    )
    owed = {"customer_id": "d", "customer_name": HEBREW, "currency": "ILS", "oldest_due_date": date(2026, 5, 1)}
    put(lake, "receivables_aging", owed | {"bucket": "91+", "outstanding": 4200, "invoice_count": 1})
    put(lake, "working_capital", {"currency": "EUR", "unbilled": 1370, "outstanding": 0, "overdue": 0})
    return lake


class Page(HTMLParser):
    """Every element of a page, and the text outside its style sheet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def written(lake: Lake) -> tuple[Page, str]:
    digest = read_digest(lake, TODAY, FirmConfig())
    return Page(as_html(digest)), as_markdown(digest)


def test_name_stays_text_and_the_page_asks_for_nothing(lake: Lake) -> None:
    record_failed_checks(lake, [FailedCheck("timix/projects", "names", "WARN", f"[x](http://evil) {ATTACK}")])
    page, markdown = written(lake)
    images = [attributes["src"] or "" for tag, attributes in page.elements if tag == "img"]
    assert images
    assert all(source.startswith("data:image/svg+xml;base64,") for source in images)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "form", "a"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    # The firm, project, customer of the budget, person, debtor, check.
    assert page.text.count(ATTACK) >= 6
    assert ATTACK not in markdown
    assert r"\<img src=x onerror=alert(1)\>" in markdown
    assert "](http://" not in markdown


def test_check_that_warns_has_not_failed(lake: Lake) -> None:
    checks = [FailedCheck("timix/projects", "capped", severity, "Two.") for severity in ("ERROR", "WARN")]
    record_failed_checks(lake, checks[:1])
    assert "check capped failed: Two." in written(lake)[1]
    record_failed_checks(lake, checks[1:])
    page, markdown = written(lake)
    assert "check capped warns: Two." in markdown
    assert "of timix/projects warns" in page.text


def test_names_the_week_that_ended_and_is_not_due(lake: Lake) -> None:
    week = {"user_id": "u", "user_name": HEBREW}
    grace = week | {"week_start": date(2026, 11, 9), "status": "not_due"}
    before = week | {"week_start": date(2026, 11, 2)}
    for status in ("missing", "complete"):
        put(lake, "timesheet_compliance", before | {"status": status, "missing_hours": 8}, grace)
        page, markdown = written(lake)
        assert "2 Nov 2026. The week of 9 Nov 2026 is not due yet." in page.text
        assert "Week of 2 Nov 2026. The week of 9 Nov 2026 is not due yet.\n\n" in markdown


def test_hebrew_name_is_isolated(lake: Lake) -> None:
    html = as_html(read_digest(lake, TODAY, FirmConfig()))
    assert html.count(HEBREW) == html.count(f"<bdi>{HEBREW}</bdi>") == 3
    assert f"- \u2067{HEBREW}\u2069: 8 h not logged" in as_markdown(read_digest(lake, TODAY, FirmConfig()))


def test_figures_are_those_of_the_tables(lake: Lake) -> None:
    page, markdown = written(lake)
    assert (
        "October 2026: 80 % billable, 5 points above the target of 75 %; 20 points above the month before; 10 points above the "
        "year before; 90 % total (90 of 100 h)"
    ) in markdown.replace("\\", "")
    assert "| EUR | 9 | 70 | 0 | 0 | 1,300 | 1,370 |" in markdown
    assert "120 of 100 h, 120 %, cap reached 12 Oct 2026" in markdown
    assert "October 2026 80 % 75 % 60 % 70 % 90 % 90 100" in page.text
    assert "EUR 9 70 0 0 1,300 1,370" in page.text
    assert "ILS 0 0 0 0 4,200 4,200" in page.text


def test_notes_name_what_limits_the_figures(lake: Lake) -> None:
    put(lake, "restatements", {"month": date(2026, 8, 1), "is_restated": True})
    put(lake, "organization_money", {"month": date(2026, 10, 1), "currency": "EUR", "uncosted_hours": 12})
    notes = read_digest(lake, TODAY + timedelta(days=2), FirmConfig()).notes
    assert "Computed 2 days ago; refresh first." in notes
    assert any(note.startswith("Never read, so in no figure: 2025-11, 2025-12, 2026-01") for note in notes)
    assert "3 unbilled hours have no customer rate and are in no amount." in notes
    assert any("12 h have no known cost" in note for note in notes)
    assert "1 closed month changed after closing: 2026-08." in notes


@pytest.mark.long
def test_says_what_changed_since_the_first_digest_of_an_earlier_week(lake: Lake) -> None:
    assert "This is the first digest" in written(lake)[1]
    record_digest(lake, TODAY - 2 * WEEK, tables_compared(lake))
    put(lake, "budget_health", budget("Calm", "at_risk"))
    record_digest(lake, TODAY - WEEK, tables_compared(lake))
    put(lake, "working_capital", {"currency": "EUR", "unbilled": 1400, "outstanding": 0, "overdue": 0})
    # Later in the same week: what people read on Monday stays what the next week's is compared with.
    record_digest(lake, TODAY - WEEK, tables_compared(lake))
    record_digest(lake, TODAY, tables_compared(lake))
    put(lake, "budget_health", budget("Worse", "over_budget"))
    put(
        lake,
        "organization_kpis",
        month(date(2026, 9, 1), 60),
        month(date(2026, 10, 1), 85),
        month(TODAY.replace(day=1), 40),
    )

    page, markdown = written(lake)
    _, _, changed = markdown.partition("### What changed")
    lines = [line for line in changed.partition("###")[0].splitlines() if line]
    assert lines == [
        f"Since the digest as of {TODAY - WEEK:%-d %b %Y}:",
        r"- Worse, \<img src=x onerror=alert(1)\>: time and materials budget now over budget, at risk before",
        "- Unbilled EUR: 1,370 → 1,400",
        "- Hours of Oct 2026: 90 → 95",
    ]
    assert "over budget Worse time and materials, at risk before" in page.text


def test_version_that_is_gone_is_not_compared(lake: Lake) -> None:
    record_digest(lake, TODAY - WEEK, tables_compared(lake))
    [file] = Path(lake.url, "rollups/working_capital").glob("*.parquet")
    put(lake, "working_capital", {"currency": "EUR", "unbilled": 1})
    file.unlink()
    shutil.rmtree(Path(lake.url, "rollups/budget_health"))
    put(lake, "budget_health", budget("New", "over_budget"))
    changes = read_digest(lake, TODAY, FirmConfig()).changes
    assert changes
    assert changes.unread == ["rollups/budget_health", "rollups/working_capital"]
    assert (changes.budgets, changes.balances) == ([], [])
    assert "rollups/budget\\_health is not compared" in written(lake)[1]


def test_empty_lake_is_a_clear_message(tmp_path: Path) -> None:
    with pytest.raises(TableMissing, match="run `timix-assets refresh`"):
        read_digest(Lake(str(tmp_path)), TODAY, FirmConfig())


def test_firm_without_rows_has_a_calm_page(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for table in ROLLUPS_READ:
        put(lake, table.removeprefix("rollups/"))
    lake.replace("timix/organization", pl.DataFrame({"id": ["o"], "name": ["Firm"]}), key=["id"])
    lake.replace("timix/projects", BY_NAME["projects"].schema.to_frame(), key=["id"])
    page, markdown = written(lake)
    assert "No money is earned, invoiced or owed." in page.text
    assert "No week is due." in markdown


def test_lake_without_invoices_says_what_is_missing(lake: Lake) -> None:
    for table in NEED_INVOICES:
        shutil.rmtree(Path(lake.url, table), ignore_errors=True)
    record_digest(lake, TODAY - WEEK, tables_compared(lake))
    digest = read_digest(lake, TODAY, FirmConfig())
    page, markdown = written(lake)
    assert digest.notes == [NO_INVOICES, *(note for note in digest.notes if note.startswith("Never read"))]
    assert digest.changes is not None
    assert digest.changes.unread == []
    assert page.text.count("Unknown without invoices.") == markdown.count("Unknown without invoices.") == 3
    assert "Overdue – unknown without invoices" in page.text
    assert "October 2026: 80 % billable" in markdown
    assert "No money" not in page.text + markdown


def test_rollup_that_needs_no_invoices_must_exist(lake: Lake) -> None:
    shutil.rmtree(Path(lake.url, "rollups/budget_health"))
    with pytest.raises(TableMissing, match="budget_health"):
        read_digest(lake, TODAY, FirmConfig())
    put(lake, "budget_health")
    # Invoices were read, so the rollups of them are only not computed yet.
    shutil.rmtree(Path(lake.url, "rollups/organization_money"))
    with pytest.raises(TableMissing, match="organization_money"):
        read_digest(lake, TODAY, FirmConfig())
