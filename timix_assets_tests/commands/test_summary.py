"""The managing partner's summary: each figure is the oracle's, reckoned in plain Python from the same entries."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from timix_assets.commands.summary import show
from timix_assets.contract.endpoints import CUSTOMERS, ORGANIZATION, PROJECTS
from timix_assets.lake.errors import LakeError
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.metrics.settings import Settings
from timix_assets.metrics.tables import BUDGET_HEALTH, ORGANIZATION_KPIS, UNBILLED_AGING, Rollup
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.summary import summarize
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
    last, year = summarize(refreshed.lake, TODAY).periods
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
    shown = [(-p.burn, p.project, p.scope, p.status, p.exhausted) for p in summarize(refreshed.lake, TODAY).projects]
    assert found
    assert sorted(shown) == found
    assert [burn for burn, *_ in shown] == sorted(burn for burn, *_ in shown)


def test_unbilled_work_by_age_is_summed_per_currency(refreshed: Workspace, expected: dict[str, list[Row]]) -> None:
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


def test_it_is_printed_with_units_that_a_partner_reads(refreshed: Workspace) -> None:
    said = printed(refreshed.lake)
    assert "as of 18 November 2026" in said
    assert "October 2026" in said
    assert "%" in said


def test_the_heading_names_the_organization_and_the_lake(refreshed: Workspace) -> None:
    [organization] = refreshed.sandbox.workspace.rows("organization")
    heading, lake = printed(refreshed.lake).strip().splitlines()[:2]
    assert heading == f"{organization['name']} as of 18 November 2026"
    assert lake == f"From the lake {refreshed.lake.url}"


def test_figures_of_an_earlier_day_keep_that_day_and_say_that_a_refresh_comes_first(refreshed: Workspace) -> None:
    said = printed(refreshed.lake, TODAY + timedelta(days=45))
    assert "as of 18 November 2026" in said
    assert "Computed 45 days ago; refresh first." in said
    assert "October 2026" in said
    assert "2026 to date" in said
    assert "refresh first" not in printed(refreshed.lake)


class SmallLake:
    """A lake in which a test writes the rollups as it likes; what it leaves out has no row."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(str(folder / "lake"))
        for rollup in (BUDGET_HEALTH, UNBILLED_AGING):
            self.rows(rollup)
        for endpoint, row in (
            (ORGANIZATION, {"id": "org", "name": "Acme [Berlin]"}),
            (CUSTOMERS, {"id": "c", "name": "Long-Named Customer Ltd"}),
            (PROJECTS, {"id": "p", "name": "Tower [/b] of the Harbour Authority", "status": "Active"}),
        ):
            self.lake.replace(f"timix/{endpoint.name}", pl.DataFrame([row], schema=endpoint.schema), key=["id"])

    def rows(self, rollup: Rollup, *rows: Row, as_of: date = TODAY) -> None:
        frame = pl.DataFrame([row | {"as_of": as_of} for row in rows], schema=rollup.schema)
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

    def over(self) -> None:
        budget = {"level": "project", "project_id": "p", "customer_id": "c", "scope": "TM", "status": "over_budget"}
        self.rows(BUDGET_HEALTH, budget | {"burn": 1.234, "exhaustion_date": date(2026, 10, 12)})
        unbilled = {"customer_id": "c", "project_id": "p", "bucket": "31-60", "currency": "EUR", "hours": 12}
        self.rows(UNBILLED_AGING, unbilled | {"amount": 1234567, "oldest_date": date(2026, 10, 1)})


@pytest.fixture
def small(tmp_path: Path) -> SmallLake:
    return SmallLake(tmp_path)


def test_the_oldest_of_the_tables_is_the_day_of_the_summary(small: SmallLake) -> None:
    small.hours(50, 50)
    small.over()
    small.rows(BUDGET_HEALTH, {"level": "project", "project_id": "p", "scope": "TM"}, as_of=date(2026, 11, 3))
    assert summarize(small.lake, TODAY).as_of == date(2026, 11, 3)


def test_a_table_that_does_not_say_its_day_yet_is_refused_with_what_to_do(small: SmallLake) -> None:
    small.lake.replace("rollups/organization_kpis", pl.DataFrame({"month": [date(2026, 11, 1)]}), key=["month"])
    with pytest.raises(LakeError, match="does not say by which day it was computed; refresh"):
        summarize(small.lake, TODAY)


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        ((0, 0, 50, 50), ["No work before October 2026", "August 2026 to September 2026", "2026-10"]),
        ((0, 50), ["No work before November 2026", "the capacity of October 2026 lowers"]),
        ((50, 0, 50), []),
        ((0, 0), []),
    ],
)
def test_months_of_capacity_before_the_first_entries_are_told_in_one_line(
    small: SmallLake, hours: Sequence[int], told: list[str]
) -> None:
    small.hours(*hours)
    lines = [line for line in printed(small.lake, width=400).splitlines() if "No work before" in line]
    assert len(lines) == bool(told)
    for words in told:
        assert words in lines[0]


@pytest.mark.parametrize(("months", "name"), [(4, "2026 from August"), (11, "2026 to date")])
def test_a_year_that_the_lake_holds_from_a_later_month_on_is_named_by_it(
    months: int, name: str, small: SmallLake
) -> None:
    small.hours(*[50] * months)
    assert summarize(small.lake, TODAY).periods[-1].name == name
    assert name in printed(small.lake)


def test_running_capped_projects_that_began_before_the_first_month_are_counted_once(small: SmallLake) -> None:
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
    said = " ".join(printed(small.lake, width=400).split())
    assert (
        "No running project is at risk or over budget. 1 running project with a cap began before the first loaded month "
        "(2026-08), so its burn may be higher: set TIMIX_START_MONTH earlier."
    ) in said


def test_tables_without_a_row_are_sentences(small: SmallLake) -> None:
    small.hours(50, 50)
    said = printed(small.lake)
    assert "No running project is at risk or over budget." in said
    assert "No approved work waits for an invoice." in said
    assert "burn" not in said


@pytest.mark.parametrize("width", [1, 20, 40, 60, *range(64, 100, 3), 160])
def test_no_width_of_the_terminal_cuts_a_figure_or_a_name(small: SmallLake, width: int) -> None:
    small.hours(0, 50, 50)
    small.over()
    said = printed(small.lake, width=width)
    assert max(map(len, said.splitlines())) <= width
    together = "".join(said.split())
    for words in (
        "Acme [Berlin] as of 18 November 2026",
        "123.4%",
        "2026-10-12",
        "1,234,567.00",
        "over budget",
        "12.00",
    ):
        assert words.replace(" ", "") in together
    if width >= 20:
        for figure in ("123.4%", "2026-10-12", "1,234,567.00"):
            assert figure in said
        assert {"Tower", "[/b]", "Harbour", "Long-Named", "Customer"} <= set(said.replace("│", " ").split())
