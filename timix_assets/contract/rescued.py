"""JSON text of what no column holds: digits exactly as sent, letters as they are."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Token(str):
    """A piece of JSON text that is ready to be written."""

    __slots__ = ()


def number_text(value: int | float | Decimal) -> str:
    """A number's digits, all of them: 12.30 stays 12.30, and an integer may have any length."""
    return repr(value) if isinstance(value, float) else str(Decimal(value))


def json_text(value: Any, *, constants: bool = False) -> str:
    """A parsed JSON value as JSON text. NaN and Infinity, which JSON has no word for, become strings (unless constants).

    Written with a stack and not by recursion, for a server may nest deeper than Python's stack is high.
    """
    written: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        match waiting.pop():
            case _Token() as token:
                written.append(token)
            case str() as text:
                written.append(json.dumps(text, ensure_ascii=False))
            case None | True | False as word:
                written.append({None: "null", True: "true", False: "false"}[word])
            case int() | float() | Decimal() as number:
                digits = number_text(number)
                written.append(digits if constants or digits[-1].isdigit() else json.dumps(digits))
            case Mapping() as members:
                waiting.extend(reversed(_object(members)))
            case Sequence() as elements:
                waiting.extend(reversed(_list(elements)))
            case other:
                raise TypeError(
                    f"A {type(other).__name__} is no JSON value; records must be as `json.loads` gives them."
                )
    return "".join(written)


def _object(members: Mapping[str, Any]) -> list[Any]:
    pieces: list[Any] = [_Token("{")]
    for place, (name, value) in enumerate(members.items()):
        pieces += [_Token(", " if place else ""), name, _Token(": "), value]
    return [*pieces, _Token("}")]


def _list(elements: Sequence[Any]) -> list[Any]:
    pieces: list[Any] = [_Token("[")]
    for place, value in enumerate(elements):
        pieces += [_Token(", " if place else ""), value]
    return [*pieces, _Token("]")]


def without_lone_surrogates(value: Any) -> tuple[Any, int]:
    """The value with every lone surrogate replaced by U+FFFD, and how many there were: UTF-8 cannot hold them."""
    text, replaced = _LONE_SURROGATE.subn("\ufffd", json_text(value, constants=True))
    return json.loads(text, parse_float=Decimal, parse_constant=Decimal), replaced
