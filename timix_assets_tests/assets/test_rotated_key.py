"""A key that is replaced while a run reads: that run ends and says why, and the next one with the new key reads everything."""

import threading
import time

import pytest

from timix_assets.sandbox.faults import Fault
from timix_assets_tests.workspace import Workspace, failures


@pytest.mark.long
def test_replaced_key_ends_the_run_and_next_run_is_complete(workspace: Workspace) -> None:
    sandbox, old = workspace.sandbox, workspace.sandbox.key
    new = sandbox.key_for("Owner")
    sandbox.faults.add(Fault("silence", path="/customers", seconds=0.5, times=1))

    def rotate() -> None:
        while not any(seen.path.endswith("/customers") for seen in sandbox.requests):
            time.sleep(0.005)
        sandbox.revoke(old)

    rotating = threading.Thread(target=rotate)
    rotating.start()
    failed = failures(workspace.refresh())
    rotating.join()
    asked = len(sandbox.requests)
    assert failed
    assert all("TIMIX_API_KEY is wrong, expired or revoked: set a valid key" in said for said in failed.values())
    assert [seen.status for seen in sandbox.requests].count(401) == 1

    workspace.settings["api_key"] = new
    assert failures(workspace.refresh()) == {}
    assert {seen.status for seen in sandbox.requests[asked:]} == {200}
    assert workspace.table("timix/customers")["id"].sort().to_list() == sorted(
        row["id"] for row in sandbox.workspace.rows("customers")
    )
