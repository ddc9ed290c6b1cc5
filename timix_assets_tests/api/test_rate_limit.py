"""The plan's limit holds over threads and processes, whatever window the server counts in, and costs next to nothing."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.api import Limits, TimixClient
from timix_assets.api.errors import ClientConfigError, Closed, RateLimited
from timix_assets.api.limits import Quota, requests_per_minute
from timix_assets.api.rate_limit import RateLimitBudgetExceeded, RateLimiter
from timix_assets.api.rate_limit_bucket import Bucket, FileBucket, MemoryBucket
from timix_assets.ingest.probes import PROBED_ENDPOINTS
from timix_assets.vendor import REQUESTS_PER_MINUTE

from .scripted import Reply, in_turn, listing, rows_of, serving
from .test_retries import limited

WINDOW = 0.4
QUICK = Limits(window_seconds=WINDOW, window_margin_seconds=0.02, request_deadline_seconds=5, page_size=1)


def most_in_a_window(times: list[float], seconds: float) -> int:
    """The most that a strict server counts in any stretch of that length."""
    times = sorted(times)
    return max(sum(start <= at < start + seconds for at in times[n : n + 2000]) for n, start in enumerate(times))


@pytest.mark.parametrize(
    ("plan", "limit"),
    [
        ("Free", 120),
        ("starter", 120),
        ("PROFESSIONAL", 300),
        ("Professional plan", 300),
        ("Business", 1000),
        ("Galactic", 300),
        ("", 300),
    ],
)
def test_plan_sets_the_limit(plan: str, limit: int) -> None:
    assert requests_per_minute(plan) == limit


@pytest.mark.parametrize("where", ["memory", "file"])
def test_limit_is_kept_without_wasting_time(key: str, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "pacing" if where == "file" else None
    with (
        serving(listing("/tasks", rows_of(359)), plan="Free") as server,
        TimixClient(server.base_url, key, limits=QUICK, rate_limit_folder=folder) as client,
    ):
        assert len(client.list("tasks")) == 359
        times = [asked.at for asked in server.asked]
    assert len(times) == 360
    assert most_in_a_window(times, WINDOW) <= 120
    # Three bursts of 120, and two waits between them; a busy machine makes the bursts longer and the waits shorter.
    assert 0.5 * WINDOW < client.stats.waited_seconds < 2.5 * WINDOW


def test_burst_within_the_limit_does_not_wait(key: str) -> None:
    with (
        serving(listing("/tasks", rows_of(110)), plan="Free") as server,
        TimixClient(server.base_url, key, limits=Limits(page_size=1)) as client,
    ):
        client.list("tasks")
        assert client.stats.waited_seconds == 0


READER = """
import os, sys
from pathlib import Path
from timix_assets.api import Limits, TimixClient
from timix_assets_tests.api.test_rate_limit import QUICK
with TimixClient(os.environ["BASE_URL"], os.environ["TIMIX_API_KEY"], limits=QUICK, rate_limit_folder=Path(sys.argv[1])) as c:
    print(len(c.list("tasks")), c.stats.rate_limited, flush=True)
"""


def reader(base_url: str, key: str, folder: Path, code: str = READER) -> subprocess.Popen[str]:
    env = {**os.environ, "BASE_URL": base_url, "TIMIX_API_KEY": key}
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], env=env, stdout=subprocess.PIPE, text=True)


def test_two_processes_together_keep_the_limit(key: str, tmp_path: Path) -> None:
    with serving(listing("/tasks", rows_of(200)), plan="Free") as server:
        readers = [reader(server.base_url, key, tmp_path) for _ in range(2)]
        assert [process.communicate(timeout=30)[0] for process in readers] == ["200 0\n", "200 0\n"]
        assert most_in_a_window([asked.at for asked in server.asked], WINDOW) <= 120


def test_bucket_file_does_not_reveal_the_key(key: str, tmp_path: Path) -> None:
    with (
        serving(in_turn("/tasks", Reply([]))) as server,
        TimixClient(server.base_url, key, limits=QUICK, rate_limit_folder=tmp_path / "new" / "folder") as client,
    ):
        client.get("/tasks")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert key.removeprefix("bbl_")[:8] not in str(path)
        assert key.encode() not in path.read_bytes()


KILLED_WITH_THE_LOCK_HELD = """
import os, signal, sys
from pathlib import Path
from timix_assets.api.rate_limit import RateLimiter
from timix_assets.api.rate_limit_bucket import FileBucket
from timix_assets_tests.api.test_rate_limit import QUICK
bucket = FileBucket(Path(sys.argv[1]), os.environ["BASE_URL"], os.environ["TIMIX_API_KEY"])
pacer = RateLimiter(bucket, QUICK, print)
for _ in range(60):
    pacer.slot().__enter__()
with bucket.locked():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_process_leaves_no_lock_and_its_slots_expire(key: str, tmp_path: Path) -> None:
    killed = reader("http://x", key, tmp_path, KILLED_WITH_THE_LOCK_HELD)
    assert killed.wait(20) == -9
    now = time.monotonic
    pacer = RateLimiter(FileBucket(tmp_path, "http://x", key), QUICK, print)
    started = now()
    for _ in range(60):
        with pacer.slot():
            pass
    assert now() - started < 1
    later = RateLimiter(FileBucket(tmp_path, "http://x", key), QUICK, print, clock=lambda: now() + 6)
    for _ in range(120):
        with later.slot():
            pass
    assert later.waited_seconds == 0


def test_closing_a_client_releases_its_lock(key: str, tmp_path: Path) -> None:
    one, other = (FileBucket(tmp_path, "http://x", key) for _ in range(2))
    let_in = threading.Event()

    def enter() -> None:
        with other.locked():
            let_in.set()

    thread = threading.Thread(target=enter)
    with one.locked():
        thread.start()
        assert not let_in.wait(0.05)
        one.close()
        assert let_in.wait(2)
    thread.join(2)
    other.close()


def test_lock_that_is_never_released_is_reported(key: str, tmp_path: Path) -> None:
    holder, waiter = (FileBucket(tmp_path, "http://x", key, lock_timeout=0.05) for _ in range(2))
    with (
        holder.locked(),
        pytest.raises(ClientConfigError, match=r"Another process has locked .*\.pace for 0.05 s: end that process"),
        waiter.locked(),
    ):
        pass
    with waiter.locked():
        waiter.put(0, 7.0)
    with holder.locked():
        assert holder.numbers()[0] == 7.0


def test_rate_limit_pause_applies_to_other_processes(key: str, tmp_path: Path) -> None:
    with serving(in_turn("/tasks", limited(Retry_After="1"), Reply([])), plan="Free") as server:
        with TimixClient(server.base_url, key, limits=QUICK, rate_limit_folder=tmp_path) as other:
            other.me()
            one = TimixClient(server.base_url, key, limits=QUICK, rate_limit_folder=tmp_path)
            thread = threading.Thread(target=one.get, args=("/tasks",))
            thread.start()
            while not server.requests_for("/tasks"):
                time.sleep(0.005)
            time.sleep(0.1)
            other.get("/customers/../tasks/")
            thread.join()
            one.close()
        refused, *rest = [asked.at for asked in server.asked if "tasks" in asked.path]
        assert min(rest) - refused >= 0.95


def paced(key: str, folder: Path, time_: "ModelTime", *, budget: float) -> RateLimiter:
    """As in a process of its own."""
    limits = Limits(wait_budget_seconds=budget)
    return RateLimiter(FileBucket(folder, "http://x", key), limits, lambda _: None, time_, time_)


def test_pause_beyond_the_budget_is_one_window_for_others(key: str, tmp_path: Path) -> None:
    """A look of the change sensor may wait for nothing; and one absurd answer must not lock the key for a day."""
    time_ = ModelTime()
    without_patience, patient = (paced(key, tmp_path, time_, budget=budget) for budget in (0, 900))
    for seconds, held in ((30, 30), (86_400, 61)):
        began = time_()
        assert not without_patience.pause_all(seconds)
        with patient.slot():
            assert time_() - began == held


def test_pause_beyond_the_budget_holds_the_client_itself(key: str) -> None:
    time_ = ModelTime()
    pacer = RateLimiter(MemoryBucket(), Limits(wait_budget_seconds=900), lambda _: None, time_, time_)
    assert not pacer.pause_all(1000)
    began = time_()
    with pytest.raises(RateLimitBudgetExceeded) as held, pacer.slot():
        pass
    assert (held.value.seconds, held.value.left, time_()) == (1000, 900, began)
    time_.wait(200)
    with pacer.slot():
        assert time_() - began == 1000
    assert pacer.budget_left_seconds == 100


def test_pause_by_another_process_is_charged_once(key: str, tmp_path: Path) -> None:
    time_ = ModelTime()
    refused, waiting = (paced(key, tmp_path, time_, budget=budget) for budget in (900, 30))
    assert refused.pause_all(20)
    for _ in range(2):
        with waiting.slot():
            pass
    assert (time_(), waiting.budget_left_seconds) == (120.0, 10.0)
    assert refused.pause_all(20)
    with pytest.raises(RateLimitBudgetExceeded) as held, waiting.slot():
        pass
    assert (held.value.seconds, held.value.left) == (20, 10)


def test_overlapping_waits_are_charged_once() -> None:
    time_ = ModelTime()
    pacer = RateLimiter(MemoryBucket(), Limits(wait_budget_seconds=30), lambda _: None, time_, time_)
    assert pacer.pause_all(20)
    assert pacer.pause_one(20)
    assert (time_(), pacer.budget_left_seconds, pacer.waited_seconds) == (120.0, 10.0, 20.0)
    assert not pacer.pause_one(11)
    assert (time_(), pacer.budget_left_seconds) == (120.0, 10.0)
    assert pacer.pause_one(10)
    assert pacer.budget_left_seconds == 0


def test_request_in_flight_keeps_its_slot() -> None:
    """The server may count it at any moment until then."""
    time_ = ModelTime()
    pacer = RateLimiter(MemoryBucket(), Limits(), lambda _: None, time_, time_)
    with ExitStack() as under_way:
        for _ in range(120):
            under_way.enter_context(pacer.slot())
        time_.wait(70)
        with pacer.slot():
            assert time_() == 100 + 60 + 61


def test_requests_of_other_machines_count_until_they_expire() -> None:
    time_ = ModelTime()
    pacer = RateLimiter(MemoryBucket(), Limits(), lambda _: None, time_, time_)
    pacer.add([30, *[50] * 119], age=10)
    for at in (120, 140):
        with pacer.slot():
            assert time_() == at


@pytest.mark.parametrize(("age", "wait"), [(0, 61), (40, 21), (61, 0), (3600, 0)])
def test_unknown_requests_of_another_machine_are_the_whole_limit(age: float, wait: float) -> None:
    time_ = ModelTime()
    pacer = RateLimiter(MemoryBucket(), Limits(), lambda _: None, time_, time_)
    pacer.set_limit(1000)
    pacer.add(None, age)
    with pacer.slot():
        assert time_() == 100 + wait


def test_requests_that_come_back_are_not_counted_twice() -> None:
    time_ = ModelTime()
    one, other = (RateLimiter(MemoryBucket(), Limits(), lambda _: None, time_, time_) for _ in range(2))
    for _ in range(3):
        for here, there in ((one, other), (other, one)):
            for _ in range(20):
                with here.slot():
                    pass
            there.add(here.counting(), age=0)
    assert time_() == 100
    assert one.counting() == other.counting() == [61] * 120


def test_closed_limiter_still_says_what_counts(key: str, tmp_path: Path) -> None:
    pacer = RateLimiter(FileBucket(tmp_path, "http://x", key), Limits(), print)
    for _ in range(3):
        with pacer.slot():
            pass
    for _ in range(2):
        pacer.close()
        assert pacer.counting() == [61] * 3


@pytest.mark.parametrize("per_minute", sorted({*REQUESTS_PER_MINUTE.values(), 1, 7}))
def test_turns_and_the_reserve_are_within_the_limit(per_minute: int) -> None:
    assert Quota.TURN.of(per_minute) + Quota.RESERVE.of(per_minute) == Quota.ALL.of(per_minute) == per_minute


def test_the_reserve_of_every_plan_has_room_for_a_look() -> None:
    assert min(map(Quota.RESERVE.of, REQUESTS_PER_MINUTE.values())) >= len(PROBED_ENDPOINTS)


def test_the_reserve_is_counted_apart(key: str, tmp_path: Path) -> None:
    time_ = ModelTime()
    runs, looks = (
        RateLimiter(FileBucket(tmp_path, "http://x", key, quota=quota), Limits(), print, time_, time_, quota)
        for quota in (Quota.TURN, Quota.RESERVE)
    )
    for pacer, requests in ((runs, 108), (looks, 12)):
        for _ in range(requests):
            with pacer.slot():
                assert time_() == 100
    with looks.slot():
        assert time_() == 161


def test_nothing_is_requested_in_the_turn_of_another(key: str) -> None:
    def lost() -> None:
        raise InterruptedError("it is the turn of another")

    with (
        serving(in_turn("/tasks", Reply([]))) as server,
        TimixClient(server.base_url, key) as client,
    ):
        client.get("tasks")
        client.take_turn((), 0, lost)
        with pytest.raises(InterruptedError):
            client.get("tasks")
        assert len(server.asked) == 2


def test_times_from_before_a_reboot_are_ignored(key: str, tmp_path: Path) -> None:
    before = RateLimiter(FileBucket(tmp_path, "http://x", key), Limits(), print, clock=lambda: 1_000_000.0)
    for _ in range(120):
        with before.slot():
            pass
    assert before.pause_all(500)
    after = RateLimiter(FileBucket(tmp_path, "http://x", key), Limits(), print, clock=lambda: 20.0)
    with after.slot():
        assert after.waited_seconds == 0


@pytest.mark.parametrize("make", [lambda folder, key: MemoryBucket(), lambda folder, key: FileBucket(folder, "x", key)])
def test_slot_costs_far_less_than_a_millisecond(key: str, tmp_path: Path, make: Callable[[Path, str], Bucket]) -> None:
    pacer = RateLimiter(make(tmp_path, key), Limits(), print)
    pacer.set_limit(1000)
    started = time.process_time()
    for _ in range(900):
        with pacer.slot():
            pass
    assert (time.process_time() - started) / 900 < 0.001


def test_unusable_folder_is_a_config_error(key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClientConfigError, match=r"Cannot keep the rate limit in .*/file"):
        TimixClient("http://127.0.0.1:1", key, rate_limit_folder=tmp_path / "file")


def test_closing_the_client_ends_every_wait(key: str) -> None:
    with serving(in_turn("/tasks", limited(Retry_After="600"))) as server:
        client = TimixClient(server.base_url, key)
        ends: list[BaseException] = []

        def wait() -> None:
            try:
                client.list("tasks")
            except Closed as closed:
                ends.append(closed)

        thread = threading.Thread(target=wait)
        thread.start()
        while not client.stats.waited_seconds:
            time.sleep(0.005)
        client.close()
        thread.join(2)
        assert len(ends) == 1
        with pytest.raises(Closed, match="create a new one"):
            client.get("/tasks")


def test_long_waits_are_reported(key: str) -> None:
    told: list[str] = []
    with serving(in_turn("/tasks", limited(Retry_After="700"), limited(Retry_After="1000"))) as server:
        client = TimixClient(server.base_url, key, notify=told.append)
        thread = threading.Thread(target=lambda: pytest.raises(Closed, client.get, "/tasks"))
        thread.start()
        while len(told) < 2:
            time.sleep(0.005)
        client.close()
        thread.join(2)
    assert told == [
        "Rate limited (429): pausing requests for 700 s.",
        "Rate limit of the plan reached: waiting 700 s.",
    ]


# A model: time passes only when a request waits or the test says so, and every request takes a while


class ModelTime(threading.Event):
    """A clock that waiting moves on. Requests under way are answered when their time has come."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self._answers: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def at(self, moment: float, answer: Callable[[], None]) -> None:
        self._answers.append((moment, answer))
        self._answers.sort(key=lambda due: due[0])

    def wait(self, timeout: float | None = None) -> bool:
        until = self.now + (timeout or 0)
        while self._answers and self._answers[0][0] <= until:
            self.now, answer = self._answers.pop(0)
            answer()
        self.now = until
        return False


@given(
    limit=st.integers(1, 5),
    requests=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 60), st.floats(0, 1)), min_size=6, max_size=24),
)
def test_no_minute_has_more_requests_than_the_limit(limit: int, requests: list[tuple[float, float, float]]) -> None:
    """Each request: the pause before it, how long it takes, and the share of that after which the server counts it."""
    time_ = ModelTime()
    pacer = RateLimiter(MemoryBucket(), Limits(window_margin_seconds=0), lambda _: None, time_, time_)
    pacer.set_limit(limit)
    arrivals = []
    for pause, flight, share in requests:
        time_.wait(pause)
        turn = pacer.slot()
        turn.__enter__()
        arrivals.append(time_.now + share * flight)
        time_.at(time_.now + flight, lambda turn=turn: turn.__exit__(None, None, None))  # type: ignore[misc]
    arrivals.sort()
    for first, one_too_many in zip(arrivals, arrivals[limit:], strict=False):
        assert one_too_many - first >= 60 - 1e-9


def test_retries_are_rate_limited_like_any_request(key: str) -> None:
    window = 3 * WINDOW  # 120 requests must fit into it on a busy machine
    limits = Limits(
        window_seconds=window, window_margin_seconds=0.02, attempts=200, backoff_base_seconds=0, page_size=1
    )
    with (
        serving(in_turn("/tasks", *[Reply(status=500)] * 149, Reply([])), plan="Free") as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        client.get("/tasks")
        times = [asked.at for asked in server.asked]
    assert len(times) == client.stats.requests == 151
    assert most_in_a_window(times, window) <= 120
    assert max(b - a for a, b in pairwise(times)) > 0.1


def test_wait_for_the_limit_is_not_charged_to_the_budget(key: str) -> None:
    limits = Limits(window_seconds=WINDOW, window_margin_seconds=0.02, wait_budget_seconds=0, page_size=1)
    with (
        serving(listing("/tasks", rows_of(150)), plan="Free") as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        assert len(client.list("tasks")) == 150
    with (
        serving(in_turn("/tasks", limited(Retry_After="1"))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
        pytest.raises(RateLimited),
    ):
        client.get("/tasks")
