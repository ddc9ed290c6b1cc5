"""What a run of each job costs in requests, counted at a small firm. `make docs` uses the same count for docs/operations.md."""

import pytest
from dagster import AssetSelection

from timix_assets.definitions import defs
from timix_assets.sandbox.firm import Firm
from timix_assets_tests.automation.request_counts import read_by, requests_due
from timix_assets_tests.workspace import FIRM_MONTHS, Workspace


@pytest.mark.long
@pytest.mark.parametrize("job", ["refresh_recent", "refresh_everything"])
def test_run_makes_the_fewest_requests(job: str, workspace: Workspace, small_firm: Firm) -> None:
    run = workspace.refresh(AssetSelection.assets(*read_by(job)), months=FIRM_MONTHS)
    assert run.success
    assert len(workspace.sandbox.requests) == requests_due(job, FIRM_MONTHS, small_firm)


def test_closing_a_month_reads_what_refreshing_everything_reads() -> None:
    assert read_by("close_month") == read_by("refresh_everything")


def test_rollups_cannot_ask_timix() -> None:
    for key in defs.resolve_asset_graph().executable_asset_keys:
        if key.path[0] == "rollups":
            assert "timix" not in defs.get_assets_def(key).required_resource_keys
