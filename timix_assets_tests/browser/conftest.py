"""The browser, and a page of it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from timix_assets_tests.required import skip_without

from .chromium import executable, launched, new_page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = executable()
    skip_without("browser", None if path else "there is no chromium: apt-get install chromium")
    assert path is not None
    with launched(path) as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """It fails a test in which a script of the data ran."""
    with new_page(chromium) as opened:
        alerts: list[str] = []
        opened.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
        yield opened
        assert alerts == []
