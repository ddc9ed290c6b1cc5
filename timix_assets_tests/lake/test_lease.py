"""The lease of a lake in an object store: machines that share no folder take turns."""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from obstore.exceptions import GenericError, PreconditionError
from obstore.store import MemoryStore, ObjectStore

from timix_assets.lake.errors import LakeError, LakeLockTimeout, LeaseLost, StoreUnfit
from timix_assets.lake.lease import (
    OBJECT,
    RUNS_FOLLOWED,
    UNKNOWN_FOR_SECONDS,
    Holder,
    Lease,
    Left,
    lease_of,
    now,
    observe,
    read_lease,
)
from timix_assets.lake.storage import open_store

from .s3 import store as s3_store

LIFETIME = 1.5
LONGER = 3 * LIFETIME
"""Where a sixth of it has to pass without an answer, also on a busy machine."""
FORKSERVER = multiprocessing.get_context("forkserver")


@pytest.fixture
def store(options: dict[str, str], url: str) -> ObjectStore:
    return open_store(url, options)


def ignore(_: str) -> None:
    pass


def acquired(
    store: ObjectStore, who: str = "refresh_recent", *, seconds: float = 30, lifetime: float = LIFETIME
) -> Lease:
    lease = Lease(store, "the lake", lifetime_seconds=lifetime)
    lease.acquire(who, f"run of {who}", timeout_seconds=seconds, notify=ignore)
    return lease


def wait_for(look: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_second_holder_waits_for_the_first(store: ObjectStore) -> None:
    first = acquired(store, "refresh_everything (run 1)")
    said: list[str] = []
    second = Lease(store, "the lake", lifetime_seconds=LIFETIME)
    with pytest.raises(
        LakeLockTimeout, match=r"waiting for the lease of the lake the lake, held by refresh_everything \(run 1\) on "
    ):
        second.acquire("refresh_recent", "run-2", timeout_seconds=0.3, notify=said.append)
    assert len(said) == 1
    first.require()
    first.release()
    second.acquire("refresh_recent", "run-2", timeout_seconds=0, notify=ignore)
    second.require()
    second.release()


@pytest.mark.long
def test_a_holder_keeps_it_beyond_its_lifetime(store: ObjectStore) -> None:
    first = acquired(store)
    with pytest.raises(LakeLockTimeout):
        acquired(store, "another", seconds=2 * LIFETIME)
    first.require()
    first.release()


def hold(url: str, options: dict[str, str], taken: Any) -> None:
    acquired(open_store(url, options), "a killed run")
    taken.set()
    signal.pause()


@pytest.mark.long
def test_a_killed_holder_is_followed_within_twice_the_lifetime(
    url: str, options: dict[str, str], store: ObjectStore
) -> None:
    taken = FORKSERVER.Event()
    process = FORKSERVER.Process(target=hold, args=(url, options, taken))
    process.start()
    assert taken.wait(60)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    began = time.monotonic()
    lease = Lease(store, "the lake", lifetime_seconds=LIFETIME)
    killed = lease.acquire("refresh_recent", "run-2", timeout_seconds=30, notify=ignore)
    took = time.monotonic() - began
    lease.release()

    assert killed is not None
    assert (killed.who, killed.run_id) == ("a killed run", "run of a killed run")
    assert LIFETIME <= took <= 2 * LIFETIME


def test_a_holder_that_was_overtaken_writes_no_more(store: ObjectStore) -> None:
    first = acquired(store)
    seen = read_lease(store)
    assert seen
    store.put(OBJECT, b'{"who": "another", "lifetime_seconds": 1}', mode=seen.version)
    wait_for(lambda: is_lost(first))
    with pytest.raises(LeaseLost, match="another process took it over. Nothing more was written"):
        first.require()
    first.release()
    left = read_lease(store)
    assert left
    assert left.holder.who == "another"


def is_lost(lease: Lease) -> bool:
    try:
        lease.require()
    except LeaseLost:
        return True
    return False


@pytest.mark.long
def test_a_holder_that_cannot_renew_stops_before_others_take_over(url: str) -> None:
    with s3_store() as (options, _):
        store = open_store(url, {**options, "max_retries": "0", "timeout": "1s"})
        first = acquired(store)
        acquired_at = now()
    # The store is gone.
    wait_for(lambda: is_lost(first))
    assert now() - acquired_at <= LIFETIME + 0.5
    with pytest.raises(LeaseLost, match=r"could not be renewed for 1\.5 s"):
        first.require()
    first.release()


@pytest.mark.long
@pytest.mark.parametrize("text", [b"", b"not JSON", b"[]", b'{"who": "x"}'])
def test_an_object_of_somebody_else_lapses(store: ObjectStore, text: bytes) -> None:
    store.put(OBJECT, text)
    clock = iter([0.0, 0.0, 0.0, 31.0, 31.0, 31.0, 31.0, 31.0])
    lease = Lease(store, "the lake", lifetime_seconds=LIFETIME, clock=lambda: next(clock, 31.0))
    lease.acquire("refresh_recent", "run-1", timeout_seconds=60, notify=ignore)
    lease.release()


class SlowStore:
    """A store whose answers take 20 s by the clock of whoever waits."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.time = 0.0

    def get(self, path: str) -> Any:
        self.time += 20
        return self.store.get(path)


def test_a_tag_counts_from_the_answer_on(store: ObjectStore) -> None:
    store.put(OBJECT, b'{"who": "another", "lifetime_seconds": 30}')
    slow: Any = SlowStore(store)
    first = observe(slow, None, lambda: slow.time)
    again = observe(slow, first, lambda: slow.time)
    assert first
    assert first.lapses_at() == 20 + 30
    assert again is first


def test_a_lost_answer_is_no_other_holder(url: str) -> None:
    with s3_store(loses=OBJECT) as (options, asked):
        lease = acquired(open_store(url, options))
        lease.require()
        lease.release()
        assert [method for method, path in asked if OBJECT in path][:4] == ["GET", "PUT", "PUT", "GET"]
        assert read_lease(open_store(url, options))


class RefusingStore:
    """A store that refuses each put, as behind a proxy that changes the tags."""

    def __init__(self, store: ObjectStore) -> None:
        self.get = store.get
        self.puts = 0

    def put(self, *_: Any, **__: Any) -> Any:
        self.puts += 1
        raise PreconditionError("412")


@pytest.mark.parametrize("released", [True, False])
def test_refused_puts_end_the_wait_in_time(store: ObjectStore, released: bool) -> None:
    if released:
        acquired(store).release()
    refusing: Any = RefusingStore(store)
    with pytest.raises(LakeLockTimeout, match="refused each write of it"):
        acquired(refusing, seconds=0.5)
    assert refusing.puts <= 5


@pytest.fixture
def stalls() -> threading.Event:
    """Once it is set, the store does the next put and never answers."""
    return threading.Event()


@pytest.fixture
def of_a_run(url: str, stalls: threading.Event) -> Iterator[Lease]:
    """As a run acquires it."""
    with s3_store(stalls=stalls) as (options, _):
        lease = lease_of(url, options, LONGER)
        assert lease
        yield lease


@pytest.mark.parametrize("lifetime", [1, 7, 86_400])
def test_any_lifetime_is_a_time_that_the_store_accepts(url: str, options: dict[str, str], lifetime: float) -> None:
    assert lease_of(url, options, lifetime)


@pytest.mark.long
def test_a_request_without_an_answer_does_not_lose_it(of_a_run: Lease, stalls: threading.Event) -> None:
    stalls.set()
    of_a_run.acquire("refresh_recent", "run-1", timeout_seconds=0, notify=ignore)
    stalls.set()
    wait_for(lambda: not stalls.is_set())
    with pytest.raises(LakeLockTimeout):
        acquired(of_a_run._store, "another", seconds=2 * LONGER)
    of_a_run.require()
    of_a_run.release()


@pytest.mark.long
def test_a_renewal_whose_repetition_has_no_answer_either_does_not_lose_it(
    of_a_run: Lease, stalls: threading.Event
) -> None:
    of_a_run.acquire("refresh_recent", "run-1", timeout_seconds=0, notify=ignore)
    for _ in ("the renewal", "its repetition"):
        stalls.set()
        wait_for(lambda: not stalls.is_set())
    of_a_run.count_requests("said by the next renewal", list)
    wait_for(lambda: is_lost(of_a_run) or holder_of(of_a_run._store).counted_by == "said by the next renewal")
    of_a_run.require()
    of_a_run.release()


@pytest.mark.long
def test_a_renewal_without_an_answer_does_not_hold_up_the_release(of_a_run: Lease, stalls: threading.Event) -> None:
    of_a_run.acquire("refresh_recent", "run-1", timeout_seconds=0, notify=ignore)
    stalls.set()
    wait_for(lambda: not stalls.is_set())
    began = now()
    of_a_run.release()
    assert now() - began < LONGER / 2
    left = read_lease(of_a_run._store)
    assert left
    assert left.holder.is_released


class UnansweredStore:
    """A store that does the first put after `fails` is set, and answers neither that nor its repetition."""

    def __init__(self, store: ObjectStore) -> None:
        self.get, self._put = store.get, store.put
        self.fails = threading.Event()
        self.answered = threading.Event()
        self._unanswered = 0

    def put(self, *given: Any, **named: Any) -> Any:
        if not self.fails.is_set():
            return self._put(*given, **named)
        self._unanswered += 1
        if self._unanswered == 1:
            self._put(*given, **named)
        if self._unanswered <= 2:
            raise GenericError("timed out")
        done = self._put(*given, **named)
        self.answered.set()
        return done


@pytest.mark.long
def test_a_renewal_that_was_done_without_an_answer_is_known_as_ours(store: ObjectStore) -> None:
    unanswered: Any = UnansweredStore(store)
    lease = acquired(unanswered, lifetime=LONGER)
    unanswered.fails.set()
    wait_for(unanswered.answered.is_set)
    lease.require()
    lease.release()
    left = read_lease(store)
    assert left
    assert left.holder.is_released


def test_a_store_that_ignores_conditions_gives_no_lease(url: str) -> None:
    with s3_store(ignores_conditions=True) as (options, _), pytest.raises(StoreUnfit, match=r"\(If-Match\)"):
        acquired(open_store(url, options))


def take_turns(url: str, options: dict[str, str], name: str, times: int, log: Any) -> None:
    store = open_store(url, options)
    for _ in range(times):
        lease = acquired(store, name, seconds=120, lifetime=10)
        lease.require()
        log.put((name, "in", time.monotonic()))
        lease.require()
        log.put((name, "out", time.monotonic()))
        lease.release()


@pytest.mark.long
def test_processes_never_overlap(url: str, options: dict[str, str]) -> None:
    log = FORKSERVER.Queue()
    names = ["one", "two", "three", "four"]
    processes = [FORKSERVER.Process(target=take_turns, args=(url, options, name, 5, log)) for name in names]
    for process in processes:
        process.start()
    events = sorted((log.get(timeout=120) for _ in range(2 * 5 * len(names))), key=lambda event: event[2])
    for process in processes:
        process.join()
    pairs = [(events[at], events[at + 1]) for at in range(0, len(events), 2)]
    assert all(a[0] == b[0] and (a[1], b[1]) == ("in", "out") for a, b in pairs)


def test_a_forked_process_does_not_hold_it(store: ObjectStore) -> None:
    lease = acquired(store)
    told = multiprocessing.get_context("fork").SimpleQueue()
    child = os.fork()
    if child == 0:
        told.put((lease.is_ours, is_lost(lease)))
        lease.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert told.get() == (False, True)
    lease.require()
    lease.release()
    left = read_lease(store)
    assert left
    assert left.holder.is_released


def test_renewals_end_with_the_lease(store: ObjectStore) -> None:
    before = set(threading.enumerate())
    lease = acquired(store)
    [renewing] = [each for each in threading.enumerate() if each.name == "timix-lease" and each not in before]
    lease.release()
    renewing.join(30)
    assert not renewing.is_alive()


def test_a_step_of_the_same_run_in_another_process_is_refused(store: ObjectStore) -> None:
    first = acquired(store, "refresh_recent")
    with pytest.raises(LakeError, match="Set the executor of the job to in_process_executor"):
        acquired(store, "refresh_recent")
    first.release()


def test_a_name_from_the_store_is_one_printed_line() -> None:
    holder = Holder("a\nb\x1b[31m", "", "host", "2026-11-01", 1, "")
    assert "\n" not in str(holder)
    assert "\x1b" not in str(holder)


class Clocks:
    """A store with a clock of its own, and the clock of a machine, which go together."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._store = MemoryStore()
        self._written = 0.0

    def __call__(self) -> float:
        return self.seconds - 900

    def go_on(self, seconds: float) -> None:
        self.seconds += seconds

    def acquired(self, *, after: float = 0, folder: str = "") -> Lease:
        """By the next machine. after: for so long it sees that the holder before is silent."""
        store: Any = self
        lease = Lease(store, "the lake", clock=self)
        lease.acquire(
            "refresh_recent", "run-1", timeout_seconds=after + 1, notify=lambda _: self.go_on(after), folder=folder
        )
        return lease

    def put(self, *what: Any, **options: Any) -> Any:
        result = self._store.put(*what, **options)
        self._written = self.seconds
        return result

    def head(self, path: str) -> Any:
        return {**self._store.head(path), "last_modified": datetime.fromtimestamp(self._written, UTC)}

    def get(self, path: str) -> Any:
        return SimpleNamespace(meta=self.head(path), bytes=self._store.get(path).bytes)


def test_the_first_holder_is_left_no_requests() -> None:
    lease = Clocks().acquired()
    assert lease.left == Left()
    lease.release()


def test_a_released_lease_leaves_its_requests() -> None:
    time_ = Clocks()
    first = time_.acquired()
    first.count_requests("folder-1", lambda: [61, 30])
    first.release()
    released_at = time_()
    time_.go_on(3600)
    second = time_.acquired()
    # A second is not known, for the store's clock may have whole ones only.
    assert second.left == Left("folder-1", [61, 30], released_at + 1)
    second.release()


@pytest.mark.parametrize(("silent", "ended_for"), [(0.5, 0), (1.5, 0), (61.5, 60), (3601.5, 3600)])
def test_what_a_silent_holder_requested_is_unknown(silent: float, ended_for: float) -> None:
    """It may have gone on until its lease lapsed."""
    time_ = Clocks()
    holder = Holder("a killed run", "run-0", "host", "", lifetime_seconds=0.5, write="", counted_by="folder-1")
    time_.put(OBJECT, json.dumps(asdict(holder)).encode())
    lease = time_.acquired(after=silent)
    assert lease.left == Left("folder-1", None, time_() - ended_for)
    lease.release()


def test_a_run_without_requests_leaves_on_what_was_left() -> None:
    time_ = Clocks()
    first = time_.acquired()
    first.count_requests("folder-1", lambda: [61, 30, 9])
    first.release()
    second = time_.acquired()
    time_.go_on(10)
    second.release()
    third = time_.acquired()
    assert third.left == Left("folder-1", [51, 20], time_())
    third.release()


@pytest.mark.parametrize(("before", "known"), [("folder-1", "folder-1"), ("folder-2", "")])
def test_a_run_that_is_killed_at_once_costs_its_own_machine_nothing(before: str, known: str) -> None:
    time_ = Clocks()
    store: Any = time_
    first = time_.acquired(folder=before)
    first.count_requests(before, lambda: [61])
    first.release()
    killed = time_.acquired(folder="folder-1")
    seen = read_lease(store)
    assert seen
    assert (seen.holder.counted_by, seen.holder.requests) == (known, None)
    killed.release()


def test_a_renewal_says_who_counts_the_requests(store: ObjectStore) -> None:
    lease = acquired(store)
    lease.count_requests("folder-1", list)
    wait_for(lambda: (seen := read_lease(store)) and seen.holder.counted_by == "folder-1")
    lease.release()


@pytest.mark.parametrize("requests", ["60", [60, "x"], [-1], [float("nan")], [float("inf")], {"60": 1}, None])
def test_requests_that_cannot_be_read_are_unknown(store: ObjectStore, requests: object) -> None:
    store.put(OBJECT, json.dumps({"who": "", "requests": requests}).encode())
    lease = acquired(store)
    assert (lease.left.counted_by, lease.left.requests) == ("", None)
    lease.release()


def test_requests_of_an_older_version_are_unknown(store: ObjectStore) -> None:
    store.put(OBJECT, b'{"who": "", "run_id": "1", "machine": "x", "since": "", "lifetime_seconds": 30, "write": "1"}')
    lease = acquired(store)
    assert (lease.left.counted_by, lease.left.requests) == ("", None)
    lease.release()


def test_requests_stay_unknown_when_a_sensor_releases_the_lease() -> None:
    time_ = Clocks()
    store: Any = time_
    holder = Holder("a killed run", "run-0", "host", "", lifetime_seconds=0.5, write="", counted_by="folder-1")
    time_.put(OBJECT, json.dumps(asdict(holder)).encode())
    seen = read_lease(store)
    assert seen
    assert Lease(store, "the lake").release_silent(seen, lambda silent: silent.run_id) == "run-0"
    lease = time_.acquired()
    assert lease.left == Left("folder-1", None, time_())
    lease.release()


def silent(store: ObjectStore, run_id: str) -> None:
    """Takes the lease, and is silent for longer than it lives."""
    lease = Lease(store, "the lake", lifetime_seconds=0.1)
    lease.acquire("refresh_recent", run_id, timeout_seconds=10, notify=ignore)
    store.put(OBJECT, json.dumps(asdict(replace(holder_of(store), write="again"))).encode())
    wait_for(lambda: is_lost(lease))


def holder_of(store: ObjectStore) -> Holder:
    seen = read_lease(store)
    assert seen
    return seen.holder


def test_the_runs_that_fell_silent_are_named_by_those_who_follow(store: ObjectStore) -> None:
    for number in range(RUNS_FOLLOWED + 2):
        silent(store, f"run-{number}")
    lease = acquired(store)
    lease.acquire("the next run of this process", "run-9", timeout_seconds=0, notify=ignore)
    lease.release()
    assert holder_of(store).followed == tuple(f"run-{number}" for number in range(2, RUNS_FOLLOWED + 2))


def test_a_run_that_is_back_is_not_named(store: ObjectStore) -> None:
    silent(store, "run-1")
    silent(store, "run-2")
    silent(store, "run-1")
    assert (holder_of(store).run_id, holder_of(store).followed) == ("run-1", ("run-2",))


@pytest.mark.parametrize("followed", ['"run-1"', "[1]", "null"])
def test_what_cannot_be_read_names_no_run(store: ObjectStore, followed: str) -> None:
    store.put(OBJECT, f'{{"who": "", "followed": {followed}}}'.encode())
    assert holder_of(store).followed == ()


def test_a_store_without_conditional_puts_gives_no_lease(options: dict[str, str], url: str) -> None:
    store = open_store(url, {**options, "aws_conditional_put": "disabled"})
    with pytest.raises(StoreUnfit, match="does not accept conditional puts"):
        acquired(store)


def test_a_count_that_fails_lets_the_lease_go(store: ObjectStore) -> None:
    def fails() -> list[float]:
        raise LakeError("the count is locked")

    lease = acquired(store)
    lease.count_requests("folder", fails)
    lease.release()
    left = read_lease(store)
    assert left
    assert (left.holder.is_released, left.holder.requests) == (True, None)


def test_requests_that_nobody_counted_are_over_after_a_while(store: ObjectStore) -> None:
    clock = [0.0]
    lease = Lease(store, "the lake", lifetime_seconds=1000, clock=lambda: clock[0])
    lease.acquire("compact", "run-1", timeout_seconds=0, notify=ignore)
    lease.left = Left(requests=None, at=0.0)
    clock[0] = UNKNOWN_FOR_SECONDS
    lease.release()
    left = read_lease(store)
    assert left
    assert left.holder.requests == []
