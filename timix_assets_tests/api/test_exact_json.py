"""parse_json gives what the standard parser gives with exact Decimals: the same values, of the same types."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timix_assets.api.exact_json import parse_json

numbers = st.from_regex(r"\A-?(0|[1-9][0-9]{0,45})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,22})?\Z")
letters = st.sampled_from(
    ['"', "\\", "/", "\n", "\0", "\x7f", "é", "ש", "\u2028", "\ufeff", "\ud83d", "\ude00", "\ud800", "🕒"]
)
texts = st.text(max_size=5) | st.text(letters, max_size=4)
written_texts = st.builds(lambda text, ascii: json.dumps(text, ensure_ascii=ascii), texts, st.booleans())
names = written_texts | st.sampled_from(['"id"', '"hours"', '"' + "n" * 40 + '"'])
space = st.sampled_from(["", "", " ", "\n\t\r "])
scalars = st.one_of(numbers, written_texts, st.sampled_from(["null", "true", "false", "NaN", "Infinity", "-Infinity"]))


def array(members: list[str], space: str) -> str:
    return f"[{space}{f'{space},{space}'.join(members)}{space}]"


def an_object(members: list[tuple[str, str]], space: str) -> str:
    return f"{{{space}{f'{space},'.join(f'{name}{space}:{space}{value}' for name, value in members)}}}"


documents = st.recursive(
    scalars,
    lambda inner: (
        st.builds(array, st.lists(inner, max_size=4), space)
        | st.builds(an_object, st.lists(st.tuples(names, inner), max_size=4), space)
    ),
    max_leaves=12,
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@st.composite
def near_json(draw: st.DrawFn) -> bytes:
    """A document with a few bytes exchanged, left out or put in."""
    body = bytearray(draw(documents))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        some = draw(
            st.binary(max_size=2)
            | st.sampled_from([b'"', b"\\", b",", b"}", b"0", b"e", b".", b"\\ud800", b"\xed\xa0\x80", b"\xc0\xaf"])
        )
        body[at : at + draw(st.integers(0, 2))] = some
    return bytes(body)


def by_the_standard_parser(body: bytes) -> Any:
    def decimal(token: str) -> Decimal:
        try:
            return Decimal(token)
        except InvalidOperation:
            return Decimal("NaN")

    return json.loads(body.decode("utf-8", "surrogatepass"), parse_float=decimal, parse_constant=Decimal)


def outcome(parse: Any, body: bytes) -> tuple[str, str]:
    """What came of it, with types and the order of names; or the error's type."""
    try:
        return "parsed", repr(parse(body))
    except (ValueError, RecursionError) as error:
        return "refused", type(error).__name__


@given(documents | near_json() | st.binary(max_size=12))
@example(b'{"a": 1, "b": 2.50, "a": {"a": NaN}}')  # a name twice
@example(b'{"hours": 1e99999999999999999999, "rate": 7.50}')
@example(b"[" + b"9" * 4301 + b"]")
@example(b"[18446744073709551615, 18446744073709551616, -9223372036854775809, -0, -0.0, 1E+2]")
@example(b'["\\ud83d\\ude00", "\\ude00\\ud83d", "\xed\xa0\xbd\xed\xb8\x80", "\\u0000"]')
@example(b"[" * 3000 + b"]" * 3000)
def test_same_as_the_standard_parser(body: bytes) -> None:
    assert outcome(parse_json, body) == outcome(by_the_standard_parser, body)


@pytest.mark.parametrize("body", [b"{}\x00", b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), b"", b" ", b"[1]]"])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert outcome(parse_json, body)[0] == "refused"
