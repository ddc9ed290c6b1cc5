"""JSON text of what no column holds: digits exactly as sent, letters as they are."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def number_text(value: int | float | Decimal) -> str:
    """A number's digits, all of them: 12.30 stays 12.30, and an integer may have any length."""
    return repr(value) if isinstance(value, float) else str(Decimal(value))


def json_text(value: Any, *, constants: bool = False) -> str:
    """A parsed JSON value as JSON text. NaN and Infinity, which JSON has no word for, become strings (unless constants).

    Python's own encoder is quick, but knows no Decimal; and a server may nest deeper than its stack is high.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        return _stacked(value, constants)


def _stacked(value: Any, constants: bool) -> str:
    """The same, number by number and without recursion."""
    written: list[str] = []
    waiting = _pieces([value], constants)[::-1]
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, str):
            written.append(piece)
        else:
            waiting.extend(reversed(_pieces(piece, constants)))
    return "".join(written)[1:-1]


def _pieces(whole: Mapping[str, Any] | list[Any], constants: bool) -> list[Any]:
    """An object or a list as text ready to be written, with the objects and lists in it in between."""
    start, end = "[]" if isinstance(whole, list) else "{}"
    members = (
        [("", element) for element in whole]
        if isinstance(whole, list)
        else [(f"{encode_basestring(name)}: ", member) for name, member in whole.items()]
    )
    pieces: list[Any] = []
    text = start
    for place, (label, member) in enumerate(members):
        text += (", " if place else "") + label
        if isinstance(member, Mapping | list):
            pieces += [text, member]
            text = ""
        else:
            text += _scalar(member, constants)
    return [*pieces, text + end]


def _scalar(value: Any, constants: bool) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, int | float | Decimal):
        raise TypeError(f"A {type(value).__name__} is no JSON value: records must be as `json.loads` gives them.")
    digits = number_text(value)
    return digits if constants or digits[-1].isdigit() else f'"{digits}"'


def without_lone_surrogates(value: Any) -> tuple[Any, int]:
    """The value with every lone surrogate replaced by U+FFFD, and how many there were: UTF-8 cannot hold them."""
    text, replaced = _LONE_SURROGATE.subn("\ufffd", json_text(value, constants=True))
    return json.loads(text, parse_float=Decimal, parse_constant=Decimal), replaced
