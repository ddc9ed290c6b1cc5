"""What people see: the Dagster UI and the weekly digest in a browser, over a firm whose customers have a malicious name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from timix_assets.assets.checks.declarations import check_definitions
from timix_assets.definitions import defs
from timix_assets.lake.tables import Lake
from timix_assets.metrics import BY_NAME
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.text.figures import number, percent
from timix_assets_tests.automation.dagster_dev import TimixUi

from .chromium import new_page
from .dagster_pages import launch_backfill, open_asset, open_backfill_dialog, open_chart, open_lineage

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

ATTACK = "<img src=x onerror=alert(1)>"
EVERY_ROW = 1_000_000


@dataclass(frozen=True, slots=True)
class Site:
    """A running UI, and the lake whose tables it shows."""

    url: str
    lake: Lake


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    firm = Firm.generate(people=6, months=2, seed=7, today=date.today())
    with Sandbox(firm) as sandbox:
        for path in ("/customers", "/projects"):
            sandbox.faults.add(Fault("odd_text", path=path, field="name", value=ATTACK, count=EVERY_ROW))
        settings = {
            "TIMIX_API_KEY": sandbox.key,
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_START_MONTH": f"{firm.first_day:%Y-%m}",
        }
        ui = TimixUi(tmp_path_factory.mktemp("project"), settings)
        ui.refresh()
        try:
            ui.start()
            yield Site(f"http://127.0.0.1:{ui.port}", ui.lake)
        finally:
            ui.kill()


def test_lineage_shows_every_group(site: Site, page: Page) -> None:
    graph = open_lineage(page, site.url)
    groups = {spec.group_name for spec in defs.resolve_all_asset_specs()}
    assert len(groups) > 10
    for group in groups:
        expect(graph.get_by_text(str(group), exact=True).first).to_be_visible()


def test_asset_page_shows_description_columns_chart_and_checks(site: Site, page: Page) -> None:
    table = BY_NAME["budget_health"]
    open_asset(page, site.url, "rollups/budget_health")
    expect(page.get_by_text(table.description[:60])).to_be_visible()
    for column in table.columns:
        expect(page.get_by_text(column.name, exact=True).first).to_be_attached()
    chart = open_chart(page)
    assert chart.evaluate("image => image.complete && image.naturalWidth") > 400
    page.get_by_role("button", name="Close").click()
    page.get_by_role("tab", name="Checks").or_(page.get_by_role("link", name="Checks")).first.click()
    for check in (
        key.name for each in check_definitions() for key in each.check_keys if key.asset_key.path[-1] == table.name
    ):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()


def test_backfill_launched_by_clicks_ends_green(site: Site, page: Page) -> None:
    before = site.lake.snapshot("timix/time_reports")
    dialog = open_backfill_dialog(page, site.url, "timix/time_reports")
    expect(dialog.get_by_text("Backfills all partitions in a single run.")).to_be_visible()
    launch_backfill(page, dialog, site.url)
    expect(page.get_by_text("100% completed")).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible()
    # The same months again: nothing has changed, so nothing was written.
    assert site.lake.snapshot("timix/time_reports") == before


def test_malicious_name_stays_text_on_an_asset_page(site: Site, page: Page) -> None:
    open_asset(page, site.url, "timix/customers")
    expect(page.get_by_text(ATTACK).first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_digest_renders_offline_and_its_figures_are_the_tables(site: Site, chromium: Browser) -> None:
    problems: list[str] = []
    with new_page(chromium, offline=True) as page:
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
        page.goto(f"file://{site.lake.url}/reports/weekly_digest.html")

        text = page.locator("body").inner_text()
        assert ATTACK in text
        assert page.locator("img[src=x]").count() == 0
        charts = page.locator("img.chart")
        assert charts.count() >= 3
        widths = charts.evaluate_all("images => images.map(image => image.complete ? image.naturalWidth : 0)")
        assert min(widths) > 300

        [of_month] = last_full_month(site.lake).iter_rows(named=True)
        utilization = rows_below(page, "Utilization")[f"{of_month['month']:%B %Y}"]
        assert utilization[0] == percent(of_month["billable_utilization"])
        assert utilization[-2:] == [number(of_month["total_hours"]), number(of_month["capacity_hours"])]
        owed = rows_below(page, "Receivables by days overdue")
        receivables = site.lake.scan("rollups/receivables_aging").collect()
        assert owed.keys() == set(receivables["currency"])
        for currency, figures in owed.items():
            total = receivables.filter(pl.col("currency") == currency)["outstanding"].sum()
            assert figures[-1] == number(Decimal(total))
    assert problems == []


def rows_below(page: Page, heading: str) -> dict[str, list[str]]:
    """First cell -> the others, of the first table in the section of that heading."""
    section = page.locator("section", has=page.get_by_role("heading", name=heading, exact=True)).first
    rows = section.locator("table").first.locator("tbody tr")
    cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    return {first.strip(): [each.strip() for each in others] for first, *others in cells}


def last_full_month(lake: Lake) -> pl.DataFrame:
    """Its row of organization_kpis, which has as-of on every row."""
    over = pl.col("month") < pl.col("as_of").dt.month_start()
    return lake.scan("rollups/organization_kpis").filter(over).sort("month").tail(1).collect()
