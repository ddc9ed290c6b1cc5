"""`timix-assets ui`: what Dagster is started with."""

import secrets

import pytest

from timix_assets.commands.sandbox_process import RunningSandbox
from timix_assets.commands.ui import address, settings_of


@pytest.mark.parametrize("unset", [{}, {"TIMIX_UI_URL": " "}])
def test_links_in_alerts_lead_to_the_port_that_the_ui_is_served_on(unset: dict[str, str]) -> None:
    assert settings_of(unset, address("127.0.0.1", 3111), None)["TIMIX_UI_URL"] == "http://127.0.0.1:3111"


def test_links_in_alerts_lead_where_the_user_says_that_people_open_the_ui() -> None:
    told = {"TIMIX_UI_URL": "https://timix.example"}
    assert settings_of(told, address("127.0.0.1", 3111), None)["TIMIX_UI_URL"] == "https://timix.example"


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("localhost", "http://localhost:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://127.0.0.1:3000"),
        ("::1", "http://[::1]:3000"),
    ],
)
def test_the_address_is_one_that_a_browser_opens(host: str, opened: str) -> None:
    assert address(host, 3000) == opened


def test_the_sandbox_never_fills_the_lake_of_a_real_workspace() -> None:
    sandbox = RunningSandbox("http://127.0.0.1:8000", f"bbl_{secrets.token_hex(20)}", "2025-01")
    settings = settings_of({"TIMIX_LAKE": "data/workspace", "HOME": "/home"}, address("localhost", 3000), sandbox)
    assert settings["TIMIX_LAKE"] == "data/lake"
    assert settings["TIMIX_API_KEY"] == sandbox.key
    assert settings["HOME"] == "/home"
