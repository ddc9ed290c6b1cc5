"""Object stores that do not keep two writers apart: row 52 of docs/reliability.md. They are moto, with a header taken away."""

from collections.abc import Callable

import pytest

from timix_assets.lake import maintenance
from timix_assets.lake.errors import StoreUnfit
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake
from timix_assets_tests.lake.rows import FEBRUARY, JANUARY, numbered, only
from timix_assets_tests.lake.s3 import Asked, new_lake, store

TABLE = "timix/time_reports"


def written(asked: Asked) -> Asked:
    return [(method, path) for method, path in asked if method in {"PUT", "POST"} and path != "/lakes"]


@pytest.mark.fault(52)
def test_a_store_that_ignores_conditions_gets_no_table() -> None:
    with store(ignores_conditions=True) as (options, asked):
        lake = new_lake(options)
        with pytest.raises(StoreUnfit, match=r"ignores the condition of a put .* nothing was written\. Set AWS_COND"):
            lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=only(JANUARY))
        assert all("/_timix_probe/" in path for _, path in written(asked))
        assert not lake.exists(TABLE)
        assert maintenance.list_tables(lake.url, options) == []


@pytest.mark.fault(52)
def test_a_store_with_conditional_puts_is_probed_once() -> None:
    with store(ignores_conditions=False) as (options, asked):
        lake = new_lake(options)
        for month in (JANUARY, FEBRUARY):
            lake.replace(TABLE, numbered(month, 2), key=["id"], months=only(month))
        assert [method for method, path in asked if "/_timix_probe/" in path] == ["PUT", "PUT"]
        assert list(open_store(lake.url, options).list("_timix_probe")) == []
        assert lake.scan(TABLE).collect().height == 4


@pytest.mark.fault(52)
def test_reading_probes_nothing() -> None:
    with store(ignores_conditions=True) as (options, asked):
        lake = new_lake(options)
        assert not lake.exists(TABLE)
        assert written(asked) == []


def by_upkeep(url: str, options: dict[str, str]) -> None:
    maintenance.compact_and_vacuum(url, options, TABLE, maintenance.SAFE_RETENTION)


def by_a_replacement(url: str, options: dict[str, str]) -> None:
    Lake(url, options).replace(TABLE, numbered(JANUARY, 3), key=["id"], months=only(JANUARY))


@pytest.mark.fault(52)
@pytest.mark.parametrize("write", [by_upkeep, by_a_replacement])
def test_a_store_without_conditional_puts_is_refused(write: Callable[[str, dict[str, str]], None]) -> None:
    with store(ignores_conditions=False) as (options, _):
        lake = new_lake(options)
        lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=only(JANUARY))
        without = options | {"aws_conditional_put": "disabled"}
        with pytest.raises(StoreUnfit, match="does not accept conditional puts"):
            write(lake.url, without)
        assert lake.version(TABLE) == 0


@pytest.mark.fault(52)
def test_a_lock_table_replaces_conditional_puts() -> None:
    with store(ignores_conditions=True) as (options, asked):
        lake = new_lake(options | {"AWS_S3_LOCKING_PROVIDER": "dynamodb"})
        assert lake.replace(TABLE, numbered(JANUARY, 2), key=["id"]).written
        assert not any("/_timix_probe/" in path for _, path in asked)
