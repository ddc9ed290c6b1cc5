"""A listing is read whole, with the fewest requests, however its rows move meanwhile."""

import itertools
import json
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.api import Limits, Page, TimixClient
from timix_assets.api.concurrency import map_unordered
from timix_assets.api.errors import ContractError, ListingUnstable, ServerError, TimixError
from timix_assets.api.listing import Envelope, key_of_fields, read_listing

from .scripted import BRISK, NOT_SCRIPTED, Asked, Reply, Script, in_turn, listing, rows_of, serving, sheet


def accepted(pages: Iterable[Page]) -> list[dict[str, Any]]:
    """What a consumer keeps: the pages of the last reading."""
    kept: dict[int, dict[int, list[dict[str, Any]]]] = {}
    for page in pages:
        kept.setdefault(page.attempt, {})[page.number] = page.items
    last = kept[max(kept)]
    return [row for number in sorted(last) for row in last[number]]


def read(script: Script, api_key: str, /, **options: Any) -> tuple[list[dict[str, Any]], int]:
    """The rows of /tasks as served by `script`, and the number of requests for them."""
    with serving(script) as server, TimixClient(server.base_url, api_key, limits=BRISK) as client:
        rows = accepted(client.pages("/tasks", **options))
        return rows, len(server.requests_for("/tasks"))


def tasks(answer: Callable[[Asked], Any]) -> Script:
    """A script whose /tasks are answered with the JSON that `answer` gives."""
    return lambda asked: Reply(answer(asked)) if asked.path == "/tasks" else NOT_SCRIPTED


@pytest.mark.parametrize("total", [299, 301])
def test_total_that_moves_between_two_pages_is_read_again(key: str, total: int) -> None:
    numbers = itertools.count()

    def answer(asked: Asked) -> dict[str, Any]:
        request = next(numbers)
        if request < 2:
            rows, told = rows_of(300), (300, total)[request]
        else:
            rows, told = rows_of(total), total
        return {"items": rows[200 * (asked.page - 1) :][:200], "totalCount": told}

    assert read(tasks(answer), key) == (rows_of(total), 4)


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 1001])
def test_listing_costs_one_request_per_200_rows(key: str, count: int) -> None:
    rows, requests = read(listing("/tasks", rows_of(count)), key)
    assert rows == rows_of(count)
    assert requests == max(1, -(-count // 200))


def test_smaller_pages_than_requested_lose_no_rows(key: str) -> None:
    rows, requests = read(listing("/tasks", rows_of(230), largest_page=50), key)
    assert rows == rows_of(230)
    assert requests == 5


def test_parameters_are_sent_under_overridden_names(key: str) -> None:
    names = {"page": "p", "pageSize": "limit", "startDate": "from"}
    with (
        serving(in_turn("/tasks", Reply([]))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert accepted(client.pages("/tasks", {"startDate": "2026-01-01"}, names=names)) == []
        assert server.asked[-1].params == {"from": "2026-01-01", "limit": "200", "p": "1"}


@pytest.mark.parametrize("name", ["items", "data", "rows"])
def test_other_envelopes_are_read(key: str, name: str) -> None:
    assert read(tasks(lambda _: {name: rows_of(3)}), key) == (rows_of(3), 1)


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (9, 1), (10, 2), (70, 2), (200, 2), (250, 2), (400, 3)])
def test_bare_list_ends_at_a_shorter_page(key: str, count: int, requests: int) -> None:
    assert read(tasks(lambda a: rows_of(count)[200 * (a.page - 1) :][:200]), key) == (rows_of(count), requests)


def test_repeated_large_bare_list_is_the_whole(key: str) -> None:
    assert read(tasks(lambda _: rows_of(500)), key) == (rows_of(500), 2)


def test_larger_pages_than_requested_lose_no_rows(key: str) -> None:
    assert read(tasks(lambda a: rows_of(1200)[500 * (a.page - 1) :][:500]), key) == (rows_of(1200), 4)


def test_pages_without_metadata_are_read_to_an_empty_one(key: str) -> None:
    sizes = {1: (0, 180), 2: (180, 350), 3: (350, 540), 4: (540, 700)}
    assert read(tasks(lambda a: rows_of(700)[slice(*sizes.get(a.page, (0, 0)))]), key) == (rows_of(700), 5)


@pytest.mark.parametrize("fields", [{"id": "x"}, {}])
@pytest.mark.parametrize("count", [12, 70, 200, 500])
def test_reordered_rows_end_the_listing(key: str, count: int, fields: dict[str, str]) -> None:
    moments = itertools.count()

    def shuffled(_: Asked) -> list[dict[str, Any]]:
        rows = [{"id": f"{n}"} if fields else {"generatedAt": next(moments)} for n in range(count)]
        random.Random(next(moments)).shuffle(rows)
        return rows

    rows, requests = read(tasks(shuffled), key)
    assert len(rows) == count
    assert requests <= 3


def test_endless_reordered_pages_fail(key: str) -> None:
    moments = itertools.count()

    def shuffled(_: Asked) -> dict[str, Any]:
        return {"items": random.Random(next(moments)).sample(rows_of(40), 40), "hasMore": True}

    with pytest.raises(ListingUnstable, match="has only rows of other pages"):
        read(tasks(shuffled), key)


def test_header_total_replaces_a_null_total(key: str) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path != "/tasks":
            return NOT_SCRIPTED
        page = {"items": rows_of(399)[200 * (asked.page - 1) :][:200], "totalCount": None}
        return Reply(page, headers={"X-Total-Count": "400"})

    with pytest.raises(ListingUnstable, match="page 2 has 199 rows, expected 200"):
        read(script, key)


@pytest.mark.parametrize(("count", "requests"), [(9, 1), (70, 2), (200, 3)])
def test_bare_list_without_paging_is_the_whole(key: str, count: int, requests: int) -> None:
    assert read(tasks(lambda _: rows_of(count)), key) == (rows_of(count), requests)


@pytest.mark.parametrize(("count", "requests"), [(50, 2), (100, 3), (120, 4)])
def test_smaller_pages_without_metadata_lose_no_rows(key: str, count: int, requests: int) -> None:
    assert read(tasks(lambda a: rows_of(count)[50 * (a.page - 1) :][:50]), key) == (rows_of(count), requests)


@pytest.mark.parametrize("end", [NOT_SCRIPTED, Reply(None), Reply(b"", status=204), Reply({"error": {}}, status=400)])
@pytest.mark.parametrize(("count", "pages"), [(70, 1), (120, 3)])
def test_refused_page_after_a_short_one_ends_the_listing(key: str, count: int, pages: int, end: Reply) -> None:
    size = 70 if pages == 1 else 50

    def script(asked: Asked) -> Reply:
        if asked.path != "/tasks":
            return NOT_SCRIPTED
        return Reply(rows_of(count)[size * (asked.page - 1) :][:size]) if asked.page <= pages else end

    assert read(script, key)[0] == rows_of(count)


@pytest.mark.parametrize(("size", "refused_at"), [(200, 2), (200, 3), (50, 3)])
@pytest.mark.parametrize("status", [400, 404, 422])
def test_refused_page_after_a_full_one_fails(key: str, size: int, refused_at: int, status: int) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path != "/tasks":
            return NOT_SCRIPTED
        if asked.page >= refused_at:
            return Reply({"error": {"code": "no", "message": "too deep"}}, status=status)
        return Reply(rows_of(1000)[size * (asked.page - 1) :][:size])

    with pytest.raises(TimixError, match=f"page {refused_at}: the server answered {status}"):
        read(script, key)


def test_repeated_last_page_ends_the_listing(key: str) -> None:
    assert read(tasks(lambda a: rows_of(100)[50 * (min(a.page, 2) - 1) :][:50]), key) == (rows_of(100), 3)


def test_endlessly_repeated_first_page_fails(key: str) -> None:
    with pytest.raises(ListingUnstable, match="same as another page"):
        read(tasks(lambda a: rows_of(1000)[: int(a.params["pageSize"])]), key)


def test_header_total_is_used_without_a_body_total(key: str) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path != "/tasks":
            return NOT_SCRIPTED
        return Reply(rows_of(400)[200 * (asked.page - 1) :][:200], headers={"X-Total-Count": "400"})

    assert read(script, key) == (rows_of(400), 2)


def test_has_more_decides_without_a_total(key: str) -> None:
    def answer(asked: Asked) -> dict[str, Any]:
        return {"items": rows_of(9)[3 * (asked.page - 1) :][:3], "hasMore": asked.page < 3}

    assert read(tasks(answer), key) == (rows_of(9), 3)


def test_bare_object_is_a_row_only_where_allowed(key: str) -> None:
    report = tasks(lambda _: {"currency": "EUR", "totalHours": 3})
    assert read(report, key, object_is_row=True) == ([{"currency": "EUR", "totalHours": 3}], 1)
    with pytest.raises(ContractError, match="without “items”"):
        read(report, key)


@pytest.mark.parametrize(
    "envelope", [{"totalCount": 8, "hasMore": False}, {"totalCount": 8, "page": 1, "pageSize": 50}]
)
def test_envelope_without_rows_is_not_a_row(key: str, envelope: dict[str, object]) -> None:
    with pytest.raises(ContractError, match="without “items”"):
        read(tasks(lambda _: envelope), key, object_is_row=True)


@pytest.mark.parametrize(
    "body",
    [
        {"totalCount": 3},
        {"items": None},
        {"items": {"a": 1}, "totalCount": 1},
        {"items": "none"},
        {"items": [1, 2]},
        {"items": [], "totalCount": "many"},
        {"items": [], "totalCount": -1},
        {"items": [], "totalCount": True},
        {"items": [], "totalCount": "1e999999999"},
        {"items": [], "totalCount": 10**30},
        {"items": [], "hasMore": "perhaps"},
        {"items": [], "hasMore": [True]},
        {"items": [], "hasMore": 2},
        "text",
        None,
        7,
    ],
)
def test_body_that_is_not_a_listing_raises(key: str, body: Any) -> None:
    with pytest.raises(ContractError, match=r"^GET /tasks, page 1: "):
        read(tasks(lambda _: body), key)


# What the server says about itself may be wrong


def test_endless_has_more_stops_at_the_total(key: str) -> None:
    rows = rows_of(450)
    lying = tasks(lambda a: sheet(rows, a.page, 200, hasMore=True))
    assert read(lying, key)[0] == rows
    clamped = tasks(lambda a: sheet(rows, min(a.page, 3), 200, hasMore=True))
    assert read(clamped, key)[0] == rows


@pytest.mark.parametrize("word", [str, int])
def test_has_more_can_be_text_or_a_number(key: str, word: type) -> None:
    said = tasks(lambda a: sheet(rows_of(450), a.page, 150, totalCount=None, hasMore=word(a.page < 3)))
    assert read(said, key) == (rows_of(450), 3)


def test_page_full_by_the_servers_size_is_not_the_last(key: str) -> None:
    silent = tasks(lambda a: sheet(rows_of(400), a.page, 150, totalCount=None, hasMore=None))
    assert read(silent, key) == (rows_of(400), 3)


def test_wrong_has_more_on_the_last_page_is_ignored(key: str) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path != "/tasks":
            return NOT_SCRIPTED
        return NOT_SCRIPTED if asked.page > 2 else Reply(sheet(rows_of(400), asked.page, 200, hasMore=True))

    assert read(script, key) == (rows_of(400), 3)


def test_early_false_has_more_loses_no_rows(key: str) -> None:
    assert read(tasks(lambda a: sheet(rows_of(450), a.page, 200, hasMore=False)), key) == (rows_of(450), 3)


def test_too_small_total_is_detected_by_has_more(key: str) -> None:
    with pytest.raises(ListingUnstable, match="rows beyond the total of 200"):
        read(tasks(lambda a: sheet(rows_of(450), a.page, 200, totalCount=200)), key)


@pytest.mark.parametrize("total", [{"totalCount": 1000}, {"totalCount": None}, {"totalCount": None, "hasMore": True}])
def test_endlessly_repeated_page_fails(key: str, total: dict[str, Any]) -> None:
    with pytest.raises(ListingUnstable, match="same as another page"):
        read(tasks(lambda _: sheet(rows_of(1000), 1, 200, **total)), key)


def test_endlessly_repeated_page_without_ids_fails(key: str) -> None:
    with pytest.raises(ListingUnstable, match="same as another page"):
        read(tasks(lambda _: {"items": [{"name": "x"}] * 200, "hasMore": True}), key)


def test_endless_empty_pages_fail(key: str) -> None:
    with pytest.raises(ListingUnstable, match="empty but says that more follow"):
        read(tasks(lambda _: {"items": [], "hasMore": True}), key)


@pytest.mark.parametrize(("total", "there"), [(1000, 999), (1000, 0), (5, 7), (0, 1)])
def test_rows_that_never_match_the_total_fail(key: str, total: int, there: int) -> None:
    with pytest.raises(ListingUnstable, match=r"^GET /tasks: the listing changed during all 3 attempts"):
        read(tasks(lambda a: sheet(rows_of(there), a.page, 200, totalCount=total)), key)


def test_page_that_is_short_once_is_read_again(key: str) -> None:
    short = [True]

    def answer(asked: Asked) -> dict[str, Any]:
        whole = sheet(rows_of(600), asked.page, 200)
        return whole | {"items": whole["items"][:150]} if asked.page == 2 and short and short.pop() else whole

    rows, requests = read(tasks(answer), key)
    assert rows == rows_of(600)
    assert 5 <= requests <= 6


def test_changed_total_restarts_the_listing(key: str) -> None:
    """Every page has as many rows as are due, and yet a row came in meanwhile."""
    other = [True]

    def answer(asked: Asked) -> dict[str, Any]:
        whole = sheet(rows_of(600), asked.page, 200)
        return whole | {"totalCount": 599} if asked.page == 2 and other and other.pop() else whole

    told: list[str] = []
    with (
        serving(tasks(answer)) as server,
        TimixClient(server.base_url, key, limits=BRISK, notify=told.append) as client,
    ):
        assert accepted(client.pages("/tasks")) == rows_of(600)
    assert told == [
        "GET /tasks: page 2 says 599 rows in all, page 1 said 600; reading the listing again (attempt 2 of 3)."
    ]


def test_endless_listing_stops_after_50_000_pages() -> None:
    asked = itertools.count(1)

    def fetch(number: int, _: int) -> Envelope:
        return Envelope([{"id": next(asked)}], None, True)

    with pytest.raises(ContractError, match=r"^GET /tasks: no end after 50,000 pages, and no total is sent"):
        deque(read_listing("GET /tasks", fetch, key_of_fields(["id"]), BRISK, lambda _: None), maxlen=0)
    assert next(asked) == 50_001


# Duplicates


def test_duplicate_of_any_earlier_attempt_is_accepted(key: str) -> None:
    listing_attempts = iter((0, 1, 0))
    duplicate = 0

    def answer(asked: Asked) -> dict[str, Any]:
        nonlocal duplicate
        if asked.page == 1:
            duplicate = next(listing_attempts)
        rows = rows_of(5)
        return sheet([*rows, rows[duplicate]], asked.page, 200)

    rows, requests = read(tasks(answer), key)
    assert (len(rows), requests) == (6, 3)


def test_persistent_duplicate_is_accepted_after_one_retry(key: str) -> None:
    rows = [*rows_of(250), {"id": "r7", "hours": 99}]
    got, requests = read(listing("/tasks", rows), key)
    assert got == rows
    assert requests == 4


def test_duplicate_from_drift_disappears(key: str) -> None:
    doubled = [*rows_of(249), {"id": "r7"}]
    asked_pages = []

    def answer(asked: Asked) -> dict[str, Any]:
        asked_pages.append(asked.page)
        return sheet(doubled if len(asked_pages) <= 2 else rows_of(250), asked.page, 200)

    assert read(tasks(answer), key) == (rows_of(250), 4)


def test_changing_duplicates_fail(key: str) -> None:
    served: list[int] = []

    def answer(asked: Asked) -> dict[str, Any]:
        served.append(asked.page)
        return sheet([*rows_of(249), {"id": f"r{len(served)}"}], asked.page, 200)

    with pytest.raises(ListingUnstable, match="came more than once"):
        read(tasks(answer), key)


def test_rows_without_a_key_are_not_duplicates(key: str) -> None:
    rows = [{"id": None, "n": 1}, {"id": None, "n": 2}, {"n": 3}, {"n": 4}, {"id": 5}]
    assert read(listing("/tasks", rows), key) == (rows, 1)


def test_key_can_have_several_fields(key: str) -> None:
    rows = [{"p": 1, "c": "EUR"}, {"p": 1, "c": "USD"}, {"p": 11, "c": "EUR"}]
    assert read(listing("/tasks", rows), key, key=("p", "c"))[1] == 1
    assert read(listing("/tasks", [*rows, rows[0]]), key, key=("p", "c"))[1] == 2


def test_key_can_be_a_function(key: str) -> None:
    rows = [{"ref": {"id": n}} for n in (1, 2, 1)]
    assert read(listing("/tasks", rows), key, key=lambda row: str(row["ref"]["id"])) == (rows, 2)


@pytest.mark.parametrize("fields", [("id",), ()])
def test_drift_is_detected_without_known_keys(key: str, fields: tuple[str, ...]) -> None:
    rows = [{"ref": n} for n in range(300)]
    drifting = [True]

    def answer(asked: Asked) -> dict[str, Any]:
        page = sheet(rows, asked.page, 200)
        if asked.page == 2 and drifting and drifting.pop():
            page["items"] = [rows[0], *page["items"][1:]]
        return page

    assert read(tasks(answer), key, key=fields) == (rows, 4)


def test_distinct_rows_without_keys_are_read_once(key: str) -> None:
    rows = [{"ref": n} for n in range(300)]
    assert read(listing("/tasks", rows), key, key=()) == (rows, 2)


def test_list_returns_each_key_in_its_latest_version(key: str) -> None:
    rows = [
        {"id": 1, "v": "new", "updatedAt": "2026-01-02T00:30:00+01:00"},
        {"id": "1", "v": "old", "updatedAt": "2026-01-01T23:00:00Z"},
        {"id": 2, "v": "first"},
        {"id": 2, "v": "second"},
        {"v": "no id"},
        {"v": "no id"},
    ]
    with serving(listing("/tasks", rows)) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        assert [row["v"] for row in client.list("tasks")] == ["new", "second", "no id", "no id"]
        assert client.list("/tasks") == client.list("tasks")


# Movement, by invention: rows come and go between any two pages


class MovingServer(httpx.BaseTransport):
    """Serves rows in order, and before the n-th page inserts or deletes what `moves[n]` says, as (is_insert, position)."""

    def __init__(self, count: int, moves: list[list[tuple[bool, int]]]) -> None:
        self.rows = [{"id": n} for n in range(count)]
        self.always_there = {row["id"] for row in self.rows}
        self._moves = list(moves)
        self._next_id = count
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/me"):
            return httpx.Response(200, content=b'{"plan": "Business"}')
        with self._lock:
            for is_insert, position in self._moves.pop(0) if self._moves else []:
                self._move(is_insert, position)
            params = request.url.params
            return httpx.Response(
                200, content=json.dumps(sheet(self.rows, int(params["page"]), int(params["pageSize"])))
            )

    def _move(self, is_insert: bool, position: int) -> None:
        if is_insert:
            self.rows.insert(position % (len(self.rows) + 1), {"id": self._next_id})
            self._next_id += 1
        elif self.rows:
            gone = self.rows.pop(position % len(self.rows))
            self.always_there.discard(gone["id"])


def one_way(is_insert: bool) -> st.SearchStrategy[list[tuple[bool, int]]]:
    return st.lists(st.tuples(st.just(is_insert), st.integers(0, 30)), max_size=4)


KEY = "bbl_" + secrets.token_hex(8)
GAPS = st.lists(st.one_of(st.just([]), one_way(True), one_way(False)), max_size=25)


@given(count=st.integers(0, 20), gaps=GAPS, concurrency=st.integers(1, 3))
def test_no_surviving_row_is_lost_and_none_invented(
    count: int, gaps: list[list[tuple[bool, int]]], concurrency: int
) -> None:
    server = MovingServer(count, gaps)
    limits = Limits(page_size=4, concurrency=concurrency, listing_attempts=4)
    with TimixClient("https://timix.test", KEY, limits=limits, transport=server) as client:
        try:
            rows = accepted(client.pages("/tasks"))
        except ListingUnstable:
            assert gaps, "a listing at rest must be read at once"
            return
    seen = {row["id"] for row in rows}
    assert server.always_there <= seen
    assert seen <= set(range(server._next_id))


@given(count=st.integers(0, 20), gap=st.one_of(one_way(True), one_way(False)), at=st.integers(1, 4))
def test_one_change_is_always_recovered(count: int, gap: list[tuple[bool, int]], at: int) -> None:
    server = MovingServer(count, [[]] * at + [gap])
    limits = Limits(page_size=4, concurrency=2)
    with TimixClient("https://timix.test", KEY, limits=limits, transport=server) as client:
        rows = accepted(client.pages("/tasks"))
    assert server.always_there <= {row["id"] for row in rows}


# Servers that tell nothing of their pages, by invention


class SilentServer(httpx.BaseTransport):
    """Bare lists of at most `cut` rows, in another order each time if `shuffles`, and `end` behind the last page."""

    def __init__(self, count: int, cut: int, end: str, *, shuffles: bool) -> None:
        self.rows = [{"id": n} for n in range(count)]
        self._cut, self._end, self._shuffles = cut, end, shuffles
        self.asked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/me"):
            return httpx.Response(200, content=b'{"plan": "Business"}')
        self.asked += 1
        size = min(self._cut, int(request.url.params["pageSize"]))
        page, pages = int(request.url.params["page"]), max(1, -(-len(self.rows) // size))
        if page > pages and self._end == "refused":
            return httpx.Response(404, content=b"{}")
        if page > pages and self._end == "last again":
            page = pages
        rows = self.rows[size * (page - 1) :][:size]
        if self._shuffles:
            random.Random(self.asked).shuffle(rows)
        return httpx.Response(200, content=json.dumps(rows))


@given(
    count=st.integers(0, 90),
    cut=st.integers(10, 40),
    end=st.sampled_from(["empty", "refused", "last again"]),
    shuffles=st.booleans(),
)
def test_listing_without_metadata_is_complete_or_fails(count: int, cut: int, end: str, shuffles: bool) -> None:
    server = SilentServer(count, cut, end, shuffles=shuffles)
    with TimixClient("https://timix.test", KEY, limits=Limits(page_size=20), transport=server) as client:
        try:
            rows = accepted(client.pages("/tasks"))
        except TimixError:
            # A full last page, and behind it a refusal or the same again: it cannot be told from a page out of reach.
            assert end != "empty"
            assert count % min(cut, 20) == 0
        else:
            assert sorted(row["id"] for row in rows) == list(range(count))
    assert server.asked <= 3 * (count // min(cut, 20) + 3)


# Threads and memory


def test_slow_reader_keeps_few_pages_in_memory(key: str) -> None:
    limits = Limits(page_size=10, concurrency=3)
    with (
        serving(listing("/tasks", rows_of(1000))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        for taken, _ in enumerate(client.pages("/tasks"), start=1):
            if taken == 5:
                time.sleep(0.2)
                assert len(server.requests_for("/tasks")) <= 5 + 2 * limits.concurrency
        assert taken == 100


def test_concurrency_is_limited() -> None:
    in_flight, highest, lock = 0, 0, threading.Lock()

    def fetch(number: int) -> int:
        nonlocal in_flight, highest
        with lock:
            in_flight += 1
            highest = max(highest, in_flight)
        time.sleep(0.002)
        with lock:
            in_flight -= 1
        return number

    assert sorted(map_unordered(fetch, range(60), 4)) == list(range(60))
    assert highest == 4


def test_first_error_ends_the_listing_and_names_the_page(key: str) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path != "/tasks":
            return NOT_SCRIPTED
        if asked.page == 3:
            return Reply({"error": {"code": "x", "message": "y"}}, status=500)
        return Reply(sheet(rows_of(5000), asked.page, 200))

    with pytest.raises(ServerError, match=r"^GET /tasks, page 3: .*tried 5 times"):
        read(script, key)


def test_stopping_early_leaves_no_threads(key: str) -> None:
    with (
        serving(listing("/tasks", rows_of(5000))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        pages = client.pages("/tasks")
        next(pages)
        next(pages)
        ours = [t for t in threading.enumerate() if t.name == "timix-page"]
        pages.close()  # type: ignore[attr-defined]
        for thread in ours:
            thread.join(5)
        assert not [t for t in ours if t.is_alive()]
        assert len(server.requests_for("/tasks")) < 25


def test_changed_listing_is_reported(key: str) -> None:
    told: list[str] = []
    doubled = [{"id": 1}, {"id": 1}]
    with (
        serving(listing("/tasks", doubled)) as server,
        TimixClient(server.base_url, key, limits=BRISK, notify=told.append) as client,
    ):
        client.list("tasks")
    assert told == ["GET /tasks: 1 key came more than once; reading the listing again (attempt 2 of 3)."]


def test_every_error_is_a_timix_error() -> None:
    assert issubclass(ListingUnstable, TimixError)
    assert issubclass(ContractError, TimixError)
