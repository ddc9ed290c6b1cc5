"""What is asked again, how often, and after how long."""

import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.api import Limits, TimixClient
from timix_assets.api.errors import (
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    ReadOnly,
    ServerError,
    StatusError,
    TimixError,
    TryAgain,
)
from timix_assets.api.redaction import Redactor
from timix_assets.api.responses import status_error
from timix_assets.api.retries import RetryPolicy, retry_after_seconds
from timix_assets.api.transport import Request, Response

from .scripted import BRISK, NOT_SCRIPTED, Asked, Raw, Reply, ScriptedServer, in_turn, serving
from .test_transport import raw, reset

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def refusal(status: int, code: str = "some_code", message: str = "Some words.") -> Reply:
    return Reply({"error": {"code": code, "message": message}}, status=status)


def after(seconds: float) -> str:
    return format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_burst_of_server_errors_is_retried(key: str, status: int) -> None:
    html = Reply(b"<html>Bad gateway</html>", status=status, headers={"Content-Type": "text/html"})
    with (
        serving(in_turn("/tasks", html, html, html, html, Reply([{"id": 1}]))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.list("tasks") == [{"id": 1}]
        assert client.stats.requests == 6


def test_persistent_server_error_fails_after_five_requests(key: str) -> None:
    with (
        serving(in_turn("/tasks", refusal(503, "maintenance", "Back at noon."))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        with pytest.raises(ServerError) as failed:
            client.get("/tasks")
        assert str(failed.value) == (
            "GET /tasks: the server answered 503 (maintenance, “Back at noon.”); try again later (tried 5 times)."
        )
        assert len(server.requests_for("/tasks")) == 5


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Invalid),
        (422, Invalid),
        (403, Forbidden),
        (404, NotFound),
        (405, StatusError),
        (409, Conflict),
        (410, StatusError),
    ],
)
def test_refusal_is_final_and_has_the_servers_message(key: str, status: int, error: type[StatusError]) -> None:
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
def test_status_decides_the_error_whatever_the_body(key: str, reply: Reply | Raw) -> None:
    with (
        serving(in_turn("/tasks", reply)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(Forbidden, match=r"^GET /tasks: the server answered 403; "),
    ):
        client.get("/tasks")


def test_long_server_message_is_cut_to_one_line_of_2_kb(key: str) -> None:
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


def test_retry_after_date_uses_the_servers_clock() -> None:
    headers = {"date": after(0), "retry-after": after(30)}
    assert retry_after_seconds(headers, Limits(), now=NOON + timedelta(days=1)) == 30
    assert retry_after_seconds({"retry-after": after(30)}, Limits(), now=NOON) == 30


@given(st.integers(1, 5000), st.floats(0, 1, exclude_max=True))
def test_backoff_has_jitter_and_a_cap(failures: int, draw: float) -> None:
    limits = Limits(backoff_base_seconds=0.5, backoff_cap_seconds=20)
    assert 0 <= RetryPolicy.of(limits).wait_seconds(failures, draw) <= min(20, 0.5 * 2 ** min(failures - 1, 9))


def limited(**headers: str) -> Reply:
    return Reply(refusal(429).body, status=429, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_every_thread_waits_after_a_429(key: str) -> None:
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


def test_rate_limit_without_retry_after_waits_one_window(key: str) -> None:
    limits = Limits(window_seconds=1.2, window_margin_seconds=0.05)
    with (
        serving(in_turn("/tasks", limited(), Reply([]))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        assert client.get("/tasks") == []
        first, second = (asked.at for asked in server.requests_for("/tasks"))
        assert second - first >= 1.25


def test_wait_beyond_the_budget_fails_with_the_reset_time(key: str) -> None:
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
def test_wait_of_more_than_a_day_is_shown_in_words(key: str, value: str) -> None:
    reply = limited(Retry_After=value)
    with serving(in_turn("/tasks", reply)) as server, TimixClient(server.base_url, key) as client:
        for path, said in (("/tasks", "the server answered 429"), ("/customers", "not sent, as .* 429 before")):
            with pytest.raises(
                RateLimited,
                match=f"^GET {path}: {said}, and the limit resets in more than a day, longer than the 900 s that this "
                r"run may still wait; run it again after that\.$",
            ):
                client.get(path)


def test_error_shows_a_wait_of_more_than_a_day_in_words() -> None:
    answer = Response(429, {"retry-after": "1e308"}, b"")
    key = Redactor(f"bbl_{secrets.token_hex(20)}")
    error = status_error(Request("GET", "/tasks"), answer, Limits(), key, NOON, "TIMIX_API_KEY")
    assert str(error) == "GET /tasks: the server answered 429; the limit resets in more than a day."


def test_client_stops_after_a_429_beyond_the_budget(key: str) -> None:
    started = time.monotonic()
    with (
        serving(in_turn("/tasks", limited(Retry_After="86400"))) as server,
        TimixClient(server.base_url, key) as client,
    ):
        with pytest.raises(RateLimited):
            client.get("/tasks")
        with pytest.raises(
            RateLimited,
            match=r"^GET /customers: not sent, as the server answered 429 before, and the limit resets in 86,400 s, "
            r"longer than the 900 s that this run may still wait; run it again after that\.$",
        ):
            client.get("/customers")
        assert [asked.path for asked in server.asked] == ["/me", "/tasks"]
    assert time.monotonic() - started < 2


def test_endless_429s_use_up_the_budget(key: str) -> None:
    limits = Limits(wait_budget_seconds=1.5)
    with (
        serving(in_turn("/tasks", limited(Retry_After="1"))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        with pytest.raises(RateLimited, match="the limit resets in 1 s"):
            client.get("/tasks")
        assert len(server.requests_for("/tasks")) == 2


def unavailable(status: int = 503, **headers: str) -> Reply:
    return Reply(
        refusal(status, "maintenance", "Back soon.").body,
        status=status,
        headers={k.replace("_", "-"): v for k, v in headers.items()},
    )


@pytest.mark.parametrize("status", [408, 425])
def test_endless_retry_after_ends_after_five_requests(key: str, status: int) -> None:
    with (
        serving(in_turn("/tasks", unavailable(status))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        with pytest.raises(TryAgain, match=rf"answered {status} .*; try again later \(tried 5 times\)\.$"):
            client.get("/tasks")
        assert len(server.requests_for("/tasks")) == 5


@pytest.mark.parametrize("status", [425, 500, 503])
def test_retry_after_of_a_503_pauses_one_request(key: str, status: int) -> None:
    """Another path of the server may well answer, so nobody else waits."""
    with (
        serving(in_turn("/tasks", unavailable(status, Retry_After="1"), Reply([]))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        client.me()
        asking = threading.Thread(target=client.get, args=("/tasks",))
        asking.start()
        while not server.requests_for("/tasks"):
            time.sleep(0.002)
        with pytest.raises(NotFound):
            client.get("/customers")
        assert asking.is_alive()
        asking.join()
        first, second = (asked.at for asked in server.requests_for("/tasks"))
        assert 1 <= second - first < 1.5
        assert 0.9 < client.stats.waited_seconds < 1.5


def test_retry_after_beyond_the_budget_fails(key: str) -> None:
    with (
        serving(in_turn("/tasks", unavailable(Retry_After="1000"))) as server,
        TimixClient(server.base_url, key) as client,
    ):
        started = time.monotonic()
        with pytest.raises(
            ServerError,
            match=r"^GET /tasks: the server answered 503 \(maintenance, “Back soon\.”\) and asks to wait 1,000 s, longer "
            r"than the 900 s that this run may still wait; run it again after that\.$",
        ):
            client.get("/tasks")
        assert time.monotonic() - started < 1
        assert len(server.requests_for("/tasks")) == 1
        assert client.stats.waited_seconds == 0


@pytest.mark.long
def test_waits_are_charged_to_the_run_not_the_response(key: str) -> None:
    limits = Limits(wait_budget_seconds=2.5, retry_budget_seconds=0.5, backoff_base_seconds=0)
    with (
        serving(in_turn("/tasks", unavailable(Retry_After="1"))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        with pytest.raises(ServerError, match="asks to wait 1 s, longer than the 0 s"):
            client.get("/tasks")
        assert len(server.requests_for("/tasks")) == 3


@pytest.mark.parametrize("value", ["soon", "", "nan"])
def test_unreadable_retry_after_is_ignored(key: str, value: str) -> None:
    with (
        serving(in_turn("/tasks", unavailable(Retry_After=value), Reply([]))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/tasks") == []
        assert client.stats.waited_seconds == 0


def test_create_is_not_retried_after_a_503(key: str) -> None:
    with serving(in_turn("/tasks", unavailable(Retry_After="1"))) as server, writer(server, key) as client:
        with pytest.raises(ServerError):
            client.create("tasks", {"name": "x"})
        assert len(server.requests_for("/tasks")) == 1


# Writing


def writer(server: ScriptedServer, key: str) -> TimixClient:
    return TimixClient(server.base_url, key, limits=BRISK, read_only=False)


def test_read_only_client_sends_no_write(key: str) -> None:
    with serving(in_turn("/customers", Reply({}))) as server, TimixClient(server.base_url, key) as client:
        for write in (
            lambda: client.create("customers", {}),
            lambda: client.update("customers", 1, {}),
            lambda: client.delete("customers", 1),
        ):
            with pytest.raises(ReadOnly, match="read_only=False"):
                write()
        assert server.asked == []


@pytest.mark.parametrize("id", ["", " ", ".", "..", None])
def test_write_without_an_id_is_not_sent(key: str, id: str | None) -> None:
    with serving(in_turn("/customers", Reply({}))) as server, writer(server, key) as client:
        for write in (lambda: client.update("customers", id, {}), lambda: client.delete("customers", id)):
            with pytest.raises(ValueError, match="is not the id of a record"):
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


UNREADABLE = [
    refusal(500),
    refusal(408),
    reset,
    Reply(b"<html>"),
    Reply(b"", status=200),
    Reply(status=204),
    Reply(["a list"]),
    Reply({}, status=302, headers={"Location": "/elsewhere"}),
    raw(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"),
]


@pytest.mark.parametrize("fault", UNREADABLE)
def test_create_without_a_readable_response_may_be_applied(key: str, fault: Reply | Raw) -> None:
    with serving(in_turn("/customers", fault, Reply({"id": 1}))) as server, writer(server, key) as client:
        with pytest.raises(TimixError, match=r"^POST /customers: .*may have been created .*: look for it") as failed:
            client.create("customers", {"name": "A"})
        assert failed.value.maybe_applied
        assert len(server.requests_for("/customers")) == 1


@pytest.mark.parametrize("fault", UNREADABLE)
def test_update_is_not_retried_once_sent(key: str, fault: Reply | Raw) -> None:
    with serving(in_turn("/customers/1", fault, Reply({"id": 1}))) as server, writer(server, key) as client:
        with pytest.raises(TimixError, match="may have been changed") as failed:
            client.update("customers", 1, {"name": "A"})
        assert failed.value.maybe_applied
        assert len(server.requests_for("/customers/1")) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 422])
def test_refused_write_is_not_applied(key: str, status: int) -> None:
    with serving(in_turn("/customers", refusal(status))) as server, writer(server, key) as client:
        with pytest.raises(StatusError) as failed:
            client.create("customers", {"name": "A"})
        assert not failed.value.maybe_applied
        assert "may have been" not in str(failed.value)


def test_create_is_retried_after_a_429(key: str) -> None:
    with (
        serving(in_turn("/customers", limited(Retry_After="0"), Reply({"id": 1}))) as server,
        writer(server, key) as client,
    ):
        assert client.create("customers", {"name": "A"}) == {"id": 1}


def test_create_is_retried_without_a_connection(key: str) -> None:
    with serving(in_turn("/customers", Reply({}))) as server:
        client = writer(server, key)
        client.me()
        client._transport.close()
    with client, pytest.raises(ConnectionFailed, match="tried 5 times") as failed:
        client.create("customers", {"name": "A"})
    assert failed.value.sent is False


def test_deletes_are_retried(key: str) -> None:
    with (
        serving(in_turn("/customers/1", reset, refusal(404))) as server,
        writer(server, key) as client,
    ):
        client.delete("customers", 1)  # the first try broke off, and the second finds nothing left
        assert [a.method for a in server.requests_for("/customers/1")] == ["DELETE", "DELETE"]


def test_missing_record_fails_with_advice_for_a_script(key: str) -> None:
    with serving(lambda _: NOT_SCRIPTED) as server, writer(server, key) as client:
        for ask in (
            lambda: client.get("customers/1"),
            lambda: client.update("customers", 1, {}),
            lambda: client.delete("customers", 1),
        ):
            with pytest.raises(NotFound, match=r"; check the path and the id; a deleted record is not found either\.$"):
                ask()


def test_time_budget_ends_the_retries_of_one_response() -> None:
    policy = RetryPolicy(attempts=5, budget_seconds=10, backoff_base_seconds=0, backoff_cap_seconds=0)
    failure = ConnectionFailed("the connection broke")
    assert policy.allows(failure, "GET", failures=1, spent_seconds=9.9)
    assert not policy.allows(failure, "GET", failures=1, spent_seconds=10)
