"""Writes JSON text for `_rescued_data` and quarantine: digits exactly as sent, no escapes for letters."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def number_text(value: int | float | Decimal) -> str:
    """All digits of a number: 12.30 stays 12.30, and an integer can have any length."""
    return repr(value) if isinstance(value, float) else str(Decimal(value))


def json_text(value: Any) -> str:
    """A parsed JSON value as JSON text. NaN and Infinity become strings.

    Python's encoder is fast, but it supports neither Decimal nor nesting deeper than the stack.
    """
    if not isinstance(value, Mapping | list):
        return _scalar(value)
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        return _encode_iteratively(value)


def texts_of_fields(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """For each record, the JSON text of an object with these of its fields, in this order; it must have them all.

    The same as `json_text` of that object, several times as fast: it goes field by field.
    """
    columns = [_texts(list(map(itemgetter(name), records))) for name in names]
    members = ", ".join(encode_basestring(name).replace("%", "%%") + ": %s" for name in names)
    return list(map(f"{{{members}}}".__mod__, zip(*columns, strict=True)))


def _texts(values: list[Any]) -> list[str]:
    return list(map(encode_basestring if set(map(type, values)) == {str} else json_text, values))


def _encode_iteratively(value: Any) -> str:
    """The same without recursion, and with Decimals."""
    written: list[str] = []
    waiting = _tokens([value])[::-1]
    while waiting:
        token = waiting.pop()
        if isinstance(token, str):
            written.append(token)
        else:
            waiting.extend(reversed(_tokens(token)))
    return "".join(written)[1:-1]


def _tokens(whole: Mapping[str, Any] | list[Any]) -> list[Any]:
    """The JSON text of an object or a list, with its nested objects and lists left in between."""
    start, end = "[]" if isinstance(whole, list) else "{}"
    members = (
        [("", element) for element in whole]
        if isinstance(whole, list)
        else [(f"{encode_basestring(name)}: ", member) for name, member in whole.items()]
    )
    tokens: list[Any] = []
    text = start
    for place, (label, member) in enumerate(members):
        text += (", " if place else "") + label
        if isinstance(member, Mapping | list):
            tokens += [text, member]
            text = ""
        else:
            text += _scalar(member)
    return [*tokens, text + end]


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, int | float | Decimal):
        raise TypeError(f"A {type(value).__name__} is not a JSON value: records must be as `json.loads` returns them.")
    digits = number_text(value)
    return digits if digits[-1].isdigit() else f'"{digits}"'


def without_lone_surrogates(value: Any) -> tuple[Any, int]:
    """A copy with every lone surrogate replaced by U+FFFD, as UTF-8 cannot encode them; and their number.

    Not recursive, like `json_text`: what one stack could parse may be nested too deeply for another.
    """
    replaced = 0
    waiting: list[dict[str, Any] | list[Any]] = []

    def replace_surrogates(text: str) -> str:
        nonlocal replaced
        text, found = _LONE_SURROGATE.subn("\ufffd", text)
        replaced += found
        return text

    def copied(one: Any) -> Any:
        if isinstance(one, str):
            return replace_surrogates(one)
        if isinstance(one, Mapping | list):
            copy = (
                [*one] if isinstance(one, list) else {replace_surrogates(name): member for name, member in one.items()}
            )
            waiting.append(copy)
            return copy
        return one

    whole = copied(value)
    while waiting:
        members: Any = waiting.pop()
        for place in range(len(members)) if isinstance(members, list) else members:
            members[place] = copied(members[place])
    return whole, replaced
