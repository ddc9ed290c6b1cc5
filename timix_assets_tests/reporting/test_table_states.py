"""What a lake holds, table by table."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from timix_assets.lake import maintenance
from timix_assets.lake.tables import Lake
from timix_assets.reporting.table_states import table_states


def test_states_rows_version_change_and_as_of(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace("quarantine/customers", pl.DataFrame({"id": ["a"]}), key=["id"])
    for rows in (["a"], ["a", "b"]):
        lake.replace("rollups/budget_health", pl.DataFrame({"id": rows, "as_of": date(2026, 11, 18)}), key=["id"])
    changed = datetime.now(UTC)
    maintenance.compact_and_vacuum(lake.url, {}, "rollups/budget_health", timedelta(days=7))
    [rollup, rejected], errors = table_states(lake)

    assert errors == []
    assert (rollup.table, rollup.rows, rollup.as_of) == ("rollups.budget_health", 2, date(2026, 11, 18))
    assert rollup.changed_at is not None
    assert timedelta(0) <= changed - rollup.changed_at < timedelta(minutes=1)
    assert 0 < rollup.bytes == sum(file.stat().st_size for file in _current_files(lake, "rollups/budget_health"))
    assert (rejected.table, rejected.version, rejected.as_of) == ("quarantine.customers", 0, None)


def _current_files(lake: Lake, table: str) -> list[Path]:
    from deltalake import DeltaTable  # noqa: PLC0415

    return [Path(file) for file in DeltaTable(f"{lake.url}/{table}").file_uris()]


def test_unreadable_table_does_not_hide_the_others(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for table in ("timix/customers", "timix/projects"):
        lake.replace(table, pl.DataFrame({"id": ["a"]}), key=["id"])
    [log] = Path(lake.url, "timix", "customers", "_delta_log").glob("*.json")
    log.write_text("{}\n")
    states, errors = table_states(lake)
    assert [state.table for state in states] == ["timix.projects"]
    assert "timix/customers" in str(errors[0])
