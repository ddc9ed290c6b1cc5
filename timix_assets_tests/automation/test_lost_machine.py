"""A machine that is lost with its state folder while it executes a run, on a real `dagster dev`."""

import secrets
from datetime import date
from pathlib import Path

import pytest

from timix_assets.automation.month_ranges import months_before
from timix_assets.lake.lease import read_lease
from timix_assets.lake.months import Months
from timix_assets.lake.storage import open_store
from timix_assets.partitions import range_tags
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.lake.s3 import store

from .dagster_dev import DagsterDev, tags_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.fault(59)
def test_its_run_is_ended_and_retried(tmp_path: Path) -> None:
    today = date.today()
    firm = Firm.generate(people=6, months=3, seed=7, today=today)
    url = f"s3://lakes/{secrets.token_hex(4)}"
    with store() as (options, _), Sandbox(firm) as sandbox:
        settings = {
            "TIMIX_API_KEY": sandbox.key,
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_START_MONTH": f"{months_before(today, 2):%Y-%m}",
            "TIMIX_LAKE": url,
            "TIMIX_LEASE_SECONDS": "5",
            **options,
        }
        dev = DagsterDev(tmp_path, settings)
        lease = open_store(url, options)

        def holder() -> str:
            seen = read_lease(lease)
            return seen.holder.run_id if seen else ""

        sandbox.faults.add(Fault("silence", path="/time-reports", seconds=60))
        try:
            dev.start()
            lost = dev.launch("refresh_everything", range_tags(Months(firm.first_day, firm.first_day)))
            dev.wait_for("the run to hold the lease", lambda: holder() == lost)
            dev.kill()
            sandbox.faults.clear()
            for lock in (tmp_path / ".dagster").glob("process-*.lock"):
                lock.unlink()
            dev.start()
            [again] = dev.wait_for("the retry", lambda: dev.runs(statuses=["SUCCESS"]))
            ended = dev.run(lost)["status"]
            said = [tick["skipReason"] for tick in dev.ticks("orphaned_runs")]
        finally:
            dev.kill()
    assert ended == "FAILURE"
    assert tags_of(again)["dagster/parent_run_id"] == lost
    assert f"Ended 1 run whose machine did not renew the lease of the lake: {lost}." in said
