"""The client as its callers see it: settings, identity, revocation, figures, an orderly end, and a key that nobody sees."""

import base64
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.api import DEFAULT_BASE_URL, Limits, Stats, TimixClient
from timix_assets.api.errors import ClientConfigError, ContractError, ServerError, TimixError, Unauthorized
from timix_assets.api.redaction import Redactor
from timix_assets_tests.reliability.traces import Traces

from .scripted import BRISK, NOT_SCRIPTED, Asked, Raw, Reply, in_turn, listing, rows_of, serving, sheet
from .test_retries import limited, refusal
from .test_transport import raw, reset

# Settings


@pytest.mark.parametrize("key", ["", "sk_123456", "bbl_", "BBL_123456", "bbl_12 34", "bbl_12\n34", "bbl_שלום"])
def test_invalid_key_is_rejected_before_any_request(key: str) -> None:
    with serving(lambda _: NOT_SCRIPTED) as server:
        with pytest.raises(ClientConfigError, match="TIMIX_API_KEY") as refused:
            TimixClient(server.base_url, key)
        assert server.asked == []
    assert len(key) < 5 or key not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["http://api.timix.ai/v1", "http://127.0.0.1.evil.example", "ftp://localhost", "", "api.timix.ai", "https://",
     "https://user:pass@host/v1", "https://host/v1?x=1", "https://host:port/"],
)  # fmt: skip
def test_unsafe_base_url_is_rejected(key: str, url: str) -> None:
    with pytest.raises(ClientConfigError, match="TIMIX_BASE_URL") as refused:
        TimixClient(url, key)
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["https://a..b.com", f"https://{'a' * 64}.example/v1", "https://.example", "https://xn--zzzzzz.example",
     "https://☃☃\u200d.example", "https://host\x01/v1", "https://host/\udcff"],
)  # fmt: skip
def test_base_url_with_an_impossible_host_is_rejected(key: str, url: str) -> None:
    with pytest.raises(ClientConfigError, match="^TIMIX_BASE_URL is not the URL of an API"):
        TimixClient(url, key)


@pytest.mark.parametrize(
    "url",
    [DEFAULT_BASE_URL, "http://localhost:1/v1/", "http://127.0.0.1", "http://[::1]:80", "https://bücher.example/a b",
     "https://api.example.", f"https://{'a' * 63}.example"],
)  # fmt: skip
def test_https_and_localhost_are_accepted(key: str, url: str) -> None:
    TimixClient(url, key).close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0}, {"attempts": 1.5}, {"attempts": True}, {"page_size": 201}, {"page_size": 0},
        {"concurrency": 65}, {"max_answer_mb": 0}, {"listing_attempts": -1}, {"request_deadline_seconds": 0},
        {"connect_timeout_seconds": float("inf")}, {"retry_budget_seconds": float("nan")},
        {"wait_budget_seconds": -1}, {"backoff_base_seconds": "1"}, {"backoff_cap_seconds": -0.1},
        {"window_seconds": 0}, {"window_margin_seconds": None}, {"request_deadline_seconds": 1e10},
        {"retry_budget_seconds": 86_401}, {"wait_budget_seconds": 1e308},
    ],
)  # fmt: skip
def test_limit_out_of_range_is_rejected_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ClientConfigError, match=f"^Limits: {next(iter(wrong))}: .* is not valid; set a "):
        Limits(**wrong)  # type: ignore[arg-type]


def test_unknown_auth_header_is_rejected(key: str) -> None:
    with pytest.raises(ClientConfigError, match="x-api-key"):
        TimixClient("http://localhost", key, auth="basic")  # type: ignore[arg-type]


# Who the key is


def test_me_is_requested_once_and_first(key: str) -> None:
    with serving(in_turn("/tasks", Reply([]))) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        client.get("/tasks")
        assert client.me() == client.get("me") == {"userId": "u1", "plan": "Business"}
        client.list("tasks")
        assert [asked.path for asked in server.asked] == ["/me", "/tasks", "/tasks"]


def test_threads_share_one_request_for_me(key: str) -> None:
    with serving(in_turn("/tasks", Reply([]))) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        threads = [threading.Thread(target=client.get, args=("/tasks",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests_for("/me")) == 1
        assert len(server.requests_for("/tasks")) == 8


def test_path_and_plan_of_me_are_configurable(key: str) -> None:
    with (
        serving(in_turn("/whoami", Reply({"tier": "Free"}))) as server,
        TimixClient(server.base_url, key, limits=BRISK, me_path="/whoami", plan_of=lambda me: me["tier"]) as client,
    ):
        assert client.get("/whoami") == client.me() == {"tier": "Free"}
        assert (client.plan, client.requests_per_minute) == ("Free", 120)
        assert [asked.path for asked in server.asked] == ["/whoami"]
        assert (client.me_stats.requests, client.me_stats.bytes) == (1, client.stats.bytes)


@pytest.mark.parametrize(
    ("me", "said"),
    [
        ({"plan": "Galactic"}, "unknown plan Galactic"),
        ({}, "no plan is named"),
        ({"plan": {}}, "no plan is named"),
    ],
)
def test_unknown_plan_is_reported(key: str, me: dict[str, object], said: str) -> None:
    told: list[str] = []
    with (
        serving(in_turn("/me", Reply(me))) as server,
        TimixClient(server.base_url, key, limits=BRISK, notify=told.append) as client,
    ):
        client.me()
        assert client.requests_per_minute == 300
    assert told == [f"GET /me: {said}, assuming at most 300 requests a minute."]


def test_failed_me_is_retried_after_a_window(key: str) -> None:
    down, up = Reply(status=503), Reply({"plan": "Free"})
    limits = BRISK.model_copy(update={"attempts": 2, "window_seconds": 1, "window_margin_seconds": 0})
    with (
        serving(in_turn("/me", down, down, up)) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
    ):
        for ask in (client.me, lambda: client.get("/tasks"), lambda: list(client.pages("/customers"))):
            with pytest.raises(ServerError, match=r"^GET /me: .* \(tried 2 times\)\.$"):
                ask()
        assert len(server.asked) == 2
        time.sleep(limits.window_seconds)
        assert client.me() == {"plan": "Free"}


@pytest.mark.parametrize("me", [[], "x", None, 3])
def test_me_must_be_an_object(key: str, me: object) -> None:
    with (
        serving(in_turn("/me", Reply(me))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(ContractError, match="^GET /me: "),
    ):
        client.get("/tasks")


# A key that is refused


def test_unauthorized_key_sends_no_further_request(key: str) -> None:
    with (
        serving(in_turn("/me", refusal(401, "invalid_key", "No such key."))) as server,
        TimixClient(server.base_url, key, limits=BRISK, read_only=False) as client,
    ):
        said = set()
        for ask in (
            client.me,
            lambda: client.get("/tasks"),
            lambda: client.list("tasks"),
            lambda: client.csv("/x"),
            lambda: client.create("tasks", {}),
        ):
            with pytest.raises(Unauthorized) as refused:
                ask()
            said.add(str(refused.value))
        assert said == {
            "GET /me: the server answered 401 (invalid_key, “No such key.”); TIMIX_API_KEY is wrong, expired or revoked: "
            "set a valid key."
        }
        assert len(server.asked) == 1


def test_key_revoked_during_a_listing_stops_all_requests(key: str) -> None:
    revoked = threading.Event()
    asked_before = 0

    def script(asked: Asked) -> Reply:
        nonlocal asked_before
        if asked.path == "/me":
            return NOT_SCRIPTED
        if asked.page == 5:
            asked_before = len(server.asked)
            revoked.set()
        return refusal(401) if revoked.is_set() else Reply(sheet(rows_of(20_000), asked.page, 200))

    with serving(script) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        with pytest.raises(Unauthorized, match=r"^GET /tasks, page \d+: the server answered 401"):
            client.list("tasks")
        for thread in [t for t in threading.enumerate() if t.name == "timix-page"]:
            thread.join(5)
        asked = len(server.asked)
        # How far the other threads are by then is chance; each of them may send one more before it hears.
        assert asked - asked_before <= BRISK.concurrency
        with pytest.raises(Unauthorized, match="/tasks, page"):
            client.get("/customers")
        with pytest.raises(Unauthorized, match="/tasks, page"):
            client.me()
        assert len(server.asked) == asked


# Figures


def test_difference_of_stats_counts_the_time_between(key: str) -> None:
    page = Reply(sheet(rows_of(3), 1, 200))
    with (
        serving(in_turn("/tasks", refusal(500), limited(Retry_After="1"), page)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        client.me()
        before = client.stats
        client.list("tasks")
        between = client.stats - before
        assert (between.requests, between.retries, between.rate_limited) == (3, 2, 1)
        assert 0.9 < between.waited_seconds < 1.5
        assert 100 < between.bytes < 500
        assert before == Stats(requests=1, bytes=before.bytes)


# An orderly end

ENDLESS = """
import os, sys
from timix_assets.api import TimixClient
def interrupted(*_): raise KeyboardInterrupt
if sys.argv[1] == "raises":
    import signal
    signal.signal(signal.SIGTERM, interrupted)
client = TimixClient(os.environ["BASE_URL"], os.environ["TIMIX_API_KEY"])
print("asking", flush=True)
with client:
    client.list("tasks") if sys.argv[2] == "listing" else client.get("/tasks")
"""


@pytest.mark.parametrize("handler", ["default", "raises"])
@pytest.mark.parametrize("what", ["listing", "one answer", "rate limit"])
def test_sigterm_ends_the_process_while_the_server_hangs(key: str, handler: str, what: str) -> None:
    hanging = threading.Event()
    let_go = threading.Event()

    def hang(_: object) -> None:
        hanging.set()
        let_go.wait(30)

    def script(asked: Asked) -> Reply | Raw:
        if asked.path == "/me":
            return NOT_SCRIPTED
        if what == "rate limit":
            hanging.set()
            return limited(Retry_After="600")
        return Reply(sheet(rows_of(2000), 1, 200)) if asked.params.get("page") == "1" else hang

    with serving(script) as server:
        env = {**os.environ, "BASE_URL": server.base_url, "TIMIX_API_KEY": key}
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, handler, what], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            assert hanging.wait(20)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=10)
            assert time.monotonic() - started < 3
            assert process.returncode != 0
            assert key.encode() not in errors
        finally:
            process.kill()
            let_go.set()


# The key is nowhere


def everything_said(error: BaseException) -> str:
    """The error as any log could show it, with all that it was caused by or came during."""
    words = traceback.format_exception(error)
    seen: BaseException | None = error
    while seen is not None:
        words += [str(seen), repr(seen), repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "".join(words)


def leaks(key: str) -> dict[str, Reply | Raw]:
    percent = "".join(f"%{ord(letter):02X}" for letter in key)
    html = {"Content-Type": "text/html"}
    return {
        "echoed": refusal(422, "bad", f"Your key {key} may not."),
        "echoed as code": refusal(403, key, "x"),
        "echoed in part": refusal(403, "x", f"{key[:12]}… and …{key[-10:]}"),
        "echoed in capitals": refusal(400, "x", key.upper()),
        "percent-encoded": refusal(400, "x", percent),
        "percent-encoded in part": refusal(400, "x", quote(key).replace("_", "%5F")),
        "in hex": refusal(400, "x", key.encode().hex()),
        "as a user name": refusal(400, "x", f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"),
        "beyond the cut": refusal(400, "x", "." * 1990 + key),
        "in plain text": Reply(f"header X-Api-Key: {key}".encode(), status=500, headers={"Content-Type": "text/plain"}),
        "in a page": Reply(f"<html>{key}</html>".encode(), headers=html),
        "in a redirect": Reply(status=302, headers={"Location": f"https://evil.example/?k={key}"}),
        "in broken HTTP": raw(f"HTTP/1.1 {key}\r\n\r\n".encode()),
        "in a broken header": raw(f"HTTP/1.1 200 OK\r\nContent-Length: {key}\r\n\r\n".encode()),
        "in a packing": Reply(b"x", headers={"Content-Encoding": key}),
        "in a content type": Reply(b"x", headers={"Content-Type": key}),
        "unauthorized": refusal(401, "x", f"{key} is revoked"),
        "rate limit": limited(Retry_After="99999"),
        "reset": reset,
    }


@pytest.mark.parametrize("name", leaks("bbl_x"))
def test_key_is_in_no_message_cause_or_log(key: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    with (
        serving(in_turn("/tasks", leaks(key)[name])) as server,
        TimixClient(server.base_url, key, limits=BRISK, notify=told.append) as client,
    ):
        with pytest.raises(TimixError) as failed:
            client.list("tasks")
        said = everything_said(failed.value) + repr(client) + str(client) + "".join(told) + caplog.text
    secret = key.removeprefix("bbl_").lower()
    assert not [part for n in range(len(secret) - 7) if (part := secret[n : n + 8]) in said.lower()]
    assert not Traces(key).in_text(said)


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 20), st.integers(6, 32))
def test_any_fragment_of_the_key_is_masked(before: str, after: str, start: int, length: int) -> None:
    secret = "0f9d2c7ab18e4653" * 2
    piece = secret[start : start + length]
    if len(piece) < 6:
        return
    redacted = Redactor("bbl_" + secret)(before + piece + after)
    assert piece not in redacted


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_hex_and_base64_forms_of_the_key_are_masked(before: bytes, after: bytes) -> None:
    secret = "0f9d2c7ab18e4653" * 2
    text = before + f"bbl_{secret}".encode() + after
    aligned = {base64.b64encode(bytes(n) + secret.encode())[4:-4].decode() for n in range(3)}
    encoded = (text.hex(), text.hex().upper(), base64.b64encode(text).decode(), base64.urlsafe_b64encode(text).decode())
    for words in map(Redactor(f"bbl_{secret}"), encoded):
        assert "[key]" in words
        assert not [part for part in (secret.encode().hex(), *aligned) if part.casefold() in words.casefold()]


def test_overlapping_fragments_become_one_mask() -> None:
    """In hex, this secret begins with what stands in it in plain, so that a shorter piece ends within a longer one."""
    redact = Redactor("bbl_373737777777QQQQQQ")
    assert redact("a 373737375151 b") == "a [key] b"
    assert redact("a 373737777777QQQQQQ b 777777 c") == "a [key] b [key] c"


def escaped(text: str, letters: Callable[[int], bool] = lambda _: True, code: str = "\\u%04x") -> str:
    """`text` with JSON escapes for the letters at these positions."""
    return "".join(code % ord(letter) if letters(at) else letter for at, letter in enumerate(text))


SPELLED = {
    "every letter": escaped,
    "every second letter": lambda text: escaped(text, lambda at: at % 2 == 1),
    "in capitals": lambda text: escaped(text, code="\\u%04X"),
    "the first letter": lambda text: escaped(text, lambda at: at == 0),
    "the last letter": lambda text: escaped(text, lambda at: at == len(text) - 1),
    "an underscore": lambda text: text.replace("_", "\\u005f"),
    "a letter of the secret": lambda text: escaped(text, lambda at: at == 9),
    "escaped twice": lambda text: escaped(text, code="\\\\u%04x"),
    "behind a backslash": lambda text: "\\\\" + escaped(text, lambda at: at == 5),
}


@pytest.mark.parametrize("spelling", SPELLED)
def test_escaped_key_is_masked_in_data(key: str, spelling: str) -> None:
    sent = SPELLED[spelling](key)
    body = f'{{"id": "c1", "note": "before {sent} after\\u0021", "{sent}": [{{"deep": "{sent}"}}]}}'.encode()
    with serving(in_turn("/x", Reply(body))) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        read = client.get("/x")
    assert read["id"] == "c1"
    assert read["note"].startswith("before ")
    assert read["note"].endswith("[key] after!")
    assert [deep["deep"].endswith("[key]") for deep in read.popitem()[1]] == [True]
    said = json.dumps(read, ensure_ascii=False)
    assert not Traces(key).in_text(said + said.replace("\\\\u", "\\u").encode().decode("unicode_escape"))


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_escaped_key_is_masked_in_errors(key: str, kind: str) -> None:
    words = escaped(key)
    body = f'{{"error": {{"code": "{words}", "message": "No {words}"}}}}' if kind.endswith("json") else f"No {words}"
    refused = Reply(body.encode(), status=422, headers={"Content-Type": kind})
    with (
        serving(in_turn("/x", refused)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(TimixError, match=r"No \[key\]") as failed,
    ):
        client.get("/x")
    said = everything_said(failed.value)
    assert not Traces(key).in_text(said + said.encode().decode("unicode_escape"))


@given(st.text(max_size=30), st.text(max_size=30), st.sets(st.integers(0, 35)), st.booleans())
def test_masking_an_escaped_key_keeps_the_surrounding_json(
    before: str, after: str, letters: set[int], is_ascii: bool
) -> None:
    key = "bbl_" + "0f9d2c7ab18e4653" * 2
    around = [json.dumps(text, ensure_ascii=is_ascii)[1:-1] for text in (before, after)]
    body = f'"{around[0]} {escaped(key, letters.__contains__)}{around[1]}"'.encode("utf-8", "surrogatepass")
    masked = json.loads(Redactor(key).data(body).decode("utf-8", "surrogatepass"))
    # With a prefix in escapes, the secret alone is what stands there in plain.
    assert masked.replace("bbl_[key]", "[key]") == json.loads(f'"{around[0]} [key]{around[1]}"')


def test_other_escapes_stay_unchanged(key: str) -> None:
    body = b'{"a": "\\u0027\\u003c\\u05d0 \\u0062 \\u0062bl_ \\\\u0062"}'
    assert Redactor(key).data(body) == body


def test_other_text_stays_unchanged(key: str) -> None:
    assert Redactor(key)("100 % of  the\nrows, see %41") == "100 % of the rows, see %41"


def test_error_of_a_page_names_its_number(key: str) -> None:
    with (
        serving(listing("/tasks", rows_of(3))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(TimixError, match="^GET /customers, page 1: "),
    ):
        client.list("customers")


def test_client_imports_neither_dagster_nor_polars(tmp_path: Path) -> None:
    code = "import sys, timix_assets.api; print([m for m in ('dagster', 'polars') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert out.stdout == "[]\n"
