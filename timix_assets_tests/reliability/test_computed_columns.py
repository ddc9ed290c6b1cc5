"""Columns of a computed table that its declaration no longer has: row 60 of docs/reliability.md."""

import polars as pl
import pytest

from timix_assets.metrics import ROLLUPS
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.workspace import EVERYTHING, Workspace, failures


@pytest.fixture(autouse=True)
def _as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())


@pytest.mark.fault(60)
def test_a_renamed_or_dropped_column_is_removed(workspace: Workspace) -> None:
    workspace.refresh(EVERYTHING)
    current = {f"rollups/{rollup.name}": workspace.table(f"rollups/{rollup.name}") for rollup in ROLLUPS}
    for rollup in ROLLUPS:
        # As an earlier release left it.
        rows = current[f"rollups/{rollup.name}"]
        renamed = next(name for name in reversed(rows.columns) if name not in rollup.key)
        earlier = rows.rename({renamed: "former_name"}).with_columns(dropped=pl.lit("x"))
        workspace.lake.replace(f"rollups/{rollup.name}", earlier, key=rollup.key, exact_columns=True)

    assert failures(workspace.refresh(*current)) == {}

    for rollup in ROLLUPS:
        refreshed = workspace.table(f"rollups/{rollup.name}")
        assert dict(refreshed.schema) == dict(rollup.schema), rollup.name
        assert (
            refreshed.select(rollup.schema.names())
            .sort(rollup.key)
            .equals(current[f"rollups/{rollup.name}"].select(rollup.schema.names()).sort(rollup.key))
        ), rollup.name
    versions = [workspace.lake.version(table) for table in current]
    workspace.refresh(*current)
    assert [workspace.lake.version(table) for table in current] == versions
