"""Counts, excerpts and quotes for messages, tables, alerts and charts."""

import json
from difflib import SequenceMatcher
from typing import Any

from timix_assets.text.key_mask import mask_keys

MAX_QUOTED_LENGTH = 80
"""Characters of a value that a message quotes at most."""


def count_noun(count: int, noun: str, plural: str = "") -> str:
    """`1 budget`; `1,200 budgets`. plural: where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def similarity(name: str, other: str) -> float:
    """How similar two names are, from 0 (nothing in common) to 1 (equal): to suggest the name that was meant."""
    return SequenceMatcher(None, name, other).ratio()


def job_label(name: str) -> str:
    """The job's name; `selected assets` for a run without one, which Dagster calls `__ASSET_JOB`."""
    return "selected assets" if name == "__ASSET_JOB" else name


def excerpt(text: str) -> str:
    """Text from elsewhere, safe to quote in a message: on one line, shortened, keys masked."""
    text = mask_keys(" ".join(text.split()))
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[: MAX_QUOTED_LENGTH - 1]}…"


def quoted(value: Any) -> str:
    """A setting's value as a message may show it; of a mapping or a list only the kind, as it can be from another file."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple | set):
        return "a list"
    try:
        return excerpt(json.dumps(value, ensure_ascii=False, default=str))
    except ValueError:
        # An integer with more digits than Python converts.
        return "a very large number"


def quoted_name(name: Any) -> str:
    """A key of a settings file as a message may show it; in YAML, a key need not be text."""
    return excerpt(name) if isinstance(name, str) else quoted(name)
