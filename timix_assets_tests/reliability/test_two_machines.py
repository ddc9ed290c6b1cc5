"""Two machines with one lake and one key: row 59 of docs/reliability.md."""

from datetime import timedelta
from pathlib import Path

import pytest
from dagster import ExecuteInProcessResult

from timix_assets.lake.writers import RECENT
from timix_assets_tests.workspace import RAW, Workspace, failures

from .test_older_data import CUSTOMERS, set_clock_of_newest_commit

SAID = "Another machine wrote to "


def said(workspace: Workspace, result: ExecuteInProcessResult) -> list[str]:
    """The warnings of a run about another machine."""
    entries = workspace.instance.all_logs(result.run_id, of_type=None)
    return [entry.user_message for entry in entries if entry.user_message.startswith(SAID)]


@pytest.mark.fault(59)
def test_the_second_machine_warns_once_of_another_writer(workspace: Workspace, other: Workspace) -> None:
    first = workspace.refresh(RAW)
    second = other.refresh(RAW)

    assert (failures(first), failures(second)) == ({}, {})
    assert said(workspace, first) == []
    [warning] = said(other, second)
    assert "share neither the lake lock nor the rate limit of a key" in warning


@pytest.mark.fault(59)
def test_a_machine_that_wrote_long_ago_is_not_mentioned(workspace: Workspace, other: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    for by in (-RECENT, 2 * RECENT + timedelta(minutes=1)):
        set_clock_of_newest_commit(workspace.lake, CUSTOMERS, by)
        assert said(other, other.refresh(CUSTOMERS)) == []
    set_clock_of_newest_commit(workspace.lake, CUSTOMERS, -RECENT)
    assert len(said(other, other.refresh(CUSTOMERS))) == 1


@pytest.mark.fault(59)
def test_a_machine_keeps_its_id_in_every_process_and_run(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    again = Workspace(workspace.sandbox, workspace.folder)
    workspace.sandbox.workspace.insert_first("customers", [workspace.sandbox.workspace.rows("customers")[0]])
    assert said(again, again.refresh(CUSTOMERS)) == []
    assert len((Path(workspace.folder) / ".dagster" / "writer-id").read_text().strip()) == 32
