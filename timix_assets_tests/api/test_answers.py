"""What an answer may hold, and what becomes of it."""

import json
from decimal import Decimal
from typing import Any

import pytest

from timix_assets.api import TimixClient
from timix_assets.api.errors import ContractError, EmptyAnswer, NotCsv, NotJson

from .scripted import BRISK, Reply, in_turn, serving


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
def test_what_is_no_number_is_marked_so_that_nobody_takes_it_for_one(key: str, token: str) -> None:
    value = asked(key, f'{{"hours": {token}}}'.encode())["hours"]
    assert isinstance(value, Decimal)
    assert not value.is_finite()


def test_an_exponent_beyond_any_decimal_is_marked_and_the_rest_is_read(key: str) -> None:
    value = asked(key, b'{"hours": 1e99999999999999999999, "rate": 7.5}')
    assert value["hours"].is_nan()
    assert value["rate"] == Decimal("7.5")


@pytest.mark.parametrize("body", [b'{"n": ' + b"9" * 5000 + b"}", b"[" * 100_000 + b"]" * 100_000])
def test_a_number_without_end_or_a_nest_without_bottom_is_a_broken_contract(key: str, body: bytes) -> None:
    with pytest.raises(ContractError, match="^GET /organization: "):
        asked(key, body)


def test_a_byte_order_mark_does_not_matter(key: str) -> None:
    assert asked(key, b'\xef\xbb\xbf{"id": 7}') == {"id": 7}


def test_json_under_the_name_of_plain_text_is_read(key: str) -> None:
    assert asked(key, b'{"id": 7}', "text/plain; charset=utf-8") == {"id": 7}


@pytest.mark.parametrize("text", ["שעות", "🕒", "a\x00b", "\ud800", "x" * 65536])
def test_any_text_comes_through_as_sent(key: str, text: str) -> None:
    assert asked(key, json.dumps({"text": text}).encode()) == {"text": text}


def test_the_key_in_an_answer_is_masked_before_anybody_reads_it(key: str) -> None:
    secret = key.removeprefix("bbl_")
    body = json.dumps({"apiKey": key, "notes": [f"sent {key} twice: {key}", secret], key: 1, "key": "bbl_"})
    assert asked(key, body.encode()) == {
        "apiKey": "[key]",
        "notes": ["sent [key] twice: [key]", "[key]"],
        "[key]": 1,
        "key": "bbl_",
    }


def test_so_is_a_key_whose_slash_the_server_escapes() -> None:
    key = "bbl_0f9d2c7/ab18e46+53="
    assert asked(key, json.dumps({"apiKey": key}).replace("/", r"\/").encode()) == {"apiKey": "[key]"}


def test_a_short_secret_is_masked_only_with_its_prefix_for_it_may_be_a_word_of_the_data() -> None:
    assert asked("bbl_customer", b'{"type": "customer", "key": "bbl_customer"}') == {"type": "customer", "key": "[key]"}


def test_html_is_asked_for_again_and_then_named(key: str) -> None:
    html = Reply(b"<html>Sign in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with (
        serving(in_turn("/organization", html)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        with pytest.raises(NotJson, match="^GET /organization: got text/html "):
            client.get("/organization")
        assert len(server.requests_for("/organization")) == 5


def test_html_once_is_forgiven(key: str) -> None:
    html = Reply(b"<html>", headers={"Content-Type": "text/html"})
    with (
        serving(in_turn("/organization", html, Reply({"id": 1}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/organization") == {"id": 1}


@pytest.mark.parametrize("reply", [Reply(b""), Reply(b"  \n"), Reply(b"", status=204)])
def test_nothing_is_not_no_rows(key: str, reply: Reply) -> None:
    with (
        serving(in_turn("/tasks", reply)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(EmptyAnswer, match="^GET /tasks, page 1: the answer .* is empty"),
    ):
        client.list("tasks")


CSV = b'\xef\xbb\xbfname,hours\r\n"a ""quoted"", two-\nline cell",7.5\r\n=cmd(),1\r\n'


def test_a_csv_is_given_byte_for_byte(key: str) -> None:
    with (
        serving(in_turn("/x/export/csv", Reply(CSV, headers={"Content-Type": "text/csv"}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.csv("/x/export/csv", {"startDate": "2026-01-01"}) == CSV
        assert server.asked[-1].params == {"startDate": "2026-01-01"}
        assert server.asked[-1].headers["accept"] == "text/csv"


def test_but_the_key_in_a_csv_is_masked(key: str) -> None:
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
        (b"", "text/csv", EmptyAnswer),
    ],
)
def test_what_is_no_csv_is_not_stored_as_one(key: str, body: bytes, kind: str, error: type[Exception]) -> None:
    with (
        serving(in_turn("/x/export/csv", Reply(body, headers={"Content-Type": kind}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(error, match="^GET /x/export/csv: "),
    ):
        client.csv("/x/export/csv")
