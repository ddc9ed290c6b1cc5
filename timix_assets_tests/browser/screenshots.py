"""Takes the pictures of the README again, over a fresh demo: `make screenshots`."""

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from timix_assets_tests.automation.dagster_dev import ROOT, TimixUi

from .chromium import executable, launched, new_page
from .dagster_pages import open_asset, open_backfill_dialog, open_chart, open_lineage

PICTURES = ROOT / "docs" / "pictures"
MAX_BYTES = 300_000
"""Of a picture, so that the README opens at once."""


def main() -> None:
    """Fills a lake of the demo's firm, serves the UI over it, and takes the pictures."""
    path = executable()
    if path is None:
        sys.exit("There is no chromium; apt-get install chromium.")
    with tempfile.TemporaryDirectory(prefix="timix-screenshots-") as folder, launched(path) as browser:
        ui = TimixUi(Path(folder), {})
        subprocess.run([sys.executable, "-m", "timix_assets.cli", "demo"], cwd=folder, env=ui.environment, check=True)
        _digest(browser, Path(folder, "data/lake/reports/weekly_digest.html"))
        try:
            ui.start()
            _ui(browser, f"http://127.0.0.1:{ui.port}")
        finally:
            ui.kill()


def _digest(browser: Browser, file: Path) -> None:
    with new_page(browser, offline=True) as page:
        page.set_viewport_size({"width": 1000, "height": 1160})
        page.goto(file.resolve().as_uri())
        _take(page, "digest")


def _ui(browser: Browser, url: str) -> None:
    with new_page(browser) as page:
        open_lineage(page, url)
        for _ in range(2):
            page.get_by_label("zoom_out").first.click()
        _take(page, "lineage")
        open_asset(page, url, "rollups/budget_health")
        open_chart(page)
        _take(page, "asset")
        dialog = open_backfill_dialog(page, url, "timix/time_reports")
        dialog.get_by_text("Show all partitions").click()
        dialog.get_by_role("button", name="All", exact=True).click()
        expect(dialog.get_by_text("24 partitions", exact=True)).to_be_visible()
        expect(dialog.get_by_text("Backfills all partitions in a single run.")).to_be_visible()
        _take(page, "backfill")


def _take(page: Page | Locator, name: str) -> None:
    file = PICTURES / f"{name}.png"
    # Without what still moves.
    page.screenshot(path=file, animations="disabled")
    size = file.stat().st_size
    print(f"{file.relative_to(ROOT)}: {size:,} bytes")
    if size > MAX_BYTES:
        sys.exit(f"{file} is larger than {MAX_BYTES:,} bytes; take a smaller part of the page.")


if __name__ == "__main__":
    main()
