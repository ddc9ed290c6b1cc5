"""The lease and the outbox in Google Cloud Storage, whose conditions name an object's generation and not its tag."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import ObjectStore

from timix_assets.alerts.message import Message
from timix_assets.alerts.outbox import OutboxBusy, open_outbox
from timix_assets.alerts.outbox_file import OutboxFile
from timix_assets.alerts.outbox_object import OutboxObject
from timix_assets.lake.errors import LakeLockTimeout, LeaseLost
from timix_assets.lake.lease import OBJECT, Lease, read_lease
from timix_assets.lake.storage import open_store

from .gcs import store as gcs_store
from .test_lease import is_lost, wait_for


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with gcs_store() as options:
        yield open_store("gs://lakes/firm", options)


def acquire(lease: Lease, run: str) -> None:
    lease.acquire(run, run, timeout_seconds=0.2, notify=lambda _: None)


@pytest.mark.long
def test_two_holders_take_turns(store: ObjectStore) -> None:
    first, second = (Lease(store, "the lake", lifetime_seconds=30) for _ in range(2))
    acquire(first, "run-1")
    with pytest.raises(LakeLockTimeout, match="held by run-1"):
        acquire(second, "run-2")
    first.release()
    acquire(second, "run-2")
    second.require()
    second.release()


def test_a_holder_notices_that_it_was_overtaken(store: ObjectStore) -> None:
    lease = Lease(store, "the lake", lifetime_seconds=0.3)
    acquire(lease, "run-1")
    store.put(OBJECT, b'{"who": "another"}')
    wait_for(lambda: is_lost(lease))
    with pytest.raises(LeaseLost):
        lease.require()
    lease.release()
    left = read_lease(store)
    assert left
    assert left.holder.who == "another"


def test_an_outbox_is_written_again_and_again(store: ObjectStore, tmp_path: Path) -> None:
    def outbox() -> OutboxObject:
        return OutboxObject(store, "gs://lakes/firm", "budgets.json", OutboxFile(tmp_path / "budgets.json"))

    with open_outbox(outbox()) as opened:
        opened.record({"seen": 1}, [Message("title", "text")])
        opened.record({"seen": 2})
        with pytest.raises(OutboxBusy), open_outbox(outbox()):
            pass
    with open_outbox(outbox()) as opened:
        assert (opened.state, len(opened.pending)) == ({"seen": 2}, 1)
