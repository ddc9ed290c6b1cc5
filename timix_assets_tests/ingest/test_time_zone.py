"""A machine that has not read the organization itself takes its time zone from the lake."""

from pathlib import Path

import polars as pl
import pytest

from timix_assets.ingest.time_zone import with_organization_time_zone
from timix_assets.lake.tables import Lake
from timix_assets.settings import Settings
from timix_assets.state.time_zone import store_time_zone, stored_time_zone


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def settings(tmp_path: Path, lake: str, **more: str) -> Settings:
    """Those of a process that starts on a machine with this lake."""
    environ = {"DAGSTER_HOME": str(tmp_path / "home"), "TIMIX_LAKE": lake, **more}
    return with_organization_time_zone(Settings.from_environment(environ))


def fill(lake: str, zone: str | None) -> None:
    Lake(lake).replace(
        "timix/organization",
        pl.DataFrame({"id": ["org"], "time_zone": [zone]}, {"id": pl.String, "time_zone": pl.String}),
        key=["id"],
    )


def test_time_zone_comes_from_the_lake_once(tmp_path: Path, lake: str) -> None:
    assert settings(tmp_path, lake).zone_name == "UTC"
    fill(lake, "Asia/Jerusalem")
    assert settings(tmp_path, lake).zone_name == "Asia/Jerusalem"
    assert stored_time_zone(tmp_path / "home" / ".dagster", lake) == "Asia/Jerusalem"


def test_setting_and_what_this_machine_read_come_before_the_lake(tmp_path: Path, lake: str) -> None:
    fill(lake, "Asia/Jerusalem")
    assert settings(tmp_path, lake, TIMIX_TIMEZONE="Europe/Berlin").zone_name == "Europe/Berlin"
    store_time_zone(tmp_path / "home" / ".dagster", lake, "America/New_York")
    assert settings(tmp_path, lake).zone_name == "America/New_York"


@pytest.mark.parametrize("zone", [None, "Mars/X"])
def test_organization_without_a_time_zone_is_not_read_again(tmp_path: Path, lake: str, zone: str | None) -> None:
    fill(lake, zone)
    assert settings(tmp_path, lake).zone_name == "UTC"
    assert stored_time_zone(tmp_path / "home" / ".dagster", lake) == ""


def test_other_spellings_of_the_lake_are_the_same_lake(
    tmp_path: Path, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_time_zone(tmp_path / "home" / ".dagster", lake, "Asia/Jerusalem")
    monkeypatch.chdir(tmp_path)
    for spelling in ("lake", "./lake/", f"file://{lake}"):
        assert settings(tmp_path, spelling).zone_name == "Asia/Jerusalem"


def test_damaged_table_leaves_the_start_alone(tmp_path: Path, lake: str) -> None:
    fill(lake, "Asia/Jerusalem")
    for file in (tmp_path / "lake" / "timix" / "organization").glob("*.parquet"):
        file.unlink()
    assert settings(tmp_path, lake).zone_name == "UTC"
    (tmp_path / "lake" / "timix" / "organization" / "_delta_log" / f"{0:020}.json").write_text("{")
    assert settings(tmp_path, lake).zone_name == "UTC"


def test_store_that_cannot_be_reached_leaves_the_start_alone(tmp_path: Path) -> None:
    store = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "x"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**store, "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        assert settings(tmp_path, "s3://bucket/lake").zone_name == "UTC"
