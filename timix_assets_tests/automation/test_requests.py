"""What a run of each job costs in requests: counted at a small firm, and as docs/operations.md says for the sandbox's own."""

import math
import re
from pathlib import Path

import pytest
from dagster import AssetKey, AssetSelection

from timix_assets.automation.schedules import TIMETABLES
from timix_assets.automation.sightings import WATCHED
from timix_assets.automation.windows import clipped
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.schema import Endpoint, Shape, Window
from timix_assets.definitions import defs
from timix_assets.documented import LARGEST_PAGE
from timix_assets.lake.months import Months
from timix_assets.sandbox.firm import Firm
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.workspace import FIRM_MONTHS, Workspace

DOC = (Path(__file__).parent.parent.parent / "docs" / "operations.md").read_text()
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
DATED = {timetable.name: timetable for timetable in TIMETABLES if timetable.reach}


def read_by(job: str) -> list[AssetKey]:
    """The assets of a job that ask Timix; /me is asked once by every run, with or without its table."""
    keys = defs.resolve_job_def(job).asset_layer.executable_asset_keys
    return sorted(key for key in keys if key.path[0] in ("timix", "exports"))


def requests_due(job: str, months: Months, firm: Firm) -> int:
    """One for /me, one for every 200 rows of a table (one at least), one a month for a dated report or export."""
    return 1 + sum(_due(key, months, firm) for key in read_by(job) if key.path[1] != "me")


def _due(key: AssetKey, months: Months, firm: Firm) -> int:
    endpoint = BY_NAME[key.path[1]]
    if endpoint.window is Window.MONTH:
        return len(list(months))
    if key.path[0] == "exports" or endpoint.shape is not Shape.LIST:
        return 1
    return max(1, math.ceil(_rows(endpoint, months, firm) / LARGEST_PAGE))


def _rows(endpoint: Endpoint, months: Months, firm: Firm) -> int:
    rows = firm.tables[endpoint.name]
    if endpoint.window is Window.NONE:
        return len(rows)
    return sum(row["date"].replace(day=1) in set(months) for row in rows)


@pytest.mark.parametrize("job", ["refresh_recent", "refresh_everything"])
def test_a_run_asks_as_often_as_its_rows_and_months_need_and_not_once_more(
    job: str, workspace: Workspace, small_firm: Firm
) -> None:
    run = workspace.refresh(AssetSelection.assets(*read_by(job)), months=FIRM_MONTHS)
    assert run.success
    assert len(workspace.sandbox.requests) == requests_due(job, FIRM_MONTHS, small_firm)


def test_closing_a_month_reads_what_refreshing_everything_reads() -> None:
    assert read_by("close_month") == read_by("refresh_everything")


def test_rollups_cannot_ask_timix() -> None:
    for key in defs.resolve_asset_graph().executable_asset_keys:
        if key.path[0] == "rollups":
            assert "timix" not in defs.get_assets_def(key).required_resource_keys


@pytest.fixture(scope="module")
def sandbox_firm() -> Firm:
    """The one that the sandbox serves when it is told nothing else."""
    return Firm.generate(today=TODAY)


def documented(name: str) -> str:
    """The last cell of a row in the table of schedules and sensors."""
    [cells] = re.findall(rf"^\|[^|]*`{name}`[^|]*\|(.*)\|$", DOC, re.MULTILINE)
    return str(cells.split("|")[-1]).strip()


@pytest.mark.parametrize("name", sorted(DATED))
def test_the_figures_of_schedules_in_the_documentation_are_those_of_the_sandbox(name: str, sandbox_firm: Firm) -> None:
    timetable = DATED[name]
    assert timetable.reach is not None
    months = clipped(timetable.reach(TODAY), sandbox_firm.first_day)
    assert months is not None
    assert documented(name) == f"{requests_due(timetable.job.name, months, sandbox_firm)}"


def test_a_look_for_changes_is_documented_with_one_request_for_each_resource_that_it_watches() -> None:
    assert documented("timix_changes").startswith(f"{len(WATCHED)} a look")


def test_every_schedule_and_sensor_is_in_the_table() -> None:
    repository = defs.get_repository_def()
    names = [*(each.name for each in repository.schedule_defs), *(each.name for each in repository.sensor_defs)]
    for name in names:
        assert documented(name)
