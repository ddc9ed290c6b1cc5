"""The pages of the Dagster UI, as a person uses them."""

from playwright.sync_api import Locator, Page, expect


def open_lineage(page: Page, url: str) -> Locator:
    """The graph of all groups, by a click on *Lineage*."""
    page.goto(url)
    page.get_by_role("link", name="Lineage").click()
    graph = page.get_by_text("derived_reports")
    expect(graph.first).to_be_visible()
    return page.locator("body")


def open_asset(page: Page, url: str, key: str) -> None:
    """The asset's page, when its metadata is there."""
    page.goto(f"{url}/assets/{key}")
    expect(page.get_by_placeholder("Filter metadata keys")).to_be_visible()


def open_chart(page: Page) -> Locator:
    """The chart of the asset whose page is open: the first Markdown of its metadata, in a dialog."""
    page.get_by_text("Show Markdown").first.click()
    chart = page.get_by_role("dialog").locator("img")
    expect(chart).to_be_visible()
    return chart


def open_backfill_dialog(page: Page, url: str, key: str) -> Locator:
    """*Materialize…* of a partitioned asset, with all its partitions selected."""
    open_asset(page, url, key)
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    return dialog


def open_job_backfill_dialog(page: Page, url: str, job: str) -> Locator:
    """*Materialize all…* of a job of monthly tables, found in the list of jobs, with all its months selected."""
    page.goto(f"{url}/jobs")
    page.get_by_text(job, exact=True).click()
    page.get_by_role("button", name="Materialize all").click()
    # Closed months stand above the job, and there are none yet.
    page.get_by_role("button", name="Confirm").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    return dialog


def launch_backfill(page: Page, dialog: Locator, url: str) -> None:
    """*Launch backfill*, and then the page of the backfill."""
    dialog.get_by_role("button", name="Launch backfill").click()
    # It stays for some seconds only, so its text is read at once.
    created = page.get_by_text("Created backfill").inner_text()
    page.goto(f"{url}/runs/b/{created.split()[-1]}")
