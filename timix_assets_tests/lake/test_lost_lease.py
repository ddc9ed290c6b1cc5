"""A process that lost the lease of the lake writes nothing more there."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInstance
from dagster._core.test_utils import create_run_for_test
from obstore.store import ObjectStore

from timix_assets.lake.errors import LeaseLost, StoreUnfit
from timix_assets.lake.lease import OBJECT
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.maintenance import compact_and_vacuum
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake
from timix_assets.resources import LakeResource

from .s3 import store as s3_store
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


class TakenOver:
    """A lease that is taken over right after the given look at it, by a holder that writes at once."""

    def __init__(self, look: int, write: Callable[[], object] = lambda: None, *, ours: bool = False) -> None:
        self.look, self.write, self.ours = look, write, ours
        self.looks = 0

    def require(self) -> None:
        self.looks += 1
        if self.looks > self.look and not self.ours:
            raise LeaseLost("another process took it over")
        if self.looks == self.look:
            self.write()


def test_no_version_is_committed_after_a_takeover_during_the_upload(
    filled: None, url: str, options: dict[str, str], store: ObjectStore
) -> None:
    lake: Any = Lake(url, options)
    lake.lease = TakenOver(1)
    before = content_of(store)
    with pytest.raises(LeaseLost):
        put_rows(lake, b"third")
    added = content_of(store).keys() - before.keys()
    assert [path.endswith(".parquet") and "_delta_log" not in path for path in added] == [True]


@pytest.mark.parametrize(("look", "deleted"), [(1, set()), (2, {"files"}), (3, {"files", "log"})])
def test_no_file_is_deleted_after_a_takeover_during_the_compaction(
    filled: None, url: str, options: dict[str, str], store: ObjectStore, look: int, deleted: set[str]
) -> None:
    """After the third look there is none that could find the lease taken over."""
    lake: Any = Lake(url, options)
    # It writes a checkpoint, so that the next one may delete the log before that.
    compact(lake, b"")
    put_rows(lake, b"third")
    before = content_of(store).keys()
    log = {path for path in before if "/_delta_log/" in path}
    files = {path for path in before if path.endswith(".parquet")} - log
    lake.lease = TakenOver(look)
    with nullcontext() if look == 3 else pytest.raises(LeaseLost):
        compact(lake, b"")
    left = content_of(store).keys()
    assert {name for name, paths in (("files", files), ("log", log)) if not paths <= left} == deleted


def test_no_export_is_replaced_after_a_takeover_while_the_old_one_is_kept(
    filled: None, url: str, options: dict[str, str], store: ObjectStore
) -> None:
    lake: Any = Lake(url, options)
    lake.lease = TakenOver(1)
    with pytest.raises(LeaseLost):
        put_export(lake, b"third")
    assert content_of(store)[f"exports/{EXPORT}"] == b"second"


FILES = pytest.mark.parametrize(
    ("write", "path", "look"), [(put_export, f"exports/{EXPORT}", 2), (put_report, f"reports/{REPORT}", 1)]
)


@FILES
def test_a_put_that_comes_late_replaces_nothing_newer(
    filled: None, url: str, options: dict[str, str], store: ObjectStore, write: Write, path: str, look: int
) -> None:
    """As of a process that stood still after it asked for the lease."""
    lake: Any = Lake(url, options)
    lake.lease = TakenOver(look, lambda: store.put(path, b"newer"))
    with pytest.raises(LeaseLost):
        write(lake, b"third")
    assert content_of(store)[path] == b"newer"


@FILES
def test_the_holder_replaces_what_came_late(
    filled: None, url: str, options: dict[str, str], store: ObjectStore, write: Write, path: str, look: int
) -> None:
    lake: Any = Lake(url, options)
    lake.lease = TakenOver(look, lambda: store.put(path, b"of the holder before"), ours=True)
    write(lake, b"third")
    assert content_of(store)[path] == b"third"


def test_a_file_whose_answer_got_lost_is_written(url: str) -> None:
    with s3_store(loses=REPORT) as (options, _):
        put_report(Lake(url, options), b"first")
        assert content_of(open_store(url, options)) == {f"reports/{REPORT}": b"first"}


def test_a_file_whose_put_is_not_answered_is_written(url: str) -> None:
    stalls = Event()
    with s3_store(stalls=stalls) as (options, _):
        stalls.set()
        put_report(Lake(url, {**options, "timeout": "0.3s"}), b"first")
        assert not stalls.is_set()
        assert content_of(open_store(url, options)) == {f"reports/{REPORT}": b"first"}


@pytest.mark.parametrize("write", [put_export, put_report])
def test_a_file_needs_conditional_puts(url: str, options: dict[str, str], write: Write) -> None:
    with pytest.raises(StoreUnfit, match="does not accept conditional puts"):
        write(Lake(url, {**options, "aws_conditional_put": "disabled"}), b"first")
