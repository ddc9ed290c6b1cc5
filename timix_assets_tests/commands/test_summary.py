"""The managing partner's summary: each figure is the oracle's, reckoned in plain Python from the same entries."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from timix_assets.commands import summary
from timix_assets.lake.months import Months
from timix_assets.metrics.settings import Settings
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.metrics.oracle import compute
from timix_assets_tests.workspace import EVERYTHING, Workspace, failures

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
        assert failures(workspace.refresh(EVERYTHING, months=MONTHS)) == {}
        yield workspace


@pytest.fixture(scope="module")
def expected(refreshed: Workspace) -> dict[str, list[Row]]:
    source = refreshed.sandbox.workspace
    tables = {name: source.rows(name) for name in refreshed.sandbox.firm.tables if name != "me"}
    report = refreshed.table("timix/budget_health_report").to_dicts()
    me = refreshed.sandbox.firm.tables["me"]
    return compute({**tables, "me": me, "budget_health_report": report}, Settings(TODAY, MONTHS.first))


def ratio(months: list[Row], hours: str) -> float:
    return float(sum(m[hours] for m in months) / sum(m["capacity_hours"] for m in months))


def test_utilization_last_month_and_year_to_date_are_ratios_of_sums(
    refreshed: Workspace, expected: dict[str, list[Row]]
) -> None:
    last, year = summary.summarize(refreshed.lake, TODAY).periods
    months = expected["organization_kpis"]
    october = [month for month in months if month["month"] == date(2026, 10, 1)]

    months = [month for month in months if month["month"].year == TODAY.year]
    assert (last.name, year.name) == ("October 2026", "2026 to date")
    for period, of in ((last, october), (year, months)):
        assert period.billable_utilization == pytest.approx(ratio(of, "billable_hours"), abs=1e-12)
        assert period.total_utilization == pytest.approx(ratio(of, "total_hours"), abs=1e-12)
        assert period.total_hours == sum(month["total_hours"] for month in of)


def test_running_projects_at_risk_or_over_stand_with_their_dates_the_worst_first(
    refreshed: Workspace, expected: dict[str, list[Row]]
) -> None:
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
        (-p.burn, p.project, p.scope, p.status, p.exhausted) for p in summary.summarize(refreshed.lake, TODAY).projects
    ]
    assert found
    assert sorted(shown) == found
    assert [burn for burn, *_ in shown] == sorted(burn for burn, *_ in shown)


def test_unbilled_work_by_age_is_summed_per_currency(refreshed: Workspace, expected: dict[str, list[Row]]) -> None:
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in expected["unbilled_aging"]:
        if row["hours"]:
            sums[row["currency"], row["bucket"]][0] += row["hours"]
            sums[row["currency"], row["bucket"]][1] += row["amount"]
    shown = summary.summarize(refreshed.lake, TODAY).unbilled
    assert {(r["currency"], r["bucket"]): [r["hours"], r["amount"]] for r in shown.to_dicts()} == dict(sums)


def test_it_is_printed_with_units_that_a_partner_reads(refreshed: Workspace) -> None:
    console = Console(record=True, width=160, file=None)
    summary.show(summary.summarize(refreshed.lake, TODAY), console)
    said = console.export_text()
    assert "The firm as of 18 November 2026" in said
    assert "October 2026" in said
    assert "%" in said
