"""Two firms in somebody else's Dagster project: both are refreshed by clicks in one UI, each into its own lake."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from timix_assets.lake.tables import Lake
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import DagsterDev

from .dagster_pages import launch_backfill, open_job_backfill_dialog

# The browser first: without one, no project is started.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.usefixtures("chromium")]

FIRMS = {"acme": 7, "globex": 8}
"""The seeds of their firms."""

PROJECT = """
import os

from dagster import Definitions, EnvVar, FilesystemIOManager, asset

from timix_assets import Workspace, build_definitions

acme, globex = (
    Workspace(
        name,
        api_key=EnvVar(f"{name.upper()}_KEY"),
        lake=f"data/{name}",
        start_month=os.environ["FIRST_MONTH"],
        base_url=os.environ[f"{name.upper()}_URL"],
    )
    for name in ("acme", "globex")
)


@asset(deps=[acme.names.key("rollups/budget_health")])
def board_pack() -> str:
    return "made from the tables of acme"


defs = Definitions.merge(
    build_definitions(acme),
    build_definitions(globex),
    Definitions(assets=[board_pack], resources={"io_manager": FilesystemIOManager(base_dir="data/theirs")}),
)
"""

LONGEST_SECONDS = 400
"""Of both runs, on a busy machine."""

INSTANCE = "telemetry: {enabled: false}\nnux: {enabled: false}\n"
WORKSPACE = "load_from: [{python_file: {relative_path: project.py, location_name: timix_assets}}]\n"


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[str, Sandbox]]:
    with ExitStack() as running:
        yield {
            name: running.enter_context(Sandbox(Firm.generate(people=6, months=2, seed=seed, today=date.today())))
            for name, seed in FIRMS.items()
        }


@pytest.fixture(scope="module")
def dev(sandboxes: dict[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    settings = {"FIRST_MONTH": f"{sandboxes['acme'].firm.first_day:%Y-%m}"}
    for name, sandbox in sandboxes.items():
        settings |= {f"{name.upper()}_KEY": sandbox.key, f"{name.upper()}_URL": sandbox.base_url}
    running = DagsterDev(tmp_path_factory.mktemp("project"), settings)
    for file, text in {"project.py": PROJECT, "dagster.yaml": INSTANCE, "workspace.yaml": WORKSPACE}.items():
        (running.folder / file).write_text(text)
    try:
        running.start()
        yield running
    finally:
        running.kill()


def test_both_firms_are_refreshed_by_clicks_in_one_ui(
    sandboxes: dict[str, Sandbox], dev: DagsterDev, page: Page
) -> None:
    url = f"http://127.0.0.1:{dev.port}"
    backfills = []
    for name in FIRMS:
        launch_backfill(page, open_job_backfill_dialog(page, url, f"{name}_refresh_everything"), url)
        backfills.append(page.url)
    for backfill in backfills:
        dev.wait_for_backfill(backfill.rpartition("/")[2], LONGEST_SECONDS)
        page.goto(backfill)
        expect(page.get_by_text("100% completed")).to_be_visible()
        expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible()

    for name, sandbox in sandboxes.items():
        lake = Lake(str(dev.folder / "data" / name))
        assert set(lake.scan("timix/projects").collect()["name"]) == projects(sandbox)
        followed = set(lake.scan("rollups/budget_health").collect()["project_name"])
        assert followed
        assert followed <= projects(sandbox)
    assert projects(sandboxes["acme"]) != projects(sandboxes["globex"])
    # The asset of the project, below one of ours, was not computed.
    page.goto(f"{url}/assets/board_pack")
    expect(page.get_by_text("Never materialized").first).to_be_visible()
    assert not (dev.folder / "data/theirs").exists()


def projects(sandbox: Sandbox) -> set[str]:
    return {row["name"] for row in sandbox.workspace.rows("projects")}
