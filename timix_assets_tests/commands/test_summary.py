"""The executive summary: each figure equals the oracle's, computed in plain Python from the same entries."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from timix_assets.alerts.weekly_summary import weekly_summary_message
from timix_assets.commands.summary import show
from timix_assets.contract.endpoints import CUSTOMERS, ORGANIZATION, PROJECTS, UNBILLED_TIME_REPORT
from timix_assets.lake.errors import OutdatedRollup
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.metrics import Rollup
from timix_assets.metrics.budget_health import BUDGET_HEALTH
from timix_assets.metrics.entries import first_counted_day
from timix_assets.metrics.organization import ORGANIZATION_KPIS
from timix_assets.metrics.organization_money import ORGANIZATION_MONEY
from timix_assets.metrics.params import RollupParams
from timix_assets.metrics.receivables import WORKING_CAPITAL
from timix_assets.metrics.timesheets import TIMESHEET_COMPLIANCE
from timix_assets.metrics.unbilled import UNBILLED_AGING
from timix_assets.reporting.summary import summarize
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings.firm import FirmConfig
from timix_assets_tests.metrics.oracle import compute
from timix_assets_tests.workspace import ALL_ROLLUPS, Workspace, failures

from ..conftest import TODAY

Row = dict[str, Any]


MONTHS = Months(date(2025, 12, 1), date(2026, 11, 1))


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A firm that is large enough to have budgets at risk."""
    with (
        pytest.MonkeyPatch.context() as patch,
        Sandbox(Firm.generate(people=12, months=12, seed=2, today=TODAY)) as sandbox,
    ):
        patch.setenv("TIMIX_AS_OF", TODAY.isoformat())
        workspace = Workspace(sandbox, tmp_path_factory.mktemp("firm"))
        assert failures(workspace.refresh(ALL_ROLLUPS.upstream(), months=MONTHS)) == {}
        yield workspace


@pytest.fixture(scope="module")
def expected(refreshed: Workspace) -> dict[str, list[Row]]:
    source = refreshed.sandbox.workspace
    tables = {name: source.rows(name) for name in refreshed.sandbox.firm.tables if name != "me"}
    report = refreshed.table("timix/budget_health_report").to_dicts()
    me = refreshed.sandbox.firm.tables["me"]
    months = tuple(MONTHS)
    first = first_counted_day(refreshed.lake.scan("timix/time_reports"), TODAY, FirmConfig())
    params = RollupParams(TODAY, months, first)
    return compute({**tables, "me": me, "budget_health_report": report}, params)


def ratio(months: list[Row], hours: str) -> float:
    return float(sum(m[hours] for m in months) / sum(m["capacity_hours"] for m in months))


@pytest.mark.long
def test_utilization_is_a_ratio_of_sums(refreshed: Workspace, expected: dict[str, list[Row]]) -> None:
    last, year = summarize(refreshed.lake, TODAY).periods
    months = expected["organization_kpis"]
    october = [month for month in months if month["month"] == date(2026, 10, 1)]

    months = [month for month in months if month["month"].year == TODAY.year]
    assert (last.name, year.name) == ("October 2026", "2026 to date")
    for period, of in ((last, october), (year, months)):
        assert period.billable_utilization == pytest.approx(ratio(of, "billable_hours"), abs=1e-12)
        assert period.total_utilization == pytest.approx(ratio(of, "total_hours"), abs=1e-12)
        assert period.total_hours == sum(month["total_hours"] for month in of)


def test_lists_projects_at_risk_by_burn(refreshed: Workspace, expected: dict[str, list[Row]]) -> None:
    projects = {row["id"]: row for row in refreshed.sandbox.workspace.rows("projects")}
    found = sorted(
        (
            (-row["burn"], projects[row["project_id"]]["name"], row["scope"], row["status"], row["exhaustion_date"])
            for row in expected["budget_health"]
            if row["level"] == "project"
            and row["status"] in ("at_risk", "over_budget")
            and projects[row["project_id"]]["status"] in ("Active", "OnHold")
        ),
    )
    shown = [
        (-p.burn, p.project, p.scope, p.status, p.exhaustion_date) for p in summarize(refreshed.lake, TODAY).projects
    ]
    assert found
    assert sorted(shown) == found
    assert [burn for burn, *_ in shown] == sorted(burn for burn, *_ in shown)


def test_sums_unbilled_work_per_currency_and_age(refreshed: Workspace, expected: dict[str, list[Row]]) -> None:
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in expected["unbilled_aging"]:
        if row["hours"]:
            sums[row["currency"], row["bucket"]][0] += row["hours"]
            sums[row["currency"], row["bucket"]][1] += row["amount"]
    shown = summarize(refreshed.lake, TODAY).unbilled
    assert {(r["currency"], r["bucket"]): [r["hours"], r["amount"]] for r in shown.to_dicts()} == dict(sums)


def printed(lake: Lake, today: date = TODAY, *, width: int = 160) -> str:
    console = Console(record=True, width=width, file=None)
    show(summarize(lake, today), console)
    return console.export_text()


def test_prints_units(refreshed: Workspace) -> None:
    text = printed(refreshed.lake)
    assert "as of 18 November 2026" in text
    assert "October 2026" in text
    assert "%" in text


def test_heading_names_organization_and_lake(refreshed: Workspace) -> None:
    [organization] = refreshed.sandbox.workspace.rows("organization")
    heading, lake = printed(refreshed.lake).strip().splitlines()[:2]
    assert heading == f"{organization['name']} as of 18 November 2026"
    assert lake == f"From the lake {refreshed.lake.url}"


def test_old_figures_keep_their_date_and_advise_refresh(refreshed: Workspace) -> None:
    text = printed(refreshed.lake, TODAY + timedelta(days=45))
    assert "as of 18 November 2026" in text
    assert "Computed 45 days ago; refresh first." in text
    assert "October 2026" in text
    assert "2026 to date" in text
    assert "refresh first" not in printed(refreshed.lake)


class SmallLake:
    """A lake in which a test writes the rollups as it likes; what it leaves out has no row."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(str(folder / "lake"))
        for rollup in (BUDGET_HEALTH, UNBILLED_AGING, ORGANIZATION_MONEY, WORKING_CAPITAL, TIMESHEET_COMPLIANCE):
            self.rows(rollup)
        for endpoint, row in (
            (ORGANIZATION, {"id": "org", "name": "Acme [Berlin]"}),
            (CUSTOMERS, {"id": "c", "name": "Long-Named Customer Ltd"}),
            (PROJECTS, {"id": "p", "name": "Tower [/b] of the Harbour Authority", "status": "Active"}),
            (UNBILLED_TIME_REPORT, {"currency": "EUR", "total_amount": 5000}),
        ):
            frame = pl.DataFrame([row], schema=endpoint.schema)
            self.lake.replace(f"timix/{endpoint.name}", frame, key=endpoint.key)

    def rows(self, rollup: Rollup, *rows: Row, as_of: date = TODAY) -> None:
        dated = {"as_of": as_of} if "as_of" in rollup.schema else {}
        frame = pl.DataFrame([row | dated for row in rows], schema=rollup.schema)
        self.lake.replace(f"rollups/{rollup.name}", frame, key=rollup.key)

    def hours(self, *hours: int) -> None:
        """Logged hours of that many months up to November 2026, each of 100 hours of capacity."""
        first = 12 - len(hours)
        self.rows(
            ORGANIZATION_KPIS,
            *(
                {"month": date(2026, first + n, 1), "total_hours": h, "billable_hours": h, "capacity_hours": 100}
                for n, h in enumerate(hours)
            ),
        )

    def over_budget(self) -> None:
        budget = {"level": "project", "project_id": "p", "customer_id": "c", "scope": "TM", "status": "over_budget"}
        names = {"project_name": "Tower [/b] of the Harbour Authority", "customer_name": "Long-Named Customer Ltd"}
        self.rows(BUDGET_HEALTH, budget | names | {"burn": 1.234, "exhaustion_date": date(2026, 10, 12)})
        unbilled = {"customer_id": "c", "project_id": "p", "bucket": "31-60", "currency": "EUR", "hours": 12}
        self.rows(UNBILLED_AGING, unbilled | {"amount": 1234567, "oldest_date": date(2026, 10, 1)})


@pytest.fixture
def small(tmp_path: Path) -> SmallLake:
    return SmallLake(tmp_path)


def test_as_of_is_the_earliest_of_the_tables(small: SmallLake) -> None:
    small.hours(50, 50)
    small.over_budget()
    small.rows(BUDGET_HEALTH, {"level": "project", "project_id": "p", "scope": "TM"}, as_of=date(2026, 11, 3))
    assert summarize(small.lake, TODAY).as_of == date(2026, 11, 3)


@pytest.mark.parametrize("table", [ORGANIZATION_KPIS, ORGANIZATION_MONEY, WORKING_CAPITAL], ids=lambda t: t.name)
def test_table_of_an_earlier_version_is_refused_also_in_a_partly_refreshed_lake(
    small: SmallLake, table: Rollup
) -> None:
    small.hours(50)
    older = table.schema.to_frame().drop("as_of" if "as_of" in table.schema else "earned_revenue")
    small.lake.replace(f"rollups/{table.name}", older, key=table.key, exact_columns=True)
    with pytest.raises(
        OutdatedRollup, match=f"^rollups/{table.name} was computed by an earlier version; run `timix-as"
    ):
        summarize(small.lake, TODAY)


@pytest.mark.parametrize(("months", "name"), [(4, "2026 from August"), (11, "2026 to date")])
def test_year_that_starts_late_is_named_by_its_month(months: int, name: str, small: SmallLake) -> None:
    small.hours(*[50] * months)
    assert summarize(small.lake, TODAY).periods[-1].name == name
    assert name in printed(small.lake)


def test_counts_projects_with_truncated_history_once(small: SmallLake) -> None:
    small.hours(50, 50, 50, 50)
    budget = {"level": "project", "project_id": "p", "cap": 100, "history_complete": False}
    small.rows(
        BUDGET_HEALTH,
        budget | {"scope": "TM"},
        budget | {"scope": "amount"},
        budget | {"scope": "TM", "project_id": "q", "cap": None},
        budget | {"scope": "TM", "project_id": "r", "history_complete": True},
        budget | {"scope": "TM", "project_id": "s", "history_complete": None},
    )
    text = " ".join(printed(small.lake, width=400).split())
    assert (
        "No running project is at risk or over budget. 1 running project with a cap began before the first loaded month "
        "(2026-08), so its burn may be higher. Set TIMIX_START_MONTH to an earlier month."
    ) in text
    assert (
        "The lake begins with 2026-08 and 2 projects began earlier, so older unbilled work may be missing here: Timix reports "
        "5,000.00 EUR in all. Set TIMIX_START_MONTH to an earlier month."
    ) in text


def test_leads_with_money_and_with_who_has_not_logged(small: SmallLake) -> None:
    small.hours(50, 50)
    small.rows(
        ORGANIZATION_MONEY,
        {"month": date(2026, 10, 1), "currency": "EUR", "invoiced": 800, "paid": None}
        | {"revenue": 880, "margin": 0.31, "earned_revenue": 900, "earned_margin": 0.34},
        {"month": date(2026, 11, 1), "currency": "EUR", "earned_revenue": 11111},
    )
    small.rows(
        WORKING_CAPITAL,
        {"currency": "EUR", "unbilled": 70, "outstanding": 60, "overdue": 50, "lockup_days": 41.6},
        {"currency": "ILS", "unbilled": 0, "outstanding": 30, "overdue": 0},
    )
    week = {"week_start": date(2026, 11, 9)}
    small.rows(
        TIMESHEET_COMPLIANCE,
        week | {"user_id": "ann", "user_name": "Ann", "missing_hours": Decimal("6.5"), "status": "missing"},
        week | {"user_id": "bob", "status": "unsubmitted"},
        {
            "week_start": date(2026, 11, 2),
            "user_id": "cid",
            "user_name": "Cid",
            "missing_hours": 9,
            "status": "missing",
        },
        {"week_start": date(2026, 11, 16), "user_id": "dan", "missing_hours": 40, "status": "not_due"},
    )
    text = printed(small.lake, width=160)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    assert rows[:10] == [
        ["Revenue", "880", "0"],
        ["Margin of revenue", "31 %", "unknown"],
        ["Earned", "900", "0"],
        ["Margin of earned", "34 %", "unknown"],
        ["Invoiced", "800", "0"],
        ["Paid", "unknown", "0"],
        ["Unbilled", "70", "0"],
        ["Outstanding", "60", "30"],
        ["Overdue", "50", "0"],
        ["Lock-up", "42 days", "unknown"],
    ]
    assert ["Ann", "6.5"] in rows
    assert "Week of 9 Nov 2026. Logged, not submitted: bob." in text
    assert "Cid" not in text
    assert text.index("money") < text.index("utilization") < text.index("not logged")


def test_names_the_week_that_ended_and_is_not_due(small: SmallLake) -> None:
    small.hours(50, 50)
    late = {
        "week_start": date(2026, 11, 16),
        "user_id": "ann",
        "user_name": "Ann",
        "missing_hours": 6,
        "status": "missing",
    }
    grace = {"week_start": date(2026, 11, 23), "user_id": "ann", "missing_hours": 40, "status": "not_due"}
    running = grace | {"week_start": date(2026, 11, 30)}
    small.rows(TIMESHEET_COMPLIANCE, late, grace, running, as_of=date(2026, 11, 30))
    note = "The week of 23 Nov 2026 is not due yet."
    assert f"Week of 16 Nov 2026. {note}" in printed(small.lake)
    assert note in weekly_summary_message(summarize(small.lake, TODAY), "", "link").text
    # On its last day it has not ended.
    small.rows(TIMESHEET_COMPLIANCE, late, grace, as_of=date(2026, 11, 29))
    assert "not due" not in printed(small.lake)


def test_empty_tables_are_messages(small: SmallLake) -> None:
    small.hours(50, 50)
    text = printed(small.lake)
    assert "No running project is at risk or over budget." in text
    assert "No approved work is waiting for an invoice." in text
    assert "used of cap" not in text


@pytest.mark.long
@pytest.mark.parametrize("width", [1, 20, 40, 60, *range(64, 100, 3), 160])
def test_any_terminal_width_shows_figures_and_names(small: SmallLake, width: int) -> None:
    small.hours(50, 50, 50)
    small.over_budget()
    text = printed(small.lake, width=width)
    assert max(map(len, text.splitlines())) <= width
    together = "".join(text.split())
    for words in (
        "Acme [Berlin] as of 18 November 2026",
        "123 %",
        "12 Oct 2026",
        "1,234,567",
        "over budget",
        "time and materials",
    ):
        assert words.replace(" ", "") in together
    if width >= 20:
        for figure in ("123 %", "12 Oct 2026", "1,234,567"):
            assert figure in text
        assert {"Tower", "[/b]", "Harbour", "Long-Named", "Customer"} <= set(text.replace("│", " ").split())
