"""Suggests overrides for the doctor: which unknown field may fill a missing column."""

import json
import re
from collections.abc import Sequence

from timix_assets.text.wording import similarity

from .decode_report import DecodeReport
from .expressions import ExpressionError, parsed
from .fitting_values import Fit, fits
from .records import Record
from .schema import Column, Endpoint, Type, normalized

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_ID = "id"
_SAME_AS_ID = frozenset({"key", "uuid", "guid", "identifier"})
_FILLERS = frozenset({_ID, "at", "of", "the", "is"})
_MIN_ABBREVIATION_LENGTH = 3
_PER_HOUR = {"minutes": 60, "mins": 60, "minute": 60, "seconds": 3600, "secs": 3600}
_MAX_ALTERNATIVES = 3

_SAME, _OTHER_UNIT, _SHARED_WORDS, _SIMILAR = 1.0, 0.95, 0.9, 0.6
_OWN_ID = 0.95


def suggest(endpoint: Endpoint, report: DecodeReport, records: Sequence[Record] = ()) -> list[str]:
    """Overrides that would fill missing columns from unknown fields: with similar names, or with fitting values.

    A field is suggested for one column only: names that differ only in case and separators first, then required columns,
    then the most similar name. A required column without a similar name gets the fields whose values fit it, the one that
    is filled most often first, and the others as comments.

    Args:
        records: As they were sent, to look at the values.

    Returns:
        Lines of YAML to paste; none when no field is similar or fits.
    """
    fields = [name for name in report.unknown_fields if "." not in name and _sql(name) is not None]
    missing = [column for column in endpoint.columns if column.name in report.missing_columns]
    chosen = _similar_names(endpoint, missing, fields)
    lines = []
    for column in missing:
        if column.name in chosen:
            lines.append(f"      {column.name}: {_quoted(column, chosen[column.name])}")
            continue
        if column.name not in endpoint.required_columns:
            continue
        free = [name for name in fields if name not in chosen.values()]
        found = fits(endpoint, column, records, free)[:_MAX_ALTERNATIVES]
        if found:
            chosen[column.name] = found[0].name
        lines += [f"      {'# or ' if at else ''}{column.name}: {_fitting(fit)}" for at, fit in enumerate(found)]
    return ["endpoints:", f"  {endpoint.name}:", "    columns:", *lines] if lines else []


def _similar_names(endpoint: Endpoint, missing: Sequence[Column], fields: Sequence[str]) -> dict[str, str]:
    """Column -> the field with the most similar name."""
    pairs = [
        (score, column, name)
        for column in missing
        for name in fields
        if (score := _similarity(endpoint, column, name)) >= _SIMILAR
    ]
    needed = endpoint.required_columns
    pairs.sort(key=lambda pair: (pair[0] < _SAME, pair[1].name not in needed, -pair[0], pair[2]))
    chosen: dict[str, str] = {}
    for _, column, name in pairs:
        if column.name not in chosen and name not in chosen.values():
            chosen[column.name] = name
    return chosen


def _fitting(fit: Fit) -> str:
    """The expression that reads the field, as YAML, and why it may be the one."""
    divided = f" / {fit.divisor}.0" if fit.divisor else ""
    return f"{json.dumps(f'{_sql(fit.name)}{divided}', ensure_ascii=False)}  # {fit.evidence}"


def _similarity(endpoint: Endpoint, column: Column, name: str) -> float:
    """From 0 to 1: how similar a field's name is to the names of a column."""
    if column.name == _ID and _is_own_id(endpoint, name):
        return _OWN_ID
    return max(_name_similarity(alias, name, column) for alias in (column.name, *column.json_names))


def _is_own_id(endpoint: Endpoint, name: str) -> bool:
    """Whether a field is the id of the listed records: `customerId` of customers."""
    theirs = _words(name)
    listed = {word.removesuffix("s") for word in _words(endpoint.name)}
    return _ID in theirs and all(any(_is_short_for(of, word) for word in listed) for of in theirs - _FILLERS)


def _is_short_for(word: str, other: str) -> bool:
    """Whether a word equals the other or begins it, like `org` and `organization`."""
    return word == other or (len(word) >= _MIN_ABBREVIATION_LENGTH and other.startswith(word))


def _name_similarity(alias: str, name: str, column: Column) -> float:
    if normalized(alias) == normalized(name):
        return _SAME
    ours, theirs = _words(alias), _words(name)
    our_words, their_words = ours - _FILLERS, theirs - _FILLERS
    if (_ID in ours) != (_ID in theirs):  # customerName is not the customer's id, but `customer` may be
        return _SHARED_WORDS if our_words and our_words == their_words else 0.0
    if column.type is Type.HOURS and not theirs.isdisjoint(_PER_HOUR):
        return _OTHER_UNIT
    shared_words = sum(
        any(_is_short_for(word, our) or _is_short_for(our, word) for our in our_words) for word in their_words
    )
    shared = shared_words / min(len(our_words), len(their_words)) if our_words and their_words else 0.0
    return _SHARED_WORDS * max(shared, _word_by_word(ours, theirs))


def _word_by_word(ours: set[str], theirs: set[str]) -> float:
    """The similarity of the word, of either name, that has the least similar counterpart in the other."""
    closest = [
        max((similarity(word, other) for other in others), default=0.0)
        for words, others in ((ours, theirs), (theirs, ours))
        for word in words
    ]
    return min(closest, default=0.0)


def _words(name: str) -> set[str]:
    """`workDate` and `work_date` -> {work, date}; every synonym of id is `id`."""
    words = {word.lower() for word in _WORD.findall(name)}
    return words - _SAME_AS_ID | ({_ID} if words & _SAME_AS_ID else set())


def _quoted(column: Column, name: str) -> str:
    """The expression that reads the field for the column, as YAML."""
    divisor = next((_PER_HOUR[word] for word in sorted(_words(name)) if word in _PER_HOUR), None)
    per_hour = f" / {divisor}.0" if divisor and column.type is Type.HOURS else ""
    return json.dumps(f"{_sql(name)}{per_hour}", ensure_ascii=False)


def _sql(name: str) -> str | None:
    """The field as an SQL name, quoted where necessary; None when SQL cannot name it."""
    return next((sql for sql in (name, f'"{name}"') if _names(sql, name)), None)


def _names(sql: str, name: str) -> bool:
    try:
        return parsed(sql).path == (name,)
    except ExpressionError:
        return False
