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


def json_text(value: Any) -> str:
    """A parsed JSON value as JSON text. NaN and Infinity, which JSON has no word for, become strings.

    Python's own encoder is quick, but knows no Decimal; and a server may nest deeper than its stack is high.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        return _stacked(value)


def _stacked(value: Any) -> str:
    """The same, number by number and without recursion."""
    written: list[str] = []
    waiting = _pieces([value])[::-1]
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, str):
            written.append(piece)
        else:
            waiting.extend(reversed(_pieces(piece)))
    return "".join(written)[1:-1]


def _pieces(whole: Mapping[str, Any] | list[Any]) -> list[Any]:
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
            text += _scalar(member)
    return [*pieces, text + end]


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, int | float | Decimal):
        raise TypeError(f"A {type(value).__name__} is no JSON value: records must be as `json.loads` gives them.")
    digits = number_text(value)
    return digits if digits[-1].isdigit() else f'"{digits}"'


def without_lone_surrogates(value: Any) -> tuple[Any, int]:
    """A copy with every lone surrogate replaced by U+FFFD, and how many there were: UTF-8 cannot hold them.

    Without recursion, as `json_text`: what one stack could parse may nest too deep for another.
    """
    replaced = 0
    waiting: list[dict[str, Any] | list[Any]] = []

    def mended(text: str) -> str:
        nonlocal replaced
        text, found = _LONE_SURROGATE.subn("\ufffd", text)
        replaced += found
        return text

    def copied(one: Any) -> Any:
        if isinstance(one, str):
            return mended(one)
        if isinstance(one, Mapping | list):
            copy = [*one] if isinstance(one, list) else {mended(name): member for name, member in one.items()}
            waiting.append(copy)
            return copy
        return one

    whole = copied(value)
    while waiting:
        members: Any = waiting.pop()
        for place in range(len(members)) if isinstance(members, list) else members:
            members[place] = copied(members[place])
    return whole, replaced
