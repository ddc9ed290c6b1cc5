"""Guesses, for the doctor to print: which field without a column may be the one that a column misses."""

import json
import re
from difflib import SequenceMatcher

from .expressions import ExpressionError, parsed
from .findings import Findings
from .schema import Column, Endpoint, Type, folded

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_ID = "id"
_SAME_AS_ID = frozenset({"key", "uuid", "guid", "identifier"})
_FILLERS = frozenset({_ID, "at", "of", "the", "is"})
_SHORTEST_ABBREVIATION = 3
_PER_HOUR = {"minutes": 60, "mins": 60, "minute": 60, "seconds": 3600, "secs": 3600}

_SAME, _OTHER_UNIT, _SHARED_WORDS, _ALIKE = 1.0, 0.95, 0.9, 0.6
_OWN_ID = 0.95


def suggest(endpoint: Endpoint, findings: Findings) -> list[str]:
    """Overrides that would fill missing columns from unknown fields that look like them, as lines of YAML to paste.

    A field is proposed for one column only: names that are the same but for their spelling come first, then columns
    that a row cannot do without, then the closest likeness. Empty when nothing looks alike.
    """
    fields = [name for name in findings.unknown_fields if "." not in name and _sql(name) is not None]
    missing = [column for column in endpoint.columns if column.name in findings.missing_columns]
    needed = {*endpoint.key, *(column.name for column in missing if column.required)}
    pairs = [
        (likeness, column, name)
        for column in missing
        for name in fields
        if (likeness := _likeness(endpoint, column, name)) >= _ALIKE
    ]
    pairs.sort(key=lambda pair: (pair[0] < _SAME, pair[1].name not in needed, -pair[0], pair[2]))
    chosen: dict[str, str] = {}
    for _, column, name in pairs:
        if column.name not in chosen and name not in chosen.values():
            chosen[column.name] = name
    if not chosen:
        return []
    lines = [f"      {c.name}: {_quoted(c, chosen[c.name])}" for c in missing if c.name in chosen]
    return ["endpoints:", f"  {endpoint.name}:", "    columns:", *lines]


def _likeness(endpoint: Endpoint, column: Column, name: str) -> float:
    """From 0 to 1: how much a field's name looks like one of the column's."""
    if column.name == _ID and _is_own_id(endpoint, name):
        return _OWN_ID
    return max(_alike(spelling, name, column) for spelling in (column.name, *column.spellings))


def _is_own_id(endpoint: Endpoint, name: str) -> bool:
    """`customerId` of customers, `entryKey` of nothing: an id, and what it is of is what the endpoint lists."""
    theirs = _words(name)
    listed = {word.removesuffix("s") for word in _words(endpoint.name)}
    return _ID in theirs and all(any(_is_short_for(of, word) for word in listed) for of in theirs - _FILLERS)


def _is_short_for(word: str, other: str) -> bool:
    """The same word, or the beginning of the other, as `org` is of `organization`."""
    return word == other or (len(word) >= _SHORTEST_ABBREVIATION and other.startswith(word))


def _alike(spelling: str, name: str, column: Column) -> float:
    if folded(spelling) == folded(name):
        return _SAME
    ours, theirs = _words(spelling), _words(name)
    telling, said = ours - _FILLERS, theirs - _FILLERS
    if (_ID in ours) != (_ID in theirs):  # customerName is not the customer's id, but `customer` may be
        return _SHARED_WORDS if telling and telling == said else 0.0
    if column.type is Type.HOURS and not theirs.isdisjoint(_PER_HOUR):
        return _OTHER_UNIT
    met = sum(any(_is_short_for(word, ours) or _is_short_for(ours, word) for ours in telling) for word in said)
    shared = met / min(len(telling), len(said)) if telling and said else 0.0
    return _SHARED_WORDS * max(shared, _word_by_word(ours, theirs))


def _word_by_word(ours: set[str], theirs: set[str]) -> float:
    """How closely the word of either name that is met worst is met by one of the other."""
    closest = [
        max((SequenceMatcher(None, word, other).ratio() for other in others), default=0.0)
        for words, others in ((ours, theirs), (theirs, ours))
        for word in words
    ]
    return min(closest, default=0.0)


def _words(name: str) -> set[str]:
    """`workDate` and `work_date` -> {work, date}; every word for an id is `id`."""
    words = {word.lower() for word in _WORD.findall(name)}
    return words - _SAME_AS_ID | ({_ID} if words & _SAME_AS_ID else set())


def _quoted(column: Column, name: str) -> str:
    """The expression that reads the field for the column, as YAML."""
    divisor = next((_PER_HOUR[word] for word in sorted(_words(name)) if word in _PER_HOUR), None)
    per_hour = f" / {divisor}.0" if divisor and column.type is Type.HOURS else ""
    return json.dumps(f"{_sql(name)}{per_hour}", ensure_ascii=False)


def _sql(name: str) -> str | None:
    """The field as an SQL name, in quotes where it needs them; None when no SQL can name it."""
    return next((sql for sql in (name, f'"{name}"') if _names(sql, name)), None)


def _names(sql: str, name: str) -> bool:
    try:
        return parsed(sql).path == (name,)
    except ExpressionError:
        return False
