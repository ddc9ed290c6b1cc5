"""Older rows and newer ones in one lake: rows 48 and 49 of docs/reliability.md. Which is which is decided by versions.

Two machines are two workspaces with a lake in common and a state folder each, so that they do not take turns.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from timix_assets.assets import rollups
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.spool import Spool
from timix_assets.lake.tables import Lake
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.lake.test_lock import holding
from timix_assets_tests.workspace import RAW, Workspace, failures

CUSTOMERS, UNBILLED, BURN = "timix/customers", "rollups/unbilled_aging", "rollups/budget_burn"


@pytest.fixture(autouse=True)
def _as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())


def once(patch: pytest.MonkeyPatch, owner: object, name: str, event: Callable[[], object], *, at: int = 1) -> None:
    """Lets the event take place before the `at`th call of a function, which then goes on as ever."""
    original, calls = getattr(owner, name), []

    def called(*given: Any, **named: Any) -> Any:
        calls.append(name)
        if len(calls) == at:
            event()
        return original(*given, **named)

    patch.setattr(owner, name, called)


def set_clock_of_newest_commit(lake: Lake, table: str, by: timedelta) -> None:
    """As if the machine that wrote it had had another time."""
    entry = Path(lake.url, table, "_delta_log", f"{lake.version(table):020}.json")
    actions = [json.loads(line) for line in entry.read_text().splitlines()]
    for action in actions:
        if "commitInfo" in action:
            action["commitInfo"]["timestamp"] += round(by.total_seconds() * 1000)
    entry.write_text("\n".join(map(json.dumps, actions)))


def names(workspace: Workspace) -> list[str]:
    return sorted(workspace.table(CUSTOMERS)["name"])


def discard_every_tenth_entry(workspace: Workspace) -> None:
    workspace.sandbox.workspace.discard(
        "time_reports", [row["id"] for row in workspace.sandbox.workspace.rows("time_reports")[::10]]
    )


@pytest.mark.fault(48)
@pytest.mark.parametrize("seconds", [-10, 0, 10])
def test_rows_of_a_later_read_stay_whatever_the_clocks_say(
    workspace: Workspace, other: Workspace, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    workspace.refresh(CUSTOMERS)

    def overtake() -> None:
        workspace.sandbox.workspace.insert_first("customers", [workspace.sandbox.workspace.rows("customers")[0]])
        assert failures(other.refresh(CUSTOMERS)) == {}
        set_clock_of_newest_commit(workspace.lake, CUSTOMERS, timedelta(seconds=seconds))

    # Every page is read, and nothing is written yet.
    once(monkeypatch, Spool, "finish", overtake)
    failed = failures(workspace.refresh(CUSTOMERS))

    assert "committed by another machine at" in failed[CUSTOMERS]
    assert "older data must not replace newer. Run it again" in failed[CUSTOMERS]
    assert names(workspace) == sorted(row["name"] for row in workspace.sandbox.workspace.rows("customers"))
    assert failures(workspace.refresh(CUSTOMERS)) == {}


@pytest.mark.fault(48)
@pytest.mark.parametrize("at", [1, 2])
def test_a_rollup_of_older_inputs_never_replaces_a_newer_one(
    workspace: Workspace, other: Workspace, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    workspace.refresh(RAW)
    workspace.refresh(UNBILLED, BURN, "rollups/budget_health")

    def overtake() -> None:
        discard_every_tenth_entry(workspace)
        assert failures(other.refresh(RAW)) == {}
        assert failures(other.refresh(UNBILLED, BURN, "rollups/budget_health")) == {}

    # at=1: the inputs of the first rollup are loaded. at=2: it is computed, and the pre-aggregates of all of them with it.
    once(monkeypatch, rollups, "evaluate", overtake, at=at)
    discard_every_tenth_entry(workspace)
    assert failures(workspace.refresh("timix/time_reports")) == {}
    failed = failures(workspace.refresh(UNBILLED, BURN, "rollups/budget_health"))

    assert any("committed by another machine at" in why for why in failed.values())
    assert UNBILLED in failed
    monkeypatch.undo()
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    newest = {name: workspace.table(name) for name in (UNBILLED, BURN)}
    assert failures(workspace.refresh(UNBILLED, BURN, "rollups/budget_health")) == {}
    assert all(workspace.table(name).equals(newest[name]) for name in newest)


@pytest.mark.fault(48)
def test_a_run_reads_no_input_before_it_holds_the_lock(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.refresh(RAW)
    LakeLock(workspace.folder / ".dagster", workspace.lake.url).release()
    computed: list[str] = []
    once(monkeypatch, rollups, "evaluate", lambda: computed.append("too early"))
    workspace.lake_settings["lock_timeout_seconds"] = 0.1

    with holding(workspace.folder / ".dagster", workspace.lake.url):
        failed = failures(workspace.refresh(UNBILLED, "rollups/project_profitability"))

    assert all("held by run first" in why for why in failed.values())
    assert set(failed) == {UNBILLED, "rollups/project_profitability"}
    assert computed == []


@pytest.mark.fault(49)
def test_a_commit_dated_a_year_ahead_blocks_no_refresh(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    set_clock_of_newest_commit(workspace.lake, CUSTOMERS, timedelta(days=365))
    workspace.sandbox.workspace.insert_first("customers", [workspace.sandbox.workspace.rows("customers")[0]])

    assert failures(workspace.refresh(CUSTOMERS)) == {}
    assert names(workspace) == sorted(row["name"] for row in workspace.sandbox.workspace.rows("customers"))
