"""What an answer may hold, and what becomes of it."""

import json
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.api import TimixClient
from timix_assets.api.errors import ContractError, EmptyResponse, NotCsv, NotJson
from timix_assets.api.responses import json_of
from timix_assets.api.transport import Request, Response
from timix_assets.text.csv_table import read_csv

from .scripted import BRISK, NOT_SCRIPTED, Asked, Reply, in_turn, serving
from .test_transport import raw


def asked(key: str, body: bytes, content_type: str = "application/json") -> Any:
    reply = Reply(body, headers={"Content-Type": content_type})
    with (
        serving(in_turn("/organization", reply)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        return client.get("/organization")


@pytest.mark.parametrize("token", ["12.3000000001", "0.1", "1e400", "1.00", "-0.0", "9" * 40 + ".5"])
def test_fractions_are_exact(key: str, token: str) -> None:
    value = asked(key, f'{{"rate": {token}}}'.encode())["rate"]
    assert isinstance(value, Decimal)
    assert str(value) == str(Decimal(token))


def test_whole_numbers_of_forty_digits_are_exact(key: str) -> None:
    assert asked(key, b'{"n": %d}' % 10**39) == {"n": 10**39}


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_decimals_of_that_name(key: str, token: str) -> None:
    value = asked(key, f'{{"hours": {token}}}'.encode())["hours"]
    assert isinstance(value, Decimal)
    assert not value.is_finite()


def test_exponent_beyond_decimal_becomes_nan(key: str) -> None:
    value = asked(key, b'{"hours": 1e99999999999999999999, "rate": 7.5}')
    assert value["hours"].is_nan()
    assert value["rate"] == Decimal("7.5")


@pytest.mark.parametrize("body", [b'{"n": ' + b"9" * 5000 + b"}", b"[" * 100_000 + b"]" * 100_000])
def test_oversized_number_or_nesting_raises(key: str, body: bytes) -> None:
    with pytest.raises(ContractError, match="^GET /organization: "):
        asked(key, body)


def test_byte_order_mark_is_ignored(key: str) -> None:
    assert asked(key, b'\xef\xbb\xbf{"id": 7}') == {"id": 7}


def test_json_with_a_text_content_type_is_read(key: str) -> None:
    assert asked(key, b'{"id": 7}', "text/plain; charset=utf-8") == {"id": 7}


@pytest.mark.parametrize("text", ["שעות", "🕒", "a\x00b", "\ud800", "x" * 65536])
def test_any_text_is_read_as_sent(key: str, text: str) -> None:
    assert asked(key, json.dumps({"text": text}).encode()) == {"text": text}


def test_key_in_a_response_is_masked(key: str) -> None:
    secret = key.removeprefix("bbl_")
    body = json.dumps({"apiKey": key, "notes": [f"sent {key} twice: {key}", secret], key: 1, "key": "bbl_"})
    assert asked(key, body.encode()) == {
        "apiKey": "[key]",
        "notes": ["sent [key] twice: [key]", "[key]"],
        "[key]": 1,
        "key": "bbl_",
    }


def test_key_with_an_escaped_slash_is_masked() -> None:
    key = "bbl_0f9d2c7/ab18e46+53="
    assert asked(key, json.dumps({"apiKey": key}).replace("/", r"\/").encode()) == {"apiKey": "[key]"}


def test_short_secret_is_masked_only_with_its_prefix() -> None:
    assert asked("bbl_customer", b'{"type": "customer", "key": "bbl_customer"}') == {"type": "customer", "key": "[key]"}


def test_html_is_retried_and_then_reported(key: str) -> None:
    html = Reply(b"<html>Sign in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with (
        serving(in_turn("/organization", html)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        with pytest.raises(NotJson, match="^GET /organization: expected JSON, got text/html"):
            client.get("/organization")
        assert len(server.requests_for("/organization")) == 5


def test_html_once_is_retried(key: str) -> None:
    html = Reply(b"<html>", headers={"Content-Type": "text/html"})
    with (
        serving(in_turn("/organization", html, Reply({"id": 1}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/organization") == {"id": 1}


@pytest.mark.parametrize("reply", [Reply(b""), Reply(b"  \n"), Reply(b"", status=204)])
def test_empty_response_is_not_an_empty_list(key: str, reply: Reply) -> None:
    with (
        serving(in_turn("/tasks", reply)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(EmptyResponse, match="^GET /tasks, page 1: expected JSON, got an empty response"),
    ):
        client.list("tasks")


CSV = b'\xef\xbb\xbfname,hours\r\n"a ""quoted"", two-\nline cell",7.5\r\n=cmd(),1\r\n'


def test_csv_is_returned_byte_for_byte(key: str) -> None:
    with (
        serving(in_turn("/x/export/csv", Reply(CSV, headers={"Content-Type": "text/csv"}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.csv("/x/export/csv", {"startDate": "2026-01-01"}) == CSV
        assert server.asked[-1].params == {"startDate": "2026-01-01"}
        assert server.asked[-1].headers["accept"] == "text/csv"


def test_key_in_a_csv_is_masked(key: str) -> None:
    sent = CSV + f"keys,{key}\r\n".encode()
    with (
        serving(in_turn("/x/export/csv", Reply(sent, headers={"Content-Type": "text/csv"}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.csv("/x/export/csv") == CSV + b"keys,[key]\r\n"


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"<html>", "text/html", NotCsv),
        (b'{"items": []}', "application/json", NotCsv),
        (b" <!doctype html>", "text/csv", NotCsv),
        (b"", "text/csv", EmptyResponse),
        (b"\r\n", "text/csv", EmptyResponse),
        (b"Service temporarily unavailable", "text/plain", NotCsv),
        (b"Service temporarily unavailable\r\n", "text/csv", NotCsv),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type /Catalog>>\n", "application/pdf", NotCsv),
        (b"PK\x03\x04\x14\x00\x06\x00,\x08\x00", "application/octet-stream", NotCsv),
        (CSV[:-7], "text/csv", NotCsv),
        (CSV[:25], "text/csv", NotCsv),
        (b'a,b\r\n1,2\r\n"3', "text/csv", NotCsv),
        (b"a,b\r\n1,2\r\n3,4,5\r\n", "text/csv", NotCsv),
    ],
)
def test_body_that_is_not_csv_raises(key: str, body: bytes, kind: str, error: type[Exception]) -> None:
    with (
        serving(in_turn("/x/export/csv", Reply(body, headers={"Content-Type": kind}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(error, match="^GET /x/export/csv: "),
    ):
        client.csv("/x/export/csv")


def test_any_bytes_are_returned_or_raise(key: str) -> None:
    sent = [b""]

    def script(asked: Asked) -> Reply:
        return Reply(sent[0], headers={"Content-Type": "text/csv"}) if asked.path == "/x" else NOT_SCRIPTED

    cells = st.text(st.sampled_from('a1,;\t"\r\n \0\x1b\ufeff\u05d0'), max_size=40).map(str.encode)
    with (
        serving(script) as server,
        TimixClient(server.base_url, key, limits=BRISK.model_copy(update={"attempts": 1})) as client,
    ):

        @given(st.binary(max_size=60) | cells)
        @settings(max_examples=200, deadline=None)
        def ask(body: bytes) -> None:
            sent[0] = body
            try:
                got = client.csv("/x")
            except (NotCsv, EmptyResponse):
                return
            assert got == body
            assert len(read_csv(got).header) > 1

        ask()


def test_csv_without_a_length_must_end_its_line(key: str) -> None:
    """Nothing else would tell that it was cut. Where its length is told, it may end as it likes."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n\r\n"
    cut = CSV.removesuffix(b"\r\n")
    with (
        serving(in_turn("/x", raw(head + cut), raw(head + CSV))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.csv("/x") == CSV
        assert client.stats.retries == 1
    with (
        serving(in_turn("/x", Reply(cut, headers={"Content-Type": "text/csv"}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.csv("/x") == cut


@pytest.mark.parametrize("around", [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("stack_kb", [512, 8192])
def test_json_near_the_maximum_depth_is_read_or_raises(around: tuple[str, str], stack_kb: int) -> None:
    """In a thread of its own, as pages are read: nothing crashes. The parser needs some 160 kB of stack for it."""
    outcomes: dict[int, bool] = {}

    def read() -> None:
        for depth in range(900, 1100):
            body = f"{around[0] * depth}1{around[1] * depth}".encode()
            try:
                json_of(Request("GET", "/x"), Response(200, {}, body))
            except ContractError:
                outcomes[depth] = False
            else:
                outcomes[depth] = True

    before = threading.stack_size(stack_kb * 1024)
    try:
        thread = threading.Thread(target=read)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    deepest = max(depth for depth, is_read in outcomes.items() if is_read)
    assert outcomes == {depth: depth <= deepest for depth in range(900, 1100)}
