"""What is asked again, how often, and after how long."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.api import Limits, TimixClient
from timix_assets.api.answers import status_error
from timix_assets.api.errors import (
    ConnectionFailed,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    ReadOnly,
    ServerError,
    StatusError,
)
from timix_assets.api.redaction import Redactor
from timix_assets.api.retries import backoff_seconds, retry_after_seconds
from timix_assets.api.transport import Answer, Call

from .scripted import BRISK, NOT_SCRIPTED, Asked, Raw, Reply, ScriptedServer, in_turn, serving
from .test_transport import raw, reset

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def refusal(status: int, code: str = "some_code", message: str = "Some words.") -> Reply:
    return Reply({"error": {"code": code, "message": message}}, status=status)


def after(seconds: float) -> str:
    return format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_burst_of_server_errors_passes_unseen(key: str, status: int) -> None:
    html = Reply(b"<html>Bad gateway</html>", status=status, headers={"Content-Type": "text/html"})
    with (
        serving(in_turn("/tasks", html, html, html, html, Reply([{"id": 1}]))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.list("tasks") == [{"id": 1}]
        assert client.stats.requests == 6


def test_a_server_that_stays_broken_fails_after_five_requests_in_its_own_words(key: str) -> None:
    with (
        serving(in_turn("/tasks", refusal(503, "maintenance", "Back at noon."))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        with pytest.raises(ServerError) as failed:
            client.get("/tasks")
        assert str(failed.value) == (
            "GET /tasks: the server answered 503 (maintenance, “Back at noon.”); Timix has trouble, try again later "
            "(tried 5 times)."
        )
        assert len(server.requests_for("/tasks")) == 5


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Invalid), (422, Invalid), (403, Forbidden), (404, NotFound), (405, StatusError), (410, StatusError)],
)
def test_a_refusal_is_final_and_carries_the_servers_code_and_words(
    key: str, status: int, error: type[StatusError]
) -> None:
    with (
        serving(in_turn("/tasks", refusal(status))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        with pytest.raises(error) as failed:
            client.list("tasks")
        assert type(failed.value) is error
        assert (failed.value.status, failed.value.code) == (status, "some_code")
        assert failed.value.server_message == "Some words."
        assert str(failed.value).startswith(
            f"GET /tasks, page 1: the server answered {status} (some_code, “Some words.”)"
        )
        assert len(server.requests_for("/tasks")) == 1


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(b"<html>", status=403, headers={"Content-Type": "text/html"}), id="HTML"),
        pytest.param(Reply(b"", status=403), id="nothing"),
        pytest.param(Reply(["odd"], status=403), id="a list"),
        pytest.param(raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n{"), id="a cut body"),
    ],
)
def test_a_refusal_counts_by_its_status_whatever_its_body(key: str, reply: Reply | Raw) -> None:
    with (
        serving(in_turn("/tasks", reply)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(Forbidden, match=r"^GET /tasks: the server answered 403; "),
    ):
        client.get("/tasks")


def test_a_servers_long_speech_is_cut_to_two_kilobytes_on_one_line(key: str) -> None:
    with (
        serving(in_turn("/tasks", refusal(422, message="bad\n" * 10_000))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(Invalid) as failed,
    ):
        client.get("/tasks")
    assert len(str(failed.value).encode()) < 2300
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        ("0", 1),
        ("-30", 1),
        (after(90), 90),
        (after(-90), 1),
        ("", 61),
        ("soon", 61),
        ("nan", 61),
        ("inf", 61),
        ("Tue, 99 Foo 2026", 61),
        ("99999999", 99999999),
    ],
)
def test_retry_after_is_read_in_every_form(value: str, seconds: float) -> None:
    headers = {"date": after(0)} | ({"retry-after": value} if value else {})
    assert retry_after_seconds(headers, Limits(), now=NOON) == seconds


def test_a_retry_after_date_is_measured_by_the_servers_own_clock() -> None:
    headers = {"date": after(0), "retry-after": after(30)}
    assert retry_after_seconds(headers, Limits(), now=NOON + timedelta(days=1)) == 30
    assert retry_after_seconds({"retry-after": after(30)}, Limits(), now=NOON) == 30


@given(st.integers(1, 5000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_jittered_and_never_beyond_its_cap(failures: int, draw: float) -> None:
    limits = Limits(backoff_base_seconds=0.5, backoff_cap_seconds=20)
    assert 0 <= backoff_seconds(failures, limits, draw) <= min(20, 0.5 * 2 ** min(failures - 1, 9))


def limited(**headers: str) -> Reply:
    return Reply(refusal(429).body, status=429, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_after_a_429_every_thread_waits_as_long_as_it_says(key: str) -> None:
    pages = [{"id": n} for n in range(8)]
    first_to_page_3 = [limited(Retry_After="1")]

    def script(asked: Asked) -> Reply:
        if asked.path != "/tasks":
            return NOT_SCRIPTED
        if asked.page == 3 and first_to_page_3:
            return first_to_page_3.pop()
        return Reply({"items": pages[asked.page - 1 : asked.page], "totalCount": 8})

    limits = Limits(concurrency=2, page_size=1)
    with serving(script) as server, TimixClient(server.base_url, key, limits=limits) as client:
        assert len(client.list("tasks")) == 8
        times = [asked.at for asked in server.requests_for("/tasks")]
        gaps = sorted(b - a for a, b in pairwise(times))
        assert gaps[-1] > 0.95  # one silence, for both threads
        assert gaps[-2] < 0.5
        stats = client.stats
        assert (stats.rate_limited, stats.retries) == (1, 1)
        assert 0.9 < stats.waited_seconds < 1.5


def test_a_429_that_says_nothing_is_outlasted_for_a_whole_window(key: str) -> None:
    limits = Limits(window_seconds=1.2, window_margin_seconds=0.05)
    with (
        serving(in_turn("/tasks", limited(), Reply([]))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        assert client.get("/tasks") == []
        first, second = (asked.at for asked in server.requests_for("/tasks"))
        assert second - first >= 1.25


def test_a_wait_beyond_the_runs_budget_fails_at_once_and_says_when_the_limit_resets(key: str) -> None:
    started = time.monotonic()
    with (
        serving(in_turn("/tasks", limited(Retry_After="86400"))) as server,
        TimixClient(server.base_url, key) as client,
        pytest.raises(RateLimited, match=r"^GET /tasks, page 1: .*the limit resets in 86,400 s") as failed,
    ):
        client.list("tasks")
    assert failed.value.retry_after == 86400
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("value", ["90000", "1e308"])
def test_a_wait_of_more_than_a_day_is_told_in_words_however_many_digits_the_server_sent(key: str, value: str) -> None:
    reply = limited(Retry_After=value)
    with serving(in_turn("/tasks", reply)) as server, TimixClient(server.base_url, key) as client:
        for path, said in (("/tasks", "the server answered 429"), ("/customers", "not asked, for .* 429 before")):
            with pytest.raises(
                RateLimited,
                match=f"^GET {path}: {said}, and the limit resets in more than a day, longer than the 900 s that this "
                r"run may still wait; run it again then\.$",
            ):
                client.get(path)


def test_so_it_is_in_the_error_of_the_answer_itself() -> None:
    answer = Answer(429, {"retry-after": "1e308"}, b"")
    error = status_error(Call("GET", "/tasks"), answer, Limits(), Redactor("bbl_0f9d2c7ab18e4653"), NOON)
    assert str(error) == "GET /tasks: the server answered 429; the limit resets in more than a day."


def test_after_a_429_beyond_the_budget_the_client_asks_nothing_more_and_says_why(key: str) -> None:
    started = time.monotonic()
    with (
        serving(in_turn("/tasks", limited(Retry_After="86400"))) as server,
        TimixClient(server.base_url, key) as client,
    ):
        with pytest.raises(RateLimited):
            client.get("/tasks")
        with pytest.raises(
            RateLimited,
            match=r"^GET /customers: not asked, for the server answered 429 before, and the limit resets in 86,400 s, "
            r"longer than the 900 s that this run may still wait; run it again then\.$",
        ):
            client.get("/customers")
        assert [asked.path for asked in server.asked] == ["/me", "/tasks"]
    assert time.monotonic() - started < 2


def test_429s_without_end_use_up_the_budget_of_the_whole_run(key: str) -> None:
    limits = Limits(run_wait_budget_seconds=1.5)
    with (
        serving(in_turn("/tasks", limited(Retry_After="1"))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        with pytest.raises(RateLimited, match="the limit resets in 1 s"):
            client.get("/tasks")
        assert len(server.requests_for("/tasks")) == 2


# Writing


def writer(server: ScriptedServer, key: str) -> TimixClient:
    return TimixClient(server.base_url, key, limits=BRISK, read_only=False)


def test_a_client_that_may_only_read_refuses_to_write_without_asking(key: str) -> None:
    with serving(in_turn("/customers", Reply({}))) as server, TimixClient(server.base_url, key) as client:
        for write in (
            lambda: client.create("customers", {}),
            lambda: client.update("customers", 1, {}),
            lambda: client.delete("customers", 1),
        ):
            with pytest.raises(ReadOnly, match="read_only=False"):
                write()
        assert server.asked == []


def test_records_are_created_updated_and_deleted(key: str) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path == "/me":
            return NOT_SCRIPTED
        return Reply(status=204) if asked.method == "DELETE" else Reply(asked.body, status=201)

    with serving(script) as server, writer(server, key) as client:
        assert client.create("customers", {"name": "Åre", "day": NOON.date()}) == {"name": "Åre", "day": "2026-11-24"}
        assert client.update("/customers", "a/b", {"name": "B"}) == {"name": "B"}
        client.delete("customers", 7)
        sent = [(asked.method, asked.path) for asked in server.asked[1:]]
        assert sent == [("POST", "/customers"), ("PUT", "/customers/a%2Fb"), ("DELETE", "/customers/7")]
        assert server.asked[1].headers["content-type"] == "application/json"


@pytest.mark.parametrize("fault", [refusal(500), reset, Reply(b"<html>")])
def test_a_create_is_never_repeated_when_it_may_have_arrived(key: str, fault: Reply | Raw) -> None:
    with serving(in_turn("/customers", fault, Reply({"id": 1}))) as server, writer(server, key) as client:
        with pytest.raises(Exception, match="^POST /customers: "):
            client.create("customers", {"name": "A"})
        assert len(server.requests_for("/customers")) == 1


def test_a_create_is_repeated_after_a_429(key: str) -> None:
    with (
        serving(in_turn("/customers", limited(Retry_After="0"), Reply({"id": 1}))) as server,
        writer(server, key) as client,
    ):
        assert client.create("customers", {"name": "A"}) == {"id": 1}


def test_a_create_is_repeated_while_there_is_no_connection(key: str) -> None:
    with serving(in_turn("/customers", Reply({}))) as server:
        client = writer(server, key)
        client.me()
        client._transport.close()
    with client, pytest.raises(ConnectionFailed, match="tried 5 times") as failed:
        client.create("customers", {"name": "A"})
    assert failed.value.sent is False


def test_updates_and_deletes_are_repeated(key: str) -> None:
    with (
        serving(in_turn("/customers/1", refusal(500), Reply({"id": 1}), reset, refusal(404))) as server,
        writer(server, key) as client,
    ):
        assert client.update("customers", 1, {"name": "A"}) == {"id": 1}
        client.delete("customers", 1)  # the first try broke off, and the second finds nothing left
        assert [a.method for a in server.requests_for("/customers/1")] == ["PUT", "PUT", "DELETE", "DELETE"]


def test_an_update_of_nothing_is_an_error(key: str) -> None:
    with serving(lambda _: NOT_SCRIPTED) as server, writer(server, key) as client, pytest.raises(NotFound):
        client.delete("customers", 1)
