"""A workspace with words of its own, from HTTP to the figures."""

import pytest

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.metrics import ROLLUPS
from timix_assets.sandbox.faults import Fault
from timix_assets_tests.workspace import EVERYTHING, Workspace, failures, warnings

from ..conftest import TODAY

BILLING = {"TM": "T&M", "Fix": "Fixed Price", "OVH": "Non-billable"}
WORDS = [
    *(("/time-reports", "billingType", old, new) for old, new in BILLING.items()),
    *(("/subtasks", "billingType", old, new) for old, new in BILLING.items()),
    *(("/projects", "billingTypes", old, new) for old, new in BILLING.items()),
    ("/time-reports", "status", "Submitted", "Pending approval"),
    ("/time-reports", "status", "Invoiced", "BILLED"),
    ("/invoices", "status", "Sent", "Overdue"),
    ("/org-users", "status", "Inactive", "Deactivated"),
    ("/financial-reports/budget-health", "status", "on-track", "OK"),
]


@pytest.mark.long
def test_a_workspace_with_words_of_its_own_has_the_same_figures(
    refreshed: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    renamed = Workspace(refreshed.sandbox, tmp_path_factory.mktemp("renamed"))
    for path, field, old, new in WORDS:
        refreshed.sandbox.faults.add(Fault("rename_word", path=path, field=field, old=old, new=new))
    result = renamed.refresh(EVERYTHING)

    assert failures(result) == {}
    assert (renamed.table("rollups/organization_kpis")["billable_utilization"] > 0).all()
    for table in ROLLUPS:
        name = f"rollups/{table.name}"
        assert renamed.table(name).sort(table.key).equals(refreshed.table(name).sort(table.key)), name

    listed = {
        check.asset_key.path[-1]: check.description or ""
        for check in result.get_asset_check_evaluations()
        if check.check_name == "matches_contract"
    }
    assert not any("matches_contract" in warnings(result, f"timix/{name}") for name in BY_NAME)
    assert "T&M is read as TM (" in listed["time_reports"]
    assert "Pending approval is read as Submitted (" in listed["time_reports"]
    assert "Non-billable is read as OVH (" in listed["subtasks"]
    assert "Overdue is read as Sent (" in listed["invoices"]
    assert "OK is read as on-track (" in listed["budget_health_report"]
    assert "is read as" not in listed["customers"]
