"""The weekly digest in a run: the page beside the tables, its text in the metadata, and the checks of the same run."""

from hashlib import sha256
from pathlib import Path

import pytest
from dagster import AssetKey, AssetSelection, materialize

from timix_assets.reporting.digest_record import DIGESTS, failed_checks
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.workspace import (
    CHECKS,
    EXPORT_ASSETS,
    QUIET,
    RAW_ASSETS,
    ROLLUP_ASSETS,
    WEEKLY_DIGEST,
    Workspace,
)

HEALTH = AssetKey(["rollups", "budget_health"])


@pytest.mark.long
def test_digest_comes_after_the_checks_of_its_run(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    # Months of a project's past were never read, as the check history_complete finds.
    done = materialize(
        [*RAW_ASSETS, *EXPORT_ASSETS, *ROLLUP_ASSETS, WEEKLY_DIGEST, *CHECKS],
        selection=AssetSelection.assets(HEALTH, WEEKLY_DIGEST.key),
        resources=refreshed._resources(),
        instance=refreshed.instance,
        run_config=QUIET,
    )
    assert [event.step_key for event in done.all_events if event.is_step_success][
        -1
    ] == "reports__weekly_digest.write_digest"
    failed = {each.check_name for each in done.get_asset_check_evaluations() if not each.passed}
    recorded = failed_checks(refreshed.lake)
    assert recorded is not None
    assert failed == {each.check for each in recorded} != set()

    [written] = done.asset_materializations_for_node("reports__weekly_digest")
    assert (written.tags or {})["dagster/data_version"] == sha256(
        str(written.metadata["digest"].value).encode()
    ).hexdigest()
    page = Path(refreshed.lake.url, "reports/weekly_digest.html")
    assert written.metadata["page"].value == str(page)
    assert written.metadata["bytes"].value == page.stat().st_size
    assert f"weekly digest as of {TODAY:%-d %b %Y}" in str(written.metadata["digest"].value)
    assert set(refreshed.table(DIGESTS)["as_of"]) == {TODAY}
