"""A process that lost the lease of the lake writes nothing more there."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInstance
from dagster._core.test_utils import create_run_for_test
from obstore.store import ObjectStore

from timix_assets.lake.errors import LeaseLost
from timix_assets.lake.lease import OBJECT
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.maintenance import compact_and_vacuum
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake
from timix_assets.resources import LakeResource

from .test_lease import is_lost, wait_for

TABLE, EXPORT, REPORT = "timix/customers", "revenue_report/2025-01.csv", "weekly_digest.html"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

Write = Callable[[Lake, bytes], object]


def put_rows(lake: Lake, name: bytes) -> None:
    lake.replace(TABLE, pl.DataFrame({"id": ["a"], "name": [name.decode()]}), key=["id"])


def put_export(lake: Lake, content: bytes) -> None:
    lake.exports.put(EXPORT, content, now=NOON)


def put_report(lake: Lake, content: bytes) -> None:
    lake.put_report(REPORT, content)


def compact(lake: Lake, _: bytes) -> None:
    compact_and_vacuum(lake.url, lake._options, TABLE, timedelta(0), lake.require_lease)


def delete_replaced(lake: Lake, _: bytes) -> None:
    lake.exports.delete_replaced(before=NOON + timedelta(days=60))


@pytest.fixture
def store(url: str, options: dict[str, str]) -> ObjectStore:
    return open_store(url, options)


@pytest.fixture
def filled(url: str, options: dict[str, str]) -> None:
    lake = Lake(url, options)
    for content in (b"first", b"second"):
        for write in (put_rows, put_export, put_report):
            write(lake, content)


@pytest.fixture
def lake(url: str, options: dict[str, str], tmp_path: Path) -> Iterator[Lake]:
    """As a run has it that took the lease."""
    with DagsterInstance.ephemeral() as instance:
        resource = LakeResource(url=url, storage_options=options, state_folder=str(tmp_path), lease_seconds=1.5)
        resource.acquire_lock(instance, create_run_for_test(instance))
        yield resource.store
        resource.teardown_after_execution(None)
        LakeLock(tmp_path, resource.store.url).release()


def content_of(store: ObjectStore) -> dict[str, bytes]:
    """Every object but the lease, whose holder another one is."""
    paths = [found["path"] for batch in store.list() for found in batch]
    return {path: bytes(store.get(path).bytes()) for path in paths if path != OBJECT}


@pytest.mark.parametrize("write", [put_rows, put_export, put_report, compact, delete_replaced])
def test_nothing_is_written_after_a_takeover(filled: None, lake: Lake, store: ObjectStore, write: Write) -> None:
    before = content_of(store)
    store.put(OBJECT, b'{"who": "another"}')
    assert lake.lease
    wait_for(lambda: is_lost(lake.lease))
    with pytest.raises(LeaseLost, match="another process took it over"):
        write(lake, b"third")
    assert content_of(store) == before


class LostMeanwhile:
    """A lease that is lost after the given number of looks at it."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def require(self) -> None:
        if not self.looks:
            raise LeaseLost("another process took it over")
        self.looks -= 1


def test_no_version_is_committed_after_a_takeover_during_the_upload(
    filled: None, url: str, options: dict[str, str], store: ObjectStore
) -> None:
    lake: Any = Lake(url, options)
    lake.lease = LostMeanwhile(1)
    before = content_of(store)
    with pytest.raises(LeaseLost):
        put_rows(lake, b"third")
    added = content_of(store).keys() - before.keys()
    assert [path.endswith(".parquet") and "_delta_log" not in path for path in added] == [True]


@pytest.mark.parametrize("looks", [1, 2])
def test_no_file_is_deleted_after_a_takeover_during_the_compaction(
    filled: None, url: str, options: dict[str, str], store: ObjectStore, looks: int
) -> None:
    lake: Any = Lake(url, options)
    lake.lease = LostMeanwhile(looks)
    files = {path for path in content_of(store) if path.endswith(".parquet")}
    log = content_of(store).keys() - files
    with pytest.raises(LeaseLost):
        compact(lake, b"")
    left = content_of(store).keys()
    assert log <= left
    assert files <= left or looks > 1


def test_no_export_is_replaced_after_a_takeover_while_the_old_one_is_kept(
    filled: None, url: str, options: dict[str, str], store: ObjectStore
) -> None:
    lake: Any = Lake(url, options)
    lake.lease = LostMeanwhile(1)
    with pytest.raises(LeaseLost):
        put_export(lake, b"third")
    assert content_of(store)[f"exports/{EXPORT}"] == b"second"
