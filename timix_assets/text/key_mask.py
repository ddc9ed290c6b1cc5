"""What an API key looks like, and how it is masked in text."""

import re

KEY_PREFIX = "bbl_"
MASK = "[key]"

_ANY_KEY = re.compile(rf"{KEY_PREFIX}[\w.~+/=-]+", re.IGNORECASE)


def mask_keys(text: str) -> str:
    """`text` with everything that looks like a Timix key masked."""
    return _ANY_KEY.sub(MASK, text)


def contains_key(text: str) -> bool:
    """Whether any part of `text` looks like a Timix key."""
    return _ANY_KEY.search(text) is not None
