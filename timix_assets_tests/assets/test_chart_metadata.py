"""Charts draw the values that the formulas use, and never stand in the way of a table."""

import logging
import shutil
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from timix_assets.assets import chart_metadata
from timix_assets.lake.tables import Lake
from timix_assets.metrics.limits import LIMITED
from timix_assets.settings.firm import FirmConfig
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.workspace import ALL_ROLLUPS, Workspace, failures

CAP = pl.Decimal(38, 10)


def test_chart_gets_no_value_beyond_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[pl.DataFrame] = []

    def chart(budget_health: pl.DataFrame, projects: pl.DataFrame, params: object) -> None:
        drawn.append(projects)

    monkeypatch.setattr(chart_metadata, "CHARTS", {"budget_health": chart})
    lake = Lake(str(tmp_path / "lake"))
    values = [Decimal(10) ** 25, -(Decimal(10) ** 25), Decimal(7)]
    rows = pl.DataFrame({"id": ["a", "b", "c"], **dict.fromkeys(LIMITED["projects"], pl.Series(values, dtype=CAP))})
    lake.replace("timix/projects", rows, key=["id"])
    context = SimpleNamespace(
        params=SimpleNamespace(firm=FirmConfig()), lake=SimpleNamespace(store=lake, state_folder=str(tmp_path))
    )
    chart_metadata.chart_metadata("budget_health", pl.DataFrame({"x": [1]}), context)  # type: ignore[arg-type]
    [projects] = drawn
    for column in LIMITED["projects"]:
        assert projects.sort("id")[column].to_list() == [None, None, Decimal(7)]


def test_table_is_committed_although_its_chart_fails(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def chart(organization_kpis: pl.DataFrame, params: object) -> str:
        raise ZeroDivisionError("no months\x1b")

    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())
    monkeypatch.setattr(chart_metadata, "CHARTS", {"organization_kpis": chart})
    shutil.rmtree(refreshed.folder / "lake/rollups/organization_kpis")

    result = refreshed.refresh("rollups/organization_kpis", months=None)

    assert result.success
    assert refreshed.table("rollups/organization_kpis").height > 0
    [event] = result.get_asset_materialization_events()
    assert "ZeroDivisionError: no months\\x1b" in str(event.materialization.metadata["chart"].value)
    [warning] = [log.user_message for log in refreshed.instance.all_logs(result.run_id) if log.level == logging.WARNING]
    assert "rollups/organization_kpis has no chart in this run" in warning


@pytest.mark.long
def test_chart_is_on_the_page_of_its_rollup(refreshed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())

    result = refreshed.refresh(ALL_ROLLUPS, months=None)

    assert failures(result) == {}
    charts = {
        event.asset_key.path[-1]: event.materialization.metadata["chart"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key and "chart" in event.materialization.metadata
    }
    assert set(charts) >= {"utilization_weekly", "budget_health", "organization_kpis"}
    assert all(
        str(chart).startswith("![") and "](data:image/svg+xml;base64," in str(chart) for chart in charts.values()
    )
